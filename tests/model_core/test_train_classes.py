"""How training classes are made of labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_core.dataset import LabelledImage
from model_core.manifest import DataError
from model_core.taxonomy import Taxonomy
from model_core.train.classes import ClassRule, in_classes


def labelled(**counts: int) -> list[LabelledImage]:
    return [LabelledImage(Path("x.jpg"), node.replace("_", "-")) for node, n in counts.items() for _ in range(n)]


def test_levels_are_the_three_way_and_nine_way_tasks(taxonomy: Taxonomy) -> None:
    images = labelled(melanoma=3, dermatofibroma=2, seborrhoeic_keratosis=4, benign=1)
    three = ClassRule(level=1).classes(images, taxonomy)
    assert [(c.id, c.n_images) for c in three] == [("benign", 7), ("malignant", 3)]
    assert len(in_classes(images, three)) == 10
    nine = ClassRule(level=2).classes(images, taxonomy)
    assert {c.id: c.n_images for c in nine} == {"benign-epidermal": 4, "benign-dermal": 2, "melanoma": 3}
    kept = in_classes(images, nine)
    assert [images[i].disease for i in range(10) if i not in kept] == ["benign"]  # above the level


def test_partition_bounds_the_classes(taxonomy: Taxonomy) -> None:
    """Malignant: 3 <= 4, one class. Benign: 7 > 4, so its children, and its own image is a class."""
    images = labelled(melanoma=3, dermatofibroma=2, seborrhoeic_keratosis=4, benign=1)
    found = ClassRule(max_class_size=4).classes(images, taxonomy)
    assert {c.id: c.n_images for c in found} == {
        "benign:unspecified": 1, "benign-epidermal": 4, "benign-dermal": 2, "malignant": 3,
    }  # fmt: skip


def test_named_classes(taxonomy: Taxonomy) -> None:
    images = labelled(melanoma=3, melanocytic_naevus=2, dermatofibroma=1)
    found = ClassRule(nodes=("melanoma", "benign melanocytic lesions")).classes(images, taxonomy)
    assert [(c.id, c.n_images) for c in found] == [("melanoma", 3), ("benign-melanocytic", 2)]
    with pytest.raises(DataError, match="'melanoma' lies within 'malignant'"):
        ClassRule(nodes=("melanoma", "malignant")).classes(images, taxonomy)


def test_rules_that_give_no_task_are_refused(taxonomy: Taxonomy) -> None:
    with pytest.raises(DataError, match="give one"):
        ClassRule(max_class_size=3, level=1)
    with pytest.raises(DataError, match="at least two classes with images; there is 'malignant'"):
        ClassRule(level=1).classes(labelled(melanoma=3), taxonomy)
