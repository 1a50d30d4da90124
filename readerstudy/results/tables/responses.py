"""The long form of everything that was answered in a test: every question, case, arm, stage and revision."""

from collections.abc import Mapping
from typing import Any

from readerstudy.readings.models import Answer
from readerstudy.results.long_form import COLUMNS
from readerstudy.studies.models import Test

_NODES = [name for name, _what, _where in COLUMNS].index("nodes")


def responses(test: Test, readers: Mapping[int, str]) -> tuple[tuple[Any, ...], ...]:
    """A row of `COLUMNS` for each answer of these readers (id -> code), in the order in which they read."""
    rows = (
        Answer.objects.filter(submission__item__reading__test=test, submission__item__reading__reader__in=list(readers))
        .order_by()
        .values_list(*(where for _name, _what, where in COLUMNS))
    )
    found = [(readers[row[0]], *row[1:_NODES], " ".join(row[_NODES] or ()), *row[_NODES + 1 :]) for row in rows]
    return tuple(sorted(found, key=lambda row: (row[0], row[1], row[2], row[10], row[12])))
