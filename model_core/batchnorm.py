"""What batch normalisation remembers of the pictures a network was trained on, used in two ways.

A pretrained backbone's running means and variances tell which input range and which pooling it was trained with: with
the right ones, the statistics of any natural pictures come closest to them. A random backbone has none, and its
activations shrink or grow from layer to layer until they are measured on the pictures at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_core.network import InceptionOptions, InceptionV3
from model_core.transforms import INPUT_RANGES, Preprocessing

BATCH = 16


def calibrate(network: InceptionV3, preprocessing: Preprocessing, pixels: NDArray[np.uint8]) -> None:
    """Set every running mean and variance to that of these pictures, layer after layer in one pass.

    pixels: (n, size, size, 3); a few dozen are enough, as each gives thousands of positions to most layers.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
        layer.train()
    with torch.inference_mode():
        for x in _batches(preprocessing, pixels):
            network.features(x)
    for layer in layers:
        layer.momentum = 0.1
        layer.eval()


def mismatch(network: InceptionV3, preprocessing: Preprocessing, pixels: NDArray[np.uint8]) -> float:
    """How far the pictures' statistics are from the running ones: 0 where they are the same.

    The mean over layers and channels of the Kullback-Leibler divergence between two normal distributions, that of the
    batch and that of the running mean and variance. pixels: (n, size, size, 3), one batch.
    """
    with _measuring(network) as divergences, torch.inference_mode():
        for x in _batches(preprocessing, pixels[:BATCH]):
            network.features(x)
    return float(np.mean(divergences))


def detect_input(
    network: InceptionV3, pixels: NDArray[np.uint8], ranges: tuple[str, ...] = tuple(INPUT_RANGES)
) -> tuple[str, bool]:
    """(input range, pool_excludes_padding) with which a pretrained network's statistics fit these pictures best.

    network: a pretrained backbone, built with either option. pixels: (n, size, size, 3) photographs, of which 16 are
    used. The range first, as it matters most; then the pooling, which touches only the borders of the feature maps.
    """
    size = pixels.shape[1]
    by_range = {r: mismatch(network, Preprocessing.for_range(r, size), pixels) for r in ranges}
    best = min(by_range, key=by_range.__getitem__)
    if len(ranges) == 1:
        best = ranges[0]
    other = InceptionV3(network.fc.out_features, InceptionOptions(not network.options.pool_excludes_padding))
    other.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("AuxLogits.")})
    fits = mismatch(other.eval(), Preprocessing.for_range(best, size), pixels) < by_range[best]
    return best, network.options.pool_excludes_padding != fits


@contextmanager
def _measuring(network: InceptionV3) -> Iterator[list[float]]:
    divergences: list[float] = []

    def measure(layer: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)) + layer.eps
        assert layer.running_mean is not None
        assert layer.running_var is not None
        expected = layer.running_var + layer.eps
        ratio = variance / expected
        divergence = ((mean - layer.running_mean) ** 2 / expected + ratio - 1 - ratio.log()) / 2
        divergences.append(float(divergence.mean()))

    hooks = [m.register_forward_pre_hook(measure) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    try:
        yield divergences
    finally:
        for hook in hooks:
            hook.remove()


def _batches(preprocessing: Preprocessing, pixels: NDArray[np.uint8]) -> Iterator[Tensor]:
    for start in range(0, len(pixels), BATCH):
        x = torch.from_numpy(np.ascontiguousarray(preprocessing.normalise(pixels[start : start + BATCH])))
        yield x.contiguous(memory_format=torch.channels_last)
