"""Batch-norm statistics: measured on pictures, and used to find out what a backbone's input was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core.batchnorm import calibrate, detect_input, mismatch
from model_core.inference import decoded_batches
from model_core.network import InceptionOptions, InceptionV3, build_network, load_backbone
from model_core.transforms import Preprocessing

SIZE = 139  # pixels; the statistics do not need more, and the tests take less


@pytest.fixture(scope="module")
def smooth() -> NDArray[np.uint8]:
    """Six pictures of coloured waves."""
    x, y = np.meshgrid(np.linspace(0, 6, SIZE), np.linspace(0, 6, SIZE))
    waves = [np.stack([np.sin(k + c + x * (1 + k / 3) + y * c) for c in range(3)], -1) for k in range(6)]
    return (np.stack(waves) * 80 + 150).astype(np.uint8)


@pytest.fixture(scope="module")
def measured(smooth: NDArray[np.uint8]) -> InceptionV3:
    network = build_network(2, InceptionOptions(pool_excludes_padding=True), seed=0)
    calibrate(network, Preprocessing.for_range("inception", SIZE), smooth)
    return network


def test_first_layer_has_the_pictures_mean_and_variance(measured: InceptionV3, smooth: NDArray[np.uint8]) -> None:
    """Against torch's mean and variance of the first convolution's output."""
    x = torch.from_numpy(np.ascontiguousarray(Preprocessing.for_range("inception", SIZE).normalise(smooth)))
    with torch.inference_mode():
        y = measured.Conv2d_1a_3x3.conv(x)
    layer = measured.Conv2d_1a_3x3.bn
    torch.testing.assert_close(layer.running_mean, y.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(layer.running_var, y.var((0, 2, 3)), atol=1e-5, rtol=1e-4)
    assert not layer.training
    assert layer.momentum == 0.1


def test_measuring_brings_activations_to_life(measured: InceptionV3, smooth: NDArray[np.uint8]) -> None:
    preprocessing = Preprocessing.for_range("inception", SIZE)
    x = torch.from_numpy(np.ascontiguousarray(preprocessing.normalise(smooth)))
    with torch.inference_mode():
        asleep = build_network(2, InceptionOptions(pool_excludes_padding=True), seed=0).features(x).std(0).mean()
        awake = measured.features(x).std(0).mean()
    assert awake > 100 * asleep


def test_mismatch_is_least_where_it_was_measured(measured: InceptionV3, smooth: NDArray[np.uint8]) -> None:
    found = {name: mismatch(measured, Preprocessing.for_range(name, SIZE), smooth) for name in ("unit", "inception")}
    assert found["inception"] < 0.01 < found["unit"]


@pytest.mark.parametrize("built_with", [False, True])
def test_input_is_found(measured: InceptionV3, smooth: NDArray[np.uint8], built_with: bool) -> None:
    network = build_network(2, InceptionOptions(pool_excludes_padding=built_with), seed=0)
    network.load_state_dict(measured.state_dict())
    assert detect_input(network, smooth) == ("inception", True)
    assert detect_input(network, smooth, ("unit",))[0] == "unit"  # what the user says is not argued with


def test_input_of_a_real_backbone_is_found(shared_data: Path, tmp_path: Path) -> None:
    """The publisher of the shared weights: RGB/255 in [0, 1], pooling without the padding; on dermoscopic pictures."""
    weights = tmp_path / "backbone.pth"
    subprocess.run([sys.executable, shared_data / "weights/unpack.py", weights], check=True, capture_output=True)
    pictures = sorted((shared_data / "ham10000_384x288/images").iterdir())[::150]
    assert len(pictures) > 8
    pixels = np.stack(next(decoded_batches(pictures, Preprocessing(SIZE), 8)))
    network = build_network(2, seed=0)
    load_backbone(network, weights)
    assert detect_input(network, pixels) == ("unit", True)
