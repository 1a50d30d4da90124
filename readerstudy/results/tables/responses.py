"""The long form of everything that was answered in a test: every question, case, arm, stage and revision."""

import bisect
from collections.abc import Mapping
from typing import Any

from django.db.models import Min, OuterRef, Subquery

from readerstudy.readings.models import Answer, SessionEvent
from readerstudy.results.long_form import COLUMNS
from readerstudy.studies.models import Test

_PLACES = {name: place for place, (name, _what, _where) in enumerate(COLUMNS)}
_NODES = _PLACES["nodes"]
_SORTED_BY = [_PLACES[name] for name in ("reader", "reading", "position", "question", "revision")]


def responses(test: Test, readers: Mapping[int, str]) -> tuple[tuple[Any, ...], ...]:
    """A row of `COLUMNS` for each answer of these readers (id -> code), in the order in which they read."""
    shown = SessionEvent.objects.filter(kind=SessionEvent.Kind.ADVICE_SHOWN, item=OuterRef("submission__item"))
    first = shown.order_by().values("item").annotate(first=Min("at")).values("first")
    rows = (
        Answer.objects.filter(submission__item__reading__test=test, submission__item__reading__reader__in=list(readers))
        .annotate(advice_shown_at=Subquery(first))
        .order_by()
        .values_list(*(where for _name, _what, where in COLUMNS))
    )
    began = dict(test.study.protocol_versions.order_by("number").values_list("created_at", "number"))
    times, numbers = list(began), list(began.values())
    found = [
        (
            readers[row[0]], *row[1:_NODES], " ".join(row[_NODES] or ()), *row[_NODES + 1 : -1],
            numbers[max(bisect.bisect_right(times, row[-1]) - 1, 0)],
        )
        for row in rows
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda row: tuple(row[place] for place in _SORTED_BY)))
