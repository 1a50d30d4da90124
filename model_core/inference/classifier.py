"""From pictures to training-class probabilities, in batches, on CPU or GPU, in bounded memory.

A picture that cannot be used is a `Failure` with its reason and a row of NaN; it stops nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from model_core import checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata
from model_core.network import InceptionV3, restore_network
from model_core.taxonomy import TrainingClass
from model_core.transforms import ImageError, ImageSource, Preprocessing, open_image

PRECISIONS = ("float32", "bfloat16")


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

    Attributes: metadata, classes (k training classes, in the order of the probabilities), device, precision.
    """

    def __init__(
        self, network: InceptionV3, metadata: CheckpointMetadata, *, device: torch.device, precision: str
    ) -> None:
        self.metadata = metadata
        self.device = device
        self.precision = precision
        self.preprocessing = Preprocessing.from_json(metadata.preprocessing)
        self._network = network.eval().to(device=device, memory_format=torch.channels_last)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: str | torch.device | None = None, precision: str | None = None
    ) -> Self:
        """Read a checkpoint.

        device: "cpu", "cuda", ...; by default a GPU where there is one. precision: "float32" or "bfloat16"; by default
        bfloat16 where the device calculates with it, which changes probabilities by less than 0.02.
        Raises: CheckpointError for a file that is not a whole checkpoint or a device or precision that is not there.
        """
        state, metadata = checkpoint.load(path)
        where = find_device(device)
        precision = _precision(precision, where)
        source = Path(path).name
        try:
            return cls(restore_network(state, metadata, source), metadata, device=where, precision=precision)
        except ValueError as error:
            raise CheckpointError(f"{source}: {error}") from error

    @property
    def classes(self) -> tuple[TrainingClass, ...]:
        return self.metadata.classes

    def predict(self, images: Iterable[ImageSource], batch_size: int = 32) -> Predictions:
        """Probabilities of each picture: Pillow images, paths or open binary files, in any mixture.

        Memory does not grow with the number of pictures but for the result.
        Raises: ValueError for a batch size under 1.
        """
        batches = list(self.stream(images, batch_size))
        if not batches:
            return Predictions(np.empty((0, len(self.classes)), np.float32), ())
        failures = tuple(failure for batch in batches for failure in batch.failures)
        return Predictions(np.concatenate([batch.probabilities for batch in batches]), failures)

    def stream(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Batch]:
        """As `predict`, a batch at a time, for progress and for results that are stored as they come."""
        start = 0
        for decoded in decoded_batches(images, self.preprocessing, batch_size):
            pixels = [item for item in decoded if not isinstance(item, str)]
            found = iter(self._probabilities(np.stack(pixels)) if pixels else ())
            rows = np.full((len(decoded), len(self.classes)), np.nan, np.float32)
            failures = []
            for row, item in enumerate(decoded):
                if isinstance(item, str):
                    failures.append(Failure(start + row, item))
                    continue
                rows[row] = next(found)
                if not np.isfinite(rows[row]).all():
                    rows[row] = np.nan
                    failures.append(Failure(start + row, "The network's output for this picture is not a number."))
            yield Batch(start, rows, tuple(failures))
            start += len(decoded)

    def _probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 -> (n, k). The last layer and the softmax are in float32 whatever the precision."""
        with _evaluating(self.device, self.precision):
            features = self._network.features(_network_input(self.preprocessing, pixels, self.device))
        with torch.inference_mode():
            logits = self._network.fc(features.float())
            probabilities: NDArray[np.float32] = torch.softmax(logits, dim=1).cpu().numpy()
        return probabilities


class FeatureExtractor:
    """The 2,048 values that a network's last layer sees."""

    def __init__(
        self,
        network: InceptionV3,
        preprocessing: Preprocessing,
        *,
        device: str | torch.device | None = None,
        precision: str | None = None,
    ) -> None:
        """device and precision as for `Classifier.load`. The network is moved there."""
        self.device = find_device(device)
        self.precision = _precision(precision, self.device)
        self._preprocessing = preprocessing
        self._network = network.eval().to(device=self.device, memory_format=torch.channels_last)

    def features(self, pixels: NDArray[np.uint8], views: Sequence[Sequence[int]] = ((),)) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 -> (n, views, 2048) float32.

        views: for each, the axes of (n, 3, height, width) that are mirrored; () is the picture itself.
        """
        x = _network_input(self._preprocessing, pixels, self.device)
        with _evaluating(self.device, self.precision):
            found = [self._network.features(x.flip(*view) if view else x).float() for view in views]
        values: NDArray[np.float32] = torch.stack(found, 1).cpu().numpy()
        return values


def decoded_batches(
    images: Iterable[ImageSource], preprocessing: Preprocessing, batch_size: int
) -> Iterator[list[NDArray[np.uint8] | str]]:
    """Batches of pixels, in order; a picture that cannot be decoded is the reason why, as text.

    Threads decode at most two batches ahead of the one in use.
    """
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, not {batch_size}.")

    def decode(source: ImageSource) -> NDArray[np.uint8] | str:
        try:
            return preprocessing.pixels(open_image(source))
        except ImageError as error:
            return str(error)

    remaining = iter(images)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
        waiting: deque[list[Future[NDArray[np.uint8] | str]]] = deque()
        try:
            while True:
                while len(waiting) < 3 and (sources := list(islice(remaining, batch_size))):
                    waiting.append([pool.submit(decode, source) for source in sources])
                if not waiting:
                    return
                yield [future.result() for future in waiting.popleft()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def calculates_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16, so that it is faster there and not only emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def _evaluating(device: torch.device, precision: str) -> Iterator[None]:
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def _network_input(preprocessing: Preprocessing, pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(preprocessing.normalise(pixels)))
    return x.to(device, memory_format=torch.channels_last)


def _precision(precision: str | None, device: torch.device) -> str:
    if precision is None:
        return "bfloat16" if calculates_bfloat16(device) else "float32"
    if precision not in PRECISIONS:
        raise CheckpointError(f"The precision must be one of {', '.join(PRECISIONS)}, not {precision!r}.")
    return precision


def find_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(f"The device {device!s} is not available: {str(error).splitlines()[0]}") from error
    return found
