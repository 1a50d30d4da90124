"""`split` from manifest to files: parts, folds, screening, leaks, explanations, records; on drawn pictures."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from model_core import split
from model_core.manifest import DataError, ManifestRow, write_manifest

Table = list[dict[str, str]]


def skin(seed: int) -> Image.Image:
    """A round lesion on spotted skin, 160 x 120, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    spots = gaussian_filter(rng.normal(size=(120, 160)), 2) + 2 * gaussian_filter(rng.normal(size=(120, 160)), 5)
    y, x = np.mgrid[:120, :160]
    lesion = np.hypot(x - 80, y - 60) < 30
    values = np.array([205, 165, 145]) - 70 * lesion[..., None] + 25 * spots[..., None] / spots.std()
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures of 30 lesions (the first ten have two), photographs; and one manifest of them all.

    28 is the mirror image of 3; 29 is blurred; the file of 27 is broken.
    """
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rows = []
    for i in range(40):
        lesion, name = i % 30, f"images/{i:02d}.png"
        image = skin(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT) if i == 28 else skin(100 + i if i != 3 else 3)
        if i == 29:
            image = image.filter(ImageFilter.GaussianBlur(4))
        image.save(folder / name)
        if i == 27:
            (folder / name).write_bytes(b"broken")
        diagnosis = ("melanoma", "melanocytic-naevus", "dermatofibroma")[lesion % 3]
        rows.append(ManifestRow(name, diagnosis, "histopathology", "clinical", f"L{lesion}"))
    write_manifest(folder / "manifest.csv", rows)
    return folder


def command(*values: str | Path | int) -> int:
    parser = ArgumentParser()
    split.add_arguments(parser)
    return split.run(parser.parse_args([*(str(value) for value in values), "--workers", "1"]))


def table(path: Path) -> Table:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def record(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.with_name(path.name + ".record.json").read_text())
    return found


def groups(rows: Table, column: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row["component"]].add(row[column])
    return found


def test_parts_keep_lesions_and_copies_together(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "split.csv"
    assert command(data / "manifest.csv", "--output", out, "--fractions", "train=0.6,validation=0.2,test=0.2") == 0
    rows = table(out)
    part = {row["file"]: row["part"] for row in rows}
    assert [row["file"] for row in rows] == [f"images/{i:02d}.png" for i in range(40)]
    pairs = [(i, i + 30) for i in range(10)] + [(3, 28)]
    assert all(part[f"images/{a:02d}.png"] == part[f"images/{b:02d}.png"] for a, b in pairs)
    assert {"train", "validation", "test"} <= set(part.values())
    assert part["images/29.png"] == "train"  # blurred, alone in its component: only trained on
    assert part["images/27.png"] == "excluded"
    assert rows[29]["screened"] == "blurred"
    assert "cannot be decoded" in rows[27]["screened"]
    edges = table(tmp_path / "split.csv.edges.csv")
    assert sum(edge["reason"] == "lesion" for edge in edges) == 10
    mirror = {edge["reason"] for edge in edges if (edge["file"], edge["other"]) == ("images/03.png", "images/28.png")}
    assert mirror == {"perceptual hash", "points in common"}
    assert len({edge["component"] for edge in edges}) == 10  # 3 and 33 with 28, and nine more pairs
    printed = capsys.readouterr().out
    assert "manifest.csv, row 29: images/27.png cannot be decoded" in printed
    assert "blurred: 1 images" in printed


def test_the_record_says_what_was_done(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    command(data / "manifest.csv", "--output", out, "--seed", 11, "--metadata-only")
    found = record(out)
    assert found["command"] == "split"
    assert found["arguments"]["seed"] == 11  # type: ignore[index]
    assert found["results"]["edges"] == {"lesion": 10}  # type: ignore[index]
    assert found["results"]["components"] == 30  # type: ignore[index]
    assert sum(found["results"]["parts"].values()) == 40  # type: ignore[index]
    assert set(found["inputs"]) == {str(data / "manifest.csv")}  # type: ignore[call-overload]


def test_the_seed_fixes_the_split(data: Path, tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command(data / "manifest.csv", "--output", tmp_path / name, "--seed", seed, "--metadata-only")
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_folds_stratified_by_training_classes(data: Path, tmp_path: Path) -> None:
    classes = {"classes": [
        {"id": "melanocytic", "diseases": ["melanoma", "melanocytic-naevus"]},
        {"id": "other", "diseases": ["dermatofibroma"]},
    ]}  # fmt: skip
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    out = tmp_path / "folds.csv"
    arguments = ("--folds", 3, "--classes", tmp_path / "classes.json", "--metadata-only")
    assert command(data / "manifest.csv", "--output", out, *arguments) == 0
    rows = table(out)
    assert {row["fold"] for row in rows} == {"0", "1", "2"}
    assert all(len(folds) == 1 for folds in groups(rows, "fold").values())
    results = record(out)["results"]
    assert results["groups_by_class"] == {"melanocytic": 20, "other": 10}  # type: ignore[index]


def test_large_components_are_explained(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [ManifestRow(f"images/{i:02d}.png", "melanoma", lesion_id=f"L{i // 4}", patient_id="P" * (i % 4 == 0))
            for i in range(12)]  # fmt: skip
    write_manifest(tmp_path / "m.csv", [*rows, ManifestRow("x.png", "melanoma"), ManifestRow("y.png", "melanoma")])
    out = tmp_path / "split.csv"
    command(tmp_path / "m.csv", "--output", out, "--metadata-only", "--fractions", "train=0.5,test=0.5")
    printed = capsys.readouterr().out
    assert "12 images, edges: 9 by lesion, 2 by patient; without lesion it falls into 10 pieces" in printed
    (told,) = record(out)["results"]["large_components"]  # type: ignore[index]
    assert told["size"] == 12
    assert "without patient it falls into 3 pieces, the largest of 4" in told["text"]


def test_leaks_into_another_manifest_are_found_and_fail(data: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    new = {"new.png": skin(900), "turned.png": skin(105).rotate(20, Image.Resampling.BICUBIC).crop((10, 10, 150, 110)),
           "lesion.png": skin(901)}  # fmt: skip
    for name, image in new.items():
        image.save(tmp_path / "images" / name)
    rows = [ManifestRow("new.png", "melanoma"), ManifestRow("turned.png", "melanoma"),
            ManifestRow("lesion.png", "melanoma", lesion_id="L7")]  # fmt: skip
    write_manifest(tmp_path / "test.csv", rows)
    out = tmp_path / "leaks.csv"
    arguments = ("--images", tmp_path / "images", "--against", data / "manifest.csv", "--output", out)
    assert command(tmp_path / "test.csv", *arguments) == 1
    assert [(r["file"], r["other"], r["reason"]) for r in table(out)] == [
        ("turned.png", "images/05.png", "points in common"),
        ("lesion.png", "images/07.png", "lesion"),
        ("lesion.png", "images/37.png", "lesion"),
    ]
    assert record(out)["results"]["leaking_images"] == 2  # type: ignore[index]
    write_manifest(tmp_path / "test.csv", rows[:1])
    assert command(tmp_path / "test.csv", *arguments) == 0
    assert table(out) == []


def test_features_join_too_by_order_or_by_name(data: Path, tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(40, 32)).astype(np.float16)
    features[25] = features[16]
    np.save(tmp_path / "f.npy", features)
    files = np.array([f"images/{i:02d}.png" for i in range(40)])
    order = np.random.default_rng(1).permutation(40)
    np.savez(tmp_path / "f.npz", features=features[order], files=files[order])
    for name in ("f.npy", "f.npz"):
        out = tmp_path / f"{name}.csv"
        arguments = ("--metadata-only", "--features", tmp_path / name, "--cosine", "0.99")
        command(data / "manifest.csv", "--output", out, *arguments)
        edges = table(tmp_path / f"{name}.csv.edges.csv")
        found = [(e["file"], e["other"]) for e in edges if e["reason"] == "features"]
        assert found == [("images/16.png", "images/25.png")]
    np.save(tmp_path / "few.npy", features[:7])
    np.savez(tmp_path / "few.npz", features=features[:7], files=files[:7])
    for name, message in (("few.npy", "7 rows for the 40 images"), ("few.npz", "no features of images/07.png and 32")):
        with pytest.raises(DataError, match=message):
            command(data / "manifest.csv", "--output", tmp_path / "x", "--metadata-only", "--features", tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fractions", "train:0.5,test:0.5"), "must read like train=0.8"),
        (("--fractions", "train=0.5,test=0.4"), "add up to 1"),
        (("--folds", "31", "--metadata-only"), "30 groups of images that belong together cannot fill 31 folds"),
        (("--classes", "no.json", "--metadata-only"), "no.json cannot be read as training classes"),
        # what follows is refused before the pictures are looked at, which can take an hour
        (("--classes", "no.json"), "no.json cannot be read as training classes"),
        (("--folds", "1"), "at least 2 folds, not 1"),
        (("--folds", "41"), "40 groups of images that belong together cannot fill 41 folds"),
        (("--points", "-1"), "--points must be at least 0"),
        (("--images", "nowhere"), "There is no folder nowhere"),
    ],
)
def test_wrong_arguments_are_named(data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        command(data / "manifest.csv", "--output", tmp_path / "x.csv", *arguments)
    assert not (tmp_path / "x.csv").exists()
    assert not (tmp_path / "x.csv.fingerprints").exists()
