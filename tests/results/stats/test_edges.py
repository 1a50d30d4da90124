"""At the edges: nothing crashes, and nothing flatters. Undefined is NaN with a reason, no interval is without width, no
p is 0, and what is wrong is refused by name."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readerstudy.results import stats

NAN = math.nan


@dataclasses.dataclass(frozen=True)
class Study:
    truth: np.ndarray
    ratings: np.ndarray  # (t, r, n)
    model: np.ndarray

    @property
    def decisions(self) -> np.ndarray:
        return np.where(np.isnan(self.ratings), NAN, self.ratings > 0.5)


KINDS = ("noise", "perfect", "inverse", "constant", "ties", "same readers", "same modalities")
MISSING = ("nothing", "some", "half of one reader", "a class of one reader", "one reader")


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Small studies of every awkward kind: a class empty or of one case, one reader, all alike, much missing."""
    m, n = draw(st.sampled_from([0, 1, 2, 5, 15])), draw(st.sampled_from([0, 1, 2, 5, 20]))
    t, r = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 6]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    truth = np.r_[np.ones(m, int), np.zeros(n, int)]
    noise = rng.normal(size=(t, r, m + n))
    ratings = {
        "noise": noise + truth, "perfect": noise / 100 + 5 * truth, "inverse": noise / 100 - 5 * truth,
        "constant": np.zeros_like(noise), "ties": np.round(noise + truth),
        "same readers": np.repeat(noise[:, :1] + truth, r, 1), "same modalities": np.repeat(noise[:1] + truth, t, 0),
    }[draw(st.sampled_from(KINDS))]  # fmt: skip
    missing = draw(st.sampled_from(MISSING))
    lost = {
        "nothing": np.zeros(ratings.shape, bool), "some": rng.random(ratings.shape) < 0.2,
        "half of one reader": np.arange(m + n) % 2 == 0, "a class of one reader": truth == 1,
        "one reader": np.ones(m + n, bool),
    }[missing]  # fmt: skip
    only_first = missing not in ("nothing", "some")
    ratings = np.where(lost & ((np.arange(r) == 0)[:, None] | (not only_first)), NAN, ratings)
    model = ratings[0, -1] if draw(st.booleans()) else rng.normal(size=m + n) + truth * draw(st.sampled_from([0, 1, 9]))
    return Study(truth, ratings, model)


def numbers(result: Any) -> Iterator[Any]:
    """Every Estimate and Test within a result."""
    if isinstance(result, stats.Estimate | stats.Test):
        yield result
    elif dataclasses.is_dataclass(result):
        for field in dataclasses.fields(result):
            yield from numbers(getattr(result, field.name))
    elif isinstance(result, tuple | list):
        for one in result:
            yield from numbers(one)


def assert_honest(result: Any) -> None:
    for one in numbers(result):
        if isinstance(one, stats.Test):
            assert one.p > 0 or one.note, one
            continue
        if math.isnan(one.value) or math.isnan(one.low):
            assert one.note, one
            assert math.isnan(one.low), one
            assert math.isnan(one.high), one
        else:
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9, one
            assert one.high - one.low > 1e-9, one


MRMC = [
    (covariance, *effects)
    for covariance in ("jackknife", "delong", "unbiased")
    for effects in (("random", "random"), ("random", "fixed"), ("fixed", "random"))
]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(studies(), st.sampled_from(MRMC))
def test_many_readers_at_the_edges(study, options):
    covariance, readers, cases = options
    truth, ratings = study.truth, study.ratings
    assert_honest(stats.mrmc(truth, ratings, covariance=covariance, readers=readers, cases=cases))
    assert_honest(stats.mrmc(truth, study.decisions, metric="sensitivity", readers=readers, cases=cases))
    found = stats.mrmc_ustat(truth, ratings)
    found_of_decisions = stats.mrmc_ustat(truth, study.decisions, metric="specificity")
    for one in (*found.means, *found.differences, *found_of_decisions.means, *found_of_decisions.differences):
        # not the normal test, which takes two cases of a class for as good as many
        assert_honest([one.estimate, one.normal, one.test])
    assert_honest(stats.standalone_vs_readers(truth, study.model, ratings[0], covariance=covariance))
    scored = np.where(np.isnan(study.model), NAN, study.model > 0.5)
    assert_honest(stats.standalone_vs_readers(truth, scored, study.decisions[0], metric="specificity"))
    agreed = stats.agreement(np.round(ratings[0]), replicates=20, measurement="ordinal")
    # not Fleiss' z, which for readers who never differ may well underflow
    assert_honest([agreed.all_agree, agreed.fleiss.estimate, agreed.conger, agreed.krippendorff])
    assert_honest(stats.intra_reader(study.decisions[0], study.decisions[-1], weights="linear"))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(studies(), st.booleans())
def test_curves_and_points_at_the_edges(study, clustered):
    truth, model, decisions = study.truth, study.model, study.decisions[0]
    lesions = np.arange(truth.size) // 2 if clustered else None
    interval = "bca" if clustered else "percentile"
    assert_honest(stats.roc(truth, model))
    assert_honest(stats.delong(truth, study.ratings[:, 0]).compare(0, -1))
    assert_honest(stats.bootstrap_auc(truth, model, replicates=40, clusters=lesions, interval=interval))
    assert_honest(stats.bootstrap("sensitivity", truth, decisions, replicates=40, over="readers and cases"))
    assert_honest(stats.at_matched(truth, model, decisions, replicates=40, clusters=lesions).below)
    points = stats.operating_points(truth, decisions, prevalence=0.05)
    assert_honest(points)
    assert_honest(stats.average_reader(points))
    assert_honest(stats.mcnemar_reader_vs_model(truth, decisions, decisions[-1]))
    assert_honest(stats.pooled(truth, decisions, ratings=study.ratings[0], model=model, threshold=0.5).with_model)
    groups = np.array(list("abc"))[np.arange(truth.size) % 3] if truth.size else []
    assert_honest(stats.subgroups(truth, model, groups))
    assert_honest(stats.subgroups(truth, decisions, groups, metric="specificity"))


def test_perfect_readers_are_not_certain_by_rounding():
    truth, perfect = np.r_[np.ones(15), np.zeros(5)], np.r_[np.ones(15), np.zeros(5)]
    readers = np.random.default_rng(1).normal(size=(3, 20)) / 100 - 5 * truth
    found = stats.standalone_vs_readers(truth, perfect, readers, covariance="unbiased")
    for test in (found.main, found.readers_fixed, found.cases_fixed):
        assert math.isnan(test.test.p)
        assert not test.difference.has_interval
        assert "not positive" in test.difference.note


def test_a_reader_with_one_positive_case_does_not_undo_the_study(rng):
    truth = np.r_[np.ones(8), np.zeros(9)]
    ratings = rng.normal(size=(2, 6, 17)) + truth
    others = stats.mrmc(truth, ratings[:, 1:])
    ratings[:, 0, 1:8] = NAN
    found = stats.mrmc(truth, ratings)
    assert "1 reader left out: an accuracy on one case of a class has no variance" in found.note
    assert found.equality == others.equality
    assert found.means[0].estimate == others.means[0].estimate
    alone = stats.standalone_vs_readers(truth, ratings[0, 1], ratings[1])
    assert "1 reader left out" in alone.note
    assert alone.main.difference.has_interval


def test_intervals_end_where_the_measure_does(rng):
    truth = np.r_[np.ones(4), np.zeros(4)]
    ratings = rng.normal(size=(2, 2, 8)) + 3 * truth * np.array([[[1], [-1]], [[-1], [1]]])
    (difference,) = stats.mrmc(truth, ratings).differences
    assert (difference.estimate.low, difference.estimate.high) == (-1, 1)
    assert "clipped to -1..1" in difference.estimate.note

    def contrast(positive: np.ndarray, rating: np.ndarray) -> float:
        return float(rating[~positive].mean() - rating[positive].mean())

    # a measure of one's own that leaves 0..1 is not cut off there
    mean = stats.mrmc(truth, ratings, metric=contrast).means[0].estimate
    assert mean.value < 0
    assert mean.low < mean.value < mean.high


@pytest.mark.parametrize("truth", [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
def test_no_ustatistic_variance_without_two_readers_or_two_cases(truth):
    readers = 1 if sum(truth) > 1 else 4
    ratings = np.random.default_rng(3).normal(size=(readers, 6)) + np.array(truth)
    (found,) = stats.mrmc_ustat(truth, ratings).means
    assert 0 <= found.estimate.value <= 1
    assert math.isnan(found.variance)
    assert "no variance from one reader" in found.normal.note
    assert not found.normal.has_interval


def test_a_reader_of_one_class_only_is_no_reader_of_a_ustatistic(rng):
    truth = np.r_[np.ones(8), np.zeros(9)]
    ratings = rng.normal(size=(6, 17)) + truth
    ratings[:2, :8] = NAN
    found = stats.mrmc_ustat(truth, ratings)
    assert found.n_readers == 4
    assert "only 4 readers" in found.note


def test_an_auc_without_variance_is_not_compared_as_if_it_were_known(rng):
    # pROC warns here: "The ROC curve has an AUC of 1 ... can be misleading"
    truth, groups = np.tile([1, 0], 20), np.repeat(["small", "rest", "rest", "rest"], 10)
    score = np.where(groups == "small", truth * 9.0, rng.normal(size=40) + truth)
    small, rest = stats.subgroups(truth, score, groups).rows
    assert math.isnan(small.p)
    assert math.isnan(rest.p)
    assert "not compared" in small.estimate.note
    comparison = stats.delong(truth, np.stack([truth * 9.0, score * 0 + rng.normal(size=40)])).compare()
    assert "flatter" in comparison.note
    assert "flatter" in comparison.difference.note


def test_all_called_positive_leaves_the_likelihood_ratio_uncertain():
    point = stats.operating_point([1, 1, 1, 0, 0], [1, 1, 1, 1, 1], prevalence=0.1)
    assert point.lr_positive.value == 1
    # (3.5 / 4) / (2.5 / 3), with half a case in each cell: exp(+-1.96 sqrt(0.5 / 4 / 3.5 + 0.5 / 3 / 2.5))
    half = 1.959964 * math.sqrt(0.125 / 3.5 + (1 / 6) / 2.5)
    assert point.lr_positive.low == pytest.approx(1.05 * math.exp(-half), rel=1e-6)
    assert point.ppv_at_prevalence is not None
    assert point.ppv_at_prevalence.low < 0.1 < point.ppv_at_prevalence.high


def test_a_kappa_whose_variance_is_zero_has_no_interval():
    one, other = np.zeros(40), np.zeros(40)
    other[[5, 19, 37, 39]] = 1, 4, 2, 1
    found = stats.cohen_kappa(one, other, weights="quadratic")
    assert found.estimate.value == pytest.approx(0, abs=1e-12)
    assert "variance is zero (a reader" in found.estimate.note
    assert math.isnan(found.test.p)


def test_a_masked_answer_is_a_missing_one():
    given, masked = [0.9, 0.8, 0.1, 0.7], [False, False, True, False]
    found = stats.delong([1, 1, 0, 0], np.ma.masked_array(given, mask=masked))
    assert found.n_excluded == 1
    assert found.auc[0] == 1


def test_no_permutation_so_far_apart_is_not_a_p_of_zero(rng):
    truth = np.repeat([1, 0], 30)
    found = stats.venkatraman(truth, truth + rng.normal(size=60) / 9, rng.normal(size=60), permutations=100)
    assert found.p == 0
    assert "p is below 0.01, not 0" in found.note


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.points_from_counts([3, NAN], [1, 1], [2, 2], [0, 1]), r"tp\[1\] is nan; a count is a whole"),
        (lambda: stats.points_from_counts([3, 2], [1.5, 1], [2, 2], [0, 1]), r"fn\[0\] is 1.5"),
        (lambda: stats.points_from_counts([3, 2], [1, 1, 1], [2, 2], [0, 1]), "tp 2, fn 3"),
        (lambda: stats.mcnemar_from_counts([1], [-1], [9]), r"c\[0\] is -1"),
        (lambda: stats.proportion(1, math.nan), r"n\[0\] is nan"),
        (lambda: stats.confusion_from_counts([[1, 0.5], [0, 1]]), "whole numbers from 0"),
        (lambda: stats.confusion_from_counts([[1, 0], [0, 1]], ["a"]), "labels names 1 classes, but counts has 2"),
        (lambda: stats.confusion([1, "b"], [1, 1]), "name them in labels"),
        (lambda: stats.confusion([0, 1], [1, 1], labels=[0, 1, 1]), "names a class twice"),
        (lambda: stats.roc([1, 0], np.array([1j, 0])), "score holds complex numbers"),
        (lambda: stats.bootstrap("auc", [1, 0], np.empty((0, 2))), "no reader's row"),
        (lambda: stats.bootstrap("auc", [1, 0], [1, 0], clusters=["a", None]), r"clusters\[1\] is None"),
        (lambda: stats.bootstrap_auc([1, 0], [1, 0], clusters=[NAN, 1]), r"clusters\[0\] is nan"),
        (lambda: stats.at_matched([1, 0], [1, 0], [1, 0], clusters=[1]), "clusters has shape"),
        (lambda: stats.at_matched([1, 0], [1, 0], [1, 0], replicates=0), "replicates is 0"),
        (lambda: stats.bootstrap_auc([1, 0], [1, 0], seed=-1), "seed is -1"),
        (lambda: stats.mrmc([1, 0], np.ones((2, 3, 2)), modalities=["a", "a"]), "modalities names one twice: a, a"),
        (lambda: stats.mrmc_ustat([1, 0], np.ones((2, 3, 2)), modalities=["a", "a"]), "modalities names one twice"),
        (lambda: stats.mrmc([1, 0], np.empty((0, 3, 2))), r"\(t, r, n\) is needed"),
        (lambda: stats.calibration([1, 0], [[0.1, 0.2]]), "probability has shape"),
        (lambda: stats.net_benefit([1, 0], [0.1, 0.2], [[0.1]]), "thresholds has shape"),
        (lambda: stats.binormal([1, 0], 3), "ratings has shape"),
        (lambda: stats.mean_interval([0.2, NAN]), "none of them NaN"),
        (lambda: stats.cohen_kappa([1, 2], [1, 3], categories=[1, 2]), "3 is none of the categories 1, 2"),
        (lambda: stats.icc_agreement(np.eye(3), level=2), "level is 2"),
    ],
)
def test_what_is_wrong_is_refused_by_name(call: Callable[[], Any], told: str):
    with pytest.raises(stats.StatsError, match=told):
        call()
