"""What readers gained or lost from one condition to another, as finished numbers: from the plain tables alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.agreeing import RULE
from readerstudy.results.conditions.comparing import (
    ACCURACY,
    AUC,
    CLASS_ACCURACY,
    PER_CLASS,
    SENSITIVITY,
    SPECIFICITY,
    Cells,
    Difference,
    cells_of,
    compare,
    compare_per_class,
    complete,
)
from readerstudy.results.conditions.measures import CLASS, SIDES, Said, aspects
from readerstudy.results.conditions.switching import Switches, switches
from readerstudy.results.conditions.table import NOT_SAID, RANKING, Bools
from readerstudy.results.conditions.threads import (
    ARMS,
    PARALLEL,
    Condition,
    Pair,
    Thread,
    conditions,
    pairs,
    threads,
)
from readerstudy.results.primary.roles import role_of_contrast
from readerstudy.results.stats import (
    AverageReader,
    Estimate,
    OperatingPoint,
    Proportion,
    average_reader,
    mean_interval,
    points_from_counts,
    proportions,
)
from readerstudy.results.supplement.confusions import reader_confusion
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Contrast, Plan

ADVICE_RIGHT, ADVICE_WRONG = "decision, right advice", "decision, wrong advice"  # by the side that it named
COMPLETE, PARTIAL, NONE = "complete", "partial", "none"
WHO_ENTERS = (
    "Only readers who answered every case given to them under a condition enter its average, and of a comparison those "
    "who did so under both. Where they answered the same cases under both, only these cases count."
)
NOT_CORRECTED = "The p values of different measures and comparisons are not corrected for one another."
TURNED = (
    "Advice “turned against the model” says the opposite of what the model says, whatever the truth: it is right where "
    "the model was wrong. What advice said of each case is set against the truth in the tables of changed answers."
)


@dataclass(frozen=True, slots=True)
class ReaderUnder:
    """One reader under one condition: the 2 x 2 table where the answers have sides, and the share of right answers by
    each aspect (names of measures). ``n_cases`` were to be read."""

    code: str
    state: str
    n_cases: int
    n_answered: int
    point: OperatingPoint | None
    shares: dict[str, Proportion]


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """``readers`` are those who were given cases under this condition. ``average`` and ``means`` (by measure, t over
    readers) are over the ``n_complete``."""

    condition: Condition
    readers: tuple[ReaderUnder, ...]
    n_complete: int
    n_partial: int
    average: AverageReader | None
    means: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second condition against the first (indices into the thread's conditions); ``by``: stages or arms.

    ``paired``: only cells (reader and case) answered under both count. ``codes`` of the readers who enter, ``n_cells``
    answers under the second condition. ``switches`` by each aspect, where paired; ``reliance``: the same by side, once
    where the advice named the right side and once where it named the wrong one, where it named any. ``roles``: of each
    measure that the plan names for these conditions, what it is there: its decision is that of the planned analysis.
    """

    number: int
    first: int
    second: int
    by: str
    paired: bool
    codes: tuple[str, ...]
    n_cells: int
    differences: tuple[Difference, ...]
    switches: tuple[Switches, ...]
    reliance: tuple[Switches, ...]
    roles: dict[str, str] = field(default_factory=dict)

    def difference(self, measure: str) -> Difference | None:
        return next((one for one in self.differences if one.measure == measure), None)


@dataclass(frozen=True, slots=True)
class ThreadResult:
    """One question, wherever it was asked: ``questions`` are its numbers in the test, stage by stage."""

    kind: str
    text: str
    questions: tuple[int, ...]
    conditions: tuple[ConditionResult, ...]
    comparisons: tuple[Comparison, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a test of several stages or arms was made for. ``role``: what all of it is in the study's plan."""

    role: str
    threads: tuple[ThreadResult, ...]
    notes: tuple[str, ...]

    def comparisons(self) -> Iterator[tuple[ThreadResult, Comparison]]:
        for thread in self.threads:
            for comparison in thread.comparisons:
                yield thread, comparison


def conditions_of(test: TestTable, role: str, plan: Plan | None = None) -> Conditions | None:
    """None for a test of one stage and one arm, or without two conditions under which the same was asked. ``plan``
    names the comparisons that have another role."""
    if test.conditions is None:
        return None
    said = Said(test, test.conditions)
    found: list[ThreadResult] = []
    for thread in threads(said.table):
        number = 1 + sum(len(one.comparisons) for one in found)
        if (result := _thread(said, thread, number)).comparisons:
            found.append(result)
    if not found:
        return None
    found = [_with_roles(test, one, plan) for one in found]
    told_apart = any(one.condition.turned for thread in found for one in thread.conditions)
    named = any(thread.kind == RANKING for thread in found)
    notes = (WHO_ENTERS, NOT_CORRECTED, *([TURNED] if told_apart else []), *([RULE] if named else []))
    return Conditions(role, tuple(found), notes)


def _with_roles(test: TestTable, found: ThreadResult, plan: Plan | None) -> ThreadResult:
    """With what the plan says of each comparison."""
    asked = [one for one in (plan.contrasts if plan is not None else ()) if one.test == test.position]
    if plan is None or not asked:
        return found
    comparisons = []
    for comparison in found.comparisons:
        pair = [found.conditions[index].condition for index in (comparison.first, comparison.second)]
        roles = {one.measure: role_of_contrast(plan, one) for one in asked if _is_named(one, found.questions, pair)}
        comparisons.append(replace(comparison, roles=roles))
    return replace(found, comparisons=tuple(comparisons))


def _is_named(asked: Contrast, questions: tuple[int, ...], pair: list[Condition]) -> bool:
    places = [(asked.first.stage, asked.first.arm), (asked.second.stage, asked.second.arm)]
    turned = {planned.ALL_ADVICE: None, planned.AS_GIVEN: False, planned.TURNED: True}.get(asked.advice)
    return (
        {asked.first.question, asked.second.question} <= set(questions)
        and places == [(one.stage, one.arm) for one in pair]
        and turned == pair[1].turned
    )


def _thread(said: Said, thread: Thread, number: int) -> ThreadResult:
    found = conditions(said.table, thread)
    return ThreadResult(
        kind=thread.kind,
        text=thread.asked[0].text,
        questions=tuple(asked.position for asked in thread.asked),
        conditions=tuple(_condition(said, thread, one) for one in found),
        comparisons=tuple(
            _comparison(said, thread, found, pair, number + i) for i, pair in enumerate(pairs(said.table, found))
        ),
        note=thread.note,
    )


# --- one condition ---------------------------------------------------------------------------------------------------


def measure_of(aspect: str) -> str:
    """What the share of answers that are right by this aspect is called."""
    return {SIDES: ACCURACY, CLASS: CLASS_ACCURACY}.get(aspect, aspect)


def _condition(said: Said, thread: Thread, condition: Condition) -> ConditionResult:
    assigned, answered = said.assigned(condition), said.answered(thread, condition)
    rows = np.flatnonzero(assigned.any(axis=1)).tolist()
    done = complete(answered, assigned)
    looked_at = aspects(thread)
    points = _points(said, thread, condition, rows) if SIDES in looked_at else {}
    shares = {measure_of(aspect): _shares(said.right(thread, condition, aspect)) for aspect in looked_at}
    readers = tuple(
        ReaderUnder(
            said.test.readers[row], _state(answered[row], bool(done[row])), int(assigned[row].sum()),
            int(answered[row].sum()), points.get(row), {name: one[row] for name, one in shares.items()},
        )
        for row in rows
    )  # fmt: skip
    finished = [one for one in readers if one.state == COMPLETE]
    means = {
        name: mean_interval([one.shares[name].value for one in finished if one.shares[name].is_defined])
        for name in shares
    }
    if CLASS in looked_at:
        means[PER_CLASS] = _per_class(said, thread, condition, done)
    average = average_reader([one.point for one in finished if one.point is not None]) if SIDES in looked_at else None
    n_partial = sum(one.state == PARTIAL for one in readers)
    return ConditionResult(condition, readers, len(finished), n_partial, average, means)


def _points(said: Said, thread: Thread, condition: Condition, rows: list[int]) -> dict[int, OperatingPoint]:
    """Of each of these readers. A case that was not to be read under this condition is not one without an answer."""
    decisions, assigned = said.decisions(thread, condition)[rows], said.assigned(condition)[rows]
    yes, no, positive = decisions == 1, decisions == 0, said.truth == 1
    counts = [(yes & positive), (no & positive), (no & ~positive), (yes & ~positive), assigned & ~yes & ~no]
    tp, fn, tn, fp, missing = (one.sum(axis=1) for one in counts)
    return dict(zip(rows, points_from_counts(tp, fn, tn, fp, n_missing=missing), strict=True))


def _state(answered: Bools, is_complete: bool) -> str:
    if is_complete:
        return COMPLETE
    return PARTIAL if answered.any() else NONE


def _shares(right: np.ndarray) -> list[Proportion]:
    counted = (~np.isnan(right)).sum(axis=1)
    return list(proportions(np.nansum(right, axis=1), counted, empty="no answer that counts here"))


def _per_class(said: Said, thread: Thread, condition: Condition, done: Bools) -> Estimate:
    labels, wanted = said.labels(thread)
    chosen = said.answers(thread, condition, CLASS)[done][:, wanted != NOT_SAID]
    truth = np.array([labels[i] for i in wanted[wanted != NOT_SAID].tolist()], dtype=object)
    named = np.array([None, *labels], dtype=object)[np.where(np.isnan(chosen), 0, chosen + 1).astype(int)]
    each = reader_confusion(truth, named, list(labels)).per_reader
    return mean_interval([value for value in each if not math.isnan(value)])


# --- two conditions --------------------------------------------------------------------------------------------------


def _comparison(said: Said, thread: Thread, found: tuple[Condition, ...], pair: Pair, number: int) -> Comparison:
    both = (found[pair.first], found[pair.second])
    cells = cells_of(
        [said.answered(thread, one) for one in both], [said.assigned(one) for one in both],
        same_readers=not (pair.by == ARMS and said.table.arms_design == PARALLEL),
    )  # fmt: skip
    codes = said.test.readers
    return Comparison(
        number=number, first=pair.first, second=pair.second, by=pair.by, paired=cells.paired,
        codes=tuple(codes[row] for row in cells.rows.tolist()), n_cells=int(cells.second.sum()),
        differences=tuple(_differences(said, thread, both, cells)),
        switches=tuple(_switches(said, thread, both, cells)) if cells.paired else (),
        reliance=tuple(_reliance(said, thread, both, cells)) if cells.paired and SIDES in aspects(thread) else (),
    )  # fmt: skip


def _differences(said: Said, thread: Thread, both: tuple[Condition, Condition], cells: Cells) -> Iterator[Difference]:
    codes = said.test.readers
    for aspect in aspects(thread):
        first, second = (said.right(thread, one, aspect) for one in both)
        if aspect == SIDES:
            before, after = (said.decisions(thread, one) for one in both)
            for measure in (SENSITIVITY, SPECIFICITY):
                yield compare(measure, said.truth, before, after, cells, codes)
        yield compare(measure_of(aspect), said.truth, first, second, cells, codes)
        if aspect == SIDES and (ratings := said.ratings(thread, both)):
            yield compare(AUC, said.truth, ratings[0], ratings[1], cells, codes)
        if aspect == CLASS:
            labels, wanted = said.labels(thread)
            before, after = (said.answers(thread, one, CLASS) for one in both)
            yield compare_per_class(labels, wanted, before, after, cells, codes)


def _switches(said: Said, thread: Thread, both: tuple[Condition, Condition], cells: Cells) -> Iterator[Switches]:
    for aspect in aspects(thread):
        yield _switched(said, thread, both, cells, aspect, aspect, cells.second)


def _reliance(said: Said, thread: Thread, both: tuple[Condition, Condition], cells: Cells) -> Iterator[Switches]:
    advice = said.advice_right(both[1])[cells.rows]
    for name, right in ((ADVICE_RIGHT, 1), (ADVICE_WRONG, 0)):
        if (kept := cells.second & (advice == right)).any():
            yield _switched(said, thread, both, cells, name, SIDES, kept)


def _switched(
    said: Said, thread: Thread, both: tuple[Condition, Condition], cells: Cells, name: str, aspect: str, kept: Bools
) -> Switches:
    rows = cells.rows
    before, after = (np.where(kept, said.right(thread, one, aspect)[rows], np.nan) for one in both)
    one, other = (said.answers(thread, condition, aspect)[rows] for condition in both)
    return switches(name, [said.test.readers[row] for row in rows.tolist()], one == other, before, after)
