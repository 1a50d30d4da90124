"""Confusion matrices of k classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix

from readerstudy.results.stats.arrays import FEW_CASES, Floats, as_floats, check_level
from readerstudy.results.stats.estimate import NAN, Estimate, Proportion, StatsError, join_notes
from readerstudy.results.stats.intervals import proportion, proportions


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """A k x k confusion matrix.

    ``counts`` (k, k): cases of class i (row) called class j (column). ``shares`` (k, k): each row divided by its sum,
    NaN for a class without a case. ``per_class``: the share of each class called rightly. ``mean_per_class``: their
    unweighted mean over the classes that have a case, the "overall accuracy" of Esteva et al. (2017); ``accuracy``:
    the share of all cases called rightly.
    """

    labels: tuple[Any, ...]
    counts: NDArray[np.int64]
    shares: Floats
    per_class: tuple[Proportion, ...]
    mean_per_class: Estimate
    accuracy: Proportion
    n: int
    n_missing: int
    note: str = ""


def confusion(
    truth: ArrayLike, predicted: ArrayLike, labels: Sequence[Any] | None = None, *, level: float = 0.95
) -> Confusion:
    """The confusion matrix of ``predicted`` (n,) against ``truth`` (n,), classes of any kind; by scikit-learn.

    ``labels`` fixes the classes and their order (else: all that occur, sorted). None or NaN in ``predicted`` is a
    missing answer: left out, counted. Interval of the mean per-class accuracy: Wilson's limits of the classes squared
    and added (MOVER; Zou and Donner, Stat Med 2008; 27:1693-1702), so that it has width even at 0 and 1.
    """
    check_level(level)
    actual, said = np.asarray(truth, object), np.asarray(predicted, object)
    if actual.ndim != 1 or actual.shape != said.shape:
        raise StatsError(f"truth and predicted have shapes {actual.shape} and {said.shape}; both must be (n,)")
    if any(_is_missing(value) for value in actual):
        raise StatsError("truth holds a missing class; every case needs one")
    answered = np.array([not _is_missing(value) for value in said], bool)
    n_missing = int((~answered).sum())
    names = tuple(labels) if labels is not None else _sorted({*actual, *said[answered]})
    if len(set(names)) < len(names):
        raise StatsError(f"labels names a class twice: {', '.join(map(repr, names))}")
    code = {name: i for i, name in enumerate(names)}
    unknown = [value for value in (*actual, *said[answered]) if value not in code]
    if unknown:
        raise StatsError(f"{unknown[0]!r} is none of the classes {', '.join(map(repr, names))}")
    k = len(names)
    rows, columns = ([code[value] for value in values[answered]] for values in (actual, said))
    # scikit-learn warns of a single class, which is nothing unusual here, and refuses to count nothing
    counts = confusion_matrix(rows, columns, labels=range(k)) if rows and k > 1 else np.full((k, k), len(rows))
    return confusion_from_counts(counts, names, n_missing=n_missing, level=level)


def confusion_from_counts(
    counts: ArrayLike, labels: Sequence[Any] | None = None, *, n_missing: int = 0, level: float = 0.95
) -> Confusion:
    """The same from a finished (k, k) table of counts, truth in rows."""
    given = as_floats("counts", counts)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not ((given >= 0) & (given == np.floor(given))).all():
        raise StatsError(f"counts has shape {given.shape}; a square table of whole numbers from 0 is needed")
    table = given.astype(np.int64)
    names = tuple(range(len(table))) if labels is None else tuple(labels)
    if len(names) != len(table):
        raise StatsError(f"labels names {len(names)} classes, but counts has {len(table)}")
    totals, right = table.sum(axis=1), np.diagonal(table)
    shares = np.divide(table, totals[:, np.newaxis], out=np.full(table.shape, NAN), where=totals[:, np.newaxis] > 0)
    per_class = tuple(proportions(right, totals, level, empty="the class has no case")) if len(table) else ()
    notes = []
    empty = [str(name) for name, total in zip(names, totals, strict=True) if total == 0]
    small = [str(name) for name, total in zip(names, totals, strict=True) if 0 < total < FEW_CASES]
    if empty:
        notes.append(f"no case of {', '.join(empty)}: left out of the mean")
    if small:
        notes.append(f"fewer than {FEW_CASES} cases of {', '.join(small)}: fragile")
    if n_missing:
        notes.append(f"{n_missing} missing answers left out")
    n = int(table.sum())
    whole = proportion(int(right.sum()), n, level)
    return Confusion(
        names, table, shares, per_class, _mean(per_class, level, n), whole, n, n_missing, join_notes(notes)
    )


def _mean(per_class: Sequence[Proportion], level: float, n: int) -> Estimate:
    method = "mean of classes, MOVER on Wilson limits"
    defined = [one for one in per_class if one.is_defined]
    if not defined:
        return Estimate.undefined("no class has a case", level=level, method=method, n=n)
    k = len(defined)
    value = sum(one.value for one in defined) / k
    down = float(np.sqrt(sum((one.value - one.low) ** 2 for one in defined))) / k
    up = float(np.sqrt(sum((one.high - one.value) ** 2 for one in defined))) / k
    return Estimate(value, max(value - down, 0.0), min(value + up, 1.0), level, method, n)


def _sorted(classes: set[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(classes))
    except TypeError as error:
        raise StatsError(
            f"truth and predicted mix classes that have no order ({error}); name them in labels"
        ) from error


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
