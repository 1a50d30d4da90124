"""A checkpoint that looks at pictures.

A picture that cannot be used is a `Failure` with its reason and a row of NaN; it stops nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model_core import checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata
from model_core.inference.agreement import drawn_pictures, too_far
from model_core.inference.decoding import decoded_batches
from model_core.inference.folding import Folded
from model_core.inference.lanes import Lanes
from model_core.inference.pixels import InputScaling, on_device
from model_core.inference.precision import PRECISIONS, choose_precision, find_device
from model_core.network import InceptionV3, restore_network
from model_core.taxonomy import TrainingClass
from model_core.transforms import ImageSource, Preprocessing

NOT_A_NUMBER = "The network's output for this picture is not a number."


@dataclass(frozen=True)
class Failure:
    """The picture at `index` (from 0, in the order given) could not be used, for `reason`."""

    index: int
    reason: str


@dataclass(frozen=True)
class Predictions:
    """probabilities: (n, k) float32, rows add to 1, NaN for a failure; failures: in the order of the pictures."""

    probabilities: NDArray[np.float32]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Batch:
    """Consecutive pictures, the first of which has the index `start`: what `Predictions` holds, of these alone."""

    start: int
    probabilities: NDArray[np.float32]
    failures: tuple[Failure, ...]


class Classifier:
    """A checkpoint, ready to look at pictures; made by `load`.

    Attributes: metadata, classes (k training classes, in the order of the probabilities), device, precision, exact:
    whether nothing is approximated for speed (see `load`), and note: why it is not the fastest precision, or "".
    """

    def __init__(
        self,
        network: InceptionV3,
        metadata: CheckpointMetadata,
        *,
        device: torch.device,
        precision: str,
        exact: bool = False,
    ) -> None:
        """The network is taken over: unless `exact`, it is folded (see `folding`) and its numbers are converted."""
        self.metadata = metadata
        self.device = device
        self.precision = precision
        self.exact = exact
        self.note = ""
        self.preprocessing = Preprocessing.from_json(metadata.preprocessing)
        self._last_layer = network.fc.to(device)  # stays in float32, whatever the precision
        network.fc = nn.Identity()
        network.eval()
        self._features: Callable[[NDArray[np.uint8]], torch.Tensor]
        if exact:
            scaled = InputScaling(self.preprocessing, device)
            placed = network.to(device=device, memory_format=torch.channels_last)
            self._features = lambda pixels: placed.features(scaled(pixels))
        else:
            folded = Folded(network, self.preprocessing, PRECISIONS[precision]).to(device)
            self._features = lambda pixels: folded(on_device(pixels, device))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: str | torch.device | None = None, precision: str | None = None
    ) -> Self:
        """Read a checkpoint.

        device: "cpu", "cuda", ...; by default a GPU where there is one.
        precision: "float32" by name is the reference: the network layer by layer, pictures decoded in full. By default
        ("auto") what is fastest: float16 on a GPU, bfloat16 on a processor that has instructions for it, else float32,
        with folded batch norms, and large JPEG files decoded at reduced size. "auto" is compared with the reference on
        a few drawn pictures first (a second or two), and is the reference for a model that comes out too far from it;
        `note` then says so. `benchmark predict` measures the difference on any pictures.
        Raises: CheckpointError for a file that is not a whole checkpoint or a device or precision that is not there.
        """
        where = find_device(device)
        chosen = choose_precision(precision, where)
        if precision == chosen:
            return cls._restored(path, where, chosen, exact=chosen == "float32")
        fastest, exact = cls._restored(path, where, chosen), cls._restored(path, where, "float32", exact=True)
        pixels = drawn_pictures(exact.preprocessing.size)
        exact.note = too_far(fastest.tried(pixels), exact.tried(pixels), chosen)
        return exact if exact.note else fastest

    @classmethod
    def _restored(
        cls, path: str | os.PathLike[str], device: torch.device, precision: str, *, exact: bool = False
    ) -> Self:
        state, metadata = checkpoint.load(path)
        source = Path(path).name
        try:
            network = restore_network(state, metadata, source)
            return cls(network, metadata, device=device, precision=precision, exact=exact)
        except ValueError as error:
            raise CheckpointError(f"{source}: {error}") from error

    @property
    def classes(self) -> tuple[TrainingClass, ...]:
        return self.metadata.classes

    def predict(self, images: Iterable[ImageSource], batch_size: int = 32) -> Predictions:
        """Probabilities of each picture: paths, open binary files, Pillow images or arrays (height, width, 3) of RGB in
        uint8, in any mixture.

        Memory does not grow with the number of pictures but for the result.
        Raises: ValueError for a batch size under 1; TypeError for a single picture that is not in a list.
        """
        batches = list(self.stream(images, batch_size))
        if not batches:
            return Predictions(np.empty((0, len(self.classes)), np.float32), ())
        failures = tuple(failure for batch in batches for failure in batch.failures)
        return Predictions(np.concatenate([batch.probabilities for batch in batches]), failures)

    def stream(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Batch]:
        """As `predict`, a batch at a time, for progress and for results that are stored as they come."""
        start = 0
        with (
            closing(decoded_batches(images, self.preprocessing, batch_size, reduced=not self.exact)) as batches,
            Lanes(self._probabilities, self.device, batch_size) as lanes,
        ):
            for decoded, found in lanes.stream(batches, _pixels):
                yield self._batch(start, decoded, found)
                start += len(decoded)

    def logits(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """(n, size, size, 3) uint8 -> (n, k) float32, on the device."""
        with torch.inference_mode():
            values: torch.Tensor = self._last_layer(self._features(pixels).float())
        return values

    def tried(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """`logits` on the lanes that `stream` takes, on the processor."""

        def of_share(share: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
            return list(self.logits(np.stack(share)).cpu())

        with Lanes(of_share, self.device, len(pixels)) as lanes:
            return torch.stack(lanes.results(list(pixels)))

    def _probabilities(self, share: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        """n pictures of (size, size, 3) -> n of (k,)."""
        probabilities: NDArray[np.float32] = self.logits(np.stack(share)).softmax(1).cpu().numpy()
        return list(probabilities)

    def _batch(
        self, start: int, decoded: Sequence[NDArray[np.uint8] | str], found: Sequence[NDArray[np.float32]]
    ) -> Batch:
        rows = np.full((len(decoded), len(self.classes)), np.nan, np.float32)
        failures = []
        remaining = iter(found)
        for row, item in enumerate(decoded):
            if isinstance(item, str):
                failures.append(Failure(start + row, item))
                continue
            values = next(remaining)
            if np.isfinite(values).all():
                rows[row] = values
            else:
                failures.append(Failure(start + row, NOT_A_NUMBER))
        return Batch(start, rows, tuple(failures))


def _pixels(decoded: Sequence[NDArray[np.uint8] | str]) -> list[NDArray[np.uint8]]:
    return [item for item in decoded if not isinstance(item, str)]
