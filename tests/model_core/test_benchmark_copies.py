"""The benchmark of planted copies: what it counts, on pictures made here of textures that differ."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from model_core.benchmark import command, copies
from model_core.benchmark.copies import CHANGES, measure
from model_core.manifest import DataError, ManifestRow
from model_core.split.components import Similarity


def texture(seed: int) -> Image.Image:
    """Blobs at random places: 160 x 120 pixels full of corners to find again."""
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=(120, 160)), 3)
    values = (255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


def rows(*lesions: str) -> list[ManifestRow]:
    return [ManifestRow(f"{i}.png", "melanoma", lesion_id=lesion) for i, lesion in enumerate(lesions)]


def test_copies_are_found_and_strangers_counted() -> None:
    found = measure([texture(0), texture(1), texture(2)], rows("a", "b", "b"), seed=0)
    assert set(found.recall) == set(CHANGES)
    assert sum(r.found for r in found.recall.values()) >= 17  # of 18
    assert found.strangers == 2  # b and b are one lesion
    assert (found.joined, found.in_one_component) == ((), 0)
    assert "stored again, half the size" in found.table()


def test_a_picture_that_two_lesions_share_is_a_false_join() -> None:
    found = measure([texture(0), texture(0), texture(1)], rows("a", "b", "c"), seed=0)
    assert found.strangers == 3
    assert found.joined == (("0.png", "1.png"),)
    assert found.in_one_component == 1
    assert "joined: 0.png and 1.png" in found.table()


def test_a_graph_without_edges_finds_nothing() -> None:
    blind = Similarity(hash_distance=-1, points=10_000)
    found = measure([texture(0), texture(1)], rows("", ""), seed=0, similarity=blind)
    assert {r.found for r in found.recall.values()} == {0}
    assert found.strangers == 1  # where no lesion is named each image is one


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "diagnosis", "lesion_id"), *((f"{i}.png", "x", i) for i in range(4))])
    for i in range(3):
        texture(i).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    parser = ArgumentParser()
    command.add_arguments(parser)
    given = [
        "copies",
        "--manifest",
        str(tmp_path / "m.csv"),
        "--images",
        str(tmp_path),
        "--out",
        str(tmp_path / "o.json"),
    ]
    assert command.run(parser.parse_args(given)) == 0
    assert "3.png: The file is not a picture" in capsys.readouterr().out
    assert json.loads((tmp_path / "o.json").read_text())["originals"] == 3
    assert json.loads((tmp_path / "o.json.record.json").read_text())["arguments"]["seed"] == 0
    with pytest.raises(DataError, match="at least 2 images, not 1"):
        copies.run(parser.parse_args([*given, "--sample", "1"]))
