"""The results as flat tables for a spreadsheet or a script, each column with its description."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import CASE_ATTRIBUTES, READER_ATTRIBUTES, TestTable
from readerstudy.results.long_form import COLUMNS
from readerstudy.results.stats import Estimate, RocCurve

Cell = str | int | float | bool | datetime | None
Row = tuple[Cell, ...]
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would take what begins so as a formula


@dataclass(frozen=True, slots=True)
class Sheet:
    """``columns``: (name, description); each row has a cell for each column; None or NaN is an empty cell."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    def to_csv(self) -> bytes:
        """UTF-8, comma, a header; numbers at full precision; text that a spreadsheet would compute gets a leading '."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180; a lone carriage return in a text is quoted too
        writer.writerow(name for name, _description in self.columns)
        writer.writerows([_csv_cell(cell) for cell in row] for row in self.rows)
        return text.getvalue().encode()

    def to_json(self) -> bytes:
        names = [name for name, _description in self.columns]
        content = {
            "table": self.name,
            "columns": [{"name": name, "description": description} for name, description in self.columns],
            "rows": [dict(zip(names, map(_json_cell, row), strict=True)) for row in self.rows],
        }
        return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _csv_cell(cell: Cell) -> str | int | float:
    plain = _json_cell(cell)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return int(plain)
    if isinstance(plain, str) and plain.startswith(DANGEROUS):
        return f"'{plain}"
    return plain


def _json_cell(cell: Cell) -> str | int | float | bool | None:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell


# --- readers

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
            rows.append((*row, point.note))
    return Sheet("readers", (*columns, ("note", "what is undefined, left out or fragile")), tuple(rows))


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
        average = question.average
        for name, estimate, sd in (
            ("sensitivity", average.sensitivity, average.sensitivity_sd),
            ("specificity", average.specificity, average.specificity_sd),
        ):
            rows.append((question.position, f"average reader's {name}", *_estimate_cells(estimate, sd)))
        if question.model_at_average is not None:
            at = question.model_at_average
            rows.append((question.position, "model's sensitivity", *_estimate_cells(at.sensitivity)))
            rows.append((question.position, "model's specificity", *_estimate_cells(at.specificity)))
        if question.n_compared:
            share = question.n_below / question.n_compared
            cells = _estimate_cells(Estimate(share, math.nan, math.nan, method="", n=question.n_compared))
            rows.append((question.position, "share of readers below the model's curve", *cells))
    if test.model is not None:
        for name, curve in (("AUC, cases read", test.model.sample), ("AUC, full set", test.model.full)):
            if curve is not None:
                rows.append((None, name, *_estimate_cells(curve.auc)))
        rows.append((None, "AUC, cases read minus full set", *_estimate_cells(test.model.difference)))
    columns = (
        ("question", "number of the question; empty for the model alone"),
        *_QUANTITY,
        ("sd", "standard deviation between readers (divisor n - 1)"),
        *_LIMITS,
    )
    return Sheet("summary", columns, tuple(rows))


def _estimate_cells(estimate: Estimate, sd: float = math.nan) -> Row:
    level = estimate.level if estimate.has_interval else None
    return (estimate.value, sd, estimate.low, estimate.high, level, estimate.method, estimate.n, estimate.note)


# --- model


def curve(test: TestResult, table: TestTable) -> Sheet:
    """Every point of the model's empirical ROC curves."""
    rows: list[Row] = []
    if test.model is not None:
        for name, drawn in (("cases read", test.model.sample), ("full set", test.model.full)):
            rows += _curve_rows(name, drawn)
    columns = (
        ("set", "cases read: those that the readers saw; full set: every image that they were drawn from"),
        ("threshold", "a case is positive when its score is at least this; empty: above every score"),
        ("sensitivity", "at this threshold"),
        ("specificity", "at this threshold"),
    )
    return Sheet("curve", columns, tuple(rows))


def _curve_rows(name: str, drawn: RocCurve | None) -> Iterator[Row]:
    if drawn is not None:
        columns = (drawn.thresholds.tolist(), drawn.tpr.tolist(), drawn.specificity.tolist())
        for threshold, sensitivity, specificity in zip(*columns, strict=True):
            yield name, threshold, sensitivity, specificity


_IN_TRAINING = ("in_training", "1: the model was trained on this picture, its lesion or its patient")
_SCORE = ("score", "the model's P(positive) / (P(positive) + P(negative)); empty: not scored")


def cases(test: TestResult, table: TestTable) -> Sheet:
    """One row for each case that was read: its truth and the model's score."""
    found = table.cases
    pictures: list[list[str]] = [[] for _case in range(found.n)]
    for index, uuid in zip(found.picture_case.tolist(), found.picture_uuids, strict=True):
        pictures[index].append(uuid)
    scores = table.model.case_scores.tolist() if table.model is not None else [None] * found.n
    leaked = set(table.model.leaked_cases) if table.model is not None else set()
    rows = tuple(
        (number, positive, *texts, " ".join(images), score, number in leaked)
        for number, positive, images, score, *texts in zip(
            found.numbers.tolist(), found.truth.tolist(), pictures, scores, found.diagnoses, found.confirmations,
            found.modalities, strict=True,
        )
    )  # fmt: skip
    columns = (
        ("case", "number of the case"), ("positive", "1: the reference diagnosis is positive; 0: it is negative"),
        ("diagnosis", "reference diagnosis, a node of the taxonomy"), ("confirmation", "how the diagnosis is known"),
        ("modality", "clinical photograph or dermoscopy"), ("images", "names of the case's images"), _SCORE,
        _IN_TRAINING,
    )  # fmt: skip
    return Sheet("cases", columns, rows)


def full_set(test: TestResult, table: TestTable) -> Sheet:
    """One row for each image that the cases were drawn from."""
    rows: tuple[Row, ...] = ()
    if table.model is not None:
        model = table.model
        columns_of = (
            model.full_uuids,
            model.full_truth.tolist(),
            model.full_scores.tolist(),
            model.full_leaked.tolist(),
        )
        rows = tuple(zip(*columns_of, strict=True))
    columns = (
        ("image", "name of the image"),
        ("positive", "1: the reference diagnosis is positive; 0: it is negative"),
        _SCORE,
        _IN_TRAINING,
    )
    return Sheet("full-set", columns, rows)


# --- answers


def answers(test: TestResult, table: TestTable) -> Sheet:
    """Every answer in long form, earlier revisions included."""
    columns = (
        ("reader", "the reader's code"), ("case", "number of the case"),
        ("position", "place of the case in the reader's own order"), ("question", "number of the question"),
        ("answer", "the choice made"), ("counts_as_positive", "1: the choice counts as positive; 0: as negative"),
        ("revision", "1: first answer; 2, 3, …: corrections"),
        ("is_last", "1: this revision counts; 0: a later one replaced it"),
        ("answered_at", "when it arrived, by the server's clock, UTC"),
        ("client_shown_at", "when the picture was shown, by the reader's own clock"),
        ("client_answered_at", "when the answer was given, by the reader's own clock"),
    )  # fmt: skip
    found = table.answers
    if found is None:
        raise ValueError("the answers were not read: study_tables(..., detailed=True)")
    keys = np.stack([found.reader, found.position, found.question], axis=1)
    is_last = np.append((keys[1:] != keys[:-1]).any(axis=1), True)[: len(keys)]
    numbers = table.cases.numbers[found.case].tolist()
    rows = tuple(
        (table.readers[reader], *rest)
        for reader, *rest in zip(
            found.reader.tolist(), numbers, found.position.tolist(), found.question.tolist(), found.labels,
            found.is_positive.tolist(), found.revision.tolist(), is_last.tolist(), found.answered_at,
            found.client_shown_at, found.client_answered_at, strict=True,
        )
    )  # fmt: skip
    return Sheet("answers", columns, rows)


def responses(test: TestResult, table: TestTable) -> Sheet:
    """Everything that was answered, of every kind, arm, stage and revision: also what counts in no accuracy."""
    if table.responses is None:
        raise ValueError("the responses were not read: study_tables(..., detailed=True)")
    return Sheet("responses", tuple((name, what) for name, what, _where in COLUMNS), table.responses)


def order(test: TestResult, table: TestTable) -> Sheet:
    """One row for each case in each reader's own order; a reader who has not begun has one row without a case."""
    rows: list[Row] = []
    numbers = table.cases.numbers.tolist()
    for code, finished, places in zip(table.readers, table.finished.tolist(), table.positions.tolist(), strict=True):
        own = sorted((place, number) for place, number in zip(places, numbers, strict=True) if not math.isnan(place))
        rows += [(code, finished, int(place), number) for place, number in own] or [(code, finished, None, None)]
    columns = (
        ("reader", "the reader's code"), ("finished", "1: the reader came to the end; 0: not yet"),
        ("position", "place of the case in the reader's own order; empty: the reader has not begun"),
        ("case", "number of the case"),
    )  # fmt: skip
    return Sheet("order", columns, tuple(rows))


def attributes(test: TestResult, table: TestTable) -> Sheet:
    """What subgroups are made of, in long form: one row for each thing known of a case or of a reader."""
    found = table.attributes
    if found is None:
        raise ValueError("the attributes were not read: study_tables(..., detailed=True)")
    rows = [
        (unit, name, attribute, label)
        for unit, names, chosen in (
            ("case", table.cases.numbers.tolist(), CASE_ATTRIBUTES),
            ("reader", table.readers, READER_ATTRIBUTES),
        )
        for attribute in chosen
        for name, label in zip(names, getattr(found, attribute), strict=True)
        if label is not None
    ]
    columns = (
        ("of", "case or reader"), ("name", "number of the case, or the reader's code"),
        ("attribute", "of a case: sexes, ages, sites, skin_types; of a reader: practice, certification, specialties"),
        ("value", "as recorded, ages and years in bands; what is not known has no row"),
    )  # fmt: skip
    return Sheet("attributes", columns, tuple(rows))


SHEETS: dict[str, Callable[[TestResult, TestTable], Sheet]] = {
    "readers": readers,
    "summary": summary,
    "curve": curve,
    "cases": cases,
    "full-set": full_set,
    "order": order,
    "answers": answers,
    "responses": responses,
    "attributes": attributes,
}
DETAILED = frozenset({"answers", "responses", "attributes", "full-set"})  # these need study_tables(..., detailed=True)


def dictionary(sheets: Sequence[Sheet]) -> Sheet:
    """What each column of the sheets means, each sheet once."""
    rows: dict[tuple[Any, ...], None] = {}
    for sheet in sheets:
        rows.update(dict.fromkeys((sheet.name, name, description) for name, description in sheet.columns))
    columns = (
        ("table", "name of the file, without its ending"),
        ("column", "name of the column"),
        ("description", "what it holds"),
    )
    return Sheet("data-dictionary", columns, tuple(rows))
