"""The 2,048 values that a network's last layer sees: where in its space it puts a picture.

Source: Esteva et al., Nature 542:115-118 (2017), Fig. 4, which lays out the last hidden layer by t-SNE (see `tsne`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from model_core import checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata
from model_core.inference import Failure, FeatureExtractor, decoded_batches
from model_core.network import FEATURES, InceptionV3, restore_network
from model_core.transforms import ImageError, ImageSource, Preprocessing, refuse_single

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class EmbeddedBatch:
    """Consecutive pictures, the first of which has the index `start`.

    features: (n, 2048) float32, a row of NaN for each of `failures`.
    """

    start: int
    features: NDArray[np.float32]
    failures: tuple[Failure, ...]


class Embedder:
    """A checkpoint without its last layer; made by `load`. Attributes: metadata, device, precision."""

    def __init__(
        self,
        network: InceptionV3,
        metadata: CheckpointMetadata,
        *,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> None:
        self.metadata = metadata
        self._preprocessing = Preprocessing.from_json(metadata.preprocessing)
        self._extractor = FeatureExtractor(network, self._preprocessing, device=device, precision=precision)
        self.device, self.precision = self._extractor.device, self._extractor.precision

    @classmethod
    def load(cls, path: StrPath, device: str | torch.device | None = None, precision: str | None = None) -> Self:
        """Read a checkpoint. device, precision: as for `inference.Classifier.load`. Raises: CheckpointError."""
        state, metadata = checkpoint.load(path)
        source = Path(path).name
        try:
            return cls(restore_network(state, metadata, source), metadata, device=device, precision=precision)
        except ValueError as error:
            raise CheckpointError(f"{source}: {error}") from error

    def stream(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[EmbeddedBatch]:
        """A batch at a time, in order: Pillow images, paths or open binary files. Memory does not grow with their
        number. Raises: ValueError for a batch size under 1."""
        start = 0
        for decoded in decoded_batches(images, self._preprocessing, batch_size):
            rows = np.full((len(decoded), FEATURES), np.nan, np.float32)
            failures = [Failure(start + i, item) for i, item in enumerate(decoded) if isinstance(item, str)]
            pixels = {i: item for i, item in enumerate(decoded) if not isinstance(item, str)}
            if pixels:
                rows[list(pixels)] = self._extractor.features(np.stack(list(pixels.values())))[:, 0]
            for i in pixels:
                if not np.isfinite(rows[i]).all():
                    rows[i] = np.nan
                    failures.append(Failure(start + i, "The network's output for this picture is not a number."))
            yield EmbeddedBatch(start, rows, tuple(sorted(failures, key=lambda failure: failure.index)))
            start += len(decoded)


def embed(
    images: Iterable[ImageSource],
    model: Embedder | StrPath,
    *,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    precision: str | None = None,
) -> NDArray[np.float32]:
    """(n, 2048) float32: the last hidden layer of each picture, in the order given.

    images: paths, open binary files, Pillow images or arrays of RGB in uint8, in any mixture. model: a checkpoint's
    path, for which device and precision are as in `inference.Classifier.load`, or an `Embedder`.
    Raises: ImageError naming the first picture that cannot be used (`Embedder.stream` goes on past it);
    CheckpointError; ValueError for a batch size under 1.
    """
    embedder = model if isinstance(model, Embedder) else Embedder.load(model, device, precision)
    named: list[str] = []
    refuse_single(images)

    def noted() -> Iterator[ImageSource]:
        for source in images:
            named.append(os.fspath(source) if isinstance(source, str | os.PathLike) else f"image {len(named)}")
            yield source

    rows = []
    for batch in embedder.stream(noted(), batch_size):
        if batch.failures:
            raise ImageError(f"{named[batch.failures[0].index]}: {batch.failures[0].reason}")
        rows.append(batch.features)
    return np.concatenate(rows) if rows else np.empty((0, FEATURES), np.float32)
