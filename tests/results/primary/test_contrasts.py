"""Planned comparisons of two conditions: the numbers of MRMCaov and scipy, the correction, the decision, who enters."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from readerstudy.results.arrays import TestTable
from readerstudy.results.primary.contrasts import ContrastResult
from readerstudy.results.primary.numbers import PrimaryAnalysis, primary_analysis
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Contrast, Plan, Under
from tests.results.conditions.arrays import two_arms, two_stages
from tests.results.primary.tables import plan
from tests.results.stats import datasets

STAGES = Under(1, 0, 1), Under(2, 0, 2)
GAIN = Contrast(
    planned.PRIMARY, 1, *STAGES, planned.ALL_ADVICE, planned.SENSITIVITY, planned.OR_RANDOM, planned.SUPERIORITY, 0.0
)
BETWEEN = {
    "endpoint": planned.CONDITIONS, "method": "", "hypothesis": "", "threshold_origin": "", "threshold": None,
}  # fmt: skip
EFFECTS = {planned.OR_RANDOM: "rrrc", planned.OR_READERS_FIXED: "frrc", planned.OR_CASES_FIXED: "rrfc"}


def between(*contrasts: Contrast, **values: Any) -> Plan:
    return plan(**BETWEEN, contrasts=contrasts, **values)


def analysed(asked: Plan, test: TestTable) -> PrimaryAnalysis:
    found = primary_analysis(asked, [test])
    assert found is not None
    return found


def only(contrast: Contrast, test: TestTable, **values: Any) -> ContrastResult:
    (one,) = analysed(between(contrast, **values), test).contrasts
    return one


def vandyke() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """truth, and the first and the second treatment's ratings (readers, cases)."""
    truth, ratings, *_names = datasets.multireader("vandyke.csv")
    return truth.astype(np.int64), ratings[0], ratings[1]


def reference(name: str, effect: str) -> dict[str, float]:
    """What MRMCaov printed of the difference of the two treatments."""
    known, start = datasets.expected(), f"mrmcaov.vandyke.{name}.jackknife.{effect}.diff["
    return {key.rpartition("].")[2]: known[key]["value"] for key in known if key.startswith(start)}


@pytest.mark.skipif(not datasets.SHARED.exists(), reason="needs ../shared: VanDyke's data are not shipped")
@pytest.mark.parametrize(
    ("measure", "name", "method"),
    [
        (planned.SENSITIVITY, "sens_ge3", planned.OR_RANDOM),
        (planned.SENSITIVITY, "sens_ge3", planned.OR_READERS_FIXED),
        (planned.SPECIFICITY, "spec_ge3", planned.OR_RANDOM),
        (planned.AUC, "auc", planned.OR_RANDOM),
        (planned.AUC, "auc", planned.OR_CASES_FIXED),
    ],
)
def test_the_planned_test_is_that_of_mrmcaov(measure: str, name: str, method: str) -> None:
    truth, one, two = vandyke()
    # The first choice is positive. A rating from 1 to 5 is how sure the reader is of a positive decision.
    decisions = [np.where(rating >= 3, 0, 1) for rating in (one, two)]
    if measure == planned.AUC:
        decisions = [np.zeros_like(one), np.zeros_like(two)]
    test = two_stages(truth, *decisions, sure=(one, two))
    found = only(replace(GAIN, measure=measure, method=method), test)
    wanted = reference(name, EFFECTS[method])
    # MRMCaov's difference is first minus second.
    assert found.difference.value == pytest.approx(-wanted["Estimate"], rel=1e-6)
    assert found.difference.low == pytest.approx(-wanted["CI.Upper"], rel=1e-6)
    assert found.p == pytest.approx(wanted["p-value"], rel=1e-5)
    if "df" in wanted:
        assert found.df == pytest.approx(wanted["df"], rel=1e-6)
    assert (found.n_readers, found.n_left_out, found.n_missing, found.paired) == (len(one), 0, 0, True)


TRUTH = np.array([1] * 14 + [0] * 22)


def drawn(n_readers: int = 6, *, seed: int = 3, gain: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """(readers, cases) of choices (the first is positive), before and after: correlated, better after."""
    chance = np.random.default_rng(seed)
    base = 1.0 * TRUTH + 0.5 * chance.normal(size=TRUTH.size) + 0.6 * chance.normal(size=(n_readers, TRUTH.size))
    after = base + gain * (TRUTH - 0.5) + 0.3 * chance.normal(size=base.shape)
    return (base <= 0.5).astype(float), (after <= 0.5).astype(float)


def right(said: np.ndarray) -> np.ndarray:
    return (said == 1 - TRUTH).astype(float)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (planned.ACCURACY, lambda said: right(said).mean(axis=1)),
        (planned.SPECIFICITY, lambda said: right(said)[:, TRUTH == 0].mean(axis=1)),
        (
            planned.BALANCED,
            lambda said: (right(said)[:, TRUTH == 0].mean(axis=1) + right(said)[:, TRUTH == 1].mean(axis=1)) / 2,
        ),
    ],
)
def test_these_cases_only_is_the_paired_t_test_of_scipy(measure: str, value: Any) -> None:
    before, after = drawn()
    found = only(replace(GAIN, measure=measure, method=planned.OR_CASES_FIXED), two_stages(TRUTH, before, after))
    wanted = ttest_rel(value(after), value(before))
    assert (found.before, found.after) == (
        pytest.approx(value(before).mean()), pytest.approx(value(after).mean()),
    )  # fmt: skip
    assert (found.statistic, found.df, found.p) == (
        pytest.approx(wanted.statistic), pytest.approx(wanted.df), pytest.approx(wanted.pvalue),
    )  # fmt: skip
    assert "These cases only: no inference to other cases." in found.guardrails


def test_decision_margin_correction_and_role() -> None:
    test = two_stages(TRUTH, *drawn())
    worse = two_stages(TRUTH, *reversed(drawn()))
    t = only(replace(GAIN, method=planned.OR_CASES_FIXED), test)
    assert (t.decision, t.role) == ("shown", "primary endpoint")
    assert only(replace(GAIN, method=planned.OR_CASES_FIXED), worse).decision == "reversed"
    assert only(replace(GAIN, margin=0.9, method=planned.OR_CASES_FIXED), test).decision == "not shown"
    non_inferior = replace(GAIN, hypothesis=planned.NON_INFERIORITY, margin=0.05, method=planned.OR_CASES_FIXED)
    found = only(non_inferior, test)
    assert (found.decision, found.bound) == ("shown", -0.05)
    # moved by the margin: (difference + 0.05) / se
    assert found.statistic == pytest.approx(t.statistic * (t.difference.value + 0.05) / t.difference.value)
    assert only(replace(GAIN, method=planned.OR_CASES_FIXED), test, alpha=1e-9).decision == "not shown"

    second = replace(GAIN, measure=planned.SPECIFICITY, method=planned.OR_CASES_FIXED)
    aside = [replace(one, role=planned.IS_SECONDARY) for one in (GAIN, second)]
    family = analysed(between(GAIN, second, *aside, multiplicity=planned.BONFERRONI), test)
    assert [one.role for one in family.contrasts] == ["primary endpoint"] * 2 + ["secondary"] * 2
    for one in family.contrasts:  # over the two of its role, not over four
        assert one.adjusted_p == pytest.approx(min(1.0, 2 * one.p))
    every = analysed(between(GAIN, replace(second, margin=0.9), multiplicity=planned.ALL_TESTS), test)
    assert [one.decision for one in every.contrasts] == ["shown", "not shown"]
    assert every.overall == "not shown"
    loose = analysed(between(GAIN, second, multiplicity=planned.NO_CORRECTION), test)
    assert loose.guardrails[0].startswith("2 tests at alpha 0.05 each, not corrected")


def test_a_contrast_beside_the_model_shares_its_correction() -> None:
    test = two_stages(TRUTH, *drawn())
    found = analysed(plan(contrasts=(GAIN,), multiplicity=planned.BONFERRONI), test)
    assert [one.decision for one in found.tests] == [
        "undefined"
    ]  # no model has scored it: it counts as one that failed
    (one,) = found.contrasts
    assert one.adjusted_p == pytest.approx(2 * one.p)


def test_who_enters_follows_the_plan() -> None:
    before, after = drawn()
    after = after.copy()
    after[0, :4] = np.nan
    test = two_stages(TRUTH, before, after)
    strict = only(GAIN, test)
    assert (strict.n_readers, strict.n_left_out, strict.n_missing) == (5, 1, 4)
    assert any("only readers who answered every case enter" in one for one in strict.guardrails)
    loose = only(GAIN, test, missing=planned.AVAILABLE)
    assert (loose.n_readers, loose.n_left_out, loose.n_answers) == (6, 0, after.size - 4)
    kept = right(before)[0, 4:14].mean()  # of the first reader only the cases answered under both count
    others = right(before)[1:, :14].mean(axis=1)
    assert loose.before == pytest.approx((kept + others.sum()) / 6)


def test_other_readers_in_each_arm_by_u_statistics() -> None:
    before, after = drawn(8)
    said = {1: before.copy(), 2: after.copy()}
    said[1][4:], said[2][:4] = np.nan, np.nan
    arms = Under(1, 1, 1), Under(2, 2, 2)
    one = replace(GAIN, first=arms[0], second=arms[1], measure=planned.ACCURACY, method=planned.USTATISTICS)
    found = only(one, two_arms(TRUTH, said, "parallel"))
    assert (found.paired, found.n_readers) == (False, 8)
    assert found.before == pytest.approx(right(before)[:4].mean())
    assert found.after == pytest.approx(right(after)[4:].mean())
    assert 0 < found.p < 1
    assert any("Other readers under each condition" in text for text in found.guardrails)


def test_a_condition_that_is_not_there_is_undefined_and_said() -> None:
    test = two_stages(TRUTH, *drawn())
    found = only(replace(GAIN, second=Under(3, 0, 3)), test)
    assert (found.decision, found.difference.note) == ("undefined", "the test has no such conditions")
    assert math.isnan(found.p)
    nobody = two_stages(TRUTH, np.full((2, TRUTH.size), np.nan), np.full((2, TRUTH.size), np.nan))
    assert only(GAIN, nobody).difference.note == "no reader enters by the plan's rules"
