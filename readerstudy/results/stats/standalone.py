"""One model against many readers on the same cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Bools,
    Floats,
    as_floats,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.mrmc import bounds_of
from readerstudy.results.stats.mrmc_anova import Bounds, ModalityMean, modality_mean
from readerstudy.results.stats.mrmc_covariance import Accuracies, Metric, accuracies, left_out_notes, with_variance

VARIANTS = {
    "1T-RRRC": ("random", "random"),
    "1T-RRFC": ("random", "fixed"),
    "1T-FRRC": ("fixed", "random"),
}


@dataclass(frozen=True, slots=True)
class StandaloneTest:
    """Model minus the average reader under one set of assumptions; ``df`` infinite: z."""

    variant: str
    readers: str
    cases: str
    difference: Estimate
    se: float
    df: float
    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class StandaloneVsReaders:
    """A model against readers.

    ``main``: readers and cases both random, so the answer holds for other readers and other cases ("1T-RRRC").
    ``cases_fixed``: these cases only ("1T-RRFC", a one-sample t test). ``readers_fixed``: these readers only
    ("1T-FRRC"). ``per_reader`` (r,): each reader's accuracy, ``per_reader_difference`` (r,): model minus reader.
    """

    metric: str
    model: float
    readers_mean: float
    per_reader: Floats
    per_reader_difference: Floats
    main: StandaloneTest
    cases_fixed: StandaloneTest
    readers_fixed: StandaloneTest
    n_readers: int
    n_positive: int
    n_negative: int
    note: str = ""


def standalone_vs_readers(
    truth: ArrayLike,
    model: ArrayLike,
    ratings: ArrayLike,
    *,
    metric: Metric = "auc",
    covariance: str = "jackknife",
    level: float = 0.95,
) -> StandaloneVsReaders:
    """The model's accuracy minus the average reader's, on the cases that both have.

    ``truth`` (n,); ``model`` (n,): scores, or decisions 0/1 for sensitivity and specificity; ``ratings`` (r, n) of the
    readers, NaN where one did not read. ``metric`` and ``covariance`` as in ``mrmc``. A reader who did not read every
    case is compared with the model on the cases that he or she read, so that both face the same cases.

    Hillis SL, Obuchowski NA, Berbaum KS, Acad Radiol 2011; 18:129-142 (single-modality inference), applied to the
    differences model - reader: Chakraborty DP, Zhai X, Medical Physics 2016; 43:2548 ("1T-RRRC"; a two-treatment
    analysis that repeats the model once a reader, "2T-RRRC", gives the same numbers).
    """
    check_level(level)
    actual = binary_truth(truth)
    scores = as_floats("model", model)
    rows = rows_of_cases("ratings", ratings, actual.size)
    if scores.shape != actual.shape:
        raise StatsError(f"model has shape {scores.shape}; one score a case is needed, shape {actual.shape}")
    scored = ~np.isnan(scores)
    rows = np.where(scored, rows, np.nan)
    theta, matrix, cells = _paired(actual, scores, rows, metric, covariance)
    kept = with_variance(theta, np.diagonal(matrix)[np.newaxis])
    r = int(kept.sum())
    per_reader, per_difference = theta[1], theta[0] - theta[1]
    difference, matrix = per_difference[kept], matrix[kept][:, kept]
    m, n = int(cells.truth.sum()), int((~cells.truth).sum())
    notes = class_size_notes(m, n)
    if r < FEW_READERS:
        notes.append(f"only {r} reader{'s' if r != 1 else ''} (fewer than {FEW_READERS}): no sound inference to others")
    notes += left_out_notes(theta, kept)
    if not scored.all():
        notes.append(f"{int((~scored).sum())} cases without a model score left out")
    if np.isnan(rows[:, scored]).any():
        notes.append("readings are missing: each reader is compared with the model on the cases that he or she read")
    bounds = None if bounds_of(metric, theta[:, kept]) is None else (-1.0, 1.0)
    tests = [_test(variant, difference, matrix, cells.truth.size, level, bounds) for variant in VARIANTS]
    whole = accuracies(actual, scores[np.newaxis, np.newaxis], metric).theta[0, 0]
    return StandaloneVsReaders(
        metric if isinstance(metric, str) else getattr(metric, "__name__", "metric"),
        float(whole), float(per_reader[kept].mean()) if r else NAN, per_reader, per_difference,
        tests[0], tests[1], tests[2], r, m, n, join_notes(notes),
    )  # fmt: skip


def _paired(
    truth: Bools, model: Floats, rows: Floats, metric: Metric, covariance: str
) -> tuple[Floats, Floats, Accuracies]:
    """The model's and the readers' accuracies on each reader's cases (2, r), and the covariance of the differences."""
    r = len(rows)
    if not np.isnan(rows[:, ~np.isnan(model)]).any():
        cells = accuracies(truth, np.concatenate([model[np.newaxis], rows]), metric, covariance)
        own, shared = cells.covariance[1:, 1:], cells.covariance[0, 1:]
        matrix = own - shared - shared[:, np.newaxis] + cells.covariance[0, 0]
        return np.stack([np.full(r, cells.theta[0, 0]), cells.theta[0, 1:]]), matrix, cells
    cells = accuracies(truth, np.stack([np.where(np.isnan(rows), np.nan, model), rows]), metric, covariance)
    blocks = cells.covariance.reshape(2, r, 2, r)
    return cells.theta, blocks[0, :, 0] + blocks[1, :, 1] - blocks[0, :, 1] - blocks[1, :, 0], cells


def _test(variant: str, difference: Floats, matrix: Floats, n: int, level: float, bounds: Bounds) -> StandaloneTest:
    readers, cases = VARIANTS[variant]
    name = f"{variant}: {readers} readers, {cases} cases"
    if difference.size == 0:
        why = "no reader with a defined accuracy"
        undefined = Estimate.undefined(why, level=level, method=name, n=n)
        return StandaloneTest(variant, readers, cases, undefined, NAN, NAN, Test(name, NAN, NAN, n=n, note=why))
    found: ModalityMean = modality_mean(
        variant, difference, matrix, readers=readers, cases=cases, level=level, n=n, bounds=bounds
    )
    statistic = found.estimate.value / found.se
    tail: Callable[..., float] = distributions.norm.sf if math.isinf(found.df) else distributions.t.sf
    arguments = () if math.isinf(found.df) else (found.df,)
    p = 2 * float(tail(abs(statistic), *arguments))
    test = Test(name, statistic, p, found.df, n, found.estimate.note)
    return StandaloneTest(variant, readers, cases, found.estimate, found.se, found.df, test)
