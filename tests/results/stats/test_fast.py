"""What was made fast gives what the plain way gives: the same resampled cases, the same whole numbers."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import ttest_ind
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from readerstudy.results import stats
from readerstudy.results.stats.bootstrap_kernels import SortedScores
from readerstudy.results.stats.mrmc_covariance import accuracies, mean_share
from readerstudy.results.stats.resampling import draw_counts
from readerstudy.results.stats.roc import on_curve, on_curves
from readerstudy.results.stats.subset import _Halves


def plain_auc(positive: np.ndarray, negative: np.ndarray) -> Fraction:
    """Pairs won, ties counted half, over the pairs that there are: one after the other."""
    won = sum(2 * (p > n) + (p == n) for p in positive.tolist() for n in negative.tolist())
    return Fraction(won, 2 * positive.size * negative.size)


@pytest.mark.parametrize("ties", [False, True])
def test_each_replicate_equals_a_loop_over_pairs_exactly(rng, ties):
    positive, negative = rng.normal(size=23) + 1, rng.normal(size=31)
    if ties:
        positive, negative = positive.round(), negative.round()
    pos, neg = draw_counts(23, 23, 40, rng), draw_counts(31, 31, 40, rng)
    fast = SortedScores.of(positive, negative).aucs(pos, neg)
    plain = [plain_auc(np.repeat(positive, p), np.repeat(negative, n)) for p, n in zip(pos, neg, strict=True)]
    assert fast.tolist() == [float(value) for value in plain]
    assert len(set(plain)) > 30


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_the_part_and_the_whole_are_drawn_as_one(rng, at_once):
    """Each replicate of the difference, from the counts drawn, by the loop over pairs; however many at a time."""
    truth, score = np.arange(60) < 25, (rng.normal(size=60) + (np.arange(60) < 25)).round(1)
    inside = np.arange(60) % 3 == 0
    halves = _Halves.of(truth, score, inside)
    chance, again = np.random.default_rng(9), np.random.default_rng(9)
    fast = np.concatenate([halves.differences(at_once, chance) for _ in range(40 // at_once)])
    plain = []
    cells = [[np.sort(score[half & side]) for side in (truth, ~truth)] for half in (inside, ~inside)]
    for _chunk in range(40 // at_once):
        counts = [[draw_counts(cell.size, cell.size, at_once, again) for cell in half] for half in cells]
        for b in range(at_once):
            (pos, neg), (pos_rest, neg_rest) = (
                [np.repeat(cell, drawn[b]) for cell, drawn in zip(half, count, strict=True)]
                for half, count in zip(cells, counts, strict=True)
            )
            whole = plain_auc(np.concatenate([pos, pos_rest]), np.concatenate([neg, neg_rest]))
            plain.append(float(plain_auc(pos, neg)) - float(whole))
    assert fast.tolist() == plain
    part, all_of_it = roc_auc_score(truth[inside], score[inside]), roc_auc_score(truth, score)
    assert halves.observed()[0] == pytest.approx(part - all_of_it, abs=1e-12)


def test_the_interval_is_scipys(rng):
    """scipy.stats.bootstrap (two samples, percentile) over the same positives and negatives.

    Monte Carlo apart: a 2.5 % quantile of 8,000 replicates with a standard deviation of 0.04 has a standard error of
    sqrt(0.025 * 0.975 / 8000) / (0.058 / 0.04) = 0.0012, the difference of two 0.0017; four of these are allowed.
    """
    truth = np.arange(140) < 60
    score = rng.normal(size=140) + truth
    ours = stats.bootstrap_auc(truth, score, replicates=8000, seed=1).estimate

    def auc(positive, negative, axis=-1):
        return (positive[..., :, np.newaxis] > negative[..., np.newaxis, :]).mean(axis=(-1, -2))

    theirs = scipy_bootstrap(
        (score[truth], score[~truth]),
        auc,
        n_resamples=8000,
        method="percentile",
        rng=np.random.default_rng(2),
        batch=200,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.007)


def test_mean_variance_and_covariance_without_the_matrix(rng):
    right = (rng.random((9, 40)) < rng.random((9, 1))).astype(float)
    theta, error, cov2 = mean_share(right)
    whole = accuracies(np.ones(40, int), right, "sensitivity")
    assert theta == pytest.approx(whole.theta[0])
    assert error == pytest.approx(np.diagonal(whole.covariance).mean())
    assert cov2 == pytest.approx(whole.covariance[~np.eye(9, dtype=bool)].mean())
    # one reader: no pair, no covariance
    assert mean_share(right[:1])[2] == 0.0


def test_a_subgroup_of_readers_equals_the_analysis_of_its_cases(rng):
    truth = (np.arange(80) < 40).astype(int)
    said = (rng.random((6, 80)) < 0.3 + 0.5 * truth).astype(float)
    groups = np.where(np.arange(80) % 4 < 2, "a", "b")
    found = {row.name: row for row in stats.subgroups(truth, said, groups, metric="specificity").rows}
    assert set(found) == {"a", "b"}
    for name, row in found.items():
        whole = stats.mrmc(truth[groups == name], said[:, groups == name], metric="specificity").means[0]
        assert (row.estimate.value, row.estimate.low, row.estimate.high, row.se) == pytest.approx(
            (whole.estimate.value, whole.estimate.low, whole.estimate.high, whole.se)
        )


def test_readers_subgroups_by_welch(rng):
    values, groups = rng.random(20), np.repeat(["a", "b"], [8, 12])
    rows = stats.reader_subgroups(values, groups).rows
    assert rows[0].p == pytest.approx(ttest_ind(values[:8], values[8:], equal_var=False).pvalue)
    # a group whose readers are all the same is no reason to warn
    values[:8] = 0.5
    assert 0 < stats.reader_subgroups(values, groups).rows[0].p < 1


@pytest.mark.parametrize(("k", "missing"), [(2, False), (2, True), (4, False), (4, True)])
def test_kappa_of_each_pair_is_scikit_learns(rng, k, missing):
    rows = rng.integers(0, k, (5, 50)).astype(float)
    if missing:
        rows[rng.random((5, 50)) < 0.2] = np.nan
    for measurement, weights in (("nominal", None), ("ordinal", "linear"), ("interval", "quadratic")):
        found = stats.agreement(rows, measurement=measurement, replicates=10).pairs
        for i in range(5):
            for j in range(i + 1, 5):
                both = ~np.isnan(rows[i] + rows[j])
                assert found[i, j] == pytest.approx(cohen_kappa_score(rows[i, both], rows[j, both], weights=weights))


def test_congers_jackknife_equals_leaving_each_case_out(rng):
    rows = rng.integers(0, 3, (4, 25)).astype(float)
    found = stats.conger_kappa(rows)
    deleted = np.array([stats.conger_kappa(np.delete(rows, i, axis=1)).value for i in range(25)])
    se = np.sqrt(24 / 25 * ((deleted - deleted.mean()) ** 2).sum())
    from scipy.stats import t

    assert found.high - found.value == pytest.approx(t.ppf(0.975, 24) * se)


def test_many_curves_read_as_one(rng):
    x = np.sort(rng.integers(0, 6, (30, 9)) / 5, axis=1)
    y = np.sort(rng.integers(0, 6, (30, 9)) / 5, axis=1)
    x[:, [0, -1]] = y[:, [0, -1]] = [0.0, 1.0]
    wanted = rng.integers(0, 21, 30) / 20
    one_by_one = [on_curve(np.array([w]), a, b)[0] for w, a, b in zip(wanted, x, y, strict=True)]
    assert on_curves(wanted, x, y) == pytest.approx(one_by_one, abs=1e-12)
    x[3] = np.nan
    assert np.isnan(on_curves(wanted, x, y)[3])


def test_a_threshold_of_its_own_for_each_reader(rng):
    truth = (np.arange(40) < 20).astype(int)
    said = (rng.random((3, 40)) < 0.3 + 0.4 * truth).astype(float)
    called = (rng.random((3, 40)) < 0.2 + 0.6 * truth).astype(float)
    together = stats.mcnemar_reader_vs_model(truth, said, called, correction=None)
    alone = [stats.mcnemar_reader_vs_model(truth, s, c, correction=None)[0] for s, c in zip(said, called, strict=True)]
    assert [(m.b, m.c, m.exact_p) for m in together] == [(m.b, m.c, m.exact_p) for m in alone]
