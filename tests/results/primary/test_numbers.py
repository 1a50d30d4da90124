"""Each planned endpoint gives the number that other software, or another way to compute it, gives."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from readerstudy.results import stats
from readerstudy.results.primary.numbers import PlannedTest, PrimaryAnalysis, corrected, primary_analysis
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Plan
from tests.results.primary.tables import MATCHED, OF_AUC, plan, table
from tests.results.stats.datasets import expected, lesions, multireader

NAN = math.nan
# The study of tests/results/conftest.py: four melanomas, six naevi, two readers, worked by hand there.
TRUTH = np.array([1] * 4 + [0] * 6)
SCORES = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05])
SAID = np.array([[1, 1, 1, 0, 1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1, 1, 0, 0, 0]], dtype=float)


def analysed(asked: Plan, *tables: Any) -> PrimaryAnalysis:
    found = primary_analysis(asked, tables)
    assert found is not None
    return found


def one(asked: Plan, *arrays: Any, **options: Any) -> PlannedTest:
    return analysed(asked, table(*arrays, **options)).tests[0]


@pytest.fixture(scope="module")
def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The CC0 example of iMRMC: five readers' ratings in one modality cut into decisions; as the model, a score made
    of one reader's ratings in the other modality."""
    truth, ratings, *_names = multireader("imrmc_example_cc0.csv")
    decisions = (ratings[0] >= np.median(ratings[0])).astype(float)
    ranks = scipy_stats.rankdata(ratings[1, 4]) / truth.size
    return truth, ranks, decisions


def test_without_a_plan_there_is_nothing() -> None:
    assert primary_analysis(None, [table(TRUTH, SCORES, SAID)]) is None


# --- an AUC against a stated value -----------------------------------------------------------------------------------


def test_an_auc_against_a_stated_value_is_that_of_proc() -> None:
    known = lesions()
    found = one(plan(**OF_AUC, reference=0.75), known["truth"], known["adae"], np.empty((0, 1295)))
    auc, (low, high) = (
        expected()["isic_lesion_size.all.auc_adae"]["value"],
        expected()["isic_lesion_size.all.ci_adae"]["value"],
    )
    se = (high - low) / 2 / scipy_stats.norm.ppf(0.975)
    assert found.model == pytest.approx(auc, rel=1e-9)
    assert (found.comparator, found.difference.value) == (0.75, pytest.approx(auc - 0.75, rel=1e-9))
    assert (found.difference.low, found.difference.high) == pytest.approx((low - 0.75, high - 0.75), abs=1e-8)
    assert found.statistic == pytest.approx((auc - 0.75) / se, rel=1e-6)
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf((auc - 0.75) / se), rel=1e-5)
    assert (found.decision, found.n_positive, found.n_negative, found.n_readers) == ("shown", 113, 1182, 0)
    assert found.guardrails == ()


def test_a_perfect_auc_decides_nothing() -> None:
    found = one(plan(**OF_AUC, reference=0.75), TRUTH, TRUTH / 2, SAID)
    assert (found.model, found.decision) == (1.0, "undefined")
    assert math.isnan(found.p)
    assert "no positive variance" in found.difference.note


# --- the model against readers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["sensitivity", "specificity", "balanced accuracy"])
def test_readers_and_cases_random_is_the_two_treatment_analysis(endpoint: str, example: Any) -> None:
    """Chakraborty and Zhai 2016: repeating the model once a reader as a second treatment gives the same numbers.
    (`stats.mrmc` itself is checked against MRMCaov and the Iowa OR-DBM program.)"""
    truth, scores, said = example
    found = one(plan(endpoint=endpoint, threshold=0.6), truth, scores, said)
    called = np.tile((scores >= 0.6).astype(float), (len(said), 1))
    metric = "auc" if endpoint == "balanced accuracy" else endpoint
    two = stats.mrmc(truth, np.stack([called, said]), metric=metric)
    assert found.difference.value == pytest.approx(two.differences[0].estimate.value)
    assert (found.p, found.df) == (pytest.approx(two.equality.p), pytest.approx(two.equality.df2))
    assert found.difference.low == pytest.approx(two.differences[0].estimate.low)
    assert (found.threshold, found.n_readers, found.difference.level) == (0.6, 5, 0.95)


def test_fixed_cases_are_a_one_sample_t_test(example: Any) -> None:
    truth, scores, said = example
    found = one(plan(method=planned.OR_CASES_FIXED, threshold=0.6), truth, scores, said)
    positive = truth == 1
    differences = (scores[positive] >= 0.6).mean() - said[:, positive].mean(axis=1)
    t = scipy_stats.ttest_1samp(differences, 0)
    assert (found.statistic, found.p, found.df) == (pytest.approx(t.statistic), pytest.approx(t.pvalue), 4)
    interval = t.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((interval.low, interval.high))


def test_fixed_readers_are_a_paired_z_test_over_cases(example: Any) -> None:
    truth, scores, said = example
    found = one(plan(method=planned.OR_READERS_FIXED, threshold=0.6), truth, scores, said)
    positive = truth == 1
    each = (scores[positive] >= 0.6) - said[:, positive].mean(axis=0)
    z = each.mean() / (each.std(ddof=1) / math.sqrt(positive.sum()))
    assert (found.statistic, found.p) == (pytest.approx(z), pytest.approx(2 * scipy_stats.norm.sf(abs(z))))
    assert not any("readers" in guardrail for guardrail in found.guardrails)  # five; and no inference to others


def test_a_matched_endpoint_worked_by_hand() -> None:
    """Average reader: sensitivity (3/4 + 2/4) / 2 = 5/8, specificity (5/6 + 3/6) / 2 = 2/3. The model's curve passes
    (1 - 2/3, 3/4), where its scores from 0.5 on are positive; at sensitivity 5/8 it rises steeply at 1 - 5/6."""
    found = one(plan(method=planned.BOOTSTRAP, **MATCHED), TRUTH, SCORES, SAID)
    assert (found.model, found.comparator, found.threshold) == (pytest.approx(3 / 4), pytest.approx(5 / 8), 0.5)
    assert found.difference.value == pytest.approx(1 / 8)
    taken = one(plan(**MATCHED), TRUTH, SCORES, SAID)
    assert (taken.threshold, taken.model, taken.difference.value) == (0.5, 0.75, pytest.approx(1 / 8))
    other = one(plan(endpoint=planned.SPECIFICITY, method=planned.BOOTSTRAP, **MATCHED), TRUTH, SCORES, SAID)
    assert (other.model, other.comparator) == (pytest.approx(5 / 6), pytest.approx(2 / 3))
    # The highest threshold that finds 5/8 of four melanomas is the one that finds three: 0.6.
    assert other.threshold == 0.6


def test_the_bootstrap_is_that_of_a_plain_loop(example: Any) -> None:
    """Readers and cases drawn anew, class by class, the match made anew, without our functions: the standard errors
    of 2,000 replicates each agree within their own error (a relative 1 / sqrt(2 * 2000) each, three of them)."""
    truth, scores, said = example
    found = one(plan(method=planned.BOOTSTRAP, **MATCHED), truth, scores, said)
    rng = np.random.default_rng(99)
    positives, negatives = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    gains = []
    for _replicate in range(2000):
        readers = rng.integers(len(said), size=len(said))
        pos, neg = rng.choice(positives, positives.size), rng.choice(negatives, negatives.size)
        specificity = 1 - said[np.ix_(readers, neg)].mean()
        sensitivity = said[np.ix_(readers, pos)].mean()
        cuts = np.append(np.unique(scores), np.inf)[::-1]
        fpr = np.array([(scores[neg] >= cut).mean() for cut in cuts])
        tpr = np.array([(scores[pos] >= cut).mean() for cut in cuts])
        # the highest point of each step, and lines between
        steps = np.unique(fpr)
        tops = np.array([tpr[fpr == x].max() for x in steps])
        gains.append(np.interp(1 - specificity, steps, tops) - sensitivity)
    se = found.difference.value / found.statistic
    assert se == pytest.approx(np.std(gains, ddof=1), rel=0.08)
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf(abs(found.statistic)))
    assert (found.difference.low, found.difference.high) == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.03)
    assert found.difference.value == pytest.approx(
        stats.at_matched(truth, scores, said).average.sensitivity_difference.value
    )


def test_the_seed_of_the_plan_is_used(example: Any) -> None:
    values = [one(plan(method=planned.BOOTSTRAP, **MATCHED, seed=seed), *example).p for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


# --- margins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "se", "bound", "df", "p"),
    [
        (1.959964, 1, 0, math.inf, 0.05),  # the normal's 97.5 % point
        (2.228139, 1, 0, 10, 0.05),  # Student's, 10 degrees of freedom: R's qt(0.975, 10)
        (2.328139, 1, 0.1, 10, 0.05),
        (-2.328139, 1, -0.1, 10, 0.05),
        (0.0, 2, -3.919928, math.inf, 0.05),
        (0.3, 1, 0.3, 5, 1.0),
    ],
)
def test_against_a_bound(value: float, se: float, bound: float, df: float, p: float) -> None:
    assert stats.against_bound(value, se, bound=bound, df=df).p == pytest.approx(p, abs=1e-6)


def test_against_a_bound_without_a_value_or_a_variance() -> None:
    assert math.isnan(stats.against_bound(NAN, 1).p)
    assert "no positive variance" in stats.against_bound(0.3, 0).note
    assert math.isnan(stats.against_bound(0.3, NAN).p)
    with pytest.raises(stats.StatsError, match="finite"):
        stats.against_bound(0.3, 1, bound=math.inf)


def test_a_margin_moves_the_test_and_nothing_else(example: Any) -> None:
    plain = one(plan(threshold=0.6), *example)
    lenient = one(plan(threshold=0.6, hypothesis=planned.NON_INFERIORITY, margin=0.1), *example)
    strict = one(plan(threshold=0.6, margin=0.1), *example)
    assert plain.difference == lenient.difference == strict.difference
    se = plain.difference.value / plain.statistic
    assert (lenient.bound, strict.bound) == (-0.1, 0.1)
    assert lenient.statistic == pytest.approx((plain.difference.value + 0.1) / se)
    assert strict.statistic == pytest.approx((plain.difference.value - 0.1) / se)


def of_size(n_right: int, n: int = 40, readers: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n positive and n negative cases; the model calls ``n_right`` positives, readers 20 on average, a few of them
    differing so that there is a variance."""
    truth = np.repeat([1, 0], n)
    scores = np.concatenate([np.arange(n) < n_right, np.zeros(n)]) * 0.9
    said = np.array([np.concatenate([(np.arange(n) * 7 + k) % n < 18 + k % 5, np.zeros(n)]) for k in range(readers)])
    return truth, scores, said.astype(float)


@pytest.mark.parametrize(
    ("n_right", "values", "decision"),
    [
        (38, {}, "shown"),
        (22, {}, "not shown"),
        (4, {}, "reversed"),
        (38, {"margin": 0.1}, "shown"),
        (38, {"margin": 0.9}, "not shown"),  # far below the margin, but not worse than readers
        (24, {"hypothesis": planned.NON_INFERIORITY, "margin": 0.3}, "shown"),
        (4, {"hypothesis": planned.NON_INFERIORITY, "margin": 0.05}, "reversed"),
        (16, {"hypothesis": planned.NON_INFERIORITY, "margin": 0.05}, "not shown"),
    ],
)
def test_the_decision_agrees_with_the_interval(n_right: int, values: dict[str, Any], decision: str) -> None:
    asked = plan(**values)
    found = one(asked, *of_size(n_right))
    assert found.decision == decision
    assert (found.difference.low > asked.bound) == (decision == "shown")
    if decision == "reversed":
        assert found.difference.high < asked.bound


def test_alpha_sets_the_level_and_the_decision() -> None:
    found = [one(plan(alpha=alpha), *of_size(30)) for alpha in (0.2, 0.0001)]
    assert found[0].p == found[1].p
    assert [test.difference.level for test in found] == [pytest.approx(0.8), pytest.approx(0.9999)]
    assert 0.0001 < found[0].p < 0.2
    assert [test.decision for test in found] == ["shown", "not shown"]


# --- several tests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["holm", "hochberg", "bonferroni"])
def test_corrections_are_those_of_r(rule: str) -> None:
    given = expected()["padjust.p"]["value"]
    assert corrected(given, rule) == pytest.approx(expected()[f"padjust.{rule}"]["value"])


@pytest.mark.parametrize(
    ("rule", "expected_p"),
    [
        ("fixed sequence", [0.01, 0.3, 0.3]),
        ("every test", [0.01, 0.3, 0.02]),
        ("none", [0.01, 0.3, 0.02]),
        ("holm", [0.03, 0.3, 0.04]),  # 3 * 0.01; 2 * 0.02; 0.3
    ],
)
def test_corrections_by_hand(rule: str, expected_p: list[float]) -> None:
    assert corrected([0.01, 0.3, 0.02], rule) == pytest.approx(expected_p)


def test_a_test_that_could_not_be_done_counts_as_failed() -> None:
    found = corrected([0.01, NAN, 0.02], "bonferroni")
    assert found[0] == pytest.approx(0.03)  # three tests were planned, not two
    assert math.isnan(found[1])
    sequence = corrected([0.01, NAN, 0.02], "fixed sequence")
    assert (sequence[0], sequence[2]) == (0.01, 1.0)  # nothing after it succeeds


def test_the_family_are_the_tests_of_the_study() -> None:
    tables = [table(*of_size(n_right), position=i) for i, n_right in enumerate((28, 38, 20), start=1)]
    alone = [one(plan(), *of_size(n_right)).p for n_right in (28, 38, 20)]
    family = analysed(plan(), *tables)
    assert [test.p for test in family.tests] == alone
    assert [test.adjusted_p for test in family.tests] == pytest.approx(stats.adjust_p(alone, "holm").tolist())
    assert (family.role, family.overall, family.guardrails) == ("primary endpoint", "", ())
    every = analysed(plan(multiplicity=planned.ALL_TESTS), *tables)
    assert (every.overall, [test.adjusted_p for test in every.tests]) == ("not shown", alone)
    assert analysed(plan(multiplicity=planned.ALL_TESTS), tables[1]).overall == "shown"
    (uncorrected,) = analysed(plan(multiplicity=planned.NO_CORRECTION), *tables).guardrails
    assert "3 tests at alpha 0.05 each, not corrected" in uncorrected
