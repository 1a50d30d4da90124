"""Saliency by hand, by finite differences, and by its place on the picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from model_core.inference import Classifier
from model_core.network import InceptionV3
from model_core.saliency import Explainer, input_gradient, on_picture, saliency_map
from model_core.taxonomy import TaxonomyError
from model_core.transforms import ImageError, Preprocessing
from tests.model_core.conftest import DrawnSet


def test_a_linear_model_by_hand() -> None:
    """Two classes, logits w0.x and w1.x. -log p0 = log(1 + exp((w1 - w0).x)), so its gradient is p1 (w1 - w0)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    w = torch.arange(24, dtype=torch.float64).reshape(2, 12) / 10 * torch.tensor([[1.0], [-1.0]])
    network.double()[1].weight.data = w
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 2, 2)
    difference = (w[1] - w[0]) @ x.flatten()
    p1 = 1 / (1 + math.exp(-float(difference)))
    gradient, probabilities = input_gradient(network, x, [0])
    np.testing.assert_allclose(probabilities.numpy(), [1 - p1, p1], rtol=1e-12)
    np.testing.assert_allclose(gradient.flatten().numpy(), (p1 * (w[1] - w[0])).numpy(), rtol=1e-9)
    # the L1 norm over the colours: the sum of |w1 - w0| over the three, times p1
    by_hand = p1 * (w[1] - w[0]).abs().reshape(3, 2, 2).sum(0)
    np.testing.assert_allclose(gradient.abs().sum(0).numpy(), by_hand.numpy(), rtol=1e-9)


@pytest.mark.parametrize("columns", [[0], [1, 2], None])
def test_inception_by_finite_differences(network: InceptionV3, columns: list[int] | None) -> None:
    """Central differences of -log of the summed probability, in float64, at three values of Inception's input.

    75 x 75 pixels, the least that the network takes, for the time's sake.
    """
    double = InceptionV3(3, network.options).double().eval()
    double.load_state_dict(network.state_dict())
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(3, 75, 75, dtype=torch.float64, generator=generator)
    gradient, probabilities = input_gradient(double, x, columns)
    chosen = [int(probabilities.argmax())] if columns is None else columns

    def loss(at: torch.Tensor) -> float:
        with torch.no_grad():
            return -math.log(float(torch.softmax(double(at[None])[0], 0)[chosen].sum()))

    assert float(gradient.abs().max()) > 1e-6
    for channel, row, column in ((0, 40, 37), (1, 12, 60), (2, 74, 0)):
        step = torch.zeros_like(x)
        step[channel, row, column] = 1e-5
        difference = (loss(x + step) - loss(x - step)) / 2e-5
        assert float(gradient[channel, row, column]) == pytest.approx(difference, rel=1e-3, abs=1e-9)


def test_the_map_lies_on_the_picture(drawn: DrawnSet, small_model_file: Path) -> None:
    """Upright coordinates; the most probable class by default; as the classifier's own probability."""
    path = drawn.folder / drawn.files[0]
    explainer = Explainer.load(small_model_file, "cpu")
    found = explainer.explain(path)
    assert found.map.shape == (48, 64)
    assert found.map.dtype == np.float32
    assert float(found.map.min()) >= 0 < float(found.map.max())
    classifier = Classifier.load(small_model_file, "cpu", "float32")
    probabilities = classifier.predict([path]).probabilities[0]
    assert found.target == classifier.classes[int(probabilities.argmax())].id
    assert found.probability == pytest.approx(float(probabilities.max()), abs=1e-4)
    turned = Image.open(path)
    turned.getexif()[0x0112] = 6  # to be shown turned by 90 degrees
    assert saliency_map(turned, explainer).shape == (64, 48)


def test_the_gradient_is_in_units_of_rgb(drawn: DrawnSet, small_model_file: Path) -> None:
    """The range "inception" is (rgb - 0.5) / 0.5: twice the gradient at the network's input, by the chain rule."""
    path = drawn.folder / drawn.files[0]
    explainer = Explainer.load(small_model_file, "cpu")
    explainer._preprocessing = Preprocessing.for_range("inception", 75)
    x = torch.from_numpy(explainer._preprocessing(Image.open(path).convert("RGB")))
    gradient, _ = input_gradient(explainer._network, x)
    expected = 2 * gradient.abs().sum(0).numpy()
    same_size = Image.fromarray(explainer._preprocessing.pixels(Image.open(path).convert("RGB")))
    np.testing.assert_allclose(explainer.explain(same_size).map, expected, rtol=1e-4, atol=1e-8)


def test_a_node_sums_its_classes(drawn: DrawnSet, small_model_file: Path) -> None:
    """Classes: melanoma; melanocytic naevus and dermatofibroma, which are the benign ones."""
    path = drawn.folder / drawn.files[0]
    explainer = Explainer.load(small_model_file, "cpu")
    assert explainer.columns("benign") == [1, 2]
    assert explainer.columns("Malignant melanoma") == explainer.columns("malignant") == [0]
    benign, malignant = explainer.explain(path, "benign"), explainer.explain(path, "malignant")
    assert benign.probability + malignant.probability == pytest.approx(1, abs=1e-6)
    # P(benign) = 1 - P(malignant): -d log P(benign) = P(malignant) / P(benign) * d log P(malignant)
    ratio = malignant.probability / benign.probability
    np.testing.assert_allclose(benign.map, ratio * malignant.map, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("psoriasis", "no training class under 'psoriasis'"),
        ("melanomma", "Did you mean"),
    ],
)
def test_what_cannot_be_explained_is_said(drawn: DrawnSet, small_model_file: Path, node: str, message: str) -> None:
    explainer = Explainer.load(small_model_file, "cpu")
    with pytest.raises(TaxonomyError, match=message):
        explainer.explain(drawn.folder / drawn.files[0], node)
    with pytest.raises(ImageError):
        saliency_map(drawn.folder / "absent.png", explainer)


def test_a_node_above_every_class_has_nothing_to_explain(small_model_file: Path) -> None:
    explainer = Explainer.load(small_model_file, "cpu")
    object.__setattr__(explainer.metadata, "classes", explainer.metadata.classes[1:])  # the benign ones
    with pytest.raises(TaxonomyError, match="Every training class of the model lies under 'benign'"):
        explainer.columns("benign")


def test_a_centre_crop_leaves_the_margins_at_zero() -> None:
    """640 x 480 cropped to its centre of 480 x 480: 80 columns at each side were never seen."""
    placed = on_picture(np.ones((299, 299), np.float32), (640, 480), "crop")
    assert placed.shape == (480, 640)
    assert (placed[:, 80:560] == 1).all()
    assert placed[:, :80].max() == placed[:, 560:].max() == 0
    # a quarter of the input is a quarter of the picture, where both sides were scaled
    quarter = np.zeros((299, 299), np.float32)
    quarter[:150, :150] = 1
    squashed = on_picture(quarter, (640, 480), "squash")
    assert float(squashed.mean()) == pytest.approx((150 / 299) ** 2, abs=0.002)
    assert squashed[:230, :310].min() == 1
