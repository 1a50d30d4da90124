"""`fit-head` and `predict` from end to end, as a person would call them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_core import checkpoint
from model_core.__main__ import main
from model_core.checkpoint import read_metadata
from tests.model_core.conftest import DrawnSet

pytestmark = pytest.mark.xdist_group("fit_head")  # what they share is made once


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "model_core", *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, drawn: DrawnSet) -> Path:
    """A model fitted on 20 of the drawn pictures, and a damaged one; lesions L10 and L11 are kept apart."""
    folder = tmp_path_factory.mktemp("fitted")
    rows = drawn.manifest.read_text("utf-8").splitlines()
    shutil.copytree(drawn.folder, folder / "images")
    (folder / "images/damaged.png").write_bytes((drawn.folder / drawn.files[0]).read_bytes()[:100])
    manifest = folder / "train.csv"
    manifest.write_text("\n".join([*rows[:21], "damaged.png,melanoma,L99,P99"]), "utf-8")
    model = folder / "model.safetensors"
    done = command(
        "fit-head", "--manifest", manifest, "--images", folder / "images", "--weights", "random", "--out", model,
        "--seed", 11, "--flips", "none", "--subject", "drawn by code",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "only the last layer was fitted" in done.stdout
    return model


def test_the_card_says_what_was_fitted(fitted: Path) -> None:
    metadata = read_metadata(fitted)
    card = metadata.training["card"]
    for part in (
        "only the last layer was fitted", "on 20 images (drawn by code) of 10 lesions and 5 patients",
        "malignant melanoma 10, melanocytic naevus 10", "random orthogonal weights, seed 11", "Seed 11",
        "no known lesion or patient on both sides",
    ):  # fmt: skip
        assert part in card
    assert [(c.id, c.n_images) for c in metadata.classes] == [("melanocytic-naevus", 10), ("melanoma", 10)]
    assert metadata.training["n_images_skipped"] == 1
    assert metadata.training["settings"]["seed"] == 11
    groups = metadata.training["groups"]
    assert {kind: len(found) for kind, found in groups.items()} == {
        "files": 20, "pixels": 20, "lesions": 10, "patients": 5,
    }  # fmt: skip
    assert checkpoint.group_digest("lesion", "P0/L0") in groups["lesions"]
    assert checkpoint.group_digest("patient", "P5") not in groups["patients"]


def test_a_record_lies_beside_the_checkpoint(fitted: Path) -> None:
    record = json.loads(fitted.with_name("model.safetensors.record.json").read_text("utf-8"))
    assert record["command"] == "fit-head"
    assert record["arguments"]["seed"] == 11
    assert record["outputs"] == {str(fitted): checkpoint.sha256(fitted)}
    assert "groups" not in record["results"]


def test_predict_tells_the_lesions_apart_that_were_kept_out(fitted: Path, tmp_path: Path, drawn: DrawnSet) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for name in drawn.files[20:]:
        shutil.copy(drawn.folder / name, folder)
    (folder / "broken.jpg").write_bytes(b"nothing")
    out = tmp_path / "scores.csv"
    done = command("predict", "--model", fitted, "--images", folder, "--out", out, "--node", "malignant melanoma")
    assert done.returncode == 1, done.stderr  # a picture failed, and the rest was written
    assert "5 pictures, 1 failed" in done.stdout
    with open(out, encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == [*drawn.files[20:], "broken.jpg"]
    assert rows["broken.jpg"]["melanoma"] == ""
    assert "not a picture" in rows["broken.jpg"]["error"]
    scores = [float(rows[name]["melanoma"]) for name in drawn.files[20:]]
    np.testing.assert_allclose(
        [float(rows[n]["melanoma"]) + float(rows[n]["melanocytic-naevus"]) for n in drawn.files[20:]], 1, atol=1e-5
    )
    assert min(scores[:2]) > max(scores[2:])  # L10 is a melanoma, L11 a naevus
    assert all(rows[n]["node melanoma"] == rows[n]["melanoma"] for n in drawn.files[20:])


def test_errors_are_one_sentence_and_write_nothing(
    tmp_path: Path, drawn: DrawnSet, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    one = tmp_path / "one.csv"
    one.write_text(f"file,diagnosis\n{drawn.files[0]},melanoma\n{drawn.files[1]},melanoma\n", "utf-8")
    fit = ("fit-head", "--images", drawn.folder, "--out", out)
    cases = (
        ((*fit, "--manifest", one, "--weights", "random"), "pictures of at least two diagnoses"),
        ((*fit, "--manifest", tmp_path / "no.csv", "--weights", "random"), "cannot be read: No such file"),
        ((*fit, "--manifest", drawn.manifest, "--weights", tmp_path / "no.pth"), "There is no file"),
        (("predict", "--model", out, "--images", drawn.folder, "--out", tmp_path / "x.csv"), "out.safetensors cannot"),
        (("predict", "--model", model_file, "--images", tmp_path / "no", "--out", tmp_path / "x.csv"), "no folder"),
        (
            ("predict", "--model", model_file, "--images", drawn.folder, "--out", tmp_path / "x.csv", "--node",
             "nodular melanoma"),
            "cannot be divided",
        ),
    )  # fmt: skip
    for arguments, message in cases:
        assert main([str(argument) for argument in arguments]) == 2
        assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["one.csv"]


def test_a_damaged_picture_is_refused_as_asked(
    tmp_path: Path, drawn: DrawnSet, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.png").write_bytes(b"nothing")
    for name in drawn.files[:3:2]:
        shutil.copy(drawn.folder / name, tmp_path)
    manifest = tmp_path / "m.csv"
    text = f"file,diagnosis\n{drawn.files[0]},melanoma\n{drawn.files[2]},nevus\ndamaged.png,nevus\n"
    manifest.write_text(text, "utf-8")
    out = tmp_path / "model.safetensors"
    arguments = ("--manifest", manifest, "--images", tmp_path, "--weights", "random", "--out", out, "--refuse-bad")
    assert main(["fit-head", *map(str, arguments)]) == 2
    assert "damaged.png: The file is not a picture" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--help"], ["fit-head", "predict", "partition", "labels"]),
        (["fit-head", "--help"], ["--pool-excludes-padding", "imagenet"]),
        (["predict", "--help"], ["--node"]),
    ],
)
def test_help_explains_every_command(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert [part for part in parts if part not in shown] == []


def test_an_interrupted_fit_does_not_look_at_pictures_twice(
    tmp_path: Path, drawn: DrawnSet, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at the third part, and again; the checkpoint is that of a run that was not stopped, bit by bit."""
    from model_core import fit_features
    from model_core.inference import FeatureExtractor

    rows = drawn.manifest.read_text("utf-8").splitlines()
    manifest = tmp_path / "m.csv"
    manifest.write_text("\n".join(rows[:6]), "utf-8")

    def fit(out: Path) -> int:
        given = ("--manifest", manifest, "--images", drawn.folder, "--weights", model_file, "--out", out, "--folds", 2)
        return main(["fit-head", *map(str, given), "--flips", "none", "--device", "cpu"])

    monkeypatch.setattr(fit_features, "PART", 2)
    assert fit(tmp_path / "whole.safetensors") == 0
    looked: list[int] = []
    features = FeatureExtractor.features

    def counted(self: FeatureExtractor, pixels: np.ndarray, views: object = ((),)) -> np.ndarray:
        looked.append(len(pixels))
        if len(looked) == 3:
            raise KeyboardInterrupt
        return features(self, pixels, views)  # type: ignore[arg-type]

    monkeypatch.setattr(FeatureExtractor, "features", counted)
    out = tmp_path / "model.safetensors"
    assert fit(out) == 130
    assert not out.exists()
    assert fit(out) == 0
    assert looked == [2, 2, 1, 1]
    (one, _), (other, _) = checkpoint.load(out), checkpoint.load(tmp_path / "whole.safetensors")
    assert all((one[name] == other[name]).all() for name in one)
    assert sorted(path.name for path in tmp_path.glob("model*")) == [
        "model.safetensors",
        "model.safetensors.record.json",
    ]
