"""Which side of its test the advice on a case named, as it was shown to the reader."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from readerstudy.images.truth import taxonomy
from readerstudy.readings.models import SessionEvent
from readerstudy.results.conditions.table import Floats, Ints
from readerstudy.results.tables.cases import sides_of
from readerstudy.studies.models import Arm, Choice, Test


def advised_sides(test: Test, items: Ints) -> Floats:
    """(m,) of the items (ids): 1 the positive side, 0 the negative one, NaN neither, or nothing that names one.

    A probability names the side on which it is more than a half; of classes the likeliest; of similar cases the side of
    most. A saliency map names none. What was shown is read from the record of the reading, its first showing.
    """
    shown = SessionEvent.objects.filter(kind=SessionEvent.Kind.ADVICE_SHOWN, item__reading__test=test).order_by("-pk")
    told = dict(shown.values_list("item_id", "detail"))  # the first one is the last to be written
    sides = _sides_by_name(test) if told else {}
    return np.array(
        [side_named(told[item], sides) if item in told else np.nan for item in items.tolist()], dtype=np.float64
    )


def side_named(detail: dict[str, Any], sides: dict[str, bool]) -> float:
    """1 positive, 0 negative, NaN none, of what was told of a case; ``sides`` by the name of an answer or diagnosis."""
    kind = detail.get("advice")
    if kind == Arm.Advice.PROBABILITY:
        share = detail.get("probability")
        return np.nan if share is None or share == 0.5 else float(share > 0.5)
    if kind == Arm.Advice.CLASSES:
        known = [(value, name) for name, value in detail.get("rows", ()) if value is not None]
        named = sides.get(max(known, key=lambda row: row[0])[1]) if known else None
        return np.nan if named is None else float(named)
    if kind == Arm.Advice.NEIGHBOURS:
        return _majority(sides.get(diagnosis) for _uuid, diagnosis, _cosine in detail.get("images", ()))
    return np.nan


def _majority(named: Iterable[bool | None]) -> float:
    votes = Counter(side for side in named if side is not None)
    return np.nan if votes[True] == votes[False] else float(votes[True] > votes[False])


def _sides_by_name(test: Test) -> dict[str, bool]:
    """The side of each diagnosis, by its id and by its name, and of each answer of a question about classes."""
    known = taxonomy()
    sides: dict[str, bool] = {}
    for nodes, is_positive in zip(sides_of(test), (True, False), strict=True):
        for node in nodes:
            names = (node, known.name(node), known.class_name(known.unspecified_class(node)))
            sides.update(dict.fromkeys(names, is_positive))
    asked = Choice.objects.filter(question__test=test, question__kind="classes", is_positive__isnull=False)
    told = asked.exclude(node="").values_list("label", "is_positive")
    return sides | {label: bool(is_positive) for label, is_positive in told}
