"""Multi-reader multi-case analyses at their edges, and planning; their numbers are in test_reference.py."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from readerstudy.results import stats
from readerstudy.results.stats.binormal import _likelihood

NAN = math.nan


@pytest.fixture
def study(rng):
    """Two modalities, six readers, 60 cases of which 25 are positive."""
    truth = np.arange(60) < 25
    case = rng.normal(size=60) * 0.5
    ratings = rng.normal(size=(2, 6, 60)) + case + truth * np.array([1.0, 1.6])[:, np.newaxis, np.newaxis]
    return truth, np.round(ratings, 1)


def test_jackknife_of_the_auc_equals_deletion_one_by_one(study):
    truth, ratings = study
    ratings[0, 0, :9] = NAN
    ratings = ratings[:, :3, ::2]
    truth = truth[::2]
    closed = stats.mrmc(truth, ratings)
    brute = stats.mrmc(truth, ratings, metric=lambda t, r: roc_auc_score(t, r))
    assert closed.per_reader == pytest.approx(brute.per_reader)
    assert closed.covariance == pytest.approx(brute.covariance)
    assert closed.equality.p == pytest.approx(brute.equality.p)


@pytest.mark.parametrize("covariance", ["jackknife", "delong", "unbiased"])
def test_variances_are_close_to_each_other(study, covariance):
    truth, ratings = study
    found = stats.mrmc(truth, ratings, covariance=covariance)
    assert found.components.error == pytest.approx(stats.mrmc(truth, ratings).components.error, rel=0.1)
    assert found.means[0].estimate.value == pytest.approx(found.per_reader[0].mean())
    assert found.n_readers == 6
    assert found.n_cases == 60


@pytest.mark.parametrize("covariance", ["jackknife", "delong", "unbiased"])
@pytest.mark.parametrize(
    ("positive", "metric"), [(True, "auc"), (True, "specificity"), (False, "auc"), (False, "sensitivity")]
)
def test_without_a_case_of_the_class_it_is_undefined(study, positive, metric, covariance):
    """No case of the class in the truth, or none that anybody read: NaN with a reason, not an error, not 0 or 1."""
    truth, ratings = study
    decisions = ratings if metric == "auc" else (ratings > 0.5).astype(float)
    unread = np.where(truth == positive, decisions, NAN)
    for labels, values in ((np.full(60, positive), decisions), (truth, unread)):
        found = stats.mrmc(labels, values, metric=metric, covariance=covariance)
        for mean in found.means:
            assert math.isnan(mean.estimate.value)
            assert mean.estimate.note == "no reader has a defined accuracy"
        assert math.isnan(found.equality.p)
        assert "readers left out: no defined accuracy" in found.note


def test_one_reader_gets_no_inference_over_readers(study):
    truth, ratings = study
    found = stats.mrmc(truth, ratings[:, :1])
    assert math.isnan(found.equality.p)
    assert "one reader" in found.equality.note
    assert math.isnan(found.means[0].estimate.low)
    assert math.isnan(found.differences[0].p)
    assert "only 1 reader" in found.note
    fixed = stats.mrmc(truth, ratings[:, :1], readers="fixed")
    assert not math.isnan(fixed.differences[0].p)


def test_one_modality_has_means_only(study):
    truth, ratings = study
    found = stats.mrmc(truth, ratings[0])
    assert found.differences == found.reader_differences == ()
    assert math.isnan(found.equality.p)
    assert found.means[0].estimate.low < found.means[0].estimate.value < found.means[0].estimate.high
    assert math.isnan(found.components.modality_reader)


def test_perfect_readers_do_not_flatter():
    truth = np.arange(40) < 20
    ratings = np.tile(np.arange(40)[::-1], (2, 6, 1))
    found = stats.mrmc(truth, ratings)
    assert found.means[0].estimate.value == 1
    assert math.isnan(found.means[0].estimate.low)
    assert "variance" in found.means[0].estimate.note
    assert math.isnan(found.equality.p)


def test_ties_everywhere():
    truth = np.arange(40) < 20
    found = stats.mrmc(truth, np.ones((2, 5, 40)))
    assert found.means[0].estimate.value == 0.5
    assert math.isnan(found.means[0].estimate.low)
    assert math.isnan(found.differences[0].p)


def test_an_empty_class_is_undefined():
    found = stats.mrmc(np.ones(10), np.ones((2, 5, 10)) * np.arange(10))
    assert found.n_readers == 0
    assert math.isnan(found.means[0].estimate.value)
    assert found.means[0].estimate.note
    assert math.isnan(found.equality.p)
    assert found.note


def test_negative_components_are_shown_and_said():
    # readers alike within each modality's noise: the reader component comes out below 0
    rng = np.random.default_rng(6)
    truth = np.arange(60) < 30
    notes, components = "", []
    for _ in range(20):
        found = stats.mrmc(truth, rng.normal(size=(2, 5, 60)) + truth)
        components.append(found.components.reader)
        notes += found.note
        assert not math.isnan(found.equality.p)
    assert min(components) < 0
    assert "the reader variance component is negative" in notes


def test_negative_covariance_between_readers_is_taken_as_zero():
    truth = np.arange(40) < 20
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40)
    ratings = np.stack([truth + noise, truth - noise, truth + 0.9 * noise, truth - 0.9 * noise, truth + 0 * noise])
    found = stats.mrmc(truth, ratings + rng.normal(size=(5, 40)) * 0.1).means[0]
    assert found.cov2 < 0
    assert "negative and taken as 0" in found.estimate.note


def test_a_reader_who_read_half_and_one_who_read_nothing(study):
    truth, ratings = study
    ratings[:, 0, ::2] = NAN
    ratings[1, 1] = NAN
    found = stats.mrmc(truth, ratings)
    assert found.n_readers == 5
    assert found.reader_names == ("1", "3", "4", "5", "6")
    assert "1 reader left out" in found.note
    half = np.arange(60) % 2 == 1
    assert found.per_reader[0, 0] == pytest.approx(roc_auc_score(truth[half], ratings[0, 0, half]))


def test_cells_without_a_shared_case_do_not_covary(study):
    truth, ratings = study
    ratings[0, :, :30] = NAN
    ratings[1, :, 30:] = NAN
    truth = np.tile([True, False, False], 20)
    for covariance in ("jackknife", "delong", "unbiased"):
        found = stats.mrmc(truth, ratings, covariance=covariance)
        assert (found.covariance[:6, 6:] == 0).all()
        assert found.components.cov1 == found.components.cov3 == 0


def test_names_are_carried(study):
    truth, ratings = study
    found = stats.mrmc(truth, ratings, modalities=["alone", "aided"], reader_names=list("abcdef"))
    assert (found.differences[0].first, found.differences[0].second) == ("alone", "aided")
    assert [d.reader for d in found.reader_differences] == list("abcdef")


def test_ustatistics_of_a_complete_study_agree_with_the_unbiased_fit(study):
    # complete designs: the U-statistic variance of one modality's average = what OR's unbiased components give
    truth, ratings = study
    ustat, fit = stats.mrmc_ustat(truth, ratings), stats.mrmc(truth, ratings, covariance="unbiased")
    for mean, other in zip(ustat.means, fit.means, strict=True):
        assert mean.estimate.value == pytest.approx(other.estimate.value)
        assert mean.variance == pytest.approx(other.ms_reader / 6 + other.cov2)


def test_ustatistics_weigh_every_reading_alike(study):
    truth, ratings = study
    ratings[0, 0, 10:] = NAN
    ratings[0, 0, 30:40] = 1.0
    found = stats.mrmc_ustat(truth, ratings[0])
    wins = pairs = 0.0
    for row in ratings[0]:
        positive, negative = row[truth & ~np.isnan(row)], row[~truth & ~np.isnan(row)]
        wins += ((positive[:, np.newaxis] > negative) + 0.5 * (positive[:, np.newaxis] == negative)).sum()
        pairs += positive.size * negative.size
    assert found.means[0].estimate.value == pytest.approx(wins / pairs)
    assert "every reading counts alike" in found.note


def test_a_negative_unbiased_variance_gives_way_to_the_biased_one():
    rng = np.random.default_rng(0)
    found = None
    for _ in range(200):
        truth = np.arange(12) < 6
        ratings = np.round(rng.normal(size=(2, 3, 12)) + truth, 0)
        result = stats.mrmc_ustat(truth, ratings)
        if result.differences[0].variance < 0:
            found = result.differences[0]
            break
    assert found is not None
    assert "negative" in found.estimate.note
    assert found.biased_variance > 0
    assert found.estimate.low < found.estimate.high


@pytest.mark.parametrize(
    ("truth", "ratings"),
    [
        (np.ones(6), np.ones((2, 5, 6))),
        (np.arange(6) < 3, np.full((2, 5, 6), NAN)),
        (np.arange(6) < 3, np.ones((2, 5, 6))),
        (np.arange(6) < 3, np.tile(np.arange(6)[::-1], (2, 1, 1))),
    ],
)  # fmt: skip
def test_ustatistics_at_their_edges_are_undefined_and_say_why(truth, ratings):
    found = stats.mrmc_ustat(truth, ratings)
    for result in (*found.means, *found.differences):
        assert math.isnan(result.estimate.low)
        assert math.isnan(result.test.p)
        assert result.estimate.note


def test_binormal_area_and_its_edges():
    # a = 1.5, b = 0.8 by construction: AUC = Phi(1.5 / sqrt(1.64)) = 0.8793
    rng = np.random.default_rng(1)
    truth = np.arange(40_000) < 20_000
    score = np.where(truth, 1.5 / 0.8 + rng.normal(size=40_000) / 0.8, rng.normal(size=40_000))
    rating = np.digitize(score, [-0.5, 0.3, 1, 1.8])
    fit = stats.binormal(truth, rating)
    assert (fit.a, fit.b) == pytest.approx((1.5, 0.8), abs=0.05)
    assert fit.auc == pytest.approx(0.8793, abs=0.005)
    assert stats.binormal([1, 1, 0, 0], [3, 4, 1, 2]).auc == 1
    assert stats.binormal([0, 0, 1, 1], [3, 4, 1, 2]).auc == 0
    assert stats.binormal([0, 0, 1, 1], [1, 1, 1, 1]).auc == 0.5
    assert math.isnan(stats.binormal([1, 1], [1, 2]).auc)


def test_the_binormal_fit_is_the_maximum(rng):
    truth = np.arange(120) < 50
    rating = np.digitize(rng.normal(size=120) + 1.3 * truth, [-0.5, 0.3, 1, 1.8])
    fit = stats.binormal(truth, rating)
    positive, negative = (np.bincount(rating[mask], minlength=5).astype(float) for mask in (truth, ~truth))
    top = np.concatenate([[fit.a, fit.b], fit.cutoffs])
    value, gradient, _ = _likelihood(positive, negative, top)
    assert value == pytest.approx(fit.log_likelihood)
    assert np.abs(gradient).max() < 1e-7
    for _ in range(50):
        assert _likelihood(positive, negative, top + rng.normal(size=6) * 0.02)[0] < value


@pytest.fixture
def pilot():
    """VanDyke's components as RJafroc and the Iowa program print them: 114 cases, jackknife, empirical AUC."""
    return stats.OrComponents(
        0.00153499934513392, 0.000200402523581461, 0.000802288265572061, 0.000346613709440729, 0.000344074828860886,
        0.000239028370892152,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "n_cases", "expected"),
    [
        # RJafroc 1.3.2, tests/testthat: SsPowerGivenJK(dataset02, FOM = "Wilcoxon", J = 10, effectSize = -0.043800322)
        ({}, 165, 0.80541995),
        ({"readers": "fixed"}, 131, 0.80091813),
        ({"cases": "fixed"}, 53, 0.80496663),
    ],
)
def test_power_is_rjafrocs(pilot, options, n_cases, expected):
    found = stats.power(pilot, n_readers=10, n_cases=n_cases, effect=-0.043800322, pilot_cases=114, **options)
    assert found.power == pytest.approx(expected, rel=2e-7)


def test_sample_size_is_rjafrocs(pilot):
    # RJafroc: SsSampleSizeKGivenJ(dataset02, FOM = "Wilcoxon", J = 6) needs 251 cases; power with 111 is 0.5526116
    found = stats.sample_size(pilot, n_readers=[3, 6], effect=-0.043800322, pilot_cases=114)
    assert [plan.n_cases for plan in found] == [None, 251]
    assert "more readers" in found[0].note
    at_111 = stats.power(pilot, n_readers=6, n_cases=111, effect=-0.043800322, pilot_cases=114)
    assert at_111.power == pytest.approx(0.5526116, abs=5e-8)


def test_planning_on_the_pilots_own_effect_says_that_it_flatters(study):
    found = stats.power(stats.mrmc(*study), n_readers=8, n_cases=100)
    assert "optimistic" in found.note
    assert 0 < found.power <= 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda p: stats.power(p, n_readers=5, n_cases=100), "pilot_cases"),
        (lambda p: stats.power(p, n_readers=1, n_cases=100, effect=0.1, pilot_cases=9), "too few"),
        (lambda p: stats.power(p, n_readers=5, n_cases=9, effect=0.1, pilot_cases=9, alpha=5), "alpha is 5"),
        (lambda p: stats.power(p, n_readers=5, n_cases=9, effect=0.1, pilot_cases=9, cases="x"), "fixed"),
        (lambda p: stats.sample_size(p, n_readers=5, target=80, effect=0.1, pilot_cases=9), "target is 80"),
        (lambda p: stats.power_one_roc(0.5, 10, 10), "0.5"),
        (lambda p: stats.sample_size_one_roc(0.8, power=2), "power is 2"),
        (lambda p: stats.sample_size_two_roc([1, 0], [1, 2]), "2 are needed"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], readers="x"), "random"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], readers="fixed", cases="fixed"), "both fixed"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], covariance="x"), "jackknife"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], metric="x"), "sensitivity"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], metric=len, covariance="delong"), "jackknife"),
        (lambda p: stats.mrmc([1, 0], [[1, 2, 3]]), "2 cases"),
        (lambda p: stats.mrmc([1, 0], [1, 2]), r"\(t, r, n\)"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], modalities=["a", "b"]), "modalities names 2"),
        (lambda p: stats.mrmc([1, 0], [[1, 2]], metric="sensitivity"), "allowed are 0"),
        (lambda p: stats.mrmc_ustat([1, 0], [[1, 2, 3]]), "is needed"),
        (lambda p: stats.mrmc_ustat([1, 0], [[1, 2]], metric="x"), "specificity"),
    ],
)
def test_wrong_input_names_the_culprit(pilot, call, told):
    with pytest.raises(stats.StatsError, match=told):
        call(pilot)
