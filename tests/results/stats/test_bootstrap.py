"""Resampling: the fast kernels against a loop, schemes against theory, intervals against scipy's, and the edges."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import roc_auc_score

from readerstudy.results import stats
from readerstudy.results.stats.bootstrap_kernels import AucKernel, kernel_of
from readerstudy.results.stats.resampling import CaseSampler, draw_counts


@pytest.fixture
def scored(rng):
    truth = np.arange(60) < 25
    return truth, np.round(rng.normal(size=60) + truth, 1)


@pytest.mark.parametrize("options", [{}, {"stratified": False}, {"clusters": np.arange(60) // 3}])
def test_auc_of_each_resample_equals_scikit_learns(scored, options):
    truth, score = scored
    fast = stats.bootstrap("auc", truth, score, replicates=60, seed=4, **options)
    slow = stats.bootstrap(lambda t, s: roc_auc_score(t, s), truth, score, replicates=60, seed=4, **options)
    assert fast.distribution == pytest.approx(slow.distribution)
    assert (fast.estimate.low, fast.estimate.high) == pytest.approx((slow.estimate.low, slow.estimate.high))
    assert np.ptp(fast.distribution) > 0.05


def test_shares_of_each_resample_equal_a_loop(scored, rng):
    truth, score = scored
    said = (score > 0.5).astype(float)
    said[rng.random(60) < 0.1] = math.nan
    for name, among in (("sensitivity", truth), ("specificity", ~truth), ("accuracy", np.ones(60, bool))):
        seen = among & ~np.isnan(said)
        fast = stats.bootstrap(name, truth, said, replicates=40, seed=1)
        assert fast.estimate.value == pytest.approx(np.mean((said == truth)[seen]))
        assert "missing values left out" in fast.estimate.note
        positives, negatives = {"sensitivity": (1, 0), "specificity": (0, 1), "accuracy": (1, 1)}[name]

        def share(t, d, positives=positives, negatives=negatives):
            among = np.where(t, positives, negatives).astype(bool)
            return float(np.mean((d == t)[among]))

        slow = stats.bootstrap(share, truth, said, replicates=40, seed=1)
        assert fast.distribution == pytest.approx(slow.distribution)


def test_counts_keep_what_they_should():
    truth = np.arange(30) < 12
    rng = np.random.default_rng(0)
    pos, neg = next(CaseSampler(truth).chunks(50, rng))
    assert (pos.sum(axis=1) == 12).all()
    assert (neg.sum(axis=1) == 18).all()
    pos, neg = next(CaseSampler(truth, stratified=False).chunks(50, rng))
    assert (pos.sum(axis=1) + neg.sum(axis=1) == 30).all()
    assert len(set(pos.sum(axis=1))) > 1
    together = CaseSampler(truth, clusters=np.arange(30) // 2)
    pos, neg = next(together.chunks(50, rng))
    assert (pos[:, ::2] == pos[:, 1::2]).all()  # two images of a lesion are drawn together
    assert draw_counts(0, 5, 3, rng).shape == (3, 0)


def test_the_seed_decides():
    truth, score = np.arange(40) < 20, np.random.default_rng(1).normal(size=40)
    one, same, other = (stats.bootstrap_auc(truth, score, replicates=50, seed=s).distribution for s in (7, 7, 8))
    assert (one == same).all()
    assert (one != other).any()


def test_chunks_do_not_change_the_shape_of_the_answer(monkeypatch, scored):
    truth, score = scored
    monkeypatch.setattr("readerstudy.results.stats.resampling.CHUNK_BYTES", 8 * 60 * 7)
    found = stats.bootstrap_auc(truth, score, replicates=50)
    assert found.distribution.shape == (50,)
    assert not np.isnan(found.distribution).any()


def test_standard_error_is_delongs(rng):
    truth = np.arange(400) < 150
    score = rng.normal(size=400) + truth
    se = math.sqrt(stats.delong(truth, score).covariance[0, 0])
    assert stats.bootstrap_auc(truth, score, replicates=4000).se == pytest.approx(se, rel=0.05)


def test_clusters_widen_the_interval(rng):
    # every lesion photographed four times, with the same score: 400 images are worth 100
    truth = np.repeat(np.arange(100) < 40, 4)
    score = np.repeat(rng.normal(size=100) + (np.arange(100) < 40), 4)
    images = stats.bootstrap_auc(truth, score, replicates=1500).se
    lesions = stats.bootstrap_auc(truth, score, clusters=np.repeat(np.arange(100), 4), replicates=1500).se
    assert lesions / images == pytest.approx(2, rel=0.15)


def test_readers_and_cases_are_wider_than_either(rng):
    truth = np.arange(80) < 40
    skill = rng.normal(size=(12, 1)) * 0.8
    ratings = rng.normal(size=(12, 80)) + (1 + skill) * truth
    spread = {
        over: stats.bootstrap("auc", truth, ratings, over=over, replicates=800).se
        for over in ("cases", "readers", "readers and cases")
    }
    assert spread["readers and cases"] > max(spread["cases"], spread["readers"])
    expected = math.hypot(spread["cases"], spread["readers"])
    assert spread["readers and cases"] == pytest.approx(expected, rel=0.25)


def test_bca_against_scipy(rng):
    # accuracy is a mean, which scipy's own BCa bootstrap can do; 9 of 10 right, so that the correction matters
    truth = np.arange(100) < 50
    said = truth.astype(float)
    said[::10] = 1 - said[::10]
    found = stats.bootstrap(
        "accuracy", truth, said, stratified=False, replicates=20_000, interval="bca", seed=3
    ).estimate
    right = (said == truth).astype(float)
    theirs = scipy_bootstrap((right,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(5))
    limits = theirs.confidence_interval
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=0.011)  # the grid is 0.01
    assert "BCa" in found.method


def test_bca_of_an_auc_moves_towards_the_long_tail():
    truth = np.arange(60) < 30
    score = np.random.default_rng(2).normal(size=60) + 2.2 * truth
    plain, corrected = (
        stats.bootstrap_auc(truth, score, interval=interval, replicates=4000).estimate
        for interval in ("percentile", "bca")
    )
    assert corrected.low < plain.low
    assert corrected.high < plain.high


def test_influence_by_formula_equals_influence_by_deletion(scored):
    # leaving out a positive changes the AUC by (its placement - AUC) / (m - 1); the formula divides by m
    truth, score = scored
    by_formula = AucKernel().influence(truth, score)
    by_deletion = kernel_of(lambda t, s: roc_auc_score(t, s)).influence(truth, score)
    assert by_deletion == pytest.approx(by_formula * np.where(truth, 25 / 24, 35 / 34))
    said = (score > 0.5).astype(float)
    by_deletion = kernel_of(lambda t, s: np.mean(s[t])).influence(truth, said)
    assert by_deletion == pytest.approx(kernel_of("sensitivity").influence(truth, said) * 25 / 24)


def test_bca_of_an_auc_is_the_same_by_deletion_where_classes_are_unequal(rng):
    # the jackknife's values count (m - 1) / m in a stratum of m: Davison and Hinkley (1997), 2.7.3 and 3.2.1
    truth = np.arange(68) < 8
    score = rng.normal(size=68) + 1.2 * truth
    options = {"replicates": 500, "interval": "bca", "seed": 1}
    own = stats.bootstrap("auc", truth, score, **options).estimate
    deleted = stats.bootstrap(lambda t, s: float(roc_auc_score(t, s)), truth, score, **options).estimate
    assert (own.low, own.high) == pytest.approx((deleted.low, deleted.high), abs=1e-9)


def test_perfect_auc_is_not_given_an_interval_without_width():
    found = stats.bootstrap_auc([0] * 10 + [1] * 10, range(20), replicates=200)
    assert found.estimate.value == 1
    assert found.estimate.low < 0.95
    assert "Newcombe" in found.estimate.method
    plain = stats.bootstrap("auc", [0] * 10 + [1] * 10, range(20), replicates=50).estimate
    assert math.isnan(plain.low)
    assert "same value" in plain.note


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_an_empty_class_is_undefined(interval):
    found = stats.bootstrap_auc([1, 1, 1], [1, 2, 3], replicates=20, interval=interval)
    assert math.isnan(found.estimate.value)
    assert "undefined" in found.estimate.note


def test_resamples_without_a_class_are_left_out_and_counted():
    found = stats.bootstrap("auc", [1, 0, 0, 0], [3, 1, 2, 4], stratified=False, replicates=300)
    assert 50 < found.n_undefined < 150  # (3 / 4) ** 4 = 0.32 of 300 hold no positive case
    assert f"{found.n_undefined} of 300 replicates were undefined" in found.estimate.note


def test_what_a_curve_reads(rng):
    truth = np.arange(200) < 80
    score = rng.normal(size=200) + 1.5 * truth
    curve = stats.roc(truth, score)
    at_80, at_90 = stats.bootstrap_curve(truth, score, stats.reading_sensitivity([0.8, 0.9]), replicates=300)
    assert at_80.estimate.value == pytest.approx(float(curve.sensitivity_at(0.8)))
    assert at_90.estimate.low < at_90.estimate.value < at_90.estimate.high
    (spec,) = stats.bootstrap_curve(truth, score, stats.reading_specificity(0.9), replicates=300)
    assert spec.estimate.value == pytest.approx(float(curve.specificity_at(0.9)))
    (raw,) = stats.bootstrap_curve(truth, score, stats.reading_partial_auc((0.8, 1.0)), replicates=300)
    assert raw.estimate.value == pytest.approx(curve.partial_auc((0.8, 1.0)).raw)
    (corrected,) = stats.bootstrap_curve(
        truth, score, stats.reading_partial_auc((0.8, 1.0), corrected=True), replicates=300
    )
    assert corrected.estimate.value == pytest.approx(curve.partial_auc((0.8, 1.0)).mcclish)


def test_difference_of_a_score_and_itself_has_no_test():
    truth, score = np.arange(40) < 20, np.random.default_rng(0).normal(size=40)
    found = stats.bootstrap_difference(truth, [score, score], replicates=50)
    assert found.difference.estimate.value == 0
    assert math.isnan(found.test.p)
    assert found.test.note


def test_difference_agrees_with_delong(rng):
    truth = np.arange(300) < 120
    shared = rng.normal(size=300)
    scores = [shared + truth, shared + 0.6 * truth + rng.normal(size=300) * 0.5]
    found, delong = stats.bootstrap_difference(truth, scores, replicates=3000), stats.delong(truth, scores).compare()
    assert found.difference.estimate.value == pytest.approx(delong.difference.value)
    assert found.test.statistic == pytest.approx(delong.statistic, rel=0.08)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.bootstrap("f1", [0, 1], [1, 2]), "sensitivity"),
        (lambda: stats.bootstrap("auc", [0, 1], [1, 2], over="x"), "readers and cases"),
        (lambda: stats.bootstrap("auc", [0, 1], [1, 2], interval="x"), "bca"),
        (lambda: stats.bootstrap("auc", [0, 1], [1, 2], replicates=0), "at least 1"),
        (lambda: stats.bootstrap("auc", [0, 1], [1, 2], clusters=[1]), "one label a case"),
        (lambda: stats.bootstrap("sensitivity", [0, 1], [1, 2]), "allowed are 0"),
        (lambda: stats.bootstrap_difference([0, 1], [1, 2]), "2 are needed"),
        (lambda: stats.reading_partial_auc(focus="x"), "specificity"),
        (lambda: stats.venkatraman([0, 1], [1, math.nan], [1, 2]), "NaN"),
    ],
)
def test_wrong_input_names_the_culprit(call, told):
    with pytest.raises(stats.StatsError, match=told):
        call()


def test_venkatraman_of_equal_and_of_unlike_curves(rng):
    truth = np.arange(120) < 60
    score = rng.normal(size=120) + truth
    same = stats.venkatraman(truth, score, score, permutations=50)
    assert same.statistic == 0
    assert same.p == 1
    unlike = stats.venkatraman(truth, score, rng.normal(size=120), permutations=200)
    assert unlike.p < 0.05
    assert math.isnan(stats.venkatraman([1, 1], [1, 2], [1, 2]).p)
