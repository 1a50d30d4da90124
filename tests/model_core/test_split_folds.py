"""Folds and parts: no component straddles, classes are even, chance is the seed's; as even as scikit-learn's."""

from __future__ import annotations

import csv
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from model_core.manifest import DataError
from model_core.split import grouped_folds, grouped_parts, similarity_components


@st.composite
def grouped(draw: st.DrawFn) -> tuple[list[int], list[str]]:
    n = draw(st.integers(8, 80))
    components = [*range(8), *draw(st.lists(st.integers(0, 30), min_size=n - 8, max_size=n - 8))]
    return components, draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))


def straddling(components: np.ndarray | list[int], parts: np.ndarray) -> int:
    found: dict[int, set[str]] = {}
    for component, part in zip(components, parts.tolist(), strict=True):
        found.setdefault(int(component), set()).add(part)
    return sum(len(parts) > 1 for parts in found.values())


@settings(deadline=None)
@given(grouped(), st.integers(2, 8), st.integers(0, 5))
def test_no_component_straddles_and_no_fold_is_empty(drawn: tuple[list[int], list[str]], folds: int, seed: int) -> None:
    components, labels = drawn
    fold = grouped_folds(components, labels, folds=folds, seed=seed)
    assert straddling(components, fold) == 0
    assert set(fold.tolist()) == set(range(folds))
    assert (fold == grouped_folds(components, labels, folds=folds, seed=seed)).all()


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=9, max_size=200), st.integers(2, 9), st.integers(0, 3))
def test_single_images_are_spread_as_evenly_as_whole_numbers_allow(labels: list[str], folds: int, seed: int) -> None:
    fold = grouped_folds(range(len(labels)), labels, folds=folds, seed=seed)
    for label in set(labels):
        counts = np.bincount(fold[np.array(labels) == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= len(set(labels))


def test_another_seed_gives_another_split() -> None:
    labels = ["a", "b"] * 50
    one, other = (grouped_folds(range(100), labels, folds=5, seed=seed) for seed in (0, 1))
    assert (one != other).any()


def test_components_of_any_numbers_will_do() -> None:
    few = grouped_folds([70, 5, 70, 900], ["a", "a", "a", "a"], folds=2, seed=0)
    assert few[0] == few[2]
    assert set(few.tolist()) == {0, 1}


FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}


@settings(deadline=None)
@given(grouped(), st.integers(0, 5), st.data())
def test_parts_hold_components_whole_and_lose_nothing_from_training(
    drawn: tuple[list[int], list[str]], seed: int, data: st.DataObject
) -> None:
    components, labels = drawn
    n = len(components)
    unfit = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    unfit[:8] = False  # at least eight components with an image to test on
    part = grouped_parts(components, labels, fractions=FRACTIONS, seed=seed, unfit=unfit)
    assert set(part.tolist()) <= {"train", "validation", "test", "excluded"}
    assert set(FRACTIONS) <= set(part.tolist())
    assert straddling(np.array(components)[~unfit], part[~unfit]) == 0
    assert not np.isin(part[unfit], ["validation", "test"]).any()
    for component in set(components):
        own = np.array(components) == component
        if unfit[own].all():
            assert set(part[own].tolist()) == {"train"}
        elif (part[own] == "excluded").any():
            assert "train" not in part[own]


def test_fractions_are_met() -> None:
    labels = ["a"] * 700 + ["b"] * 200 + ["c"] * 100
    part = grouped_parts(range(1000), labels, fractions=FRACTIONS, seed=3)
    assert Counter(part.tolist()) == {"train": 700, "validation": 100, "test": 200}
    assert Counter(part[700:900].tolist()) == {"train": 140, "validation": 20, "test": 40}
    assert Counter(part[900:].tolist()) == {"train": 70, "validation": 10, "test": 20}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 1}, "at least 2 folds, not 1"),
        ({"folds": 4}, "3 groups of images that belong together cannot fill 4 folds"),
    ],
)
def test_impossible_folds_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        grouped_folds([0, 1, 1, 2], list("abab"), seed=0, **arguments)


@pytest.mark.parametrize(
    ("fractions", "unfit", "message"),
    [
        ({"train": 0.5, "test": 0.4}, None, "add up to 1"),
        ({"train": 1.1, "test": -0.1}, None, "above 0"),
        ({"a": 0.5, "b": 0.5}, [True, False, False, False], "need a part named 'train'"),
        ({"train": 0.5, "test": 0.5}, [True, True, True, False], "1 groups of images cannot fill 2 parts"),
    ],
)
def test_impossible_parts_are_refused(fractions: dict[str, float], unfit: list[bool] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        grouped_parts([0, 1, 1, 2], list("abab"), fractions=fractions, seed=0, unfit=unfit)


def test_labels_and_components_must_fit() -> None:
    with pytest.raises(DataError, match="one of each is needed for every image"):
        grouped_folds([0, 1], ["a"], folds=2, seed=0)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def unevenness(fold: np.ndarray, labels: list[str], folds: int) -> float:
    """The largest distance of a class's count in a fold from its even share."""
    numbers = np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((folds, numbers.max() + 1))
    np.add.at(counts, (fold, numbers), 1)
    return float(np.abs(counts - counts.sum(0) / folds).max())


@pytest.mark.parametrize(
    ("file", "group", "label"),
    [("HAM10000_metadata.csv", "lesion_id", "dx"), ("PAD-UFES-20_metadata.csv", "patient_id", "diagnostic")],
)
def test_folds_of_real_sets_are_as_even_as_scikit_learns(shared_data: Path, file: str, group: str, label: str) -> None:
    rows = rows_of(shared_data / "labels" / file)
    groups, labels = [row[group] for row in rows], [row[label] for row in rows]
    components = similarity_components(len(rows), keys={group: groups})
    fold = grouped_folds(components.of, labels, folds=5, seed=0)
    assert len(components.sizes) == len(set(groups))
    assert straddling(components.of, fold) == 0
    theirs = np.zeros(len(rows), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        for i, (_, test) in enumerate(splitter.split(labels, labels, groups)):
            theirs[test] = i
    assert unevenness(fold, labels, 5) <= max(1.0, unevenness(theirs, labels, 5))


def test_the_papers_size_takes_seconds() -> None:
    """129,450 images of 757 classes in about 80,000 groups, nine folds: no class further from even than the
    images of the largest group."""
    rng = np.random.default_rng(0)
    share = rng.lognormal(sigma=1, size=757)
    group = np.unique(rng.integers(0, 90_000, 129_450), return_inverse=True)[1]
    of_group = rng.choice(757, group.max() + 1, p=share / share.sum())
    labels = of_group[group].astype(str).tolist()
    started = time.process_time()
    fold = grouped_folds(group, labels, folds=9, seed=0)
    assert time.process_time() - started < 10
    assert straddling(group, fold) == 0
    assert unevenness(fold, labels, 9) < np.bincount(group).max()
