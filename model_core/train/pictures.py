"""Labelled pictures on their way into a training step: examined once, then read by threads in bounded memory."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from model_core.augmentation import affine_maps, draw_views, warp
from model_core.dataset import LabelledImage, PictureDigests, picture_digests
from model_core.files import write_atomically
from model_core.manifest import DataError
from model_core.train.schedule import Step
from model_core.transforms import ImageError, Preprocessing, open_image

AHEAD = 3  # steps whose pictures are being read or wait
NAMED = 10  # bad pictures named in a message; the record has all


@dataclass(frozen=True)
class Examined:
    """images: those that can be used; digests: theirs; skipped: (path, reason) of the rest."""

    images: tuple[LabelledImage, ...]
    digests: tuple[PictureDigests, ...]
    skipped: tuple[tuple[str, str], ...]


def examine(images: Sequence[LabelledImage], report: Path, *, refuse: bool, progress: bool = True) -> Examined:
    """Decode every picture once, so that a bad one is known at the start and not after an hour.

    report: where the result is kept; it is used again while the pictures' names, sizes and times stay the same.
    Raises: DataError naming the bad pictures with `refuse`, or where none is left.
    """
    state = _file_states(images)
    digests = _read_report(report, state)
    if digests is None:
        bar = tqdm(picture_digests(i.path for i in images), "Examining", len(images), unit=" pictures", leave=False,
                   disable=not progress)  # fmt: skip
        digests = list(bar)
        content = {"files": state, "digests": [dataclasses.astuple(d) for d in digests]}
        write_atomically(report, json.dumps(content).encode())
    bad = [(str(i.path), d.reason) for i, d in zip(images, digests, strict=True) if d.reason]
    if bad and refuse:
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise DataError(f"{len(bad)} pictures cannot be used: {'; '.join(f'{p}: {r}' for p, r in bad[:NAMED])}{more}")
    if len(bad) == len(images):
        raise DataError("None of the pictures can be decoded.")
    good = [(i, d) for i, d in zip(images, digests, strict=True) if not d.reason]
    return Examined(tuple(i for i, _ in good), tuple(d for _, d in good), tuple(bad))


def _file_states(images: Sequence[LabelledImage]) -> str:
    """Hex SHA-256 over path, size and time of change of every file."""
    digest = hashlib.sha256()
    for image in images:
        try:
            status = os.stat(image.path)
            digest.update(f"{image.path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{image.path}\0absent\n".encode())
    return digest.hexdigest()


def _read_report(report: Path, state: str) -> list[PictureDigests] | None:
    try:
        content = json.loads(report.read_text("utf-8"))
        return [PictureDigests(*values) for values in content["digests"]] if content["files"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class PictureSource(Protocol):
    """Where a step's input comes from. `read` runs in threads; `batch` makes a tensor of what it gave."""

    def read(self, index: int, epoch: int) -> Any:
        """The picture `index` in `epoch`. Raises: ImageError."""

    def batch(self, items: Sequence[Any], indices: NDArray[np.intp], epoch: int, device: torch.device) -> Tensor:
        """(n, channels, height, width) on the device; an item that is None becomes zeros."""


class PlainPictures:
    """Pictures as inference sees them."""

    def __init__(self, images: Sequence[LabelledImage], preprocessing: Preprocessing) -> None:
        self._images, self._preprocessing = images, preprocessing

    def read(self, index: int, epoch: int) -> NDArray[np.uint8]:
        return self._preprocessing.pixels(open_image(self._images[index].path))

    def batch(self, items: Sequence[Any], indices: NDArray[np.intp], epoch: int, device: torch.device) -> Tensor:
        size = self._preprocessing.size
        blank = np.zeros((size, size, 3), np.uint8)
        pixels = torch.from_numpy(np.stack([blank if item is None else item for item in items]))
        return normalised(to_planes(pixels, device), self._preprocessing)


class TurnedPicture(NamedTuple):
    """pixels: (stored, stored, 3), squashed; width, height: of the picture before that."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


class TurnedPictures:
    """Pictures rotated, cropped and flipped anew in every epoch."""

    def __init__(
        self, images: Sequence[LabelledImage], preprocessing: Preprocessing, *, stored_size: int, seed: int
    ) -> None:
        self._images, self._preprocessing = images, preprocessing
        self._stored_size, self._seed = stored_size, seed
        self._views = (-1, draw_views(0, seed=seed, epoch=0))

    def read(self, index: int, epoch: int) -> TurnedPicture:
        return read_to_turn(self._images[index].path, self._stored_size)

    def batch(self, items: Sequence[Any], indices: NDArray[np.intp], epoch: int, device: torch.device) -> Tensor:
        if self._views[0] != epoch:
            self._views = (epoch, draw_views(len(self._images), seed=self._seed, epoch=epoch))
        blank = TurnedPicture(np.zeros((self._stored_size, self._stored_size, 3), np.uint8), 1, 1)
        kept = [blank if item is None else item for item in items]
        return turned_batch(kept, self._views[1][indices], self._preprocessing, device)


def read_to_turn(path: Path, stored_size: int) -> TurnedPicture:
    """A picture at the size at which it is kept until it is turned. Raises: ImageError."""
    image = open_image(path)
    stored = image.resize((stored_size, stored_size), Image.Resampling.BILINEAR)
    return TurnedPicture(np.asarray(stored, np.uint8), image.width, image.height)


def turned_batch(
    pictures: Sequence[TurnedPicture], views: Any, preprocessing: Preprocessing, device: torch.device
) -> Tensor:
    """(n, 3, size, size) float32, normalised: each picture in its view (`augmentation.Views`)."""
    planes = to_planes(torch.from_numpy(np.stack([p.pixels for p in pictures])), device)
    sizes = np.array([(p.width, p.height) for p in pictures], np.float64)
    stored = (planes.shape[-1], planes.shape[-2])
    maps = affine_maps(sizes, views, stored, square=preprocessing.resize == "crop")
    return normalised(warp(planes, maps, preprocessing.size), preprocessing)


def to_planes(pixels: Tensor, device: torch.device) -> Tensor:
    """(n, h, w, 3) uint8 -> (n, 3, h, w) float32, 0 to 255, on the device."""
    return pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float()


def normalised(planes: Tensor, preprocessing: Preprocessing) -> Tensor:
    """As `Preprocessing.normalise`, on tensors; channels last in memory."""
    std = torch.tensor(preprocessing.std, device=planes.device)[:, None, None]
    mean = torch.tensor(preprocessing.mean, device=planes.device)[:, None, None]
    return (planes / (255.0 * std) - mean / std).contiguous(memory_format=torch.channels_last)


class Loaded(NamedTuple):
    """step: which; x: (n, ...) its input; usable: (n,) float32, 0 for a picture that could no longer be read."""

    step: Step
    x: Tensor
    usable: Tensor


def load_steps(
    steps: Sequence[Step],
    source: PictureSource,
    names: Sequence[LabelledImage],
    *,
    epoch: int,
    device: torch.device,
    threads: int,
    refuse: bool,
) -> Iterator[Loaded]:
    """The steps' inputs, in order; threads read at most `AHEAD` steps before their turn.

    A picture that has become unreadable since it was examined is named and does not count; with `refuse` it is an
    error. Raises: DataError.
    """

    def read(index: int) -> Any:
        try:
            return source.read(index, epoch)
        except ImageError as error:
            if refuse:
                raise DataError(f"{names[index].path}: {error}") from error
            tqdm.write(f"Left out: {names[index].path}: {error}")
            return None

    pool = ThreadPoolExecutor(threads or min(16, os.cpu_count() or 1), thread_name_prefix="pictures")
    waiting: deque[tuple[Step, list[Future[Any]]]] = deque()
    remaining = iter(steps)
    try:
        while True:
            while len(waiting) < AHEAD and (step := next(remaining, None)) is not None:
                waiting.append((step, [pool.submit(read, int(index)) for index in step.images]))
            if not waiting:
                return
            step, futures = waiting.popleft()
            items = [future.result() for future in futures]
            usable = torch.tensor([float(item is not None) for item in items], device=device)
            yield Loaded(step, source.batch(items, step.images, epoch, device), usable)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
