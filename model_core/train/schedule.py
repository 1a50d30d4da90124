"""Which images each step of an epoch sees, and the learning rate: pure functions of seed and epoch. No torch here.

Nothing here has a state, so a run that goes on after a kill, or on another number of processes, sees the same images in
the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.manifest import DataError
from model_core.train.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Step:
    """images: indices that this process takes; total: images of all processes in this step."""

    images: NDArray[np.intp]
    total: int


def class_weights(targets: NDArray[np.intp], n_classes: int, power: float) -> NDArray[np.float64]:
    """(k,) weights proportional to 1 / size ** power, whose mean over the images is 1; 0 for a class without images."""
    sizes = np.bincount(targets, minlength=n_classes).astype(np.float64)
    weights = np.where(sizes > 0, np.maximum(sizes, 1) ** -power, 0.0)
    return weights / weights[targets].mean()


def epoch_order(targets: NDArray[np.intp], n_classes: int, config: TrainingConfig, epoch: int) -> NDArray[np.intp]:
    """(n,) the images of an epoch: each once in random order, or, with the sampler, n drawn by their classes' weights.

    The draws of the sampler are as even as they can be: an image whose expected number is 2.4 comes 2 or 3 times
    (systematic sampling, Madow 1949).
    """
    rng = np.random.default_rng([config.seed, epoch, 1])
    n = len(targets)
    if config.balance != "sampler":
        return rng.permutation(n)
    shuffled = rng.permutation(n)
    expected = class_weights(targets, n_classes, config.balance_power)[targets[shuffled]]
    upto = np.cumsum(expected) * (n / expected.sum())
    drawn = np.searchsorted(upto, np.arange(n) + rng.random(), side="right").clip(max=n - 1)
    return rng.permutation(shuffled[drawn])


def epoch_steps(order: NDArray[np.intp], batch_size: int, *, rank: int = 0, processes: int = 1) -> list[Step]:
    """The steps of an epoch for one of several processes.

    The order is cut into as few batches as have at most `batch_size` images, whose sizes differ by at most one, and
    each batch among the processes likewise: every image is seen exactly once, and there is no small last batch that
    batch normalisation would suffer from. Raises: DataError where a process would have nothing to do.
    """
    if len(order) < processes or batch_size < processes:
        raise DataError(f"{processes} processes need at least as many images in a step; there are {len(order)}.")
    batches = np.array_split(order, math.ceil(len(order) / batch_size))
    return [Step(np.array_split(batch, processes)[rank], len(batch)) for batch in batches]


def learning_rate(config: TrainingConfig, epoch: float) -> float:
    """At a moment counted in epochs from 0, fractions included."""
    if config.schedule == "steps":
        return config.learning_rate / config.step_factor ** (int(epoch) // config.step_epochs)
    if epoch < config.warmup_epochs:
        return config.learning_rate * max(epoch / config.warmup_epochs, 0.01)
    left = max(config.epochs - config.warmup_epochs, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (epoch - config.warmup_epochs) / left)))
