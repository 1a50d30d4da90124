"""Folds that keep lesions together, every arm on every fold, resumed, as the paper's table; activations on disk."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_core import crossvalidate as module
from model_core.accuracy_table import as_csv, as_markdown
from model_core.crossvalidate import arms, crossvalidate, fold_numbers, table
from model_core.dataset import LabelledImage, group_numbers, picture_digests, read_labelled_images
from model_core.evaluation import NamedTest
from model_core.manifest import DataError
from model_core.network import InceptionV3
from model_core.taxonomy import Taxonomy
from model_core.train.activations import ActivationCache, CachedPictures, describe, picture_views
from model_core.train.config import TrainingConfig
from model_core.train.pictures import PlainPictures
from model_core.train.run import starting_network
from tests.model_core.conftest import DrawnSet

CACHED = TrainingConfig(
    weights="random", size=75, stored_size=96, auxiliary_weight=0.0, epochs=3, batch_size=8, train_from="fc",
    input_range="unit", learning_rate=0.003, device="cpu", threads=2, cached_views=2, dropout=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def images(drawn: DrawnSet, taxonomy: Taxonomy) -> tuple[LabelledImage, ...]:
    return read_labelled_images(drawn.manifest, drawn.folder, taxonomy)


def test_no_lesion_or_patient_is_in_two_folds(images: tuple[LabelledImage, ...]) -> None:
    fold = fold_numbers(images, 3, 0)
    groups = group_numbers(images)
    assert len(set(groups)) == 6
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    assert np.bincount(fold).tolist() == [8, 8, 8]


def test_arms_are_the_partition_and_each_level_directly() -> None:
    assert [a.name for a in arms(100, [1, 2], direct=True)] == ["partition", "direct, level 1", "direct, level 2"]
    assert [a.name for a in arms(None, [1], direct=False)] == ["labels"]
    assert arms(100, [1, 2], direct=True)[2].levels == (2,)


def test_every_arm_on_every_fold_once(
    images: tuple[LabelledImage, ...],
    taxonomy: Taxonomy,
    network: InceptionV3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fold = fold_numbers(images, 2, 0)
    chosen = arms(100, [1], direct=True)
    tests = [NamedTest.parse("melanoma:melanocytic-naevus", taxonomy), NamedTest.parse("malignant:benign", taxonomy)]
    out, cache, backbone = tmp_path / "cv", tmp_path / "cache", tmp_path / "backbone.pth"
    torch.save(network.state_dict(), backbone)
    config = replace(CACHED, weights=str(backbone), pool_excludes_padding=True)

    def once() -> dict[str, Any]:
        return crossvalidate(images, fold, out, config, chosen, taxonomy=taxonomy, tests=tests, cache=cache)

    found = once()
    assert set(found) == {"partition", "direct, level 1"}
    for arm in found.values():
        level = arm["levels"]["1"]
        assert len(level["folds"]) == 2
        assert level["mean"] == pytest.approx(np.mean(level["folds"]))
        assert level["sd"] == pytest.approx(abs(level["folds"][0] - level["folds"][1]) / 2**0.5)
        assert arm["tests"]["malignant:benign"]["positives"] == 12
        assert arm["tests"]["malignant:benign"]["negatives"] == 12
        assert arm["tests"]["malignant:benign"]["pooled_auc"] > 0.7  # dark lesions with two lobes against pale ones
    # a node below a class has no probability: the three-way network cannot answer the finer test
    assert found["partition"]["tests"]["melanoma:melanocytic-naevus"]["mean"] is None
    assert found["direct, level 1"]["tests"]["melanoma:melanocytic-naevus"]["mean"] is None
    shown = table(found, [arm.name for arm in chosen], [1])
    assert "two-way" in shown  # benign and malignant only
    assert "±" in shown.splitlines()[1]
    assert not list(out.rglob("*.safetensors"))
    assert len(ActivationCache(cache, json.loads((cache / "about.json").read_text())).rows) == 24

    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a fold was trained again")

    monkeypatch.setattr(module, "_run_fold", never)
    assert once() == found
    with pytest.raises(AssertionError, match="trained again"):
        crossvalidate(images, fold, out, replace(config, seed=1), chosen, taxonomy=taxonomy, tests=tests, cache=cache)


def test_table_of_the_papers_numbers() -> None:
    """Extended Data Table 2, put in and read back."""

    def row(mean: float, sd: float) -> dict[str, Any]:
        return {"folds": [], "mean": mean, "sd": sd, "classes": 3 if mean > 0.6 else 9}

    found = {
        "partition": {"levels": {"1": row(0.721, 0.009), "2": row(0.554, 0.017)}, "tests": {}},
        "direct, level 1": {"levels": {"1": row(0.694, 0.008)}, "tests": {}},
        "direct, level 2": {"levels": {"2": row(0.489, 0.019)}, "tests": {}},
    }
    names = [arm.name for arm in arms(1000, [1, 2], direct=True)]
    lines = [line.split("  ") for line in table(found, names, [1, 2]).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    expected = [
        ["three-way", "nine-way"],
        ["CNN, trained directly", "69.4 ± 0.8 %", "48.9 ± 1.9 %"],
        ["CNN, trained on the partition", "72.1 ± 0.9 %", "55.4 ± 1.7 %"],
    ]
    assert cells == expected
    document = as_markdown(found, names, [1, 2]).splitlines()
    drawn = [[cell.strip() for cell in line.split("|") if cell.strip()] for line in document if line.startswith("| ")]
    assert drawn == expected
    read = list(csv.DictReader(io.StringIO(as_csv(found, names, [1, 2]), newline="")))
    assert [(row["arm"], row["level"], float(row["mean_accuracy"]), float(row["sd"])) for row in read] == [
        ("partition", "1", 0.721, 0.009), ("partition", "2", 0.554, 0.017),
        ("direct, level 1", "1", 0.694, 0.008), ("direct, level 2", "2", 0.489, 0.019),
    ]  # fmt: skip


def test_cached_activations_are_what_the_frozen_part_computes(
    images: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    """The plain view to float16's precision; a second filling computes nothing; a stopped one goes on."""
    config = replace(CACHED, train_from="Mixed_7c", cached_views=1)
    network, preprocessing, _ = starting_network(images, 2, config)
    network.eval()
    digests = list(picture_digests(i.path for i in images[:6]))
    cpu = torch.device("cpu")
    about = describe(network, preprocessing, config)
    cache = ActivationCache(tmp_path, about)
    cache.fill(images[:2], digests[:2], network, preprocessing, config, cpu, progress=False)
    with cache._data.open("ab") as file:  # as a run that was killed leaves it: room, but no row listed
        file.truncate(file.seek(0, 2) + 7)
    cache = ActivationCache(tmp_path, about)
    assert len(cache.rows) == 2
    cache.fill(images[:6], digests, network, preprocessing, config, cpu, progress=False)
    indices = np.arange(6)
    source = CachedPictures(cache, digests, augmented=False)
    got = source.batch([source.read(i, 0) for i in indices], indices, 0, cpu)
    plain = PlainPictures(images, preprocessing)
    x = plain.batch([plain.read(i, 0) for i in indices], indices, 0, cpu)
    with torch.inference_mode():
        expected = network.below(x, "Mixed_7c")
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, rtol=2e-3, atol=1e-4)
    turned = CachedPictures(cache, digests, augmented=True)
    both = np.stack([turned.read(0, epoch) for epoch in (0, 1, 2)])
    assert (both[0] == both[2]).all()
    assert (both[0] != both[1]).any()

    def never(*args: Any) -> torch.Tensor:
        raise AssertionError("computed again")

    network.below = never  # type: ignore[method-assign]
    cache.fill(images[:6], digests, network, preprocessing, config, cpu, progress=False)
    with pytest.raises(DataError, match="another views_seed"):
        ActivationCache(tmp_path, about | {"views_seed": 9})


def test_views_of_a_picture_are_its_own() -> None:
    one, other = picture_views("ab" * 32, 5, 0), picture_views("cd" * 32, 5, 0)
    assert (one.angles == picture_views("ab" * 32, 5, 0).angles).all()
    assert (one.angles != other.angles).any()
