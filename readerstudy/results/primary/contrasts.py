"""The comparisons of two conditions that the plan names, exactly as planned: from the plan and the plain tables alone.

The values are those of `results.conditions`; test, level, margin and who enters are the plan's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from readerstudy.results.arrays import Floats, Ints, TestTable
from readerstudy.results.conditions.comparing import Cells, cells_of, half_way
from readerstudy.results.conditions.measures import CLASS, SIDES, Said
from readerstudy.results.conditions.table import Bools
from readerstudy.results.conditions.threads import PARALLEL, Condition, Thread, conditions
from readerstudy.results.primary.entering import eligible
from readerstudy.results.primary.guardrails import of_contrast
from readerstudy.results.primary.roles import role_of_contrast
from readerstudy.results.stats import Estimate, against_bound, mean_interval, mrmc, mrmc_ustat
from readerstudy.results.supplement.confusions import reader_confusion
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Contrast, Plan, Under

NOBODY = "no reader enters by the plan's rules"
SPARSE = "two readers share a single case: Obuchowski-Rockette needs more, U-statistics do not"
NO_CLASS = "a class has no case that was read under both conditions"
EFFECTS = {
    planned.OR_RANDOM: {"readers": "random", "cases": "random"},
    planned.OR_CASES_FIXED: {"readers": "random", "cases": "fixed"},
    planned.OR_READERS_FIXED: {"readers": "fixed", "cases": "random"},
}
ASPECTS = {planned.ACCURACY: SIDES, planned.CLASS_ACCURACY: CLASS}
OF_CASES = {planned.SENSITIVITY: (1,), planned.SPECIFICITY: (0,), planned.BALANCED: (0, 1), planned.AUC: (0, 1)}
NORMAL_ABOVE = 50  # degrees of freedom of a U-statistic, as iMRMC does


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """A planned comparison. ``before`` and ``after`` are the readers' averages under the ``first`` and the ``second``
    condition (None where the test has none such), ``difference`` after minus before, its interval two-sided at
    1 - alpha and not adjusted. ``p`` tests it against ``bound``; ``adjusted_p`` is after the plan's correction over the
    comparisons of the same role.

    ``n_readers`` enter, ``n_left_out`` of those asked do not; ``n_missing`` answers of those who have begun are
    missing. ``n_answers`` count under the second condition; ``paired``: on the same cases under both, and
    ``n_discordant`` of those that the measure rests on are others then (-1: not known). ``decision`` as of
    `PlannedTest`.
    """

    role: str
    asked: Contrast
    test_id: int
    title: str
    text: str
    first: Condition | None
    second: Condition | None
    n_readers: int
    n_left_out: int
    n_missing: int
    n_positive: int
    n_negative: int
    n_answers: int
    n_discordant: int
    paired: bool
    before: float
    after: float
    difference: Estimate
    bound: float
    statistic: float
    df: float
    p: float
    adjusted_p: float
    decision: str
    guardrails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    before: float
    after: float
    difference: Estimate
    se: float
    df: float


def planned_contrasts(plan: Plan, tests: Sequence[TestTable], undecided: str) -> tuple[ContrastResult, ...]:
    """Every comparison of the plan in its order, not yet corrected, with the decision ``undecided``."""
    tables = {table.position: table for table in tests}
    return tuple(_contrast(plan, one, tables.get(one.test), undecided) for one in plan.contrasts)


def _contrast(plan: Plan, asked: Contrast, table: TestTable | None, undecided: str) -> ContrastResult:
    empty = ContrastResult(
        role=role_of_contrast(plan, asked), asked=asked, test_id=table.id if table else 0,
        title=table.title if table else f"test {asked.test}", text="", first=None, second=None, n_readers=0,
        n_left_out=0, n_missing=0, n_positive=0, n_negative=0, n_answers=0, n_discordant=-1, paired=False,
        before=math.nan, after=math.nan, difference=_undefined(plan, "the test has no such conditions"),
        bound=asked.bound, statistic=math.nan, df=math.nan, p=math.nan, adjusted_p=math.nan, decision=undecided,
        guardrails=(),
    )  # fmt: skip
    if table is None or table.conditions is None:
        return empty
    said = Said(table, table.conditions)
    found = _conditions(said, asked)
    return empty if found is None else _computed(plan, said, *found, empty)


def _conditions(said: Said, asked: Contrast) -> tuple[Thread, tuple[Condition, Condition]] | None:
    """The question at both conditions, and the conditions as the results know them; None: there are none such."""
    places = (asked.first, asked.second)
    questions = [next((q for q in said.table.asked if q.position == one.question), None) for one in places]
    if None in questions:
        return None
    distinct = tuple({one.position: one for one in questions if one is not None}.values())
    thread = Thread(distinct[0].kind, distinct)
    known = conditions(said.table, thread)
    pair = [_condition(known, place, asked.advice) for place in places]
    return None if pair[0] is None or pair[1] is None else (thread, (pair[0], pair[1]))


def _condition(known: Sequence[Condition], place: Under, advice: str) -> Condition | None:
    """Of an arm that turns some of its advice, the condition that the plan chose, or all of it together."""
    here = [one for one in known if (one.stage, one.arm) == (place.stage, place.arm)]
    if not here:
        return None
    if len(here) == 1:
        return here[0]
    if advice == planned.ALL_ADVICE:
        name = here[0].name.replace(", as the model gave it", "")
        return replace(here[0], turned=None, name=name)
    return next(one for one in here if one.turned == (advice == planned.TURNED))


def _computed(
    plan: Plan, said: Said, thread: Thread, pair: tuple[Condition, Condition], empty: ContrastResult
) -> ContrastResult:
    asked, truth = empty.asked, said.truth
    cells, n_asked, n_missing = _entering(plan, said, thread, pair)
    values = tuple(_values(said, thread, pair, asked.measure))
    kept = tuple(
        np.where(which, one[cells.rows], np.nan)
        for one, which in zip(values, (cells.first, cells.second), strict=True)
    )  # fmt: skip
    why = _why_not(asked, truth, kept)
    if why:
        found = _Found(math.nan, math.nan, _undefined(plan, why), math.nan, math.nan)
    elif asked.measure == planned.PER_CLASS:
        found = _per_class(plan, said, thread, kept)
    else:
        found = _tested(plan, asked, truth, kept)
    test = against_bound(
        found.difference.value, found.se, bound=asked.bound, df=found.df, name=asked.method, n=found.difference.n
    )
    read = (cells.first | cells.second).any(axis=0)
    n_positive, n_negative = (int((read & (truth == side)).sum()) for side in (1, 0))
    made = replace(
        empty, text=thread.asked[0].text, first=pair[0], second=pair[1], n_readers=len(cells.rows),
        n_left_out=n_asked - len(cells.rows), n_missing=n_missing, n_positive=n_positive, n_negative=n_negative,
        n_answers=int(cells.second.sum()), paired=cells.paired, before=found.before, after=found.after,
        difference=found.difference if why else found.difference.noted(test.note), statistic=test.statistic,
        df=found.df, p=test.p, n_discordant=_discordant(asked, truth, kept) if cells.paired else -1,
    )  # fmt: skip
    same = cells.same_readers
    return replace(made, guardrails=tuple(of_contrast(plan, made, OF_CASES.get(asked.measure, ()), same_readers=same)))


def _undefined(plan: Plan, why: str) -> Estimate:
    return Estimate.undefined(why, level=1 - plan.alpha)


def _entering(
    plan: Plan, said: Said, thread: Thread, pair: tuple[Condition, Condition]
) -> tuple[Cells, int, int]:  # fmt: skip
    """Who and what enters by the plan's rules, how many readers were asked, and how many answers are missing."""
    among = eligible(plan, said.test)[:, np.newaxis]
    assigned = [said.assigned(one) for one in pair]
    answered = [said.answered(thread, one) & among for one in pair]
    begun = (answered[0] | answered[1]).any(axis=1, keepdims=True)
    n_missing = sum(int((a & ~b & begun).sum()) for a, b in zip(assigned, answered, strict=True))
    own = [one & among for one in assigned] if plan.missing == planned.COMPLETE_READERS else answered
    by_arms = pair[0].arm != pair[1].arm
    cells = cells_of(
        answered, own, same_readers=not (by_arms and said.table.arms_design == PARALLEL)
    )  # fmt: skip
    return cells, int((assigned[0] | assigned[1]).any(axis=1).sum()), n_missing


def _values(said: Said, thread: Thread, pair: tuple[Condition, Condition], measure: str) -> Sequence[Floats]:
    """(readers, cases) under each condition: decisions, ratings, labels, or 1 for right and 0 for wrong."""
    if measure in (planned.SENSITIVITY, planned.SPECIFICITY, planned.BALANCED):
        return [said.decisions(thread, one) for one in pair]
    if measure == planned.AUC:
        return said.ratings(thread, pair) or [np.full(said.decisions(thread, one).shape, np.nan) for one in pair]
    if measure == planned.PER_CLASS:
        return [said.answers(thread, one, CLASS) for one in pair]
    return [said.right(thread, one, ASPECTS.get(measure, measure)) for one in pair]


def _why_not(asked: Contrast, truth: Ints, kept: Sequence[Floats]) -> str:
    if not kept[0].size:
        return NOBODY
    for one in kept:
        if np.isnan(one).all():
            return "nothing was answered that counts here"
        for side in OF_CASES.get(asked.measure, ()):
            if np.isnan(one[:, truth == side]).all():
                return NO_CLASS
    return ""


def _tested(plan: Plan, asked: Contrast, truth: Ints, kept: Sequence[Floats]) -> _Found:
    """After minus before by the plan's method."""
    before, after = kept
    metric = {planned.BALANCED: "auc"}.get(asked.measure, asked.measure)
    is_share = asked.measure not in OF_CASES
    if asked.method == planned.USTATISTICS:
        if is_share:
            metric, (truth, after, before) = "auc", half_way(after, before)
        return _by_ustatistics(plan, metric, truth, np.stack([after, before]))
    if is_share:
        metric, truth = "sensitivity", np.ones(before.shape[1], dtype=np.int64)
    found = mrmc(truth, np.stack([after, before]), metric=metric, level=1 - plan.alpha, **EFFECTS[asked.method])
    difference = found.differences[0]
    means = [one.estimate.value for one in found.means]
    if asked.method != planned.OR_CASES_FIXED and np.isnan(found.covariance).any():
        return _Found(means[1], means[0], _undefined(plan, SPARSE), math.nan, math.nan)
    return _Found(means[1], means[0], difference.estimate, difference.se, difference.df)


def _by_ustatistics(plan: Plan, metric: str, truth: Ints, ratings: Floats) -> _Found:
    found = mrmc_ustat(truth, ratings, metric=metric, level=1 - plan.alpha)
    difference = found.differences[0]
    variance = difference.variance if difference.variance >= 0 else difference.biased_variance
    df = difference.df
    df = math.inf if df > NORMAL_ABOVE else math.floor(df) if not math.isnan(df) else math.nan
    after, before = (one.estimate.value for one in found.means)
    return _Found(before, after, difference.estimate, math.sqrt(max(variance, 0.0)), df)


def _per_class(plan: Plan, said: Said, thread: Thread, kept: Sequence[Floats]) -> _Found:
    """Each reader's share of right answers in each class, averaged over the classes; t over readers."""
    labels, wanted = said.labels(thread)
    counted = wanted >= 0
    truth = np.array([labels[i] for i in wanted[counted].tolist()], dtype=object)
    names = np.array([None, *labels], dtype=object)
    values = []
    for one in kept:
        chosen = one[:, counted]
        named = names[np.where(np.isnan(chosen), 0, chosen + 1).astype(int)]
        values.append(np.array(reader_confusion(truth, named, list(labels)).per_reader))
    defined = ~np.isnan(values[0]) & ~np.isnan(values[1])
    change = (values[1] - values[0])[defined]
    difference = mean_interval(change, level=1 - plan.alpha, bounds=None)
    se = float(change.std(ddof=1)) / math.sqrt(change.size) if change.size > 1 else math.nan
    before, after = (float(one[defined].mean()) if defined.any() else math.nan for one in values)
    return _Found(before, after, difference, se, change.size - 1.0)


def _discordant(asked: Contrast, truth: Ints, kept: Sequence[Floats]) -> int:
    """How many answers of those that the measure rests on are not the same under both conditions."""
    sides = OF_CASES.get(asked.measure)
    counts: Bools = np.ones(truth.size, dtype=bool) if sides is None else np.isin(truth, sides)
    both = ~np.isnan(kept[0]) & ~np.isnan(kept[1])
    return int(((kept[0] != kept[1]) & both)[:, counts].sum())
