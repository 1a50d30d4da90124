"""Pixels as a network takes them, on its device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.transforms import Preprocessing


class InputScaling:
    """`Preprocessing.normalise` on a device, in float32, to the last bit."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self.device = device
        std, mean = np.asarray(preprocessing.std), np.asarray(preprocessing.mean)
        # a row of the picture at a time: with three numbers alone the inner loop would be three numbers long
        self._scale = self._row(255.0 * std, preprocessing.size)
        self._shift = self._row(mean / std, preprocessing.size)

    def __call__(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """(n, size, size, 3) uint8 -> (n, 3, size, size) in channels-last order."""
        x = on_device(pixels, self.device)
        rows = x.flatten(2).float().div_(self._scale).sub_(self._shift)
        return rows.view(x.shape).permute(0, 3, 1, 2)

    def _row(self, channels: NDArray[np.float64], size: int) -> torch.Tensor:
        return torch.from_numpy(np.tile(channels.astype(np.float32), size)).to(self.device)


def on_device(pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    x = torch.from_numpy(pixels)
    if device.type == "cuda":
        x = x.pin_memory()  # so that the copy does not wait for what the GPU is doing
    return x.to(device, non_blocking=True)
