"""Measures against scikit-learn and numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from model_core.measures import auc, auc_interval, calibration, confusion


def test_auc_agrees_with_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(20):
        truth = rng.random(60) < 0.3
        scores = rng.integers(0, 8, 60) / 8
        assert auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
        checked += 1
    assert checked == 20


def test_auc_by_hand() -> None:
    """Positives 0.8 and 0.4, negatives 0.6 and 0.4: pairs 1 + 1 + 0 + 1/2 of 4."""
    assert auc([1, 1, 0, 0], [0.8, 0.4, 0.6, 0.4]) == 0.625


def test_auc_without_a_side_is_undefined() -> None:
    assert math.isnan(auc([1, 1], [0.2, 0.3]))
    assert all(math.isnan(v) for v in auc_interval([0, 0], [0.2, 0.3], [1, 2], seed=0))


def test_interval_is_wider_where_images_come_in_groups() -> None:
    """Each case eight times over says no more than once, if the copies are resampled together."""
    rng = np.random.default_rng(1)
    truth = rng.random(40) < 0.5
    scores = truth * 0.5 + rng.random(40)
    many, values = np.repeat(truth, 8), np.repeat(scores, 8)
    grouped = auc_interval(many, values, np.repeat(np.arange(40), 8), seed=0, resamples=300)
    alone = auc_interval(many, values, np.arange(320), seed=0, resamples=300)
    once = auc_interval(truth, scores, np.arange(40), seed=0, resamples=300)
    assert grouped == pytest.approx(once, abs=1e-12)
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])
    assert grouped[0] < auc(truth, scores) < grouped[1]


def test_mean_accuracy_is_scikit_learns_balanced_accuracy() -> None:
    rng = np.random.default_rng(2)
    truth, values = rng.integers(0, 4, 80), rng.random((80, 4))
    found = confusion(("a", "b", "c", "d"), truth, values)
    assert found.counts.sum() == 80
    assert found.mean_accuracy == pytest.approx(balanced_accuracy_score(truth, values.argmax(1)))
    assert found.accuracy == pytest.approx((truth == values.argmax(1)).mean())


def test_class_without_images_has_no_accuracy_and_does_not_count() -> None:
    found = confusion(("a", "b", "c"), [0, 0, 1], [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.1, 0.9, 0]])
    assert found.sensitivities[:2].tolist() == [0.5, 1.0]
    assert math.isnan(found.sensitivities[2])
    assert found.mean_accuracy == 0.75


def test_brier_is_twice_scikit_learns_for_two_classes() -> None:
    rng = np.random.default_rng(3)
    truth, p = rng.integers(0, 2, 50), rng.random(50)
    found = calibration(truth, np.stack([1 - p, p], 1))
    assert found.brier == pytest.approx(2 * brier_score_loss(truth, p))


def test_calibration_error_by_hand() -> None:
    """Two bins. Confidence 0.6 and 0.8 (mean 0.7 with 0.9: (0.6 + 0.8 + 0.9) / 3 = 0.7667) with 2 of 3 right: 0.1;
    no image under 0.5. One image of confidence 0.5 exactly lies in the lower bin and is right: 0.5.
    Expected error: 3/4 * 0.1 + 1/4 * 0.5 = 0.2."""
    values = [[0.6, 0.4], [0.8, 0.2], [0.1, 0.9], [0.5, 0.5]]
    found = calibration([0, 0, 0, 0], values, n_bins=2)
    assert found.expected_error == pytest.approx(0.2)
    assert [(low, n) for low, n, _, _ in found.bins] == [(0.0, 1), (0.5, 3)]
