"""Yes-or-no decisions: hand-worked tables, missing answers, empty classes, averages."""

import math

import numpy as np
import pytest

from readerstudy.results import stats

NAN = math.nan
# Altman and Bland (BMJ 1994; 308:1552 and 309:102), liver scan: 231 of 258 abnormal and 54 of 86 normal called rightly.
# Printed there: sensitivity 0.90, specificity 0.63, PPV 0.88, NPV 0.67.
TP, FN, TN, FP = 231, 27, 54, 32
TRUTH = np.repeat([1, 1, 0, 0], [TP, FN, TN, FP])
SAID = np.repeat([1, 0, 0, 1], [TP, FN, TN, FP])


def test_liver_scan_of_altman_and_bland():
    point = stats.operating_point(TRUTH, SAID)
    assert (point.tp, point.fn, point.tn, point.fp, point.n_missing) == (TP, FN, TN, FP, 0)
    printed = [point.sensitivity, point.specificity, point.ppv, point.npv]
    assert [round(estimate.value, 2) for estimate in printed] == [0.90, 0.63, 0.88, 0.67]
    assert point.accuracy.value == pytest.approx(285 / 344)
    assert point.youden.value == pytest.approx(231 / 258 + 54 / 86 - 1)
    assert point.lr_positive.value == pytest.approx((231 / 258) / (32 / 86))
    assert point.lr_negative.value == pytest.approx((27 / 258) / (54 / 86))


def test_predictive_values_at_a_quarter_are_those_of_altman_and_bland():
    # BMJ 1994; 309:102: "If the prevalence of abnormality was 0.25": PPV 0.45, NPV 0.95
    point = stats.operating_point(TRUTH, SAID, prevalence=0.25)
    assert point.ppv_at_prevalence.value == pytest.approx(0.45, abs=0.005)
    assert point.npv_at_prevalence.value == pytest.approx(0.95, abs=0.005)
    assert point.ppv_at_prevalence.low < point.ppv_at_prevalence.value < point.ppv_at_prevalence.high
    assert point.npv_at_prevalence.low < point.npv_at_prevalence.value < point.npv_at_prevalence.high


def test_predictive_values_at_the_prevalence_of_the_cases_are_the_plain_ones():
    point = stats.operating_point(TRUTH, SAID, prevalence=258 / 344)
    assert point.ppv_at_prevalence.value == pytest.approx(point.ppv.value)
    assert point.npv_at_prevalence.value == pytest.approx(point.npv.value)


def test_likelihood_ratio_interval_worked_by_hand():
    # log LR+ = log(0.895349 / 0.372093); its SE = sqrt((1 - 0.895349) / 231 + (1 - 0.372093) / 32)
    point = stats.operating_point(TRUTH, SAID)
    se = math.sqrt((1 - 231 / 258) / 231 + (1 - 32 / 86) / 32)
    centre = math.log((231 / 258) / (32 / 86))
    assert point.lr_positive.low == pytest.approx(math.exp(centre - 1.959963984540054 * se))
    assert point.lr_positive.high == pytest.approx(math.exp(centre + 1.959963984540054 * se))


def test_newcombe_hybrid_interval_of_a_published_difference():
    # Newcombe, Statistics in Medicine 1998; 17:873-890, Table II (a): 56/70 - 48/80, method 10: 0.0524, 0.3339.
    # Youden is sens + spec - 1 = sens - (1 - spec): 56 of 70 positives and 48 of 80 negatives called positive.
    (point,) = stats.points_from_counts([56], [14], [32], [48])
    assert point.youden.value == pytest.approx(0.2)
    assert (point.youden.low, point.youden.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_missing_answers_are_left_out_counted_and_said():
    truth, said = [1, 1, 1, 0, 0, 0], [1, 0, NAN, 0, None, 1]
    point = stats.operating_point(truth, said)
    assert (point.tp, point.fn, point.tn, point.fp, point.n_missing) == (1, 1, 1, 1, 2)
    assert point.n == 4
    assert "2 cases without an answer" in point.note


def test_a_reader_who_answered_nothing_is_undefined():
    point = stats.operating_point([1, 0], [NAN, NAN])
    for estimate in (point.sensitivity, point.specificity, point.ppv, point.npv, point.accuracy, point.youden):
        assert math.isnan(estimate.value)
        assert math.isnan(estimate.low)
        assert estimate.note
    assert math.isnan(point.lr_positive.value)


def test_no_positive_case():
    point = stats.operating_point([0, 0, 0], [0, 1, 0], prevalence=0.1)
    assert math.isnan(point.sensitivity.value)
    assert point.sensitivity.note == "no positive case was answered"
    assert math.isnan(point.ppv_at_prevalence.value)
    assert point.specificity.value == pytest.approx(2 / 3)
    assert point.ppv.value == 0  # one called positive, none was: that is a measured 0, not an undefined one
    assert "no positive case" in point.youden.note


def test_no_false_positive_has_an_infinite_ratio_and_says_so():
    point = stats.operating_point([1, 1, 0, 0], [1, 0, 0, 0], prevalence=0.5)
    assert math.isinf(point.lr_positive.value)
    assert math.isfinite(point.lr_positive.low)
    assert math.isinf(point.lr_positive.high)
    assert "half a case" in point.lr_positive.note
    assert point.ppv_at_prevalence.value == 1
    assert point.ppv_at_prevalence.low < 1


def test_wilson_and_exact_at_the_edges():
    point = stats.operating_point([1] * 20 + [0] * 20, [1] * 20 + [1] * 20)
    assert point.sensitivity.value == 1
    assert point.sensitivity.low < 1
    assert point.sensitivity.high == 1
    assert point.specificity.value == 0
    assert point.specificity.low == 0
    assert point.specificity.exact.method == "Clopper-Pearson"
    # exact limit of 0 of 20: 1 - 0.025 ** (1 / 20)
    assert point.specificity.exact.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_small_classes_are_said():
    assert "only 3 positive cases" in stats.operating_point([1] * 3 + [0] * 30, [1] * 33).note
    assert stats.operating_point([1] * 30 + [0] * 30, [1] * 60).note == ""


def test_many_readers_at_once_are_the_same_as_one_by_one(rng):
    truth = rng.random(40) < 0.5
    said = (rng.random((7, 40)) < 0.5).astype(float)
    said[rng.random((7, 40)) < 0.1] = NAN
    together = stats.operating_points(truth, said)
    assert len(together) == 7
    assert list(together) == [stats.operating_point(truth, row) for row in said]


def test_average_reader_worked_by_hand():
    # sensitivities .8, .9, 1: mean 0.9, SD 0.1, SE 0.1 / sqrt(3), t(2, 0.975) = 4.302653: 0.9 +- 0.248414, clipped
    # specificities 0.5, 0.6, 0.7: mean 0.6, SD 0.1: 0.351586 .. 0.848414
    average = stats.average_reader([[0.8, 0.5], [0.9, 0.6], [1.0, 0.7]])
    assert average.sensitivity.value == pytest.approx(0.9)
    assert average.sensitivity_sd == pytest.approx(0.1)
    assert average.sensitivity.low == pytest.approx(0.651586, abs=1e-6)
    assert average.sensitivity.high == 1
    assert "clipped" in average.sensitivity.note
    assert (average.specificity.low, average.specificity.high) == pytest.approx((0.351586, 0.848414), abs=1e-6)
    assert average.sensitivity.method == "t over readers"
    assert "fewer than 5" in average.note


def test_average_leaves_out_undefined_readers_and_says_so():
    points = [*stats.operating_points([1, 0, 1, 0], [[1, 0, 0, 0], [1, 1, 1, 0], [NAN, 0, NAN, 1]])]
    average = stats.average_reader(points)
    assert (average.n_readers, average.n_left_out) == (2, 1)
    assert average.sensitivity.value == pytest.approx(0.75)
    assert "1 reader without a defined point left out" in average.note


def test_one_reader_and_no_reader_have_no_spread():
    one = stats.average_reader([(0.8, 0.7)])
    assert one.sensitivity.value == pytest.approx(0.8)
    assert math.isnan(one.sensitivity.low)
    assert math.isnan(one.sensitivity_sd)
    none = stats.average_reader([])
    assert math.isnan(none.sensitivity.value)
    assert none.n_readers == 0


def test_readers_who_do_not_differ_give_no_interval():
    average = stats.average_reader([(1.0, 0.5)] * 6)
    assert average.sensitivity.value == 1
    assert math.isnan(average.sensitivity.low)
    assert "do not differ" in average.sensitivity.note


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.operating_point([1, 0], [1, 2]), r"decisions\[0, 1\] is 2"),
        (lambda: stats.operating_point([1, 0], [1, 0, 1]), "2 cases"),
        (lambda: stats.operating_point([1, 0], [[1, 0]]), "operating_points"),
        (lambda: stats.operating_point([1, 0], [1, 0], prevalence=2), "prevalence is 2"),
        (lambda: stats.average_reader([1, 2, 3]), r"\(r, 2\)"),
        (lambda: stats.proportion(3, 2), "outside 0..n"),
        (lambda: stats.proportion_limits(1, 2, method="x"), "clopper-pearson"),
    ],
)
def test_wrong_input_names_the_culprit(call, told):
    with pytest.raises(stats.StatsError, match=told):
        call()
