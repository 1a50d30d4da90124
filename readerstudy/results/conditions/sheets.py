"""Stages and arms as flat tables: what was answered, under which condition, and what was computed from it."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.comparing import Difference
from readerstudy.results.conditions.numbers import Comparison, ConditionResult, ReaderUnder, ThreadResult
from readerstudy.results.conditions.switching import Switch
from readerstudy.results.conditions.table import NOT_SAID, AskedTable
from readerstudy.results.sheets.sheet import Cell, Row, Sheet
from readerstudy.results.stats import Estimate

WHOLE = "all readers"
_ROLE = ("role", "what it is in the study's plan: exploratory, secondary or, decided on elsewhere, primary endpoint")
_CONDITION = (
    ("questions", "numbers of the questions compared, stage by stage"), ("condition", "under what it was answered"),
)  # fmt: skip
_COMPARISON = (
    ("comparison", "number of the comparison"), ("questions", "numbers of the questions compared, stage by stage"),
    ("first", "the first condition"), ("second", "the second condition"),
)  # fmt: skip


def stage_answers(table: TestTable) -> Sheet:
    """The answer that counts for each question at each stage of each counted case; empty: none."""
    found = table.conditions
    columns = (
        ("reader", "the reader's code"), ("case", "number of the case"),
        ("arm", "the arm, by its number; 0: the test has none"),
        ("advice_turned", "1: turned against the model; 0: not"),
        ("advised_positive", "1: the advice shown named the positive side, 0: the negative one; empty: none"),
        ("stage", "number of the stage"), ("question", "number of the question"),
        ("choice", "the choice made, by its place among the answers (see test.json), from 1"),
        ("number", "the number given, of a scale"),
        ("nodes", "the diagnoses named, the likeliest first, of a ranking"),
    )  # fmt: skip
    rows: list[Row] = []
    if found is not None:
        numbers = table.cases.numbers[found.case].tolist()
        advised = [None if np.isnan(side) else int(side) for side in found.advised]
        items = zip(found.reader.tolist(), numbers, found.arm.tolist(), found.turned.tolist(), strict=True)
        for item, (reader, case, arm, turned) in enumerate(items):
            for asked in found.asked:
                said = _said(asked, item)
                rows.append(
                    (table.readers[reader], case, arm, turned, advised[item], asked.stage, asked.position, *said)
                )
    return Sheet("stage-answers", columns, tuple(rows))


def _said(asked: AskedTable, item: int) -> Row:
    choice, number = int(asked.choice[item]), float(asked.number[item])
    nodes = " ".join(asked.nodes[item]) if asked.nodes else ""
    return (
        None if choice == NOT_SAID else choice + 1, None if math.isnan(number) else int(number), nodes or None
    )  # fmt: skip


def conditions(test: TestResult) -> Sheet:
    """One row for each condition and reader, and one for the average of the complete readers."""
    columns = (
        *_CONDITION, ("reader", f"the reader's code, or {WHOLE}: the average of the complete ones"),
        ("state", "complete, partial or none"), ("n_cases", "cases to be read under the condition"),
        ("n_answered", "cases answered"), ("tp", "positive cases answered positive"),
        ("fn", "positive cases answered negative"), ("tn", "negative cases answered negative"),
        ("fp", "negative cases answered positive"), ("measure", "what is estimated"), ("value", "the estimate"),
        *_LIMITS, _ROLE,
    )  # fmt: skip
    rows: list[Row] = []
    if test.conditions is not None:
        for thread in test.conditions.threads:
            for one in thread.conditions:
                head = (_questions(thread), one.condition.name)
                for reader in one.readers:
                    rows += [(*head, *cells, test.conditions.role) for cells in _of_reader(reader)]
                rows += [(*head, *cells, test.conditions.role) for cells in _average(one)]
    return Sheet("conditions", columns, tuple(rows))


_LIMITS = (
    ("low", "lower confidence limit"), ("high", "upper confidence limit"), ("level", "confidence level"),
    ("method", "how the interval was made"), ("n", "units that the estimate rests on"),
    ("note", "what is undefined, left out or fragile"),
)  # fmt: skip


def _of_reader(reader: ReaderUnder) -> Iterator[Row]:
    point = reader.point
    counts: Row = (None,) * 4 if point is None else (point.tp, point.fn, point.tn, point.fp)
    head = (reader.code, reader.state, reader.n_cases, reader.n_answered, *counts)
    if point is not None:
        yield (*head, "sensitivity", point.sensitivity.value, *_limits(point.sensitivity))
        yield (*head, "specificity", point.specificity.value, *_limits(point.specificity))
    for name, share in reader.shares.items():
        yield (*head, name, share.value, *_limits(share))


def _average(found: ConditionResult) -> Iterator[Row]:
    head: Row = (WHOLE, None, None, None, None, None, None, None)
    measures = dict(found.means)
    if found.average is not None:
        measures = {
            "sensitivity": found.average.sensitivity,
            "specificity": found.average.specificity,
            **measures,
        }
    for name, estimate in measures.items():
        yield (*head, name, estimate.value, *_limits(estimate))


def differences(test: TestResult) -> Sheet:
    """One row for each comparison, measure and reader, and one for all readers: second condition minus first."""
    columns = (
        *_COMPARISON, ("measure", "what is compared"), ("reader", f"the reader's code, or {WHOLE}"),
        ("value_first", "under the first condition"), ("value_second", "under the second condition"),
        ("difference", "second minus first"), *_LIMITS, ("statistic", "t, or z where df is empty"),
        ("df", "degrees of freedom; empty: none, or infinite"), ("p", "two-sided"),
        ("holm_p", "of one reader: corrected over the readers by Holm's rule"), _ROLE,
    )  # fmt: skip
    rows: list[Row] = []
    if test.conditions is not None:
        for thread, comparison in test.conditions.comparisons():
            head = _head(thread, comparison)
            for one in comparison.differences:
                role = comparison.roles.get(one.measure, test.conditions.role)
                rows += [(*head, one.measure, *cells, role) for cells in _of_measure(one)]
    return Sheet("differences", columns, tuple(rows))


def _of_measure(found: Difference) -> Iterator[Row]:
    for reader in found.readers:
        yield (
            reader.code, reader.first, reader.second, reader.difference.value, *_limits(reader.difference), None, None,
            reader.p, reader.holm_p,
        )  # fmt: skip
    yield (
        WHOLE, found.first.value, found.second.value, found.difference.value,
        *_limits(found.difference.noted(found.note)), found.statistic, found.df, found.p, None,
    )  # fmt: skip


def switches(test: TestResult) -> Sheet:
    """One row for each comparison and reader, and one for all answers: what became of the first answer."""
    columns = (
        *_COMPARISON,
        ("aspect", "what makes an answer right: side, class or diagnoses; or side, where advice was right or wrong"),
        ("reader", f"the reader's code, or {WHOLE}, whose answers are added up"),
        ("n", "cases answered both times"), ("stayed_right", "right both times"),
        ("to_wrong", "right first, wrong then"), ("to_right", "wrong first, right then"),
        ("stayed_wrong", "wrong both times, the same answer"), ("to_other_wrong", "wrong both times, another answer"),
        ("corrected", "share of the answers wrong first that became right"), ("corrected_low", "95 % Wilson interval"),
        ("corrected_high", "95 % Wilson interval"),
        ("spoiled", "share of the answers right first that became wrong"), ("spoiled_low", "95 % Wilson interval"),
        ("spoiled_high", "95 % Wilson interval"), ("net", "(to right - to wrong) / n"), _ROLE,
    )  # fmt: skip
    rows: list[Row] = []
    if test.conditions is not None:
        for thread, comparison in test.conditions.comparisons():
            head = _head(thread, comparison)
            for found in (*comparison.switches, *comparison.reliance):
                everyone = (*found.readers, found.whole)
                rows += [(*head, found.aspect, *_switch(one), test.conditions.role) for one in everyone]
    return Sheet("switches", columns, tuple(rows))


def _switch(one: Switch) -> Row:
    return (
        one.code or WHOLE, one.n, one.stayed_right, one.to_wrong, one.to_right, one.stayed_wrong, one.to_other_wrong,
        one.corrected.value, one.corrected.low, one.corrected.high, one.spoiled.value, one.spoiled.low,
        one.spoiled.high, one.net,
    )  # fmt: skip


def _head(thread: ThreadResult, comparison: Comparison) -> tuple[Cell, ...]:
    names = [thread.conditions[index].condition.name for index in (comparison.first, comparison.second)]
    return (comparison.number, _questions(thread), *names)


def _questions(thread: ThreadResult) -> str:
    return " ".join(map(str, thread.questions))


def _limits(estimate: Estimate) -> Row:
    level = estimate.level if estimate.has_interval else None
    return (estimate.low, estimate.high, level, estimate.method, estimate.n, estimate.note)


RAW = "stage-answers"
DERIVED: dict[str, Callable[[TestResult], Sheet]] = {
    "conditions": conditions,
    "differences": differences,
    "switches": switches,
}


def every_sheet(test: TestResult, table: TestTable) -> list[Sheet]:
    """Those of a test that has conditions; none of another."""
    if table.conditions is None:
        return []
    return [*(build(test) for build in DERIVED.values()), stage_answers(table)]
