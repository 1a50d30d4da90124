"""What the readers of a test answered: a matrix for each question, and the long form with every revision and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readerstudy.results.arrays import AnswerTable, CaseTable, Floats, Ints, QuestionTable
from readerstudy.results.tables.packed import among
from readerstudy.studies.models import Question

SPAN = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each item of the readings is: ``item`` (m,) ids, rising; ``reader`` and ``case`` (m,) indices; ``position``
    (m,), counted from 1 in the reader's own order."""

    item: Ints
    reader: Ints
    case: Ints
    position: Ints

    def positions(self, n_readers: int, n_cases: int) -> Floats:
        """(readers, cases): the place of the case in the reader's order, NaN where it is not in it."""
        matrix = np.full((n_readers, n_cases), np.nan)
        matrix[self.reader, self.case] = self.position
        return matrix

    def find(self, items: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """The index of each item id here, and whether it is here at all (a reader may have withdrawn)."""
        if not self.item.size:
            return np.zeros(items.size, dtype=np.int64), np.zeros(items.size, dtype=bool)
        return _index(items, self.item)


def places(items: NDArray, readings: Mapping[int, int], cases: CaseTable) -> Places:
    """The counted items of a test's readings (no practice case, no attention check, no repeat).

    ``items``: of `packed.items_and_answers`. ``readings``: id -> index of the reader, others are left out.
    """
    rows = items if not items["repeat"].any() else items[~items["repeat"]]
    if (rows["id"][1:] < rows["id"][:-1]).any():
        rows = rows[np.argsort(rows["id"])]
    reading, of_these = _index(rows["reading"], np.array(list(readings), dtype=np.int64))
    case, of_test = _index(rows["case"], cases.ids)
    keep = of_these & of_test
    reader = np.array(list(readings.values()), dtype=np.int64)[reading[keep]]
    return Places(rows["id"][keep], reader, case[keep], rows["position"][keep])


def question_tables(
    questions: Sequence[Question], rows: NDArray, where: Places, n_readers: int, n_cases: int,
    stages: Mapping[int, tuple[int, bool]],
) -> tuple[QuestionTable, ...]:  # fmt: skip
    """The decisions on each question (``rows``: ``counted.still_said``): of several revisions the last. ``stages``:
    ``counted.asked_at``."""
    if (rows["revision"] != 1).any():
        rows = rows[np.argsort(rows["revision"], kind="stable")]  # the last written, below, is the last revision
    at, here = where.find(rows["item"])
    tables = []
    for question in questions:
        choices = list(question.choices.all())
        decisions = np.full((n_readers, n_cases), np.nan)
        mine = here & (rows["question"] == question.pk)
        positive = [choice.pk for choice in choices if choice.is_positive]
        decisions[where.reader[at[mine]], where.case[at[mine]]] = among(rows["choice"][mine], positive)
        tables.append(
            QuestionTable(
                question.pk,
                question.position,
                question.text,
                tuple(choice.label for choice in choices if choice.is_positive),
                tuple(choice.label for choice in choices if not choice.is_positive),
                decisions,
                *stages.get(question.pk, (0, False)),
            )
        )
    return tuple(tables)


def answer_table(questions: Sequence[Question], rows: NDArray, where: Places) -> AnswerTable:
    """Every answer (``rows``: the same, timed) by the readers whose items are given, in the long form's order."""
    at, here = where.find(rows["item"])
    rows, at = rows[here], at[here]
    question = _lookup(rows["question"], {question.pk: question.position for question in questions})
    order = _order(where.reader[at], where.position[at], question, rows["revision"])
    rows, at = rows[order], at[order]
    choices = sorted((choice for question in questions for choice in question.choices.all()), key=lambda one: one.pk)
    choice = np.searchsorted(np.array([one.pk for one in choices], dtype=np.int64), rows["choice"])
    sides = np.array([bool(one.is_positive) for one in choices], dtype=bool)
    return AnswerTable(
        reader=where.reader[at], case=where.case[at], position=where.position[at],
        question=question[order], revision=rows["revision"],
        choice=choice, choices=tuple(one.label for one in choices), is_positive=sides[choice],
        arrived=rows["arrived"], shown=rows["shown"], given=rows["given"],
    )  # fmt: skip


def _lookup(values: Ints, known: Mapping[int, int]) -> Ints:
    """What is known of each value; every one of them is known."""
    keys = np.array(sorted(known), dtype=np.int64)
    return np.array([known[key] for key in keys.tolist()], dtype=np.int64)[np.searchsorted(keys, values)]


def _order(*keys: Ints) -> Ints | slice:
    """What sorts by the first key, then by the second, ...; of a million rows that are in order it is seen at once."""
    one = np.zeros(keys[0].size, dtype=np.int64)
    for key in keys:  # none is negative, and their product is far below 2^63
        one = one * (int(key.max(initial=0)) + 1) + key
    return np.argsort(one, kind="stable") if (one[1:] < one[:-1]).any() else slice(None)


def _index(values: Ints, among: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """The index of each value in ``among`` (whose order is kept), and whether it is there."""
    if not among.size:
        return np.zeros(values.size, dtype=np.int64), np.zeros(values.size, dtype=bool)
    low, high = int(among.min()), int(among.max())
    if high - low < SPAN:  # ids of one study lie together: a table of them all is quicker than a search
        table = np.full(high - low + 2, -1)
        table[among - low] = np.arange(among.size)
        found = table[np.where((values >= low) & (values <= high), values - low, high - low + 1)]
        return np.maximum(found, 0), found >= 0
    order = np.argsort(among)
    found = order[np.minimum(np.searchsorted(among, values, sorter=order), among.size - 1)]
    return found, among[found] == values
