"""The classifier against torchvision's forward pass on the same tensors; damaged pictures among good ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import inception_v3

from model_core import checkpoint
from model_core.batchnorm import calibrate
from model_core.checkpoint import CheckpointError
from model_core.inference import Classifier, Failure, calculates_bfloat16, decoded_batches
from model_core.inference.agreement import too_far
from model_core.network import InceptionOptions, InceptionV3, build_network, restore_network
from model_core.transforms import Preprocessing
from tests.model_core.conftest import DrawnSet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier(model_file: Path) -> Classifier:
    return Classifier.load(model_file, "cpu", "float32")


def test_probabilities_equal_torchvisions(
    tmp_path: Path, classifier: Classifier, drawn: DrawnSet, network: InceptionV3
) -> None:
    """Same weights, same pixels: torchvision's network, torch's softmax, the input scaled by torch."""
    path = tmp_path / "plain.safetensors"
    options = {"network": InceptionOptions().to_json(), "preprocessing": Preprocessing().to_json()}
    metadata = checkpoint.CheckpointMetadata.from_json({**classifier.metadata.to_json(), **options})
    checkpoint.save(path, network.state_dict(), metadata)
    plain = inception_v3(weights=None, init_weights=False, aux_logits=False, num_classes=3).eval()
    plain.load_state_dict(checkpoint.load(path)[0])
    pictures = []
    for name in drawn.files[:3]:
        image = Image.open(drawn.folder / name).convert("RGB").resize((299, 299), Image.Resampling.BILINEAR)
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        pictures.append((tensor - mean[:, None, None]) / std[:, None, None])
    with torch.inference_mode():
        expected = plain(torch.stack(pictures)).softmax(1).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3  # the pictures come through to the probabilities
    found = Classifier.load(path, "cpu", "float32").predict([drawn.folder / name for name in drawn.files[:3]])
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert found.failures == ()


def test_damaged_pictures_among_good_ones(tmp_path: Path, classifier: Classifier, drawn: DrawnSet) -> None:
    good = drawn.folder / drawn.files[0]
    whole = io.BytesIO()
    Image.open(good).save(whole, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.getvalue()[:400])
    sources = [good, cut, Image.open(good), tmp_path / "absent.png", io.BytesIO(good.read_bytes())]
    found = classifier.predict(iter(sources), batch_size=2)
    assert found.probabilities.shape == (5, 3)
    assert found.probabilities.dtype == np.float32
    assert [failure.index for failure in found.failures] == [1, 3]
    assert "damaged" in found.failures[0].reason
    assert found.failures[1] == Failure(3, "The file does not exist.")
    assert np.isnan(found.probabilities[[1, 3]]).all()
    np.testing.assert_allclose(found.probabilities[[0, 2, 4]].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(found.probabilities[[2, 4]], found.probabilities[[0, 0]], atol=1e-5)


def test_only_damaged_pictures(classifier: Classifier) -> None:
    found = classifier.predict([io.BytesIO(b"no"), io.BytesIO(b"picture")])
    assert np.isnan(found.probabilities).all()
    assert len(found.failures) == 2


def test_no_pictures(classifier: Classifier) -> None:
    found = classifier.predict([])
    assert found.probabilities.shape == (0, 3)
    assert found.failures == ()


def test_output_that_is_no_number_is_a_failure(tmp_path: Path, classifier: Classifier, drawn: DrawnSet) -> None:
    network = build_network(3, seed=4)
    state = {**network.state_dict(), "Conv2d_1a_3x3.bn.running_var": torch.full((32,), -1.0)}  # the root of a negative
    path = tmp_path / "broken.safetensors"
    metadata = classifier.metadata.to_json() | {"network": network.options.to_json()}
    checkpoint.save(path, state, checkpoint.CheckpointMetadata.from_json(metadata))
    with pytest.raises(CheckpointError, match=r"broken\.safetensors: .* not all numbers"):
        Classifier.load(path, "cpu")
    found = Classifier.load(path, "cpu", "float32").predict([drawn.folder / drawn.files[0]])
    assert np.isnan(found.probabilities).all()
    assert found.failures == (Failure(0, "The network's output for this picture is not a number."),)


def test_weights_that_are_no_numbers_do_not_load(tmp_path: Path, classifier: Classifier) -> None:
    network = build_network(3, seed=4)
    state = {**network.state_dict(), "Conv2d_1a_3x3.bn.bias": torch.full((32,), torch.nan)}
    path = tmp_path / "nan.safetensors"
    metadata = classifier.metadata.to_json() | {"network": network.options.to_json()}
    checkpoint.save(path, state, checkpoint.CheckpointMetadata.from_json(metadata))
    with pytest.raises(CheckpointError, match=r"not numbers in Conv2d_1a_3x3\.bn\.bias"):
        Classifier.load(path, "cpu")


@pytest.mark.skipif(not calculates_bfloat16(CPU), reason="this processor has no bfloat16 instructions")
def test_bfloat16_is_the_default_and_close(model_file: Path, classifier: Classifier, drawn: DrawnSet) -> None:
    reduced = Classifier.load(model_file, "cpu")
    assert (reduced.precision, classifier.precision) == ("bfloat16", "float32")
    paths = [drawn.folder / name for name in drawn.files[:2]]
    np.testing.assert_allclose(reduced.predict(paths).probabilities, classifier.predict(paths).probabilities, atol=0.02)


@pytest.mark.parametrize("excludes_padding", [True, False])
def test_folding_changes_nothing_but_the_last_digits(
    tmp_path: Path, small_model_file: Path, network: InceptionV3, drawn: DrawnSet, excludes_padding: bool
) -> None:
    """In float32: the batch norms, the scaling of pixels and the order of average and convolution."""
    path = tmp_path / "pools.safetensors"
    options = InceptionOptions(pool_excludes_padding=excludes_padding).to_json()
    metadata = replace(checkpoint.read_metadata(small_model_file), network=options)
    checkpoint.save(path, network.state_dict(), metadata)
    expected = Classifier.load(path, "cpu", "float32")
    folded = Classifier(restore_network(*checkpoint.load(path), ""), metadata, device=CPU, precision="float32")
    paths = [drawn.folder / name for name in drawn.files[:6]]
    probabilities = expected.predict(paths).probabilities
    assert np.ptp(probabilities, axis=0).max() > 1e-3
    np.testing.assert_allclose(folded.predict(paths).probabilities, probabilities, atol=1e-5)


@pytest.mark.skipif(not calculates_bfloat16(CPU), reason="this processor has no bfloat16 instructions")
def test_a_model_that_bfloat16_changes_too_much_calculates_in_float32(
    tmp_path: Path, small_model_file: Path, drawn: DrawnSet
) -> None:
    """A network of random layers with batch norms makes small differences grow exponentially with its depth (Yang et
    al., ICLR 2019, arXiv:1902.08129), those of a rounding included."""
    network = build_network(3, InceptionOptions(pool_excludes_padding=True), seed=3)
    preprocessing = Preprocessing.for_range("unit", 75)
    pixels = [preprocessing.pixels(Image.open(drawn.folder / name)) for name in drawn.files]
    calibrate(network, preprocessing, np.stack(pixels))
    with torch.no_grad():
        network.fc.weight.mul_(20)
    path = tmp_path / "amplifying.safetensors"
    checkpoint.save(path, network.state_dict(), checkpoint.read_metadata(small_model_file))
    found, expected = Classifier.load(path, "cpu"), Classifier.load(path, "cpu", "float32")
    assert (found.precision, found.exact) == ("float32", True)
    assert "In bfloat16 this model's probabilities differ by up to" in found.note
    assert expected.note == ""
    paths = [drawn.folder / name for name in drawn.files[:3]]
    np.testing.assert_array_equal(found.predict(paths).probabilities, expected.predict(paths).probabilities)


def test_agreement_is_judged_by_how_far_a_probability_could_move() -> None:
    """Near a half, a change d of the log odds moves a probability from 1/(1 + exp(d/2)) to its complement; near 0 or 1
    nothing shows, and it counts all the same. What the less probable classes do does not count."""
    expected = torch.tensor([[9.0, -9.0, -30.0]])
    for change, allowed in ((0.0799, True), (0.0801, False), (torch.nan, False)):
        found = expected + torch.tensor([[change, 0.0, 5.0]])
        assert (too_far(found, expected, "bfloat16") == "") is allowed


def test_at_most_three_batches_are_taken_from_the_source(drawn: DrawnSet) -> None:
    taken = 0

    def source() -> Iterator[Path]:
        nonlocal taken
        for name in drawn.files:
            taken += 1
            yield drawn.folder / name

    batches = decoded_batches(source(), Preprocessing(), 2)
    assert len(next(batches)) == 2
    assert taken <= 6
    batches.close()
    assert taken <= 6


def test_wrong_arguments(model_file: Path, classifier: Classifier, drawn: DrawnSet) -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        classifier.predict([drawn.folder / drawn.files[0]], batch_size=0)
    with pytest.raises(CheckpointError, match="The device nonsense is not available"):
        Classifier.load(model_file, "nonsense")
    with pytest.raises(CheckpointError, match="one of float32, bfloat16, float16, not 'float8'"):
        Classifier.load(model_file, "cpu", "float8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Classifier.load(model_file.with_name("absent.safetensors"))


def test_checkpoint_with_another_architecture_or_preprocessing(tmp_path: Path, classifier: Classifier) -> None:
    state = build_network(3, seed=4).state_dict()
    path = tmp_path / "other.safetensors"
    value = classifier.metadata.to_json()
    for change, message in (
        ({"architecture": "resnet50"}, "'resnet50'; this software knows 'inception_v3'"),
        ({"preprocessing": {"size": 299}}, "preprocessing must have the fields"),
        ({"network": {}}, "network's options must be like"),
    ):
        checkpoint.save(path, state, checkpoint.CheckpointMetadata.from_json({**value, **change}))
        with pytest.raises(CheckpointError, match=message):
            Classifier.load(path, "cpu")
