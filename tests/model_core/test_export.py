"""The ONNX file, by ONNX Runtime against torchvision's forward pass; what its metadata say is enough to use it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core import export as command
from model_core import onnx_file
from model_core.checkpoint import CheckpointError, sha256
from model_core.inference import Classifier
from model_core.manifest import DataError
from model_core.onnx_file import drawn_pixels
from tests.model_core.conftest import DrawnSet

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

pytestmark = pytest.mark.xdist_group("export")


def run(*values: str | Path) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(value) for value in values]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, drawn: DrawnSet, small_model_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    images = folder / "images"
    images.mkdir()
    for name in drawn.files[:3]:
        (images / name).write_bytes((drawn.folder / name).read_bytes())
    (images / "zz.jpg").write_bytes(b"no picture")
    assert run("--model", small_model_file, "--out", folder / "model.onnx", "--images", images) == 0
    return folder / "model.onnx"


def test_the_metadata_alone_are_enough_to_use_it(exported: Path, drawn: DrawnSet, small_model_file: Path) -> None:
    """Prepared with Pillow and numpy as the file says, against `Classifier` in float32."""
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    preparation = json.loads(said["preprocessing"])
    assert preparation["resize"] == "squash"
    paths = [drawn.folder / name for name in drawn.files[:5]]
    pixels = []
    for path in paths:
        image = Image.open(path).convert("RGB").resize((preparation["size"],) * 2, Image.Resampling.BILINEAR)
        values = (np.asarray(image) / 255 - preparation["mean"]) / preparation["std"]
        pixels.append(values.transpose(2, 0, 1).astype(np.float32))
    (found,) = session.run(["probabilities"], {"image": np.stack(pixels)})
    classifier = Classifier.load(small_model_file, "cpu", "float32")
    np.testing.assert_allclose(found, classifier.predict(paths).probabilities, atol=1e-4)
    assert np.ptp(found, axis=0).max() > 1e-3  # the pictures do not all look the same to it
    assert [c["id"] for c in json.loads(said["classes"])] == [c.id for c in classifier.classes]
    assert json.loads(said["classes"])[1]["name"] == "melanocytic naevus"
    assert said["taxonomy_sha256"] == classifier.metadata.taxonomy_sha256
    assert said["checkpoint_sha256"] == sha256(small_model_file)
    assert said["card"] == "Random weights, for tests."


def test_the_file_is_whole_and_says_nothing_of_this_machine(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["image"]
    content = exported.read_bytes()
    assert str(Path(onnx_file.__file__).parent).encode() not in content
    assert b"site-packages" not in content


def test_the_record_says_how_far_it_is_from_the_checkpoint(exported: Path) -> None:
    record = json.loads(exported.with_name("model.onnx.record.json").read_text())
    results = record["results"]
    assert (results["pictures_drawn"], results["pictures_given"]) == (8, 3)
    assert 0 <= results["largest_difference"] <= 1e-4
    assert list(results["skipped"]) == ["zz.jpg"]
    assert results["sha256"] == sha256(exported)


@pytest.mark.parametrize("wrong", [0.01, float("nan")])
def test_a_file_that_differs_is_not_left(
    tmp_path: Path, exported: Path, small_model_file: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """A runtime whose probabilities of one class are off by 0.01, or no numbers."""
    by_runtime = onnx_file._by_runtime

    def off(path: str) -> onnx_file.Predict:
        predict = by_runtime(path)
        return lambda prepared: predict(prepared) + np.float32([0, wrong, 0])

    monkeypatch.setattr(onnx_file, "_by_runtime", off)
    monkeypatch.setattr(
        onnx_file, "_write", lambda network, size, path, _: Path(path).write_bytes(exported.read_bytes())
    )
    with pytest.raises(CheckpointError, match=r"model\.onnx is not written: its probabilities differ .* than 0\.0001"):
        run("--model", small_model_file, "--out", tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said(tmp_path: Path, small_model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="--manifest needs --images"):
        run("--model", small_model_file, "--out", tmp_path / "m.onnx", "--manifest", "x.csv")
    with pytest.raises(DataError, match=r"The folder of .* does not exist"):
        run("--model", small_model_file, "--out", tmp_path / "absent" / "m.onnx")
    monkeypatch.setattr(onnx_file.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(DataError, match=r"Exporting needs onnxruntime: pip install 'readerstudy\[onnx\]'"):
        run("--model", small_model_file, "--out", tmp_path / "m.onnx")


def test_drawn_pictures_differ_and_repeat_themselves() -> None:
    found = drawn_pixels(4, 75, seed=1)
    assert found.shape == (4, 75, 75, 3)
    assert (found == drawn_pixels(4, 75, seed=1)).all()
    assert len({picture.tobytes() for picture in found}) == 4
    assert found.std() > 20
