"""Krippendorff's alpha: agreement of any number of readers, with missing answers, on any scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import Floats, as_floats, check_level
from readerstudy.results.stats.bootstrap import NO_WIDTH, SAME_VALUE
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, join_notes
from readerstudy.results.stats.resampling import draw_counts, drawing

MEASUREMENTS = ("nominal", "ordinal", "interval", "ratio")
MOST_VALUES = 64  # more distinct values than this, and no bootstrap interval: its tables would not fit


def krippendorff_alpha(
    ratings: ArrayLike,
    measurement: str = "nominal",
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
    as_irr: bool = False,
) -> Estimate:
    """Krippendorff's alpha of ``ratings`` (r, n), NaN for no answer, by its coincidence matrix.

    Krippendorff K, Content Analysis, 4th ed., 2019, chapter 12. ``measurement``: "nominal", "ordinal", "interval" or
    "ratio" (values then >= 0). A case that fewer than two readers answered is left out. Interval: percentile bootstrap
    over cases.

    ``as_irr`` gives the number that R's irr 0.84.1 prints: where no answer is missing it counts every pair of answers
    as one instead of 1 / (m - 1), so that the small-sample term (N - 1) / N has too large an N; with two readers, or
    with any answer missing, there is no difference.
    """
    check_level(level)
    rows = as_floats("ratings", ratings)
    if rows.ndim != 2:
        raise StatsError(f"ratings has shape {rows.shape}; (r, n) is needed: a reader a row, a case a column")
    if measurement not in MEASUREMENTS:
        raise StatsError(f"measurement is {measurement!r}; allowed are {', '.join(map(repr, MEASUREMENTS))}")
    if measurement == "ratio" and (rows < 0).any():
        raise StatsError("ratings holds a negative value: a ratio scale starts at 0")
    paired = (~np.isnan(rows)).sum(axis=0) >= 2
    n, left_out = int(paired.sum()), int((~paired).sum())
    method = f"Krippendorff's alpha, {measurement}"
    note = f"{left_out} cases with fewer than two answers left out" if left_out else ""
    values = np.unique(rows[:, paired][~np.isnan(rows[:, paired])])
    if values.size < 2:
        why = "undefined: only one value was used" if n else "undefined: no case was answered by two readers"
        return Estimate.undefined(join_notes([note, why]), level=level, method=method, n=n)
    counts = np.stack([(rows[:, paired] == value).sum(axis=0) for value in values], axis=1).astype(float)
    weight = len(rows) - 1 if as_irr and not np.isnan(rows).any() else 1
    alpha = float(_alpha(weight * _coincidences(counts)[np.newaxis], values, measurement)[0])
    if values.size > MOST_VALUES:
        why = join_notes([note, f"no interval: more than {MOST_VALUES} distinct values"])
        return Estimate(alpha, NAN, NAN, level, method, n, why)
    drawn = _bootstrap(counts, values, measurement, weight, replicates, seed)
    kept = drawn[~np.isnan(drawn)]
    if kept.size == 0:
        why = join_notes([note, "no interval: every replicate is undefined"])
        return Estimate(alpha, NAN, NAN, level, method, n, why)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    lost = drawn.size - kept.size
    note = join_notes([note, f"{lost} of {drawn.size} replicates were undefined and left out" if lost else ""])
    if high - low < NO_WIDTH:
        return Estimate(alpha, NAN, NAN, level, method, n, join_notes([note, SAME_VALUE]))
    method = f"{method}, bootstrap, percentile, {replicates} replicates over cases"
    return Estimate(alpha, float(low), float(high), level, method, n, note)


def _bootstrap(counts: Floats, values: Floats, measurement: str, weight: int, replicates: int, seed: int) -> Floats:
    n, v = counts.shape
    per_case = weight * np.stack([_coincidences(case[np.newaxis]) for case in counts]).reshape(n, v * v)
    rng = drawing(seed, replicates)
    size = max(1, 2**21 // max(n, v * v))
    drawn = []
    for start in range(0, replicates, size):
        b = min(size, replicates - start)
        tables = (draw_counts(n, n, b, rng).astype(float) @ per_case).reshape(b, v, v)
        drawn.append(_alpha(tables, values, measurement))
    return np.concatenate(drawn)


def _coincidences(counts: Floats) -> Floats:
    """The (v, v) matrix of coincidences from answers per case and value (n, v)."""
    answers = counts.sum(axis=1)
    shares = counts / (answers - 1)[:, np.newaxis]
    return shares.T @ counts - np.diag(shares.sum(axis=0))


def _alpha(tables: Floats, values: Floats, measurement: str) -> Floats:
    """Alpha of each coincidence matrix (b, v, v)."""
    margins = tables.sum(axis=2)
    total = margins.sum(axis=1)
    if measurement == "ordinal":
        # squared distance: values from c to k, those two counted half
        upto = np.cumsum(margins, axis=1) - margins / 2
        distance = (upto[:, :, np.newaxis] - upto[:, np.newaxis, :]) ** 2
    elif measurement == "nominal":
        distance = 1 - np.eye(values.size)[np.newaxis]
    else:
        apart, together = values[:, np.newaxis] - values, values[:, np.newaxis] + values
        if measurement == "ratio":
            apart = np.divide(apart, together, out=np.zeros_like(apart), where=together > 0)
        distance = (apart**2)[np.newaxis]
    observed = (tables * distance).sum(axis=(1, 2))
    chance = (margins[:, :, np.newaxis] * margins[:, np.newaxis, :] * distance).sum(axis=(1, 2)) / np.maximum(
        total - 1, 1
    )
    return 1 - np.divide(observed, chance, out=np.full(observed.shape, NAN), where=chance > 0)
