"""One look at every image: hash, local features, capture and quality, kept on disk so that an interrupted run resumes.

Each image is decoded once, by a pool of processes. Results are stored in shards, named by a digest of the files they
come from (path, size, time of change) and of the code's settings: what has changed is computed again, nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from model_core.manifest import DataError
from model_core.quality import Quality, assess
from model_core.split import hashing, keypoints
from model_core.split.exif import Capture, read_capture
from model_core.split.keypoints import Keypoints

SHARD = 256
VERSION = 2  # to be raised when what a fingerprint holds or how it is computed changes
MAX_PIXELS = 200_000_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of an image. `error` says why there is nothing else."""

    hash: NDArray[np.uint8]
    keypoints: Keypoints
    capture: Capture
    quality: Quality
    width: int
    height: int
    error: str = ""


_NOTHING = Fingerprint(
    np.zeros(hashing.BYTES, np.uint8),
    Keypoints(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)),
    Capture(),
    Quality(float("nan"), float("nan"), float("nan")),
    0,
    0,
)


def fingerprint(path: str | os.PathLike[str], *, local: bool = True) -> Fingerprint:
    """Look at one image. Never raises for a bad file: `error` then names what is wrong with it.

    local: find the local features too, nine tenths of the work.
    """
    try:
        # ignored are warnings of odd metadata and of large pictures, which are measured here
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            size = image.size
            if size[0] * size[1] > MAX_PIXELS:
                return dataclasses.replace(_NOTHING, error=f"{size[0]} x {size[1]} pixels are too many")
            capture = read_capture(image)
            image.draft("RGB", (1024, 1024))  # a JPEG is decoded at the least size that serves
            rgb = image.convert("RGB")
    except FileNotFoundError:
        return dataclasses.replace(_NOTHING, error="is not there")
    except Exception as error:  # Pillow's decoders raise anything on a damaged file
        return dataclasses.replace(_NOTHING, error=f"cannot be decoded: {error}".replace(str(path), "the file"))
    return Fingerprint(
        hashing.perceptual_hash(rgb),
        keypoints.describe(rgb) if local else _NOTHING.keypoints,
        capture,
        assess(rgb),
        *size,
    )


def fingerprint_all(
    paths: Sequence[str | os.PathLike[str]],
    *,
    workers: int = 1,
    cache: str | os.PathLike[str] | None = None,
    local: bool = True,
) -> list[Fingerprint]:
    """Fingerprints in the order of `paths`; bad files have an `error`.

    workers: processes. cache: a folder for shards; with it, a run that was stopped goes on where it was. About 15 kB an
    image are held (130,000: 2 GB), nearly all of it local features.
    """
    if cache is not None:
        Path(cache).mkdir(parents=True, exist_ok=True)
    shards = [list(paths[start : start + SHARD]) for start in range(0, len(paths), SHARD)]
    results: list[Fingerprint] = []
    with tqdm(total=len(paths), desc="images", unit="image", disable=None) as bar, _pool(workers) as pool:
        for shard in shards:
            results += _shard(shard, pool, None if cache is None else Path(cache), local)
            bar.update(len(shard))
    return results


class _Serial:
    """One process: the pool's interface without a pool."""

    def __enter__(self) -> _Serial:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    map = staticmethod(map)


def _pool(workers: int) -> ProcessPoolExecutor | _Serial:
    if workers <= 1:
        return _Serial()
    # spawn: a fork of a process that has BLAS threads can hang
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=threadpool_limits, initargs=(1,))


def _shard(
    paths: list[str | os.PathLike[str]], pool: ProcessPoolExecutor | _Serial, cache: Path | None, local: bool
) -> list[Fingerprint]:
    file = None if cache is None else cache / f"{_digest(paths, local)}.npz"
    if file and file.exists():
        return _load(file)
    found = list(pool.map(partial(fingerprint, local=local), paths))
    if file:
        _save(file, found)
    return found


def _save(file: Path, prints: Sequence[Fingerprint]) -> None:
    """One .npz of plain arrays and JSON, written whole or not at all."""
    captures = [dataclasses.astuple(p.capture)[:3] for p in prints]
    times = [p.capture.taken_at.isoformat() if p.capture.taken_at else "" for p in prints]
    unfinished = file.with_name(f"{os.getpid()}.part")
    with unfinished.open("wb") as stream:
        np.savez(
            stream,
            hash=np.stack([p.hash for p in prints]),
            count=np.array([len(p.keypoints) for p in prints]),
            geometry=np.concatenate([p.keypoints.geometry for p in prints]),
            descriptors=np.concatenate([p.keypoints.descriptors for p in prints]),
            quality=np.array([dataclasses.astuple(p.quality) for p in prints]),
            size=np.array([(p.width, p.height) for p in prints]),
            text=np.array(json.dumps({"captures": captures, "times": times, "errors": [p.error for p in prints]})),
        )
    unfinished.replace(file)


def _load(file: Path) -> list[Fingerprint]:
    try:
        with file.open("rb") as stream, np.load(stream) as stored:
            a = dict(stored)
        text = json.loads(str(a["text"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"The cache {file} is damaged ({error}); delete it and run again.") from error
    end = np.cumsum(a["count"])
    found = []
    for i, (original, camera, serial) in enumerate(text["captures"]):
        width, height = a["size"][i].tolist()
        own = slice(end[i] - a["count"][i], end[i])
        taken_at = datetime.datetime.fromisoformat(text["times"][i]) if text["times"][i] else None
        found.append(
            Fingerprint(
                a["hash"][i],
                Keypoints(a["geometry"][own], a["descriptors"][own]),
                Capture(original, camera, serial, taken_at),
                Quality(*a["quality"][i].tolist()),
                width,
                height,
                text["errors"][i],
            )
        )
    return found


def _digest(paths: Sequence[str | os.PathLike[str]], local: bool) -> str:
    digest = hashlib.sha256(f"{VERSION} {local}".encode())
    for path in paths:
        try:
            stat = os.stat(path)
            digest.update(f"{os.path.abspath(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{os.path.abspath(path)}\0missing\n".encode())
    return digest.hexdigest()[:32]


def capture_keys(captures: Sequence[Capture], *, gap: datetime.timedelta) -> dict[str, list[str]]:
    """{reason: a value for each image} for `similarity_components`: the same original, and the same sitting.

    A sitting is a run of exposures of one camera, each within `gap` of the one before. A camera that gives no serial
    number may be any of its model, so that only exposures of the very same moment count. A gap of 0 does the same for
    all.
    """
    original = [capture.original for capture in captures]
    sitting = [""] * len(captures)
    timed = sorted((c.camera, c.taken_at, i) for i, c in enumerate(captures) if c.camera and c.taken_at is not None)
    previous: tuple[str, datetime.datetime] | None = None
    name = ""
    for camera, taken_at, image in timed:
        allowed = gap if captures[image].serial else datetime.timedelta(0)
        if previous is None or previous[0] != camera or taken_at - previous[1] > allowed:
            name = f"{camera} {taken_at.isoformat(sep=' ')}"
        sitting[image] = name
        previous = (camera, taken_at)
    return {"original (metadata)": original, "camera and time (EXIF)": sitting}
