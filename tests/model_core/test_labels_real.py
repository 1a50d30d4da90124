"""The publishers' real files, where they are at hand."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from model_core.labels import read_labels
from model_core.manifest import DataError


def test_the_155_contradictions_of_a_public_set(shared_data: Path) -> None:
    """shared/data/README.md: 155 image ids with two labels; two more files are copies, "(1)" in their names."""
    found = read_labels([shared_data / "conflicting_labels" / "labels.csv"])
    with (shared_data / "conflicting_labels" / "labels.csv").open() as file:
        ids = {row["image_id"] for row in csv.DictReader(file)}
    counts = found.counts()
    assert (counts["conflict"], counts["duplicate"]) == (155, 2)
    assert len(found.rows) == len(ids) - 155


# The publishers' own numbers: Tschandl et al., Scientific Data 2018; the ISIC 2017 challenge; Pacheco et al., 2020
REAL = {
    ("HAM10000_metadata.csv",): {
        "melanocytic-naevus": 6705, "melanoma": 1113, "benign-keratosis-like-lesion": 1099,
        "basal-cell-carcinoma": 514, "keratinocyte-intraepidermal-neoplasia": 327, "benign-vascular": 142,
        "dermatofibroma": 115,
    },
    ("ISIC-2017_Training_Part3_GroundTruth.csv", "ISIC-2017_Training_Data_metadata.csv"): {
        "melanoma": 374, "seborrhoeic-keratosis": 254, "melanocytic-naevus": 1372,
    },
    ("ISIC-2017_Validation_Part3_GroundTruth.csv",): {
        "melanoma": 30, "seborrhoeic-keratosis": 42, "melanocytic-naevus": 78,
    },
    ("PAD-UFES-20_metadata.csv",): {
        "basal-cell-carcinoma": 845, "actinic-keratosis": 730, "melanocytic-naevus": 244, "seborrhoeic-keratosis": 235,
        "squamous-cell-carcinoma": 192, "melanoma": 52,
    },
}  # fmt: skip


@pytest.mark.parametrize("files", REAL)
def test_the_publishers_whole_files(shared_data: Path, files: tuple[str, ...]) -> None:
    found = read_labels([shared_data / "labels" / file for file in files])
    assert Counter(row.diagnosis for row in found.rows) == REAL[files]
    assert found.problems == ()


def test_numbered_images_agree_with_the_copy_that_names_them(shared_data: Path) -> None:
    truth, names = "ISIC-2017_Training_Part3_GroundTruth.csv", "ISIC-2017_Training_Data_metadata.csv"
    found = read_labels([shared_data / "labels" / truth, shared_data / "labels" / names])
    whole = {Path(row.file).stem: row.diagnosis for row in found.rows}
    copy = read_labels([shared_data / "isic2017_256" / "labels.csv"])
    named = {Path(row.file).stem: row.diagnosis for row in copy.rows}
    assert len(whole) == 2000
    assert {image: named[image] for image in whole} == whole


def test_patients_of_pad_ufes_20_do_not_share_lesions(shared_data: Path) -> None:
    """Their lesion numbers recur with other patients (250 of 1,641): ours do not."""
    rows = read_labels([shared_data / "labels" / "PAD-UFES-20_metadata.csv"]).rows
    patients: dict[str, set[str]] = {}
    for row in rows:
        patients.setdefault(row.lesion_id, set()).add(row.patient_id)
    assert len(rows) == 2298
    assert all(len(found) == 1 for found in patients.values())


@pytest.mark.parametrize("folder", ["ham10000_384x288", "ham10000_600x450", "pad_ufes_20"])
def test_the_folders_of_real_images(shared_data: Path, folder: str) -> None:
    found = read_labels([shared_data / folder / "labels.csv"], images=shared_data / folder)
    assert found.problems == ()
    assert len(found.rows) == sum(1 for _ in (shared_data / folder / "images").iterdir())


NUMBERED = ("ISIC-2017_Test_v2_Part3_GroundTruth.csv.head", "ISIC-2017_Training_Part3_GroundTruth.csv.head")
WITHOUT_LABELS = (
    "ISIC-2017_Training_Data_metadata.csv.head", "ISIC_2019_Training_Metadata.csv.head",
    "ISIC_2019_Training_Metadata_variant_gender.csv.head", "MILK10k_Training_Metadata.csv.head",
)  # fmt: skip
OF_LESIONS = "MILK10k_Training_GroundTruth.csv.head"


def test_every_header_that_was_met(shared_data: Path) -> None:
    """formats/: the header and three rows of each real file; each is read as the format that it is."""
    files = sorted(f for f in (shared_data / "formats").iterdir() if f.suffix in (".head", ".json"))
    alone = [f for f in files if f.name not in (*NUMBERED, *WITHOUT_LABELS, OF_LESIONS)]
    assert (len(files), len(alone)) == (18, 11)
    for file in alone:
        found = read_labels([file])
        assert len(found.rows) == (1 if file.suffix == ".json" else 3), file.name
        assert found.problems == (), file.name
    for name in NUMBERED:
        with pytest.raises(DataError, match="numbers its 3 images"):
            read_labels([shared_data / "formats" / name])
    for name in WITHOUT_LABELS:
        assert read_labels([shared_data / "formats" / name]).counts() == {"no diagnosis": 3}
    milk = [shared_data / "formats" / name for name in (OF_LESIONS, WITHOUT_LABELS[-1])]
    found = read_labels(milk)  # the first two of the three lesions are those of the metadata's three rows
    assert [row.diagnosis for row in found.rows] == ["basal-cell-carcinoma"] * 3
    assert found.counts() == {"missing file": 1}
