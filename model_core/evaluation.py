"""A classifier's probabilities against the truth: named two-class tests, and the levels of the taxonomy. No torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_core.dataset import LabelledImage, group_numbers
from model_core.manifest import DataError
from model_core.measures import Calibration, Confusion, auc, auc_interval, calibration, confusion
from model_core.taxonomy import Taxonomy, TaxonomyError, TrainingClass

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NamedTest:
    """A two-class test, restricted to its nodes: P(positive) / (P(positive) + P(negative))."""

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, taxonomy: Taxonomy) -> NamedTest:
        """ "melanoma:benign-melanocytic", several nodes of a side joined by "+". Raises: DataError, TaxonomyError."""
        sides = text.split(":")
        if len(sides) != 2 or not all(side.strip() for side in sides):
            raise DataError(f"A test is POSITIVE:NEGATIVE, several nodes of a side joined by +; not {text!r}.")
        positive, negative = (tuple(taxonomy.find(node.strip()) for node in side.split("+")) for side in sides)
        return cls(text, positive, negative)


@dataclass(frozen=True)
class TestResult:
    """positives, negatives: images; interval: 95 %, over resampled lesions or patients. NaN with `reason` where
    undefined."""

    test: NamedTest
    positives: int
    negatives: int
    auc: float
    interval: tuple[float, float]
    reason: str = ""


@dataclass(frozen=True)
class LevelResult:
    """name: "training classes", or "level 1", ...; outside: images whose label lies in none of its nodes."""

    name: str
    confusion: Confusion
    calibration: Calibration
    outside: int


@dataclass(frozen=True)
class Evaluation:
    """skipped_levels: level -> why it cannot be looked at."""

    n_images: int
    tests: tuple[TestResult, ...]
    levels: tuple[LevelResult, ...]
    skipped_levels: dict[str, str]
    diagnoses: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes None."""
        return {
            "n_images": self.n_images,
            "diagnoses": self.diagnoses,
            "tests": [
                {
                    "test": r.test.name, "positive": list(r.test.positive), "negative": list(r.test.negative),
                    "positives": r.positives, "negatives": r.negatives, "auc": _number(r.auc),
                    "interval_95": [_number(v) for v in r.interval], "reason": r.reason,
                }
                for r in self.tests
            ],
            "levels": [
                {
                    "level": r.name, "classes": list(r.confusion.names), "confusion": r.confusion.counts.tolist(),
                    "sensitivities": [_number(v) for v in r.confusion.sensitivities.tolist()],
                    "mean_accuracy": _number(r.confusion.mean_accuracy), "accuracy": _number(r.confusion.accuracy),
                    "brier": _number(r.calibration.brier),
                    "expected_calibration_error": _number(r.calibration.expected_error),
                    "bins": [list(b) for b in r.calibration.bins], "images_outside": r.outside,
                }
                for r in self.levels
            ],
            "skipped_levels": self.skipped_levels,
        }  # fmt: skip

    def table(self) -> str:
        """As text, for people."""
        lines = [f"{self.n_images} images"]
        for r in self.tests:
            shown = f"AUC {r.auc:.3f} (95 % {r.interval[0]:.3f} to {r.interval[1]:.3f})" if not r.reason else r.reason
            lines.append(f"{r.test.name}: {r.positives} against {r.negatives} images, {shown}")
        for level in self.levels:
            matrix = level.confusion
            lines.append(
                f"\n{level.name}: {len(matrix.names)} classes, mean of per-class accuracies "
                f"{matrix.mean_accuracy:.1%}, of all images {matrix.accuracy:.1%}; "
                f"Brier {level.calibration.brier:.3f}, "
                f"calibration error {level.calibration.expected_error:.3f}; {level.outside} images outside"
            )
            if len(matrix.names) <= 20:
                width = max(len(name) for name in matrix.names)
                for name, row, right in zip(matrix.names, matrix.counts, matrix.sensitivities, strict=True):
                    share = "   -  " if math.isnan(right) else f"{right:6.1%}"
                    lines.append(f"  {name:{width}} {' '.join(f'{n:5d}' for n in row)}  {share}")
        lines += [f"\n{name} is left out: {reason}" for name, reason in self.skipped_levels.items()]
        return "\n".join(lines)


def evaluate(
    images: Sequence[LabelledImage],
    probabilities: ArrayLike,
    classes: Sequence[TrainingClass],
    taxonomy: Taxonomy,
    *,
    tests: Sequence[NamedTest] = (),
    levels: Sequence[int] | None = None,
    seed: int = 0,
) -> Evaluation:
    """probabilities: (n, k) of the images' k training classes, without NaN. levels: None for all of the taxonomy.

    An image counts in a test where its label lies under one of the test's nodes, and at a level where it lies under one
    of its nodes that has a training class. Raises: TaxonomyError for a test that the classes cannot answer.
    """
    values = np.asarray(probabilities, np.float64)
    groups = group_numbers(images)
    depths = range(1, max(taxonomy.depth(n) for n in taxonomy.nodes) + 1) if levels is None else levels
    found, skipped = [_class_level(images, values, classes, taxonomy)], {}
    for depth in depths:
        try:
            level = level_result(images, values, classes, taxonomy, depth)
        except TaxonomyError as error:
            skipped[f"level {depth}"] = str(error)
            continue
        new = levels is not None or level.confusion.names not in [f.confusion.names for f in found]
        if len(level.confusion.names) > 1 and new:
            found.append(level)
    return Evaluation(
        len(images),
        tuple(_tested(t, images, values, classes, taxonomy, groups, seed) for t in tests),
        tuple(found),
        skipped,
        dict(Counter(image.disease for image in images).most_common()),
    )


def level_result(
    images: Sequence[LabelledImage], values: Floats, classes: Sequence[TrainingClass], taxonomy: Taxonomy, depth: int
) -> LevelResult:
    """At one level of the taxonomy, by summation. Raises: TaxonomyError where a training class lies across."""
    held = {disease for c in classes for disease in c.diseases}
    nodes = tuple(n for n in taxonomy.level(depth) if held.intersection(taxonomy.descendants(n)))
    if not nodes:
        raise TaxonomyError(f"no training class lies under a node of level {depth}")
    sums = taxonomy.sum_probabilities(classes, values, nodes)
    owner = {disease: i for i, node in enumerate(nodes) for disease in taxonomy.descendants(node)}
    return _result(f"level {depth}", nodes, [owner.get(i.disease) for i in images], sums)


def _class_level(
    images: Sequence[LabelledImage], values: Floats, classes: Sequence[TrainingClass], taxonomy: Taxonomy
) -> LevelResult:
    owner = {disease: i for i, c in enumerate(classes) for disease in c.diseases}
    return _result("training classes", tuple(c.id for c in classes), [owner.get(i.disease) for i in images], values)


def _result(name: str, names: tuple[str, ...], truth: Sequence[int | None], values: Floats) -> LevelResult:
    inside = np.array([t is not None for t in truth], bool)
    target = np.array([t for t in truth if t is not None], np.intp)
    return LevelResult(
        name, confusion(names, target, values[inside]), calibration(target, values[inside]), int((~inside).sum())
    )


def _tested(
    test: NamedTest,
    images: Sequence[LabelledImage],
    values: Floats,
    classes: Sequence[TrainingClass],
    taxonomy: Taxonomy,
    groups: NDArray[np.intp],
    seed: int,
) -> TestResult:
    share = taxonomy.restricted_share(classes, values, test.positive, test.negative)
    under = [{d for node in side for d in taxonomy.descendants(node)} for side in (test.positive, test.negative)]
    positive = np.array([i.disease in under[0] for i in images], bool)
    chosen = positive | np.array([i.disease in under[1] for i in images], bool)
    truth, scores = positive[chosen], share[chosen]
    n, m = int(truth.sum()), int((~truth).sum())
    reason = ""
    if not n or not m:
        reason = f"undefined: there is no {'positive' if not n else 'negative'} image"
    return TestResult(test, n, m, auc(truth, scores), auc_interval(truth, scores, groups[chosen], seed=seed), reason)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
