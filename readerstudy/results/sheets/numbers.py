"""Tables of what was computed: each reader, the averages and areas, the model's curve."""

import math
from collections.abc import Iterator

from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import TestTable
from readerstudy.results.primary.roles import EXPLORATORY
from readerstudy.results.sheets.sheet import Cell, Row, Sheet
from readerstudy.results.stats import Estimate, RocCurve

_ESTIMATES = (
    ("sensitivity", "share of the positive cases answered positive"),
    ("specificity", "share of the negative cases answered negative"),
    ("ppv", "positive predictive value at the prevalence of these cases"),
    ("npv", "negative predictive value at the prevalence of these cases"),
    ("accuracy", "share of the cases answered rightly"),
    ("lr_positive", "positive likelihood ratio"),
    ("lr_negative", "negative likelihood ratio"),
    ("youden", "sensitivity + specificity - 1"),
)
_PROPORTIONS = 5  # the first of them are proportions, with two intervals


def readers(test: TestResult, table: TestTable) -> Sheet:
    """One row for each reader and question: the 2 x 2 table and what is read from it."""
    columns = [
        ("question", "number of the question"), ("reader", "the reader's code"),
        ("state", "complete: every case answered; partial: some; none: not begun"),
        ("n_cases", "cases that the reader was to read"), ("n_answered", "cases answered"),
        ("tp", "positive cases answered positive"), ("fn", "positive cases answered negative"),
        ("tn", "negative cases answered negative"), ("fp", "negative cases answered positive"),
    ]  # fmt: skip
    for number, (name, description) in enumerate(_ESTIMATES):
        limits = "95 % Wilson interval" if number < _PROPORTIONS else "95 % interval"
        columns += [(name, description), (f"{name}_low", limits), (f"{name}_high", limits)]
        if number < _PROPORTIONS:
            exact = "95 % Clopper-Pearson interval"
            columns += [(f"{name}_exact_low", exact), (f"{name}_exact_high", exact)]
    rows = []
    for question in test.questions:
        for reader in question.readers:
            point = reader.point
            row: list[Cell] = [
                question.position, reader.code, reader.state, reader.n_cases, reader.n_answered,
                point.tp, point.fn, point.tn, point.fp,
            ]  # fmt: skip
            for number, (name, _description) in enumerate(_ESTIMATES):
                estimate = getattr(point, name)
                row += [estimate.value, estimate.low, estimate.high]
                if number < _PROPORTIONS:
                    row += [estimate.exact_low, estimate.exact_high]
            rows.append((*row, point.note, question.roles["readers"]))
    return Sheet("readers", (*columns, ("note", "what is undefined, left out or fragile"), ROLE), tuple(rows))


ROLE = (
    "role",
    "what the number is in the study's plan: secondary (with the amendment that added it) or exploratory"
    "; the primary one: primary.csv",
)
_QUANTITY = (("quantity", "what is estimated"), ("value", "the estimate"))
_LIMITS = (
    ("low", "lower confidence limit"), ("high", "upper confidence limit"), ("level", "confidence level"),
    ("method", "how the interval was made"), ("n", "units that the estimate rests on"),
    ("note", "what is undefined, left out or fragile"),
)  # fmt: skip


def summary(test: TestResult, table: TestTable) -> Sheet:
    """The average reader of each question, the model's areas, and the model at the average reader."""
    rows: list[Row] = []
    for question in test.questions:
        average, role = question.average, question.roles["readers"]
        for name, estimate, sd in (
            ("sensitivity", average.sensitivity, average.sensitivity_sd),
            ("specificity", average.specificity, average.specificity_sd),
        ):
            rows.append((question.position, f"average reader's {name}", *_estimate_cells(estimate, sd), role))
        if question.model_at_average is not None:
            at = question.model_at_average
            rows.append((question.position, "model's sensitivity", *_estimate_cells(at.sensitivity), EXPLORATORY))
            rows.append((question.position, "model's specificity", *_estimate_cells(at.specificity), EXPLORATORY))
        if question.n_compared:
            share = question.n_below / question.n_compared
            cells = _estimate_cells(Estimate(share, math.nan, math.nan, method="", n=question.n_compared))
            rows.append((question.position, "share of readers below the model's curve", *cells, EXPLORATORY))
    if test.model is not None:
        for name, curve in (("AUC, cases read", test.model.sample), ("AUC, full set", test.model.full)):
            if curve is not None:
                rows.append((None, name, *_estimate_cells(curve.auc), test.model.role))
        difference = _estimate_cells(test.model.difference)
        rows.append((None, "AUC, cases read minus full set", *difference, test.model.role))
    columns = (
        ("question", "number of the question; empty for the model alone"),
        *_QUANTITY,
        ("sd", "standard deviation between readers (divisor n - 1)"),
        *_LIMITS,
        ROLE,
    )
    return Sheet("summary", columns, tuple(rows))


def _estimate_cells(estimate: Estimate, sd: float = math.nan) -> Row:
    level = estimate.level if estimate.has_interval else None
    return (estimate.value, sd, estimate.low, estimate.high, level, estimate.method, estimate.n, estimate.note)


def curve(test: TestResult, table: TestTable) -> Sheet:
    """Every point of the model's empirical ROC curves."""
    rows: list[Row] = []
    if test.model is not None:
        for name, drawn in (("cases read", test.model.sample), ("full set", test.model.full)):
            rows += _curve_rows(name, drawn, test.model.role)
    columns = (
        ("set", "cases read: those that the readers saw; full set: every image that they were drawn from"),
        ("threshold", "a case is positive when its score is at least this; empty: above every score"),
        ("sensitivity", "at this threshold"),
        ("specificity", "at this threshold"),
        ROLE,
    )
    return Sheet("curve", columns, tuple(rows))


def _curve_rows(name: str, drawn: RocCurve | None, role: str) -> Iterator[Row]:
    if drawn is not None:
        columns = (drawn.thresholds.tolist(), drawn.tpr.tolist(), drawn.specificity.tolist())
        for threshold, sensitivity, specificity in zip(*columns, strict=True):
            yield name, threshold, sensitivity, specificity, role
