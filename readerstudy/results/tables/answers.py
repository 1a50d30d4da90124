"""What the readers of a test answered: a matrix for each question, and the long form with every revision and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce, Replace
from numpy.typing import NDArray

from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.results.arrays import AnswerTable, CaseTable, Floats, Ints, QuestionTable
from readerstudy.results.tables.counted import still_said
from readerstudy.studies.models import Question, Test

_ITEM = np.dtype([("id", "i8"), ("reading", "i8"), ("case", "i8"), ("position", "i8")])
_ANSWER = np.dtype([("item", "i8"), ("question", "i8"), ("revision", "i8"), ("choice", "i8")])
TIMES = {"arrived": "submission__arrived_at", "shown": "submission__shown_at", "given": "submission__answered_at"}
_TIMED = np.dtype([*_ANSWER.descr, *((name, "M8[us]") for name in TIMES)])


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


def answers_of(test: Test, questions: Sequence[Question], *, timed: bool) -> NDArray:
    """Every decision on these questions that was not taken back: ``item``, ``question``, ``revision``, ``choice``, and
    its times where ``timed``.

    Times are read as text, which numpy reads a million of in less time than Django makes Python's own of a tenth.
    """
    rows = Answer.objects.filter(question__in=questions).order_by()
    numbers = ("submission__item_id", "question_id", "submission__revision", Coalesce("choice_id", 0))
    if not timed:
        return still_said(test, questions, _array(rows.values_list(*numbers), _ANSWER))
    texts = {name: _as_text(column) for name, column in TIMES.items()}
    return still_said(test, questions, _array(rows.annotate(**texts).values_list(*numbers, *texts), _TIMED))


def question_tables(
    questions: Sequence[Question], rows: NDArray, where: Places, n_readers: int, n_cases: int
) -> tuple[QuestionTable, ...]:
    """The decisions on each question (``rows``: ``answers_of``); a later revision counts, an earlier one does not."""
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


def answer_table(questions: Sequence[Question], rows: NDArray, where: Places) -> AnswerTable:
    """Every answer (``rows``: ``answers_of``, timed) by the readers whose items are given, in the long form's order."""
    at, here = where.find(rows["item"])
    rows, at = rows[here], at[here]
    question = _lookup(rows["question"], {question.pk: question.position for question in questions})
    order = np.lexsort((rows["revision"], question, where.position[at], where.reader[at]))
    rows, at = rows[order], at[order]
    choices = {choice.pk: choice for question in questions for choice in question.choices.all()}
    return AnswerTable(
        reader=where.reader[at], case=where.case[at], position=where.position[at],
        question=question[order], revision=rows["revision"],
        labels=tuple([choices[pk].label for pk in rows["choice"].tolist()]),
        is_positive=_lookup(rows["choice"], {pk: int(bool(choice.is_positive)) for pk, choice in choices.items()}) == 1,
        arrived=rows["arrived"], shown=rows["shown"], given=rows["given"],
    )  # fmt: skip


def _as_text(column: str) -> Replace:
    """A time as the database writes it, in UTC: PostgreSQL says so by +00."""
    return Replace(Cast(column, TextField()), Value("+00"), Value(""), output_field=TextField())


def _lookup(values: Ints, known: Mapping[int, int]) -> Ints:
    """What is known of each value; every one of them is known."""
    keys = np.array(sorted(known), dtype=np.int64)
    return np.array([known[key] for key in keys.tolist()], dtype=np.int64)[np.searchsorted(keys, values)]


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
