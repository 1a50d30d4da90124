"""The primary analysis, exactly as the protocol planned it: from the plan and the plain tables alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from readerstudy.results.arrays import Floats, Ints, TestTable
from readerstudy.results.primary.contrasts import ContrastResult, planned_contrasts
from readerstudy.results.primary.entering import eligible
from readerstudy.results.primary.guardrails import of_family, of_model, of_plan, of_readers, of_sizes
from readerstudy.results.primary.roles import role_of_primary
from readerstudy.results.stats import (
    Estimate,
    adjust_p,
    against_bound,
    average_matched,
    average_reader,
    delong,
    mcnemar_reader_vs_model,
    operating_points,
    standalone_vs_readers,
)
from readerstudy.results.thresholds import called_at, threshold_for_sensitivity, threshold_for_specificity
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Plan

SHOWN, NOT_SHOWN, REVERSED, UNDEFINED = "shown", "not shown", "reversed", "undefined"
METRICS = {planned.SENSITIVITY: "sensitivity", planned.SPECIFICITY: "specificity", planned.BALANCED: "auc"}


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """The primary endpoint in one test.

    ``model`` and ``comparator`` (the average reader, or the stated AUC) are what ``difference`` is the difference of;
    its interval is two-sided at 1 - alpha and not adjusted. ``p`` tests the difference against ``bound``;
    ``adjusted_p`` is after the plan's correction over the tests of the study. ``n_readers`` enter, ``n_left_out`` do
    not; ``n_missing`` answers of those who have begun are missing, of the readers whom the plan averages.
    ``threshold``: the model is positive from it on. ``decision``: shown, not shown, reversed (the opposite is shown) or
    undefined. ``guardrails`` are what makes the result fragile, in sentences.
    """

    test_id: int
    position: int
    title: str
    question: int
    n_readers: int
    n_left_out: int
    n_missing: int
    n_positive: int
    n_negative: int
    threshold: float
    model: float
    comparator: float
    difference: Estimate
    bound: float
    statistic: float
    df: float
    p: float
    adjusted_p: float
    decision: str
    guardrails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrimaryAnalysis:
    """The plan, the primary endpoint in each test (none where it is not of the model), and the comparisons of two
    conditions that the plan names, primary and secondary. ``overall`` is the decision over all that is primary where
    the plan asks for every one of them, else empty; ``guardrails`` are those of the study."""

    role: str
    plan: Plan
    tests: tuple[PlannedTest, ...]
    overall: str
    guardrails: tuple[str, ...]
    contrasts: tuple[ContrastResult, ...] = ()

    def contrasts_of(self, role: str) -> tuple[ContrastResult, ...]:
        """Those that are PRIMARY or IS_SECONDARY in the plan."""
        return tuple(one for one in self.contrasts if one.asked.role == role)

    @property
    def n_primary(self) -> int:
        """How many tests the correction is over."""
        return len(self.tests) + len(self.contrasts_of(planned.PRIMARY))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the planned test gives, before it is held against the bound."""

    model: float
    comparator: float
    difference: Estimate
    se: float
    df: float
    threshold: float = math.nan


def primary_analysis(plan: Plan | None, tests: Sequence[TestTable]) -> PrimaryAnalysis | None:
    """The plan's analysis over all tests of a study, in their order; None where the protocol has no plan."""
    if plan is None:
        return None
    of_model = [_planned_test(plan, table) for table in tests] if plan.compares_model else []
    found = planned_contrasts(plan, tests, UNDEFINED)
    primary = _decided(plan, [*of_model, *(one for one in found if one.asked.role == planned.PRIMARY)])
    secondary = _decided(plan, [one for one in found if one.asked.role != planned.PRIMARY])
    overall = ""
    if plan.multiplicity == planned.ALL_TESTS and primary:
        overall = SHOWN if all(one.decision == SHOWN for one in primary) else NOT_SHOWN
    return PrimaryAnalysis(
        role_of_primary(plan), plan, tuple(one for one in primary if isinstance(one, PlannedTest)), overall,
        of_family(plan, len(primary), len(secondary)),
        tuple(one for one in (*primary, *secondary) if isinstance(one, ContrastResult)),
    )  # fmt: skip


def _decided(plan: Plan, family: Sequence[PlannedTest | ContrastResult]) -> list[PlannedTest | ContrastResult]:
    """Those that the plan's correction is over, each with its p value after it and the decision."""
    adjusted = corrected([one.p for one in family], plan.multiplicity)
    return [
        replace(one, adjusted_p=p, decision=_decision(plan.alpha, one, p))
        for one, p in zip(family, adjusted, strict=True)
    ]


def corrected(p: Sequence[float], rule: str) -> list[float]:
    """p values after the plan's rule. A test that could not be done counts as one that failed (p = 1) for the others.

    Fixed sequence: the largest so far, so that nothing after a failure succeeds (Maurer, Hothorn and Lehmacher 1995).
    """
    values = np.array(p, dtype=np.float64)
    counted = np.where(np.isnan(values), 1.0, values)
    if rule == planned.FIXED_SEQUENCE:
        counted = np.maximum.accumulate(counted)
    elif rule not in (planned.ALL_TESTS, planned.NO_CORRECTION) and counted.size:
        counted = adjust_p(counted, rule)
    return np.where(np.isnan(values), np.nan, counted).tolist()


def _decision(alpha: float, test: PlannedTest | ContrastResult, p: float) -> str:
    if math.isnan(p):
        return UNDEFINED
    if not p < alpha:
        return NOT_SHOWN
    if test.difference.value > test.bound:
        return SHOWN
    # Below a margin of superiority is not yet worse; below 0, or below a margin of non-inferiority, is.
    return REVERSED if test.bound <= 0 else NOT_SHOWN


def _planned_test(plan: Plan, table: TestTable) -> PlannedTest:
    said, n_left_out, n_missing = _entering(plan, table)
    truth = table.cases.truth
    why = _why_not(plan, table, said)
    if why:
        found = _Found(math.nan, math.nan, Estimate.undefined(why, level=1 - plan.alpha), math.nan, math.nan)
    elif plan.endpoint == planned.AUC:
        found = _against_stated(plan, truth, _scores(table))
    elif plan.method == planned.BOOTSTRAP:
        found = _matched(plan, truth, _scores(table), said)
    else:
        found = _obuchowski_rockette(plan, truth, _scores(table), said)
    test = against_bound(
        found.difference.value, found.se, bound=plan.bound, df=found.df, name=plan.method, n=found.difference.n
    )
    difference = found.difference if why else found.difference.noted(test.note)
    sizes = int(truth.sum()), int((1 - truth).sum())
    guardrails = [
        *of_model(table.model),
        *of_sizes(plan, *sizes),
        *(of_readers(plan, len(said), n_left_out, n_missing) if plan.compares_readers else ()),
        *of_plan(plan, _discordant(plan, truth, table, said, found.threshold) if not why else ()),
    ]
    return PlannedTest(
        test_id=table.id, position=table.position, title=table.title,
        question=table.questions[0].position if table.questions else 0,
        n_readers=len(said), n_left_out=n_left_out, n_missing=n_missing, n_positive=sizes[0], n_negative=sizes[1],
        threshold=found.threshold, model=found.model, comparator=found.comparator, difference=difference,
        bound=plan.bound, statistic=test.statistic, df=found.df, p=test.p, adjusted_p=math.nan, decision=UNDEFINED,
        guardrails=tuple(guardrails),
    )  # fmt: skip


def _scores(table: TestTable) -> Floats:
    assert table.model is not None, "_why_not has looked"
    return table.model.case_scores


def _why_not(plan: Plan, table: TestTable, said: Floats) -> str:
    """Why the test cannot be done at all; empty where it can."""
    if table.model is None:
        return "no model has scored this test"
    if table.model.problem:
        return table.model.problem.rstrip(".")
    scored = ~np.isnan(table.model.case_scores)
    if not scored.any():
        return "no case of this test has a score yet"
    if len(np.unique(table.cases.truth[scored])) < 2:
        return "a class has no case with a score"
    if plan.compares_readers and not len(said):
        return "no reader enters by the plan's rules"
    return ""


def _entering(plan: Plan, table: TestTable) -> tuple[Floats, int, int]:
    """Decisions (readers, cases) by the plan's rules, how many readers stay out, and how many answers are missing."""
    if not table.questions or not plan.compares_readers:
        return np.empty((0, table.cases.n)), 0, 0
    said, assigned = table.questions[0].decisions, np.isfinite(table.positions)
    among = eligible(plan, table)
    said, assigned = said[among], assigned[among]
    answered = ~np.isnan(said)
    begun = np.asarray(answered.any(axis=1))
    gaps = assigned & ~answered & begun[:, np.newaxis]
    enter = begun & ~gaps.any(axis=1) if plan.missing == planned.COMPLETE_READERS else begun
    if plan.missing == planned.COUNTED_RIGHT:
        said = np.where(gaps, table.cases.truth.astype(float), said)
    return said[enter], len(table.readers) - int(enter.sum()), int(gaps.sum())


def _against_stated(plan: Plan, truth: Ints, scores: Floats) -> _Found:
    assert plan.reference is not None, "the database asks for it"
    found = delong(truth, scores)
    (auc,) = found.ci(1 - plan.alpha)
    moved = replace(auc, value=auc.value - plan.reference, low=auc.low - plan.reference, high=auc.high - plan.reference)
    return _Found(auc.value, plan.reference, moved, float(np.sqrt(found.covariance[0, 0])), math.inf)


def _matched(plan: Plan, truth: Ints, scores: Floats, said: Floats) -> _Found:
    point, note = average_matched(truth, scores, said, replicates=plan.replicates, seed=plan.seed, level=1 - plan.alpha)
    threshold = _threshold(plan, truth, scores, said)
    if plan.endpoint == planned.SENSITIVITY:
        model, reader, difference = point.model_sensitivity, point.sensitivity, point.sensitivity_difference
        se = point.sensitivity_se
    else:
        model, reader, difference = point.model_specificity, point.specificity, point.specificity_difference
        se = point.specificity_se
    return _Found(model.value, reader, difference.noted(note), se, math.inf, threshold)


def _obuchowski_rockette(plan: Plan, truth: Ints, scores: Floats, said: Floats) -> _Found:
    threshold = _threshold(plan, truth, scores, said)
    if math.isnan(threshold):
        why = "the average reader is undefined: no reader answered cases of both classes"
        return _Found(math.nan, math.nan, Estimate.undefined(why, level=1 - plan.alpha), math.nan, math.nan)
    found = standalone_vs_readers(
        truth, called_at(scores, threshold), said, metric=METRICS[plan.endpoint], level=1 - plan.alpha
    )
    tests = {
        planned.OR_RANDOM: found.main,
        planned.OR_CASES_FIXED: found.cases_fixed,
        planned.OR_READERS_FIXED: found.readers_fixed,
    }
    test = tests[plan.method]
    return _Found(found.model, found.readers_mean, test.difference.noted(found.note), test.se, test.df, threshold)


def _threshold(plan: Plan, truth: Ints, scores: Floats, said: Floats) -> float:
    """The plan's, or the one that matches the model to the average reader on these cases; NaN where nothing does."""
    if plan.threshold is not None:
        return plan.threshold
    average = average_reader(operating_points(truth, said))
    if not (average.sensitivity.is_defined and average.specificity.is_defined):
        return math.nan
    if plan.endpoint == planned.SENSITIVITY:
        return threshold_for_specificity(truth, scores, average.specificity.value)
    return threshold_for_sensitivity(truth, scores, average.sensitivity.value)


def _discordant(plan: Plan, truth: Ints, table: TestTable, said: Floats, threshold: float) -> tuple[int, ...]:
    """For each reader, on how many of the endpoint's cases just one of reader and model is right."""
    if not len(said) or math.isnan(threshold):
        return ()
    endpoint = "accuracy" if plan.endpoint == planned.BALANCED else plan.endpoint
    called = called_at(_scores(table), threshold)
    pairs = mcnemar_reader_vs_model(truth, said, called, endpoint=endpoint, correction=None)
    return tuple(pair.b + pair.c for pair in pairs)
