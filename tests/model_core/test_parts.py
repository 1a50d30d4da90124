"""What `split` wrote, taken by training, evaluation and cross-validation."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import pytest

from model_core.crossvalidate import _given_folds
from model_core.dataset import LabelledImage, group_numbers, read_labelled_images
from model_core.manifest import DataError
from model_core.parts import of_part, read_assignment
from model_core.split import command as split
from model_core.taxonomy import Taxonomy
from tests.model_core.conftest import DrawnSet


@pytest.fixture
def images(drawn: DrawnSet, taxonomy: Taxonomy) -> tuple[LabelledImage, ...]:
    return read_labelled_images(drawn.manifest, drawn.folder, taxonomy)


def test_parts_of_the_split_command_are_read_back(
    drawn: DrawnSet, images: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    """Through the command itself, so that a change of its columns is noticed here."""
    out = tmp_path / "split.csv"
    parser = argparse.ArgumentParser()
    split.add_arguments(parser)
    command = [str(drawn.manifest), "--images", str(drawn.folder), "--output", str(out), "--metadata-only"]
    assert split.run(parser.parse_args([*command, "--fractions", "train=0.5,validation=0.25,test=0.25"])) == 0
    with open(out, newline="") as file:
        of = {row["file"]: row["part"] for row in csv.DictReader(file)}
    for part in ("train", "test"):
        expected = [i for i in images if of[i.path.name] == part]
        assert expected
        assert list(of_part(out, part, images, drawn.folder)) == expected
    with pytest.raises(DataError, match=r"no image in the part 'tset'; its parts are test, train, validation"):
        of_part(out, "tset", images, drawn.folder)


def write(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("file", "fold", "screened"), *rows])
    return path


def test_excluded_images_are_left_out_and_screened_ones_not_tested(
    drawn: DrawnSet, images: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    folds = [(name, str(i % 3), "blurred" if i == 4 else "") for i, name in enumerate(drawn.files)]
    folds[7] = (drawn.files[7], "excluded", "")
    kept, fold, fit = _given_folds(write(tmp_path / "folds.csv", folds), images, drawn.folder)
    assert len(kept) == len(fold) == len(fit) == 23
    assert images[7] not in kept
    assert fold.tolist() == [i % 3 for i in range(24) if i != 7]
    assert [i for i, ok in enumerate(fit) if not ok] == [4]
    assert len(group_numbers(kept)) == 23


def test_wrong_assignments_are_named(drawn: DrawnSet, images: tuple[LabelledImage, ...], tmp_path: Path) -> None:
    folds = [(name, "1", "") for name in drawn.files]
    with pytest.raises(DataError, match="at least two folds"):
        _given_folds(write(tmp_path / "a.csv", folds), images, drawn.folder)
    with pytest.raises(DataError, match="'first' is neither a whole number"):
        _given_folds(write(tmp_path / "b.csv", [(drawn.files[0], "first", ""), *folds[1:]]), images, drawn.folder)
    with pytest.raises(DataError, match=f"no row for '{drawn.files[0]}'"):
        _given_folds(write(tmp_path / "c.csv", folds[1:]), images, drawn.folder)
    with pytest.raises(DataError, match=r"d.csv, row 2, column fold: it must not be empty"):
        read_assignment(write(tmp_path / "d.csv", [(drawn.files[0], "", ""), *folds[1:]]), "fold", images, drawn.folder)
