"""The same numbers by another way: a textbook's definition worked out in full, or another program's print-out."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as distributions

from readerstudy.results import stats
from readerstudy.results.stats.mrmc_covariance import accuracies


def auc_of(truth: np.ndarray, row: np.ndarray) -> float:
    positive, negative = row[truth == 1], row[truth == 0]
    return float(np.mean((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)))


@pytest.mark.parametrize(("readers", "positives", "negatives"), [(2, 5, 5), (5, 12, 20)])
def test_obuchowski_rockette_is_the_anova_of_dorfman_berbaum_and_metz(rng, readers, positives, negatives):
    # Dorfman, Berbaum, Metz (Invest Radiol 1992; 27:723-731): three-way analysis of variance of jackknife pseudovalues,
    # with the denominator and degrees of freedom of Hillis, Berbaum, Metz (Acad Radiol 2008; 15:647-661)
    truth = np.r_[np.ones(positives), np.zeros(negatives)]
    n, t, r = truth.size, 2, readers
    ratings = np.round(rng.normal(size=(t, r, n)) + rng.normal(size=n) + truth, 1)
    whole = np.array([[auc_of(truth, row) for row in modality] for modality in ratings])
    without = np.array([
        [[auc_of(np.delete(truth, k), np.delete(row, k)) for k in range(n)] for row in modality] for modality in ratings
    ])  # fmt: skip
    y = n * whole[:, :, None] - (n - 1) * without
    mean, of_t, of_r, of_c = y.mean(), y.mean((1, 2)), y.mean((0, 2)), y.mean((0, 1))
    of_tr, of_tc, of_rc = y.mean(2), y.mean(1), y.mean(0)
    ms_t = r * n * ((of_t - mean) ** 2).sum() / (t - 1)
    ms_tr = n * ((of_tr - of_t[:, None] - of_r + mean) ** 2).sum() / ((t - 1) * (r - 1))
    ms_tc = r * ((of_tc - of_t[:, None] - of_c + mean) ** 2).sum() / ((t - 1) * (n - 1))
    rest = y - of_tr[:, :, None] - of_tc[:, None] - of_rc + of_t[:, None, None] + of_r[:, None] + of_c - mean
    ms_trc = (rest**2).sum() / ((t - 1) * (r - 1) * (n - 1))
    below = ms_tr + max(ms_tc - ms_trc, 0)
    df = below**2 / (ms_tr**2 / ((t - 1) * (r - 1)))

    found = stats.mrmc(truth, ratings)
    assert found.equality.statistic == pytest.approx(ms_t / below, rel=1e-9)
    assert found.equality.df2 == pytest.approx(df, rel=1e-7)
    assert found.equality.p == pytest.approx(distributions.f.sf(ms_t / below, t - 1, df), rel=1e-9)
    assert found.dbm.modality_case == pytest.approx((ms_tc - ms_trc) / r, rel=1e-9)
    assert found.dbm.modality_reader_case == pytest.approx(ms_trc, rel=1e-9)
    fixed = stats.mrmc(truth, ratings, readers="fixed").equality
    assert fixed.p == pytest.approx(distributions.chi2.sf((t - 1) * ms_t / ms_tc, t - 1), rel=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_ustatistic_variances_by_going_through_all_pairs_of_scores(rng, missing):
    # Gallas et al. (Commun Stat A 2009; 38:2586-2603): each pair of success scores, sorted by what the two share,
    # against the mean product of those that share nothing
    truth = np.r_[np.ones(6), np.zeros(7)].astype(int)
    ratings = np.round(rng.normal(size=(2, 4, 13)) + truth, 1)
    ratings[rng.random(ratings.shape) < missing] = np.nan
    positive, negative = ratings[:, :, truth == 1, None], ratings[:, :, None, truth == 0]
    scores, read = (positive > negative) + 0.5 * (positive == negative), ~np.isnan(positive - negative)

    def covariance(one: int, other: int) -> float:
        readers, i, j = np.nonzero(read[one])
        others, k, m = np.nonzero(read[other])
        shared = (readers[:, None] == others) * 4 + (i[:, None] == k) * 2 + (j[:, None] == m)
        products = scores[one][read[one]][:, None] * scores[other][read[other]]
        apart = products[shared == 0].mean()
        kinds = [shared == kind for kind in range(8)]
        return sum(s.sum() * (products[s].mean() - apart) for s in kinds if s.any()) / products.size

    found = stats.mrmc_ustat(truth, ratings)
    assert found.means[1].variance == pytest.approx(covariance(1, 1), abs=1e-14)
    expected = covariance(0, 0) + covariance(1, 1) - 2 * covariance(0, 1)
    assert found.differences[0].variance == pytest.approx(expected, abs=1e-14)


def test_covariance_of_readers_who_share_some_cases_is_unbiased():
    # the two read three cases each and share two; every outcome of a case and reader, weighed by its chance
    mask = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], bool)
    both = {(0, 0): 0.4, (0, 1): 0.1, (1, 0): 0.2, (1, 1): 0.3}
    covariance_of_one_case = 0.3 - 0.5 * 0.4
    expected = 0.0
    for outcome in product(both, repeat=4):
        chance = np.prod([both[case] for case in outcome])
        answers = np.where(mask, np.array(outcome, float).T, np.nan)
        expected += chance * accuracies(np.ones(4), answers, "sensitivity").covariance[0, 1]
    assert expected == pytest.approx(2 * covariance_of_one_case / 9, rel=1e-12)


def test_delong_of_readers_who_share_negatives_only(rng):
    # one read the first half of the positives, the other the second, both all negatives: only these covary
    truth = np.r_[np.ones(8), np.zeros(9)].astype(int)
    ratings = rng.normal(size=(2, 17)) + truth
    ratings[0, :4] = ratings[1, 4:8] = np.nan
    by_negative = [
        [np.mean(row[(truth == 1) & ~np.isnan(row)] > value) for value in row[truth == 0]] for row in ratings
    ]
    found = accuracies(truth, ratings, "auc", "delong").covariance[0, 1]
    assert found == pytest.approx(np.cov(by_negative)[0, 1] / 9, rel=1e-12)
    assert stats.mrmc(truth, ratings, covariance="delong").means[0].estimate.has_interval


def test_a_standalone_model_and_readers_who_read_part_by_deleting_case_after_case(rng):
    # Hillis's single-modality formulae on the jackknife covariance of the differences themselves
    truth = np.r_[np.ones(9), np.zeros(12)].astype(int)
    ratings, model = np.round(rng.normal(size=(4, 21)) + truth, 1), np.round(rng.normal(size=21) + 2 * truth, 1)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    seen, n, r = ~np.isnan(ratings), 21, 4

    def gain(reader: int, keep: np.ndarray) -> float:
        return auc_of(truth[keep], model[keep]) - auc_of(truth[keep], ratings[reader, keep])

    gains = np.array([gain(j, seen[j]) for j in range(r)])
    without = np.array([[gain(j, seen[j] & (np.arange(n) != k)) for k in range(n)] for j in range(r)])
    covariance = (n - 1) * np.cov(without, ddof=0)
    cov2, ms = max(covariance[~np.eye(r, dtype=bool)].mean(), 0), gains.var(ddof=1)
    se, df = np.sqrt(ms / r + cov2), (ms + r * cov2) ** 2 / (ms**2 / (r - 1))
    main = stats.standalone_vs_readers(truth, model, ratings).main
    assert (main.se, main.df) == pytest.approx((se, df), rel=1e-9)
    assert main.test.p == pytest.approx(2 * distributions.t.sf(abs(gains.mean()) / se, df), rel=1e-9)


@pytest.mark.parametrize("measurement", ["nominal", "ordinal", "interval", "ratio"])
def test_krippendorffs_alpha_by_its_definition(rng, measurement):
    # observed disagreement over pairs of answers within cases, expected over all pairs (Krippendorff 2019, chapter 12)
    ratings = rng.integers(0, 5, (4, 14)).astype(float)
    ratings[rng.random(ratings.shape) < 0.3] = np.nan
    cases = [case[~np.isnan(case)] for case in ratings.T]
    cases = [case for case in cases if case.size > 1]
    answers = np.concatenate(cases)
    often = {value: int((answers == value).sum()) for value in np.unique(answers)}

    def apart(a: float, b: float) -> float:
        if measurement == "nominal":
            return float(a != b)
        if measurement == "interval":
            return (a - b) ** 2
        if measurement == "ratio":
            return ((a - b) / (a + b)) ** 2 if a + b else 0.0
        between = sum(count for value, count in often.items() if min(a, b) <= value <= max(a, b))
        return (between - (often[a] + often[b]) / 2) ** 2

    observed = sum(sum(apart(a, b) for a in case for b in case) / (case.size - 1) for case in cases) / answers.size
    expected = sum(apart(a, b) for a in answers for b in answers) / (answers.size * (answers.size - 1))
    found = stats.krippendorff_alpha(ratings, measurement, replicates=20).value
    assert found == pytest.approx(1 - observed / expected, rel=1e-12)


A = np.array([1, 2, 2, 3, 5, 5, 4, 1, 2, 3, 3, 5, 4, 4, 1, 2])
B = np.array([1, 2, 3, 3, 5, 4, 4, 2, 2, 3, 1, 5, 4, 5, 1, 1])


@pytest.mark.parametrize(
    ("weights", "all_used", "three_unused"),
    [
        (None, (0.531707317073, 0.150945039834), None),
        ("linear", (0.7281553398058, 0.0975137677292), (0.8029556650246, 0.0738930401544)),
        ("quadratic", (0.8610038610039, 0.0666250569406), (0.9270072992701, 0.0285925100289)),
    ],
)
def test_kappas_and_their_errors_are_vcds(weights, all_used, three_unused):
    # R, vcd 1.4-11: Kappa(table(factor(a, 1:5), factor(b, 1:5)), weights = "Equal-Spacing" or "Fleiss-Cohen")
    def printed(kappa: stats.Kappa) -> tuple[float, float]:
        return kappa.estimate.value, (kappa.estimate.value - kappa.estimate.low) / distributions.norm.ppf(0.975)

    assert printed(stats.cohen_kappa(A, B, weights=weights)) == pytest.approx(all_used, rel=1e-10)
    if three_unused:
        a, b = (np.where(ratings == 3, 2, ratings) for ratings in (A, B))
        scale = stats.cohen_kappa(a, b, weights=weights, categories=range(1, 6))
        assert printed(scale) == pytest.approx(three_unused, rel=1e-10)
        assert stats.cohen_kappa(a, b, weights=weights).estimate.value < scale.estimate.value


@pytest.mark.parametrize(
    ("method", "mean", "covariance", "tau2", "likelihood"),
    [
        ("reml", (1.030349652, -1.229878184), (0.06588317152, 0.05424644053, 0.08105969264),
         (0.2737677431, 0.3944420673), -5.80822326072 - np.log(6)),
        ("ml", (1.027015025, -1.224355319), (0.05698413757, 0.04340980931, 0.06777677792),
         (0.2204473144, 0.3149265381), -6.37173359995),
    ],
)  # fmt: skip
def test_summary_curve_on_its_boundary_is_metafors(method, mean, covariance, tau2, likelihood):
    # R, metafor 3.8-1: rma.mv(y, v, mods = ~ out - 1, random = ~ out | study, struct = "UN"); its restricted likelihood
    # has half the logarithm of det(X'X), log 6 here, more than mada's. Its optimiser stops a little before rho = 1
    found = stats.sroc(
        [30, 41, 25, 38, 33, 29], [10, 9, 15, 6, 12, 21], [50, 44, 61, 39, 52, 66], [15, 21, 9, 26, 18, 7],
        method=method,
    )  # fmt: skip
    assert found.mean == pytest.approx(mean, abs=5e-7)
    assert found.mean_covariance[np.triu_indices(2)] == pytest.approx(covariance, abs=5e-7)
    assert np.diagonal(found.between) == pytest.approx(tau2, abs=5e-6)
    assert found.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert found.log_likelihood >= likelihood - 1e-10
    assert "boundary" in found.note


def test_calibration_of_predictions_that_hardly_differ():
    # two predictions only: the regression is saturated, and slope and error are those of the log odds ratio
    low, high, counts = 0.4999, 0.50005, {(0, 0): 31, (0, 1): 19, (1, 0): 22, (1, 1): 28}
    truth = np.concatenate([np.full(n, outcome) for (_, outcome), n in counts.items()])
    probability = np.concatenate([np.full(n, (low, high)[which]) for (which, _), n in counts.items()])
    distance = np.log(high / (1 - high)) - np.log(low / (1 - low))
    found = stats.calibration(truth, probability)
    assert found.slope.value == pytest.approx(np.log(28 * 31 / (22 * 19)) / distance, rel=1e-7)
    assert found.slope_se == pytest.approx(np.sqrt(sum(1 / n for n in counts.values())) / distance, rel=1e-7)


def test_the_fewest_cases_are_the_fewest_even_where_more_cost_power():
    # two readers: as cases grow, the degrees of freedom fall towards one, and the power with them
    pilot = stats.OrComponents(1e-3, 1e-5, 1.54e-4, 7.47e-5, 6.98e-5, 2.9e-5)
    options = {"effect": 0.05, "pilot_cases": 100}
    (found,) = stats.sample_size(pilot, n_readers=np.int64(2), **options)
    powers = {n: stats.power(pilot, n_readers=2, n_cases=n, **options).power for n in (*range(2, 60), 100_000)}
    assert powers[100_000] < 0.8
    assert found.n_cases == min(n for n, power in powers.items() if power >= 0.8)


def test_a_pilot_whose_covariances_exceed_its_variance_does_not_promise_power():
    pilot = stats.OrComponents(1e-3, 0.0, 3e-4, 2.5e-4, 1.5e-4, 1e-5)
    for cases in ("random", "fixed"):
        found = stats.power(pilot, n_readers=5, n_cases=150, effect=0.001, pilot_cases=100, cases=cases)
        assert "taken as 0" in found.note
        assert not found.power > 0.5
