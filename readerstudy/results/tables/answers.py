"""What the readers of a test answered: a matrix for each question, and the long form with every revision and time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from numpy.typing import NDArray

from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.results.arrays import AnswerTable, CaseTable, Floats, Ints, QuestionTable
from readerstudy.results.tables.counted import still_said
from readerstudy.studies.models import Question, Test

_ITEM = np.dtype([("id", "i8"), ("reading", "i8"), ("case", "i8"), ("position", "i8")])
_ANSWER = np.dtype([("item", "i8"), ("question", "i8"), ("revision", "i8"), ("choice", "i8")])


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
        found = np.minimum(np.searchsorted(self.item, items), self.item.size - 1)
        return found, self.item[found] == items


def places(test: Test, readings: Mapping[int, int], cases: CaseTable) -> Places:
    """The counted items of the test's readings (no practice case, no attention check, no repeat).

    ``readings``: id -> index of the reader, others are left out.
    """
    rows = _array(
        Item.objects.filter(reading__in=Reading.objects.filter(test=test).values("pk"), is_repeat=False)
        .order_by()
        .values_list("id", "reading_id", "case_id", "position"),
        _ITEM,
    )
    rows = rows[np.argsort(rows["id"])]
    reading, of_these = _index(rows["reading"], np.array(list(readings), dtype=np.int64))
    case, of_test = _index(rows["case"], cases.ids)
    keep = of_these & of_test
    reader = np.array(list(readings.values()), dtype=np.int64)[reading[keep]]
    return Places(rows["id"][keep], reader, case[keep], rows["position"][keep])


def question_tables(
    test: Test, questions: list[Question], where: Places, n_readers: int, n_cases: int
) -> tuple[QuestionTable, ...]:
    """The decisions on each question; a later revision counts, an earlier one does not."""
    rows = _array(
        Answer.objects.filter(question__in=questions)
        .order_by()
        .values_list("submission__item_id", "question_id", "submission__revision", Coalesce("choice_id", 0)),
        _ANSWER,
    )
    rows = still_said(test, questions, rows)
    rows = rows[np.argsort(rows["revision"], kind="stable")]  # so that, below, the last written is the last revision
    at, here = where.find(rows["item"])
    tables = []
    for question in questions:
        choices = list(question.choices.all())
        decisions = np.full((n_readers, n_cases), np.nan)
        mine = here & (rows["question"] == question.pk)
        positive = np.array([choice.pk for choice in choices if choice.is_positive], dtype=np.int64)
        decisions[where.reader[at[mine]], where.case[at[mine]]] = np.isin(rows["choice"][mine], positive)
        tables.append(
            QuestionTable(
                question.pk,
                question.position,
                question.text,
                tuple(choice.label for choice in choices if choice.is_positive),
                tuple(choice.label for choice in choices if not choice.is_positive),
                decisions,
            )
        )
    return tuple(tables)


def answer_table(test: Test, questions: list[Question], where: Places) -> AnswerTable:
    """Every decision on these questions by the readers whose items are given, without what was taken back."""
    numbers = {question.pk: question.position for question in questions}
    choices = {choice.pk: choice for question in questions for choice in question.choices.all()}
    rows = list(
        Answer.objects.filter(question__in=questions)
        .order_by()
        .values_list(
            "submission__item_id",
            "question_id",
            "submission__revision",
            Coalesce("choice_id", 0),
            "submission__arrived_at",
            "submission__shown_at",
            "submission__answered_at",
        )
    )
    said = still_said(test, questions, np.array([row[:4] for row in rows], dtype=_ANSWER))
    keep = {tuple(row) for row in said.tolist()}
    rows = [row for row in rows if row[:4] in keep]
    at, here = where.find(np.array([row[0] for row in rows], dtype=np.int64))
    question = np.array([numbers[row[1]] for row in rows], dtype=np.int64)
    revision = np.array([row[2] for row in rows], dtype=np.int64)
    reader, position = where.reader[at], where.position[at]
    order = [i for i in np.lexsort((revision, question, position, reader)).tolist() if here[i]]
    return AnswerTable(
        reader=reader[order], case=where.case[at][order], position=position[order],
        question=question[order], revision=revision[order],
        labels=tuple(choices[rows[i][3]].label for i in order),
        is_positive=np.array([choices[rows[i][3]].is_positive for i in order], dtype=bool),
        answered_at=tuple(rows[i][4] for i in order),
        client_shown_at=tuple(rows[i][5] for i in order),
        client_answered_at=tuple(rows[i][6] for i in order),
    )  # fmt: skip


def _array(rows: QuerySet, dtype: np.dtype) -> NDArray:
    """The rows of a query as a structured array, without a Python object for each row left behind."""
    return np.fromiter(rows.iterator(chunk_size=20_000), dtype=dtype)


def _index(values: Ints, among: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """The index of each value in ``among`` (whose order is kept), and whether it is there."""
    if not among.size:
        return np.zeros(values.size, dtype=np.int64), np.zeros(values.size, dtype=bool)
    order = np.argsort(among)
    found = order[np.minimum(np.searchsorted(among, values, sorter=order), among.size - 1)]
    return found, among[found] == values
