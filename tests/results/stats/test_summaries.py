"""Confusion matrices, calibration, decision curves, subgroups and the summary curve."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.weightstats import ttest_ind

from readerstudy.results import stats

NAN = math.nan


def test_confusion_and_its_mean_of_classes():
    truth, said = list("aaaabbbccc"), ["a", "a", "a", "b", "b", "b", "c", "c", None, "a"]
    found = stats.confusion(truth, said)
    assert found.labels == ("a", "b", "c")
    assert found.counts.tolist() == [[3, 1, 0], [0, 2, 1], [1, 0, 1]]
    assert found.shares[0].tolist() == [0.75, 0.25, 0]
    assert found.mean_per_class.value == pytest.approx((3 / 4 + 2 / 3 + 1 / 2) / 3)
    assert found.accuracy.value == pytest.approx(6 / 9)
    assert found.n_missing == 1
    answered = [i for i, value in enumerate(said) if value is not None]
    theirs = balanced_accuracy_score([truth[i] for i in answered], [said[i] for i in answered])
    assert found.mean_per_class.value == pytest.approx(theirs)


def test_mean_of_one_class_has_wilsons_interval():
    found, alone = stats.confusion_from_counts([[8, 2], [0, 0]]), stats.proportion(8, 10)
    assert (found.mean_per_class.low, found.mean_per_class.high) == pytest.approx((alone.low, alone.high))
    assert "no case of 1" in found.note


def test_confusion_at_its_edges():
    perfect = stats.confusion_from_counts(np.diag([20, 20, 20]))
    assert perfect.mean_per_class.value == 1
    assert perfect.mean_per_class.low < 1
    empty = stats.confusion_from_counts(np.zeros((3, 3)))
    assert math.isnan(empty.mean_per_class.value)
    assert np.isnan(empty.shares).all()
    nobody = stats.confusion(["a", "b"], [None, NAN])
    assert math.isnan(nobody.accuracy.value)
    assert nobody.n_missing == 2
    assert stats.confusion([1, 0], [1, 0], labels=[2, 1, 0]).counts.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_calibration_of_true_probabilities(rng):
    probability = rng.uniform(0.05, 0.95, 4000)
    found = stats.calibration(rng.random(4000) < probability, probability)
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.low < 0 < found.intercept.high
    assert found.in_the_large.low < 0 < found.in_the_large.high
    assert found.ece < 0.04
    assert len(found.bins) == 10
    assert sum(one.observed.n for one in found.bins) == 4000


def test_brier_and_ece_worked_by_hand():
    # squared errors .04 .04 .09 .49: mean .165; bins: 0.2 -> one of two, mean 0.2, |0.5 - 0.2| * 2; 0.7 -> one of two
    found = stats.calibration([0, 1, 1, 0], [0.2, 0.2, 0.7, 0.7])
    assert found.brier.value == pytest.approx((0.04 + 0.64 + 0.09 + 0.49) / 4)
    assert found.ece == pytest.approx((2 * 0.3 + 2 * 0.2) / 4)
    equal = stats.calibration([0, 1, 1, 0], [0.2, 0.2, 0.7, 0.7], n_bins=2, binning="equal mass")
    assert equal.ece == pytest.approx((2 * 0.3 + 2 * 0.2) / 4)
    assert "equal mass" in equal.binning


def test_calibration_at_its_edges():
    separated = stats.calibration([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    assert math.isnan(separated.slope.value)
    assert "separate" in separated.slope.note
    same = stats.calibration([0, 1, 0, 1], [0.3] * 4)
    assert math.isnan(same.slope.value)
    assert same.in_the_large.value == pytest.approx(math.log(0.5 / 0.5) - math.log(0.3 / 0.7))
    one_class = stats.calibration([1, 1], [0.2, 0.9])
    assert math.isnan(one_class.slope.value)
    assert math.isnan(one_class.in_the_large.value)
    nothing = stats.calibration([1, 0], [NAN, NAN])
    assert math.isnan(nothing.brier.value)
    ends = stats.calibration([0, 1, 1, 0] * 5, [0, 1, 0.7, 0.4] * 5)
    assert "taken as 1e-12 off" in ends.note
    assert math.isnan(stats.calibration([1, 0], [1, 0]).brier.low)


def test_net_benefit_worked_by_hand():
    # ten lesions, four melanomas; from 0.2 up 3 true and 2 false positives: 3/10 - 2/10 * 0.2/0.8 = 0.25
    truth = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    probability = [0.9, 0.5, 0.2, 0.1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.1]
    (found,) = stats.net_benefit(truth, probability, [0.2])
    assert (found.tp, found.fp) == (3, 2)
    assert found.net_benefit.value == pytest.approx(0.25)
    assert found.treat_all == pytest.approx(0.4 - 0.6 * 0.25)
    assert found.treat_none == 0
    assert found.excisions_per_melanoma.value == pytest.approx(5 / 3)
    ppv = stats.proportion(3, 5)
    assert found.excisions_per_melanoma.high == pytest.approx(1 / ppv.low)
    # multinomial variance: (0.3 + 0.25^2 * 0.2 - 0.25^2) / 10
    half = 1.959963984540054 * math.sqrt((0.3 + 0.0625 * 0.2 - 0.0625) / 10)
    assert found.net_benefit.high == pytest.approx(0.25 + half)
    (reader,) = stats.net_benefit_of_decisions(truth, [1, 1, 1, 0, 1, 1, 0, 0, 0, NAN], [0.2])
    assert reader.net_benefit.value == pytest.approx(3 / 9 - 2 / 9 * 0.25)
    assert reader.n == 9


def test_net_benefit_of_finding_nothing():
    (found,) = stats.net_benefit([1, 0], [0.1, 0.1], [0.5])
    assert found.net_benefit.value == 0
    assert math.isnan(found.net_benefit.low)
    assert math.isnan(found.excisions_per_melanoma.value)
    (only_false,) = stats.net_benefit([1, 0], [0.1, 0.9], [0.5])
    assert math.isinf(only_false.excisions_per_melanoma.value)


def test_subgroups_of_cases_by_auc(rng):
    truth = np.arange(200) < 90
    score = rng.normal(size=200) + truth
    groups = np.array([("I", "II", None)[i % 3] for i in range(200)], object)
    found = stats.subgroups(truth, score, groups)
    assert [row.name for row in found.rows] == ["I", "II"]
    one, two = (groups == name for name in ("I", "II"))
    assert found.rows[0].estimate == stats.roc(truth[one], score[one]).auc
    assert found.rows[0].p == pytest.approx(stats.delong_unpaired(truth[one], score[one], truth[two], score[two]).p)
    assert found.rows[0].adjusted_p >= found.rows[0].p
    # two groups: Q is the squared z of the difference
    difference = found.rows[0].estimate.value - found.rows[1].estimate.value
    assert found.interaction.statistic == pytest.approx(difference**2 / (found.rows[0].se ** 2 + found.rows[1].se ** 2))
    assert "of unknown group left out" in found.note


def test_subgroups_of_cases_by_sensitivity():
    # 8 of 10 against 3 of 10: chi-square 5.0505 (20 (8 x 7 - 2 x 3)^2 / (10 x 10 x 11 x 9)), Fisher's p 0.0698
    truth = np.ones(20)
    said = np.array([1] * 8 + [0] * 2 + [1] * 3 + [0] * 7)
    found = stats.subgroups(truth, said, ["arm"] * 10 + ["leg"] * 10, metric="sensitivity")
    assert found.interaction.statistic == pytest.approx(20 * 50**2 / (10 * 10 * 11 * 9))
    assert found.rows[0].p == pytest.approx(0.0698, abs=5e-5)
    assert [row.n for row in found.rows] == [10, 10]


def test_subgroups_without_a_class_are_undefined_and_stay_in_the_table():
    truth, score = [1, 1, 0, 0, 1, 1], [3, 2, 1, 2, 1, 4]
    found = stats.subgroups(truth, score, ["a", "a", "a", "a", "b", "b"])
    assert math.isnan(found.rows[1].estimate.value)
    assert "no negative case" in found.rows[1].estimate.note
    assert math.isnan(found.interaction.p)
    alone = stats.subgroups(truth, np.ones(6), ["a"] * 6, metric="sensitivity")
    assert math.isnan(alone.interaction.p)
    assert math.isnan(alone.rows[0].p)


def test_subgroups_of_cases_averaged_over_readers(rng):
    truth = np.arange(120) < 60
    ratings = rng.normal(size=(6, 120)) + truth
    groups = np.array(["face", "trunk"] * 60)
    found = stats.subgroups(truth, ratings, groups)
    face = groups == "face"
    assert found.rows[0].estimate == stats.mrmc(truth[face], ratings[:, face]).means[0].estimate
    assert 0 < found.interaction.p < 1
    decisions = (ratings > 0.5).astype(float)
    assert stats.subgroups(truth, decisions, groups, metric="specificity").rows[1].estimate.is_defined


def test_subgroups_of_readers():
    values = [0.7, 0.8, 0.9, 0.85, 0.6, 0.5, 0.55, 0.65, NAN]
    found = stats.reader_subgroups(values, ["expert"] * 4 + ["novice"] * 4 + ["expert"], metric="sensitivity")
    assert found.rows[0].estimate == stats.mean_interval([0.7, 0.8, 0.9, 0.85])
    theirs = ttest_ind(np.array(values[:4]), np.array(values[4:8]), usevar="unequal")
    assert found.rows[0].p == pytest.approx(theirs[1])
    assert found.interaction.p == pytest.approx(theirs[1])  # two groups: Welch's F is the square of his t
    assert "1 readers without" in found.note
    alone = stats.reader_subgroups([0.7, 0.8], ["a", "b"])
    assert math.isnan(alone.rows[0].p)
    assert math.isnan(alone.interaction.p)


# mada's AuditC: 14 studies of a questionnaire, two of them without a false negative
AUDIT_C = {
    "tp": [47, 126, 19, 36, 130, 84, 68, 752, 59, 142, 137, 57, 34, 152],
    "fn": [9, 51, 10, 3, 19, 2, 0, 0, 5, 50, 24, 3, 1, 51],
    "fp": [101, 272, 12, 78, 211, 68, 112, 3226, 55, 571, 107, 103, 21, 88],
    "tn": [738, 1543, 192, 276, 959, 89, 423, 2977, 136, 2788, 358, 437, 56, 264],
}


def test_summary_curve_is_madas():
    # mada 0.5.11, reitsma(AuditC): REML, its vignette prints 2.100 (SE 0.338) and -1.264 (0.174), sensitivity 0.891
    # (0.808 to 0.941), false positive rate 0.220 (0.167 to 0.285)
    found = stats.sroc(**AUDIT_C)
    assert found.mean.round(3).tolist() == [2.100, -1.264]
    assert np.sqrt(np.diagonal(found.mean_covariance)).round(3).tolist() == [0.338, 0.174]
    sens, spec = found.sensitivity, found.specificity
    assert (round(sens.value, 3), round(sens.low, 3), round(sens.high, 3)) == (0.891, 0.808, 0.941)
    assert (round(1 - spec.value, 3), round(1 - spec.high, 3), round(1 - spec.low, 3)) == (0.220, 0.167, 0.285)
    assert "0.5 added" in found.note
    # and method = "ml": 2.07625908, -1.26244709, between-study covariance 1.22384177, 0.58323292, 0.37488242
    found = stats.sroc(**AUDIT_C, method="ml")
    assert found.mean == pytest.approx([2.07625908, -1.26244709], abs=1e-5)
    assert found.between.ravel() == pytest.approx([1.22384177, 0.58323292, 0.58323292, 0.37488242], abs=1e-5)


def test_regions_and_curve_pass_where_they_should():
    found = stats.sroc(**AUDIT_C)
    inside = np.abs(found.confidence_region - [found.specificity.value, found.sensitivity.value])
    assert inside.max() < 0.2
    assert np.ptp(found.prediction_region[:, 1]) > np.ptp(found.confidence_region[:, 1])
    nearest = np.abs(found.curve[:, 0] - found.specificity.value).argmin()
    assert found.curve[nearest, 1] == pytest.approx(found.sensitivity.value, abs=0.01)
    assert 0.85 < found.auc < 0.91


def test_summary_curve_at_its_edges():
    few = stats.sroc([5, 6], [1, 2], [7, 8], [2, 1])
    assert math.isnan(few.sensitivity.value)
    assert "at least three" in few.note
    alike = stats.sroc([50] * 6, [10] * 6, [60] * 6, [20] * 6)
    assert alike.sensitivity.value == pytest.approx(50 / 60)
    assert math.isnan(alike.auc)
    assert "do not vary" in alike.note
    without = stats.sroc([*AUDIT_C["tp"], 0], [*AUDIT_C["fn"], 0], [*AUDIT_C["tn"], 5], [*AUDIT_C["fp"], 5])
    assert "1 points without" in without.note


def test_the_package_imports_no_django():
    import ast
    from pathlib import Path

    files = sorted(Path(stats.__file__).parent.glob("*.py"))
    assert len(files) > 25
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith(("django", "pandas")), f"{file.name} imports {name}"
                assert not name.startswith("readerstudy") or name.startswith("readerstudy.results.stats"), name


def test_every_public_name_is_there_and_told():
    assert len(stats.__all__) > 80
    for name in stats.__all__:
        assert getattr(stats, name).__doc__, name


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.confusion(["a"], ["z"], labels=["a"]), "'z' is none of"),
        (lambda: stats.confusion(["a"], ["a", "b"]), "shapes"),
        (lambda: stats.confusion([None], ["a"]), "missing class"),
        (lambda: stats.confusion_from_counts([[1, 2]]), "square"),
        (lambda: stats.calibration([1], [2]), r"probability\[0\] is 2"),
        (lambda: stats.calibration([1], [0.2], binning="x"), "equal mass"),
        (lambda: stats.calibration([1], [0.2], n_bins=0), "at least 1"),
        (lambda: stats.net_benefit([1], [0.2], [1]), "threshold is 1"),
        (lambda: stats.subgroups([1], [1], ["a"], metric="x"), "accuracy"),
        (lambda: stats.subgroups([1], [1], ["a", "b"]), "groups has shape"),
        (lambda: stats.subgroups([1, 0], [[1, 0]] * 2, ["a", "b"], metric="accuracy"), "accuracy of several"),
        (lambda: stats.reader_subgroups([[1]], ["a"]), "one number a reader"),
        (lambda: stats.sroc([1], [1], [1], [1], method="x"), "reml"),
        (lambda: stats.sroc([-1], [1], [1], [1]), "whole number from 0"),
    ],
)
def test_wrong_input_names_the_culprit(call, told):
    with pytest.raises(stats.StatsError, match=told):
        call()
