"""The claim that matters, on real images: one lesion, or one picture however changed, never lies on both sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.benchmark.copies import CHANGES, planted_components
from model_core.labels import read_labels
from model_core.split import Components, grouped_folds, grouped_parts, similarity_components
from model_core.split.hashing import perceptual_hash
from model_core.split.keypoints import describe

pytestmark = pytest.mark.xdist_group("split_real")  # what they share is made once

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.mark.parametrize(
    ("folders", "several"), [(("ham10000_384x288",), 97), (("ham10000_384x288", "ham10000_224crop"), None)]
)
def test_lesions_of_ham10000_never_straddle(shared_data: Path, folders: tuple[str, ...], several: int | None) -> None:
    """shared/data/README.md: 97 lesions of ham10000_384x288 have more than one image; with the crops there are more."""
    rows = read_labels([shared_data / folder / "labels.csv" for folder in folders]).rows
    lesions = [row.lesion_id for row in rows]
    many = {lesion for lesion, n in Counter(lesions).items() if n > 1}
    assert len(many) == several if several else len(many) > 97
    components = similarity_components(len(rows), keys={"lesion": lesions})
    labels = [row.diagnosis for row in rows]
    splits = [
        grouped_folds(components.of, labels, folds=9, seed=0),
        grouped_parts(components.of, labels, fractions=FRACTIONS, seed=0),
    ]
    for split in splits:
        sides: dict[str, set[str]] = defaultdict(set)
        for lesion, side in zip(lesions, split.tolist(), strict=True):
            sides[lesion].add(str(side))
        assert [lesion for lesion in many if len(sides[lesion]) > 1] == []


def join(pictures: list[Image.Image]) -> Components:
    """By their pixels alone."""
    return similarity_components(
        len(pictures),
        hashes=np.stack([perceptual_hash(picture) for picture in pictures]),
        keypoints=[describe(picture) for picture in pictures],
    )


def test_patients_of_pad_ufes_20_never_straddle(shared_data: Path) -> None:
    """The publisher's whole file: patients with several lesions, and lesions with several photographs."""
    rows = read_labels([shared_data / "labels" / "PAD-UFES-20_metadata.csv"]).rows
    patients, lesions = [row.patient_id for row in rows], [row.lesion_id for row in rows]
    several = {patient for patient, n in Counter(patients).items() if n > 1}
    assert len(several) == 544  # of 1,373, counted in the file with awk
    components = similarity_components(len(rows), keys={"patient": patients, "lesion": lesions})
    labels = [row.diagnosis for row in rows]
    for split in (
        grouped_folds(components.of, labels, folds=9, seed=0),
        grouped_parts(components.of, labels, fractions=FRACTIONS, seed=0),
    ):
        sides: dict[str, set[str]] = defaultdict(set)
        for patient, side in zip(patients, split.tolist(), strict=True):
            sides[patient].add(str(side))
        assert [patient for patient in several if len(sides[patient]) > 1] == []


@pytest.fixture(scope="module")
def planted(shared_data: Path) -> tuple[Components, list[tuple[int, str]]]:
    """24 real images and six changed copies of each; (original, change) of each copy, in order."""
    files = sorted((shared_data / "ham10000_384x288" / "images").iterdir())[::150]
    files += sorted((shared_data / "pad_ufes_20" / "images").iterdir())[::37]
    originals = [Image.open(file).convert("RGB") for file in files]
    assert len(originals) == 24
    return planted_components(originals, np.random.default_rng(20))


def test_planted_copies_are_found(planted: tuple[Components, list[tuple[int, str]]]) -> None:
    """Recall by change; of all 144 copies at most 4 may be missed."""
    components, copies = planted
    found: Counter[str] = Counter()
    for position, (original, change) in enumerate(copies):
        found[change] += int(components.of[24 + position] == components.of[original])
    assert set(found) == set(CHANGES)
    for change in ("stored again, half the size", "quarter turns and mirrors", "brightened or darkened"):
        assert found[change] == 24
    assert min(found.values()) >= 22
    assert found.total() >= 140


def test_strangers_are_not_joined(planted: tuple[Components, list[tuple[int, str]]]) -> None:
    components, _ = planted
    assert len(set(components.of[:24].tolist())) == 24


def test_no_planted_copy_straddles_a_fold(planted: tuple[Components, list[tuple[int, str]]]) -> None:
    components, copies = planted
    fold = grouped_folds(components.of, ["x"] * len(components.of), folds=5, seed=1)
    apart = [(i, name) for k, (i, name) in enumerate(copies) if fold[24 + k] != fold[i]]
    assert len(apart) <= 4
    assert all(
        name in ("turned by 4 to 20 degrees", "cropped to 80 % of each side", "mirrored, cropped, lit, stored")
        for _, name in apart
    )


def test_the_same_dermoscopic_image_at_two_sizes_and_crops_is_found(shared_data: Path) -> None:
    """ham10000_600x450 holds images whose centre crops of 224 x 224 lie in ham10000_224crop: told by pixels alone."""
    whole = {file.name: file for file in (shared_data / "ham10000_600x450" / "images").iterdir()}
    crops = {file.name: file for file in (shared_data / "ham10000_224crop" / "images").iterdir()}
    names = sorted(whole.keys() & crops.keys())[::4]
    assert len(names) >= 20
    pictures = [Image.open(folder[name]).convert("RGB") for folder in (whole, crops) for name in names]
    components = join(pictures)
    n = len(names)
    assert sum(components.of[i] == components.of[n + i] for i in range(n)) >= 0.95 * n
    assert len(set(components.of[:n].tolist())) >= n - 1
