"""Checks on the arrays that come in, so that every function says the same thing about the same mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readerstudy.results.stats.estimate import StatsError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

FEW_CASES = 10  # a class smaller than this makes an interval fragile
FEW_READERS = 5  # fewer readers than this do not carry an inference over readers
FEW_DISCORDANT = 10  # fewer discordant pairs than this do not carry a paired comparison


def check_level(level: float) -> float:
    if not isinstance(level, float | np.floating) or not 0 < level < 1:
        raise StatsError(f"level is {level!r}; a confidence level lies between 0 and 1, for example 0.95")
    return float(level)


def as_floats(name: str, values: ArrayLike) -> Floats:
    """``values`` as float64; None and what a masked array masks become NaN. Infinite values are refused."""
    if isinstance(values, np.ma.MaskedArray):  # asarray would bring back what lies under the mask
        values = np.ma.filled(values.astype(np.float64), np.nan)
    if getattr(getattr(values, "dtype", None), "kind", "") == "c":
        raise StatsError(f"{name} holds complex numbers; only real ones have an order")
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatsError(f"{name} holds something that is not a number: {error}") from error
    if np.isinf(array).any():
        where = tuple(int(i) for i in np.argwhere(np.isinf(array))[0])
        raise StatsError(f"{name}{list(where)} is infinite; only finite numbers, or NaN for a missing one, are allowed")
    return array


def whole_numbers(name: str, counts: Floats) -> Floats:
    """``counts`` of any shape as they are; a StatsError names the first that is not a whole number from 0."""
    wrong = np.argwhere(~((counts >= 0) & (counts == np.floor(counts))))
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        raise StatsError(f"{name}{list(where) or ''} is {counts[where]:g}; a count is a whole number from 0")
    return counts


def as_counts(**given: ArrayLike) -> tuple[Floats, ...]:
    """Counts as equally long rows (k,) of whole numbers from 0; a single number stands for every entry."""
    rows = {name: np.atleast_1d(as_floats(name, values)) for name, values in given.items()}
    for name, row in rows.items():
        if row.ndim != 1:
            raise StatsError(f"{name} has shape {row.shape}; a row of counts is needed, shape (k,)")
        whole_numbers(name, row)
    if len({row.size for row in rows.values()} - {1}) > 1:
        told = ", ".join(f"{name} {row.size}" for name, row in rows.items())
        raise StatsError(f"these must be equally long, but their lengths differ: {told}")
    return tuple(np.broadcast_arrays(*rows.values()))


def binary_truth(truth: ArrayLike, name: str = "truth") -> Bools:
    """``truth`` (n,) of 0 and 1 (or False and True) as booleans; anything else, NaN included, is refused."""
    array = as_floats(name, truth)
    if array.ndim != 1:
        raise StatsError(f"{name} has shape {array.shape}; one value a case, shape (n,), is needed")
    wrong = np.flatnonzero((array != 0) & (array != 1))
    if wrong.size:
        raise StatsError(
            f"{name}[{int(wrong[0])}] is {array[wrong[0]]:g}; "
            "allowed are 0 (negative, benign) and 1 (positive, malignant)"
        )
    return array == 1


def binary_decisions(decisions: ArrayLike, name: str = "decisions") -> Floats:
    """Decisions of any shape as 0.0, 1.0 and NaN (no answer); anything else is refused."""
    array = as_floats(name, decisions)
    wrong = np.argwhere((array != 0) & (array != 1) & ~np.isnan(array))
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        raise StatsError(f"{name}{list(where)} is {array[where]:g}; allowed are 0 (no), 1 (yes) and NaN (no answer)")
    return array


def same_length(**arrays: NDArray[Any]) -> int:
    """The common length of rows (n,); a StatsError names the arrays that disagree."""
    for name, array in arrays.items():
        if array.ndim != 1:
            raise StatsError(f"{name} has shape {array.shape}; one value a case, shape (n,), is needed")
    lengths = {name: array.size for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise StatsError(f"these must have one entry a case each, but their lengths differ: {told}")
    return next(iter(lengths.values()))


def rows_of_cases(name: str, values: ArrayLike, n_cases: int) -> Floats:
    """``values`` as (k, n_cases). A single row (n_cases,) is k = 1; (n_cases, k) with k != n_cases is turned."""
    array = as_floats(name, values)
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2:
        raise StatsError(f"{name} has {array.ndim} dimensions; shape (k, n) is needed: a row each, a column a case")
    if array.shape[1] != n_cases and array.shape[0] == n_cases:
        array = array.T
    if array.shape[1] != n_cases:
        raise StatsError(
            f"{name} has shape {array.shape}, but truth names {n_cases} cases; shape (k, {n_cases}) is needed"
        )
    return array


def rating_rows(ratings: ArrayLike) -> Floats:
    """Ratings as (r, n), a reader a row; any other shape is refused."""
    rows = as_floats("ratings", ratings)
    if rows.ndim != 2:
        raise StatsError(f"ratings has shape {rows.shape}; (r, n) is needed: a reader a row, a case a column")
    return rows


def complete_cases(ratings: ArrayLike) -> tuple[Floats, str]:
    """``rating_rows`` of the cases that every reader answered, and what is said of the others."""
    rows = rating_rows(ratings)
    complete = ~np.isnan(rows).any(axis=0)
    left_out = int((~complete).sum())
    return rows[:, complete], f"{left_out} cases without every answer left out" if left_out else ""


def class_size_notes(n_positive: int, n_negative: int) -> list[str]:
    """The guardrail on small classes."""
    notes = []
    for size, word in ((n_positive, "positive"), (n_negative, "negative")):
        if 0 < size < FEW_CASES:
            notes.append(f"only {size} {word} case{'s' if size != 1 else ''} (fewer than {FEW_CASES}): fragile")
    return notes
