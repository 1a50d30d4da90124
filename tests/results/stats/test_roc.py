"""ROC curve and DeLong: values worked by hand, and the edges that must neither crash nor flatter."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from readerstudy.results import stats

# Two positives (0.9, 0.4), three negatives (0.7, 0.4, 0.1). Pairs won: 0.9 beats three (3), 0.4 beats 0.1 and ties 0.4
# (1.5): AUC = 4.5 / 6 = 0.75. Placements of the positives: 1, 0.5 (variance 0.125); of the negatives: 0.5, 0.75, 1
# (variance 0.0625). DeLong variance = 0.125 / 2 + 0.0625 / 3 = 0.0833333.
TRUTH = [1, 1, 0, 0, 0]
SCORE = [0.9, 0.4, 0.7, 0.4, 0.1]


def test_auc_and_delong_variance_worked_by_hand():
    result = stats.delong(TRUTH, SCORE)
    assert result.auc == pytest.approx([0.75])
    assert result.v10.tolist() == [[1.0, 0.5]]
    assert result.v01.tolist() == [[0.5, 0.75, 1.0]]
    assert result.covariance[0, 0] == pytest.approx(0.125 / 2 + 0.0625 / 3)


def test_curve_points_and_reading_them():
    curve = stats.roc(TRUTH, SCORE)
    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.7, 0.4, 0.1]
    assert curve.tpr.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.fpr == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert curve.sensitivity_at([1.0, 2 / 3, 0.5, 0.0]) == pytest.approx([0.5, 0.5, 0.75, 1.0])
    assert curve.specificity_at([1.0, 0.75, 0.5]) == pytest.approx([1 / 3, 0.5, 1.0])
    point = curve.at_threshold(0.7)
    assert (point.sensitivity, point.specificity) == pytest.approx((0.5, 2 / 3))
    assert curve.at_threshold(5).sensitivity == 0
    assert curve.at_threshold(-5).specificity == 0
    assert curve.youden().threshold == pytest.approx(0.8)
    assert "these same cases" in curve.youden().note


def test_partial_auc_over_everything_is_the_auc():
    curve = stats.roc(TRUTH, SCORE)
    for focus in ("specificity", "sensitivity"):
        part = curve.partial_auc((0, 1), focus)
        assert part.raw == pytest.approx(0.75)
        assert part.mcclish == pytest.approx(0.75)


def test_partial_auc_below_chance_is_undefined_and_said():
    part = stats.roc([0, 0, 1, 1], [4, 3, 2, 1]).partial_auc((0.5, 1.0))
    assert part.raw == 0
    assert math.isnan(part.mcclish)
    assert "below chance" in part.note


def test_corners_keep_the_area(rng):
    truth, score = rng.random(500) < 0.4, rng.normal(size=500).round(1)
    curve = stats.roc(truth, score)
    kept = curve.corners()
    assert kept.size < curve.fpr.size
    assert np.trapezoid(curve.tpr[kept], curve.fpr[kept]) == pytest.approx(curve.auc.value)


def test_auc_equals_scikit_learn_with_and_without_ties(rng):
    truth = rng.random(400) < 0.3
    scores = np.stack([rng.normal(size=400) + truth, rng.integers(1, 6, 400) + truth, rng.integers(0, 2, 400)])
    assert stats.delong(truth, scores).auc == pytest.approx([roc_auc_score(truth, row) for row in scores])


def test_perfect_auc_has_an_interval_with_width():
    auc = stats.roc([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]).auc
    assert auc.value == 1
    assert 0.3 < auc.low < 0.8
    assert auc.high == 1
    assert "Newcombe" in auc.method
    assert "zero" in auc.note


def test_newcombe_interval_solves_its_own_equation():
    # lower limit t of AUC 1, m = n = 10: 1 - t = z sqrt(t (1 - t) (1 + 9 (1 - t) / (2 - t) + 9 t / (1 + t)) / 100)
    auc = stats.roc([0] * 10 + [1] * 10, range(20)).auc
    t = auc.low
    variance = t * (1 - t) * (1 + 9 * (1 - t) / (2 - t) + 9 * t / (1 + t)) / 100
    assert 1 - t == pytest.approx(1.959963984540054 * math.sqrt(variance), rel=1e-6)


def test_ties_everywhere_are_one_half_with_width():
    auc = stats.roc([0, 0, 1, 1, 1], [7] * 5).auc
    assert auc.value == 0.5
    assert auc.low < 0.4 < 0.6 < auc.high


@pytest.mark.parametrize(("truth", "word"), [([1, 1, 1], "negative"), ([0, 0, 0], "positive")])
def test_an_empty_class_is_undefined_with_a_reason(truth, word):
    curve = stats.roc(truth, [1, 2, 3])
    assert math.isnan(curve.auc.value)
    assert math.isnan(curve.auc.low)
    assert f"no {word} case" in curve.auc.note
    assert curve.fpr.size == 0
    assert np.isnan(curve.sensitivity_at([0.5])).all()
    assert math.isnan(curve.youden().sensitivity)
    assert math.isnan(curve.partial_auc().raw)
    assert math.isnan(curve.at_threshold(1).sensitivity)


def test_one_case_of_a_class_has_an_auc_but_no_interval():
    auc = stats.roc([1, 0, 0], [2, 1, 3]).auc
    assert auc.value == 0.5
    assert math.isnan(auc.low)
    assert "two cases of each class" in auc.note


def test_missing_scores_are_left_out_counted_and_said():
    curve = stats.roc([*TRUTH, 1, 0], [*SCORE, math.nan, None])
    assert curve.auc.value == pytest.approx(0.75)
    assert (curve.n_positive, curve.n_negative, curve.n_excluded) == (2, 3, 2)
    assert "2 cases without a score left out" in curve.note


def test_identical_classifiers_have_no_test():
    comparison = stats.delong(TRUTH, [SCORE, SCORE]).compare(0, 1)
    assert comparison.difference.value == 0
    assert math.isnan(comparison.p)
    assert "zero estimated variance" in comparison.note


def test_perfect_against_chance_does_not_flatter_with_p_zero():
    comparison = stats.delong([0, 0, 1, 1], [[1, 2, 3, 4], [5, 5, 5, 5]]).compare(0, 1)
    assert comparison.difference.value == 0.5
    assert math.isnan(comparison.p)


def test_intervals_past_one_are_clipped_and_said(rng):
    truth = np.arange(20) < 10
    score = np.where(truth, 2.0, 1.0)
    score[0] = 0
    auc = stats.roc(truth, score).auc
    assert auc.high == 1
    assert "clipped" in auc.note
    logit = stats.roc(truth, score, interval="delong-logit").auc
    assert logit.high < 1
    assert logit.method == "DeLong, logit"


def test_scores_as_columns_are_turned():
    scores = np.stack([SCORE, [1, 2, 3, 4, 5]])
    assert stats.delong(TRUTH, scores.T).auc == pytest.approx(stats.delong(TRUTH, scores).auc)


@pytest.mark.parametrize(
    ("truth", "score", "told"),
    [
        ([0, 1, 2], [1, 2, 3], r"truth\[2\] is 2"),
        ([0, 1, math.nan], [1, 2, 3], r"truth\[2\] is nan"),
        ([0, 1], [1, 2, 3], "lengths differ"),
        ([0, 1], [1, math.inf], r"score\[1\] is infinite"),
        ([0, 1], ["a", "b"], "not a number"),
        ([[0, 1]], [1, 2], "shape"),
    ],
)
def test_wrong_input_names_the_culprit(truth, score, told):
    with pytest.raises(stats.StatsError, match=told):
        stats.roc(truth, score)


def test_wrong_options_name_what_is_allowed():
    curve = stats.roc(TRUTH, SCORE)
    for call, told in [
        (lambda: stats.roc(TRUTH, SCORE, level=95), "level is 95"),
        (lambda: stats.roc(TRUTH, SCORE, interval="x"), "delong-logit"),
        (lambda: curve.partial_auc((0.9, 0.9)), "width"),
        (lambda: curve.partial_auc(focus="x"), "sensitivity"),
        (lambda: curve.sensitivity_at([2]), "outside 0..1"),
        (lambda: stats.delong(TRUTH, SCORE).compare(0, 3), "no classifier 3"),
    ]:
        with pytest.raises(stats.StatsError, match=told):
            call()
