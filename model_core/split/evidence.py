"""From manifests to components: everything that may join two images, gathered once for each manifest."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_core.labels.values import published_id
from model_core.manifest import DataError, ManifestRow, read_manifest
from model_core.split.components import Components, Similarity, similarity_components
from model_core.split.fingerprints import Fingerprint, capture_keys, fingerprint_all


@dataclass(frozen=True)
class Evidence:
    """A manifest's images; prints: one for each row, or None where the files were not looked at; features: (n, d)."""

    name: str
    rows: tuple[ManifestRow, ...]
    prints: tuple[Fingerprint, ...] | None = None
    features: NDArray[np.floating] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def errors(self) -> dict[int, str]:
        """{row index: what is wrong with its file}"""
        return {i: p.error for i, p in enumerate(self.prints or ()) if p.error}


def gather(
    manifest: str | os.PathLike[str],
    *,
    images: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    look: bool = True,
    workers: int = 1,
    cache: str | os.PathLike[str] | None = None,
) -> Evidence:
    """Read a manifest and look at its images.

    images: the folder that `file` is relative to (default: the manifest's own). features: see `read_features`. look:
    false leaves the files alone, so that only lesion, patient, publisher's id and features count.
    Raises: DataError for a bad manifest or features that do not fit it; a bad image is in `errors`.
    """
    path = Path(manifest)
    rows = read_manifest(path)
    root = Path(images) if images is not None else path.parent
    if look and not root.is_dir():
        raise DataError(f"There is no folder {root}.")
    matrix = read_features(features, rows) if features is not None else None
    prints = fingerprint_all([root / row.file for row in rows], workers=workers, cache=cache) if look else None
    if prints and all(p.error for p in prints):
        raise DataError(f"None of the {len(rows)} images of {path.name} can be read in {root}: {prints[0].error}")
    return Evidence(path.name, rows, None if prints is None else tuple(prints), matrix)


def read_features(path: str | os.PathLike[str], rows: Sequence[ManifestRow]) -> NDArray[np.floating]:
    """(n, d) features in the order of the rows, float16 or float32.

    A .npy is taken as it is, one row for each of the manifest's, and read from disk as it is needed. A .npz has
    `features` (m, d) and `files` (m), which are matched with the rows' files.
    Raises: DataError for another shape or a row without features.
    """
    name = os.path.basename(os.fspath(path))
    try:
        stored = np.load(path, mmap_mode="r")
        found = stored if isinstance(stored, np.ndarray) else stored["features"]
        files = None if isinstance(stored, np.ndarray) else [str(f) for f in stored["files"]]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{name} cannot be read as features: {error}.") from error
    if found.ndim != 2 or not np.issubdtype(found.dtype, np.floating):
        raise DataError(f"{name} must hold numbers in two dimensions; it has {found.dtype} of shape {found.shape}.")
    if files is None:
        if len(found) != len(rows):
            raise DataError(f"{name} has {len(found)} rows for the {len(rows)} images of the manifest.")
        return found
    place = {file: i for i, file in enumerate(files)}
    if missing := [row.file for row in rows if row.file not in place]:
        raise DataError(f"{name} has no features of {missing[0]} and {len(missing) - 1} other images of the manifest.")
    ordered: NDArray[np.floating] = found[[place[row.file] for row in rows]]
    return ordered


def join(evidence: Sequence[Evidence], similarity: Similarity, gap: datetime.timedelta) -> Components:
    """The components of the images of one or several manifests, numbered one after the other.

    gap: exposures of one camera no further apart than this are taken to be of one patient. Local features and hashes
    count where every manifest's images were looked at, features where every manifest has them.
    """
    rows = [row for e in evidence for row in e.rows]
    keys = {
        "publisher's id": [published_id(row.file) for row in rows],
        "lesion": [row.lesion_id for row in rows],
        "patient": [row.patient_id for row in rows],
    }
    hashes = keypoints = features = None
    if all(e.prints is not None for e in evidence):
        prints = [p for e in evidence for p in e.prints or ()]
        keys |= capture_keys([p.capture for p in prints], gap=gap)
        hashes = np.stack([p.hash for p in prints])
        keypoints = [p.keypoints for p in prints]
    matrices = [e.features for e in evidence if e.features is not None]
    if len(matrices) == len(evidence):
        if len({m.shape[1] for m in matrices}) > 1:
            raise DataError(f"The features have {' and '.join(str(m.shape[1]) for m in matrices)} columns.")
        features = matrices[0] if len(matrices) == 1 else np.concatenate(matrices)
    return similarity_components(
        len(rows), keys=keys, hashes=hashes, keypoints=keypoints, features=features, similarity=similarity
    )
