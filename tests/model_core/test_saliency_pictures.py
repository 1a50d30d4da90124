"""The `saliency` command: its pictures, its table, its resume."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core import saliency_pictures as command
from model_core.manifest import DataError
from model_core.saliency import Explainer, saliency_map
from model_core.saliency_pictures import colour_table, pair
from model_core.taxonomy import TaxonomyError
from tests.model_core.conftest import DrawnSet


def test_colours_are_matplotlibs() -> None:
    """Ends as matplotlib 3 defines them: inferno #000004 to #fcffa5, viridis #440154 to #fde725, within 2 of 255."""
    for name, ends in (("inferno", ((0, 0, 4), (252, 255, 165))), ("viridis", ((68, 1, 84), (253, 231, 37)))):
        table = colour_table(name).astype(int)
        assert table.shape == (256, 3)
        np.testing.assert_allclose(table[[0, 255]], ends, atol=2)
        light = table @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light) > -0.5).all()  # ever lighter: it can be read in grey


def test_the_map_is_bright_where_it_is_large() -> None:
    image = Image.new("RGB", (400, 200), (120, 60, 200))
    saliency = np.zeros((200, 400), np.float32)
    saliency[50:100, 300:350] = 3
    both = np.asarray(pair(image, saliency, "inferno", 200)).astype(int)
    assert both.shape == (100, 404, 3)  # scaled to a longer side of 200, twice, with a gap of 4
    assert (both[:, :200] == (120, 60, 200)).all()
    over = both[:, 204:]
    np.testing.assert_allclose(over[37, 160], colour_table("inferno")[255], atol=1)
    assert over[75, 30].sum() < over[37, 160].sum() / 2
    flat = np.asarray(pair(image, np.zeros((200, 400), np.float32), "inferno", 200))  # no map at all, and no division
    assert (flat[:, 204:] == flat[0, 204]).all()


def run(*values: str | Path) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(value) for value in values]))


def test_the_command_goes_on_where_it_was(
    tmp_path: Path,
    drawn: DrawnSet,
    small_model_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    for name, place in zip(drawn.files, ("a.png", "deep/b.png"), strict=False):
        (folder / place).write_bytes((drawn.folder / name).read_bytes())
    (folder / "zz.jpg").write_bytes(b"no picture")
    basic = (
        "--model",
        small_model_file,
        "--images",
        folder,
        "--out",
        out,
        "--device",
        "cpu",
        "--node",
        "benign",
        "--npy",
    )
    explain, calls = Explainer.explain, []

    def counted(self: Explainer, image: Image.Image, node: str | None = None) -> object:
        calls.append(node)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return explain(self, image, node)

    monkeypatch.setattr(Explainer, "explain", counted)
    with pytest.raises(KeyboardInterrupt):
        run(*basic)
    assert not (out / "saliency.csv").exists()
    assert run(*basic) == 1
    assert len(calls) == 3  # the first picture was not explained again
    assert "zz.jpg: The file is not a picture" in capsys.readouterr().out
    with (out / "saliency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.png", "deep/b.png", "zz.jpg"]
    assert [row["target"] for row in rows] == ["benign", "benign", ""]
    expected = saliency_map(folder / "deep" / "b.png", small_model_file, node="benign", device="cpu")
    np.testing.assert_allclose(np.load(out / "deep" / "b.png.npy"), expected, rtol=1e-5)
    assert float(rows[1]["largest"]) == pytest.approx(float(expected.max()), rel=1e-4)
    with Image.open(out / rows[1]["picture"]) as picture:
        assert picture.size == (64 + 10 + 64, 48)
    record = json.loads((out / "saliency.csv.record.json").read_text())
    assert list(record["results"]["failed"]) == ["zz.jpg"]
    assert not (out / ".done.jsonl").exists()


def test_what_is_wrong_is_refused_before_the_work(tmp_path: Path, drawn: DrawnSet, small_model_file: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    basic = ("--model", small_model_file, "--device", "cpu", "--out", tmp_path / "out")
    with pytest.raises(DataError, match=r"bad\.jpg: The file is not a picture"):
        run(*basic, "--images", bad, "--bad-images", "refuse")
    with pytest.raises(TaxonomyError, match="no training class under 'psoriasis'"):
        run(*basic, "--images", drawn.folder, "--node", "psoriasis")
    with pytest.raises(DataError, match="at least 32 pixels, not 5"):
        run(*basic, "--images", drawn.folder, "--side", "5")
    assert not (tmp_path / "out" / "saliency.csv").exists()
