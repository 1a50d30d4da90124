"""Every item and answer of a test as arrays: those of readings that have ended from a few bytes each, made once.

A reading that has ended takes no more answers, and its items and answers are in tables that only grow: what is kept of
it does not become wrong. That it is all of it is seen from the number of the test's answers, counted each time.
"""

from collections.abc import Sequence

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, Length, Replace
from numpy.typing import NDArray

from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.results.models import PackedReading
from readerstudy.studies.models import Question, Test

ITEM = np.dtype([("id", "i8"), ("reading", "i8"), ("case", "i8"), ("position", "i8"), ("repeat", "?")])
ANSWER = np.dtype([("item", "i8"), ("question", "i8"), ("revision", "i8"), ("choice", "i8")])
TIMES = {"arrived": "submission__arrived_at", "shown": "submission__shown_at", "given": "submission__answered_at"}
TIME = np.dtype([(name, "M8[us]") for name in TIMES])
TIMED = np.dtype([*ANSWER.descr, *TIME.descr])
LAYOUT = 1  # of the bytes: another number where the types above change
READINGS_AT_ONCE = 50  # in memory while they are packed
ROWS_AT_ONCE = 20_000
TRIES = 3  # an answer may come in between two queries


def items_and_answers(test: Test, questions: Sequence[Question], *, timed: bool) -> tuple[NDArray, NDArray]:
    """Every item of a test's readings (fields of ``ITEM``) and every answer to these questions (of ``ANSWER``, of
    ``TIMED`` where ``timed``), in no order. A choice of 0: an answer of another kind, or that the case cannot be
    assessed."""
    kept = PackedReading.objects.filter(reading__test=test, layout=LAYOUT)
    for _try in range(TRIES if kept.exists() else 0):
        rest = Reading.objects.filter(_not_kept(), test=test)
        items, answers = _unpacked(kept, timed=timed)
        more = _answers(Q(submission__item__reading__in=rest.values("pk")), timed=timed)
        if len(answers) + len(more) == Answer.objects.filter(question__test=test).count():
            items, answers = _joined(items, _items(rest)), _joined(answers, more)
            mine = among(answers["question"], [question.pk for question in questions])
            return items, answers if mine.all() else answers[mine]
    return _items(Reading.objects.filter(test=test)), _answers(Q(question__in=questions), timed=timed)


def _joined(one: NDArray, other: NDArray) -> NDArray:
    """Not copied where there is nothing to add: they are large."""
    return np.concatenate([one, other]) if len(other) else one


def among(values: NDArray, few: Sequence[int]) -> NDArray[np.bool_]:
    """Which values are among a few: of a million, numpy's own way takes five times as long."""
    found = np.zeros(len(values), dtype=bool)
    for one in few:
        found |= values == one
    return found


def keep_ended(readings: QuerySet[Reading], *, most: int | None = None) -> int:
    """Keep what is not kept yet of those of these readings that have ended, at most ``most``: how many were kept."""
    wanted = readings.filter(_not_kept(), finished_at__isnull=False).order_by("pk")
    ids = list(wanted.values_list("pk", flat=True)[:most])
    for start in range(0, len(ids), READINGS_AT_ONCE):
        _keep(ids[start : start + READINGS_AT_ONCE])
    return len(ids)


def _not_kept() -> Q:
    return ~Q(Exists(PackedReading.objects.filter(reading=OuterRef("pk"), layout=LAYOUT)))


def _keep(readings: Sequence[int]) -> None:
    items = np.sort(_items(Reading.objects.filter(pk__in=readings)), order="id")
    answers = _answers(Q(submission__item__reading__in=readings), timed=True)
    of = items["reading"][np.searchsorted(items["id"], answers["item"])]
    rows = []
    for reading in readings:
        mine = answers[of == reading]
        plain, times = np.empty(len(mine), ANSWER), np.empty(len(mine), TIME)
        for name in ANSWER.fields or ():
            plain[name] = mine[name]
        for name in TIMES:
            times[name] = mine[name]
        rows.append(
            PackedReading(
                reading_id=reading, layout=LAYOUT, items=items[items["reading"] == reading].tobytes(),
                answers=plain.tobytes(), times=times.tobytes(),
            )
        )  # fmt: skip
    PackedReading.objects.filter(reading__in=readings).exclude(layout=LAYOUT).delete()
    PackedReading.objects.bulk_create(rows, ignore_conflicts=True)  # another worker may have kept the same


def _unpacked(kept: QuerySet[PackedReading], *, timed: bool) -> tuple[NDArray, NDArray]:
    """Reading by reading into arrays of the right size: of a million answers each copy of it all takes a tenth of a
    second."""
    size = kept.aggregate(items=Sum(Length("items")), answers=Sum(Length("answers")))
    items = np.empty((size["items"] or 0) // ITEM.itemsize, ITEM)
    answers = np.empty((size["answers"] or 0) // ANSWER.itemsize, TIMED if timed else ANSWER)
    m = n = 0
    columns = [("items", ITEM), ("answers", ANSWER), *([("times", TIME)] if timed else [])]
    rows = kept.order_by("pk").values_list(*(name for name, _kind in columns))
    for row in rows.iterator(chunk_size=READINGS_AT_ONCE):
        part, *said = (np.frombuffer(content, kind) for content, (_name, kind) in zip(row, columns, strict=True))
        items[m : m + len(part)] = part
        m += len(part)
        mine = answers[n : n + len(said[0])]
        for source in said:
            for name in source.dtype.names or ():
                mine[name] = source[name]
        n += len(mine)
    return items[:m], answers[:n]


def _items(readings: QuerySet[Reading]) -> NDArray:
    rows = Item.objects.filter(reading__in=readings.order_by().values("pk")).order_by()
    return _array(rows.values_list("id", "reading_id", "case_id", "position", "is_repeat"), ITEM)


def _answers(which: Q, *, timed: bool) -> NDArray:
    """Times are read as text, as the database writes them in UTC (PostgreSQL says so by +00): numpy reads a million of
    them in less time than Django makes Python's own of a tenth."""
    rows = Answer.objects.filter(which).order_by()
    columns = ("submission__item_id", "question_id", "submission__revision", Coalesce("choice_id", 0))
    if not timed:
        return _array(rows.values_list(*columns), ANSWER)
    texts = {
        name: Replace(Cast(column, TextField()), Value("+00"), Value(""), output_field=TextField())
        for name, column in TIMES.items()
    }
    return _array(rows.annotate(**texts).values_list(*columns, *texts), TIMED)


def _array(rows: QuerySet, dtype: np.dtype) -> NDArray:
    """The rows of a query as a structured array, without a Python object for each row left behind."""
    return np.fromiter(rows.iterator(chunk_size=ROWS_AT_ONCE), dtype=dtype)
