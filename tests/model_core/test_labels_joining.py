"""Rows that speak of one image, the folder of images, the command, the manifest."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_core.labels import Labels, add_arguments, read_labels, run
from model_core.manifest import DataError, ManifestRow, read_manifest, write_manifest
from model_core.taxonomy import Node, Taxonomy

HEADER = "image_id,dx,dx_type,lesion_id,age\n"


def read(tmp_path: Path, *texts: str, images: Path | None = None) -> Labels:
    paths = []
    for i, text in enumerate(texts):
        paths.append(tmp_path / f"{i}.csv")
        paths[-1].write_text(text)
    return read_labels(paths, images=images)


def kinds(found: Labels) -> list[str]:
    return [problem.kind for problem in found.problems]


def test_two_labels_for_one_image_are_a_conflict_and_it_is_left_out(tmp_path: Path) -> None:
    rows = "ISIC_9000001,mel,histo,L1,\nISIC_9000001,nv,histo,L1,\nISIC_9000002,nv,histo,L2,\n"
    found = read(tmp_path, HEADER + rows)
    assert [row.file for row in found.rows] == ["ISIC_9000002.jpg"]
    assert kinds(found) == ["conflict"]
    assert "'mel' (" in found.problems[0].message
    assert "row 2) is 'melanoma'" in found.problems[0].message
    assert "row 3) is 'melanocytic-naevus'" in found.problems[0].message


def test_a_conflict_is_found_between_publishers_too(tmp_path: Path) -> None:
    isic2018 = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_9000001,1,0,0,0,0,0,0\n"
    assert kinds(read(tmp_path, HEADER + "ISIC_9000001,nv,histo,L1,\n", isic2018)) == ["conflict"]


def test_a_finer_label_does_not_contradict_a_coarser_one_and_is_kept(tmp_path: Path) -> None:
    """HAM10000's akiec is actinic keratosis or Bowen disease; ISIC 2019 says which."""
    isic2019 = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_9000001,0,0,0,1,0,0,0,0,0\n"
    found = read(tmp_path, HEADER + "ISIC_9000001,akiec,histo,L1,40\n", isic2019)
    assert [(row.diagnosis, row.age) for row in found.rows] == [("actinic-keratosis", "40")]
    assert found.problems == ()


def test_a_row_twice_and_a_copy_of_a_file_are_duplicates(tmp_path: Path) -> None:
    rows = "x/ISIC_9000001.jpg,ISIC_9000001,nevus\nx/ISIC_9000001(1).jpg,ISIC_9000001,nevus\nx/b.jpg,b,nevus\n"
    found = read(tmp_path, "file,image_id,label\n" + rows)
    assert [row.file for row in found.rows] == ["x/ISIC_9000001.jpg", "x/b.jpg"]
    assert kinds(found) == ["duplicate"]
    assert kinds(read(tmp_path, HEADER + "ISIC_9000001,nv,histo,L,\n" * 2)) == ["duplicate"]


def test_the_same_bare_number_in_two_sets_is_two_images(tmp_path: Path) -> None:
    ddi = "DDI_file,disease\n000001.png,melanoma\n"
    ours = "file,diagnosis\n000001.png,dermatofibroma\n"
    found = read(tmp_path, ddi, ours)
    assert [row.diagnosis for row in found.rows] == ["melanoma", "dermatofibroma"]
    assert found.problems == ()


def test_unknown_diagnoses_are_counted_by_label(tmp_path: Path) -> None:
    rows = "a.png,melonoma\nb.png,melonoma\nc.png,melanoma\n"
    found = read(tmp_path, "file,diagnosis\n" + rows)
    assert [row.file for row in found.rows] == ["c.png"]
    (problem,) = found.problems
    assert (problem.kind, problem.value, problem.images, problem.row) == ("unknown diagnosis", "melonoma", 2, 2)
    assert found.counts() == {"unknown diagnosis": 2}


def test_a_diagnosis_finer_than_the_taxonomy_takes_the_node_above(tmp_path: Path) -> None:
    file = tmp_path / "archive.csv"
    file.write_text("isic_id,diagnosis_1,diagnosis_2,diagnosis_3\nISIC_9000001,Malignant,Melanoma,Lunar melanoma\n")
    found = read_labels([file])
    assert [row.diagnosis for row in found.rows] == ["melanoma"]
    assert kinds(found) == ["coarser diagnosis"]


def test_a_taxonomy_of_ones_own_knows_labels_by_its_names(tmp_path: Path) -> None:
    own = Taxonomy((Node("dark", "", "nevus"), Node("melanoma", "dark", "Melanoma")))
    file = tmp_path / "labels.csv"
    file.write_text("file,label\na.png,Nevus\nb.png,melanoma\nc.png,dermatofibroma\n")
    found = read_labels([file], taxonomy=own)
    assert [row.diagnosis for row in found.rows] == ["dark", "melanoma"]
    assert kinds(found) == ["unknown diagnosis"]


def test_a_bad_value_is_left_empty_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + "ISIC_9000001,nv,histo,L1,four\n")
    assert found.rows[0].age == ""
    assert [(p.kind, p.column, p.value, p.row) for p in found.problems] == [("value", "age", "four", 2)]


def folder_of(tmp_path: Path, *names: str) -> Path:
    root = tmp_path / "images"
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (8, 8, 3), np.uint8)).save(root / name)
    return root


def test_images_are_found_at_any_depth_and_what_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "part_1/ISIC_9000001.jpg", "part_2/ISIC_9000002.png", "part_2/ISIC_9000009.png")
    (root / "ISIC_9000003.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("not an image")
    rows = "".join(f"ISIC_900000{i},nv,histo,L{i},\n" for i in range(1, 5))
    found = read(tmp_path, HEADER + rows, images=root)
    assert [row.file for row in found.rows] == ["part_1/ISIC_9000001.jpg", "part_2/ISIC_9000002.png"]
    assert [(p.kind, p.value) for p in found.problems[:2]] == [
        ("missing file", "ISIC_9000004"), ("empty file", "ISIC_9000003.jpg"),
    ]  # fmt: skip
    assert [p.message for p in found.problems[2:]] == ["no row names part_2/ISIC_9000009.png"]


def test_a_file_named_with_its_folder_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "other/1.png", "sub/2.png")
    found = read(tmp_path, "file,diagnosis\nmine/1.png,melanoma\n2.png,melanoma\n", images=root)
    assert [row.file for row in found.rows] == ["sub/2.png"]
    assert kinds(found) == ["missing file", "unlabelled file"]


def test_the_same_bytes_under_two_names(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "a.png", "b.png", "c.png")
    for copy, of in (("a2", "a"), ("b2", "b")):
        (root / f"{copy}.png").write_bytes((root / f"{of}.png").read_bytes())
    rows = "a.png,nevus\na2.png,nevus\nb.png,nevus\nb2.png,melanoma\nc.png,melanoma\n"
    found = read(tmp_path, "file,label\n" + rows, images=root)
    assert [row.file for row in found.rows] == ["a.png", "c.png"]
    assert kinds(found) == ["conflict", "duplicate"]
    assert "b.png, b2.png have the same bytes" in found.problems[0].message
    assert found.counts() == {"conflict": 2, "duplicate": 1}


def test_a_folder_that_tells_the_diagnosis_is_named(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "train/Melanoma/a.png", "train/nv/b.png")
    found = read(tmp_path, "file,label\ntrain/Melanoma/a.png,melanoma\ntrain/nv/b.png,nevus\n", images=root)
    assert [(p.kind, p.value) for p in found.problems] == [("folder states diagnosis", "Melanoma")]


def command(*values: str | Path) -> int:
    parser = ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(value) for value in values]))


def test_the_command_writes_manifest_problems_and_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "ham.csv", tmp_path / "out" / "manifest.csv"
    labels.write_text(HEADER + "ISIC_9000001,mel,histo,L1,50\nISIC_9000002,nv,histo,L2,\nISIC_9000002,mel,histo,L2,\n")
    assert command(labels, "--output", out) == 0
    (row,) = read_manifest(out)
    assert (row.file, row.diagnosis, row.age) == ("ISIC_9000001.jpg", "melanoma", "50")
    with (out.parent / "manifest.csv.problems.csv").open() as file:
        assert [problem["kind"] for problem in csv.DictReader(file)] == ["conflict"]
    record = json.loads((out.parent / "manifest.csv.record.json").read_text())
    assert record["results"]["diagnoses"] == {"melanoma": 1}
    assert record["results"]["problems"] == {"conflict": 1}
    assert set(record["versions"]) >= {"model_core", "python", "numpy"}
    assert "conflict: 1" in capsys.readouterr().out


def test_the_strict_command_writes_nothing(tmp_path: Path) -> None:
    labels, out = tmp_path / "ham.csv", tmp_path / "manifest.csv"
    labels.write_text(HEADER + "ISIC_9000001,mel,histo,L1,\nISIC_9000002,wart?,histo,L2,\n")
    assert command(labels, "--output", out, "--strict") == 1
    assert not out.exists()


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Zs", "Cc")), min_size=1)
files = texts.filter(lambda name: not name.startswith(("/", "\\")) and ".." not in name)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(files, texts), min_size=1, unique_by=lambda pair: pair[0]))
def test_a_manifest_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("m") / "m.csv"
    rows = [ManifestRow(file=f, diagnosis=d, confirmation="clinical", age="7", sex="male") for f, d in pairs]
    write_manifest(path, rows)
    assert list(read_manifest(path)) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.png\n", "row 1: the column diagnosis is missing; there are file"),
        ("file,diagnosis\na.png,\n", "row 2, column diagnosis: '': it must not be empty"),
        ("file,diagnosis\na.png,x\na.png,x\n", "row 3, column file: 'a.png': row 2 names the same file"),
        ("file,diagnosis,age\na.png,x,4.5\n", "row 2, column age: '4.5': it must be whole years"),
        ("file,diagnosis,modality\na.png,x,photo\n", "modality: 'photo': allowed are overview, clinical, dermoscopy"),
        ("file,diagnosis,sex\na.png,x,w\n", "column sex: 'w'"),
        ("file,diagnosis,skin_type\na.png,x,IV\n", "column skin_type: 'IV'"),
        ("file,diagnosis,confirmation\na.png,x,histo\n", "column confirmation: 'histo': allowed are histopathology"),
        ("file,diagnosis\na,b.png,x\n", "row 2: 3 values under 2 columns"),
        ("file,diagnosis,file\na,x,b\n", "row 1: the column file occurs more than once"),
        ("file,diagnosis\n", "has no rows"),
        ("file;diagnosis\na;b.png;x\n", "row 2: 3 values under 2 columns; a value that contains a semicolon"),
        ("file,diagnosis\n/a.png,x\n", "row 2, column file: '/a.png': it must be a path inside"),
        ("file,diagnosis\na\0.png,x\n", "row 2: there is a byte 0"),
    ],
)
def test_a_manifest_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"m.csv.*{message}"):
        read_manifest(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_manifest_may_have_any_separator_that_the_upload_takes(tmp_path: Path, delimiter: str) -> None:
    """One file serves both; a German spreadsheet writes semicolons, a byte order mark and CRLF."""
    path = tmp_path / "m.csv"
    lines = [("file", "diagnosis", "modality"), ("größe.png", '"melanoma"', "overview")]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode("utf-8-sig"))
    assert read_manifest(path) == (ManifestRow("größe.png", "melanoma", modality="overview"),)
