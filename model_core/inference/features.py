"""What a network's last layer sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.inference.lanes import Lanes
from model_core.inference.pixels import InputScaling
from model_core.inference.precision import PRECISIONS, choose_precision, find_device
from model_core.network import InceptionV3
from model_core.transforms import Preprocessing


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
        """device and precision as for `Classifier.load`. The network is moved there, and otherwise left as it is."""
        self.device = find_device(device)
        self.precision = choose_precision(precision, self.device)
        self._scaled = InputScaling(preprocessing, self.device)
        self._network = network.eval().to(device=self.device, memory_format=torch.channels_last)

    def features(self, pixels: NDArray[np.uint8], views: Sequence[Sequence[int]] = ((),)) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 -> (n, views, 2048) float32.

        views: for each, the axes of (n, 3, height, width) that are mirrored; () is the picture itself.
        """

        def of_share(share: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
            dtype = PRECISIONS[self.precision]
            reduced = torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)
            with torch.inference_mode(), reduced:
                x = self._scaled(np.stack(share))
                found = [self._network.features(x.flip(*view) if view else x).float() for view in views]
                values: NDArray[np.float32] = torch.stack(found, 1).cpu().numpy()
            return list(values)

        with Lanes(of_share, self.device, len(pixels)) as lanes:
            return np.stack(lanes.results(list(pixels)))
