"""Agreement: examples from the papers that defined the coefficients, and the edges."""

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from readerstudy.results import stats

NAN = math.nan


def test_fleiss_published_example():
    # Fleiss, Psychol Bull 1971, as worked on Wikipedia: 14 raters, 10 subjects, 5 categories, kappa 0.210
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = np.array([np.repeat(np.arange(5), row) for row in counts]).T
    assert ratings.shape == (14, 10)
    assert round(stats.fleiss_kappa(ratings).estimate.value, 3) == 0.210


# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D: four observers, twelve units
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


@pytest.mark.parametrize(
    ("measurement", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorffs_own_example(measurement, printed):
    found = stats.krippendorff_alpha(OBSERVERS, measurement)
    assert round(found.value, 3) == printed
    assert found.low < found.value < found.high
    assert found.n == 11
    assert "fewer than two answers" in found.note
    # with answers missing, irr counts as Krippendorff does
    assert stats.krippendorff_alpha(OBSERVERS, measurement, as_irr=True).value == found.value


def test_alpha_and_fleiss_differ_by_the_small_sample_term_only(rng):
    # complete answers: 1 - alpha = (1 - kappa) (1 - 1 / N) with N answers in all (Krippendorff 2004)
    ratings = rng.integers(0, 3, (4, 30))
    alpha, kappa = stats.krippendorff_alpha(ratings).value, stats.fleiss_kappa(ratings).estimate.value
    assert 1 - alpha == pytest.approx((1 - kappa) * (1 - 1 / 120))


def test_two_readers_are_the_same_in_irrs_convention(rng):
    ratings = rng.integers(0, 3, (2, 30))
    assert stats.krippendorff_alpha(ratings).value == stats.krippendorff_alpha(ratings, as_irr=True).value


def test_icc_of_shrout_and_fleiss():
    # Psychol Bull 1979, Table 2: six targets, four judges; ICC(2,1) = 0.29
    targets = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = stats.icc_agreement(np.transpose(targets))
    assert round(found.value, 2) == 0.29
    assert (round(found.low, 2), round(found.high, 2)) == (0.02, 0.76)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohen_equals_scikit_learns(rng, weights):
    one = rng.integers(1, 6, 80)
    other = np.where(rng.random(80) < 0.5, one, rng.integers(1, 6, 80))
    found = stats.cohen_kappa(one, other, weights=weights)
    assert found.estimate.value == pytest.approx(cohen_kappa_score(one, other, weights=weights))
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert found.test.p < 0.01


@pytest.mark.parametrize(
    ("measurement", "weights"), [("nominal", None), ("ordinal", "linear"), ("interval", "quadratic")]
)
def test_pairs_are_cohens(rng, measurement, weights):
    ratings = rng.integers(1, 4, (4, 40)).astype(float)
    ratings[0, :7] = NAN
    found = stats.agreement(ratings, measurement=measurement, replicates=50)
    for i in range(4):
        assert found.pairs[i, i] == 1
        for j in range(i):
            own = stats.cohen_kappa(ratings[i], ratings[j], weights=weights).estimate.value
            assert found.pairs[i, j] == pytest.approx(own)
    assert found.n_complete == 33
    assert "without every answer" in found.note


def test_conger_of_two_readers_is_cohens(rng):
    one, other = rng.integers(0, 3, (2, 50))
    assert stats.conger_kappa([one, other]).value == pytest.approx(stats.cohen_kappa(one, other).estimate.value)


def test_readers_who_always_agree():
    found = stats.agreement([[0, 1, 1, 0] * 5] * 3)
    assert found.all_agree.value == found.pairwise == 1
    assert found.all_agree.low < 1
    assert found.fleiss.estimate.value == found.krippendorff.value == 1
    for estimate in (found.fleiss.estimate, found.conger, found.krippendorff):
        assert math.isnan(estimate.low)
        assert "no interval" in estimate.note
    kappa = stats.cohen_kappa([0, 1, 1, 0], [0, 1, 1, 0]).estimate
    assert kappa.value == 1
    assert math.isnan(kappa.low)


def test_one_category_is_undefined():
    found = stats.agreement([[1, 1, 1]] * 3)
    for estimate in (found.fleiss.estimate, found.conger, found.krippendorff):
        assert math.isnan(estimate.value)
        assert "only one" in estimate.note
    assert math.isnan(found.fleiss.test.p)
    assert math.isnan(stats.cohen_kappa([1, 1], [1, 1]).estimate.value)
    assert math.isnan(stats.cohen_kappa([NAN], [1]).estimate.value)


def test_one_reader_and_no_shared_case_are_undefined():
    for ratings in ([[1, 0, 1]], [[1, NAN, 0, NAN], [NAN, 1, NAN, 0]]):
        found = stats.agreement(ratings)
        for estimate in (found.fleiss.estimate, found.conger, found.krippendorff):
            assert math.isnan(estimate.value)
            assert estimate.note
    assert math.isnan(found.pairwise)
    assert math.isnan(stats.icc_agreement([[1, 2, 3]]).value)
    assert math.isnan(stats.icc_agreement([[2, 2], [2, 2]]).value)


def test_intra_reader_uses_the_repeated_cases_only():
    first, second = [[1, 0, 1, NAN], [1, 1, 0, 0]], [[1, 0, NAN, 1], [0, 1, 0, 1]]
    found = stats.intra_reader(first, second)
    assert [kappa.estimate.n for kappa in found] == [2, 4]
    assert found[0].estimate.value == 1
    assert found[1].estimate.value == 0  # half agree, and half would by chance


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.agreement([1, 0]), r"\(r, n\)"),
        (lambda: stats.agreement([[1]], measurement="x"), "ordinal"),
        (lambda: stats.cohen_kappa([1], [1], weights="x"), "quadratic"),
        (lambda: stats.cohen_kappa([1], [1, 2]), "shapes"),
        (lambda: stats.krippendorff_alpha([1]), r"\(r, n\)"),
        (lambda: stats.krippendorff_alpha([[1], [1]], "x"), "ratio"),
        (lambda: stats.krippendorff_alpha([[-1], [1]], "ratio"), "negative"),
        (lambda: stats.intra_reader([[1]], [[1, 2]]), "shapes"),
    ],
)
def test_wrong_input_names_the_culprit(call, told):
    with pytest.raises(stats.StatsError, match=told):
        call()
