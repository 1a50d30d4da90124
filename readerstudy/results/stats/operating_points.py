"""Yes-or-no decisions against the truth: the 2 x 2 table, what is read from it, and the average over readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Floats,
    as_counts,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.estimate import NAN, Estimate, Proportion, StatsError, join_notes
from readerstudy.results.stats.intervals import mean_interval, proportions, z_value

NO_POSITIVE = "no positive case was answered"
NO_NEGATIVE = "no negative case was answered"
MISSING_RULE = "left out of every count (complete answers only)"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One reader's, or one threshold's, decisions against the truth.

    Counts of cases; ``n_missing`` cases had no answer and are in no count. Sensitivity, specificity, PPV, NPV and
    accuracy are Proportions: Wilson's limits in ``low`` and ``high``, Clopper-Pearson's in ``.exact``. PPV and NPV are
    those at the prevalence of these cases; ``ppv_at_prevalence`` and ``npv_at_prevalence`` those at ``prevalence``,
    None where none was stated. Likelihood ratios run from 0 to inf.
    """

    tp: int
    fn: int
    tn: int
    fp: int
    n_missing: int
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    accuracy: Proportion
    lr_positive: Estimate
    lr_negative: Estimate
    youden: Estimate
    prevalence: float | None = None
    ppv_at_prevalence: Estimate | None = None
    npv_at_prevalence: Estimate | None = None
    note: str = ""

    @property
    def n(self) -> int:
        """Cases that were answered."""
        return self.tp + self.fn + self.tn + self.fp

    @property
    def n_positive(self) -> int:
        return self.tp + self.fn

    @property
    def n_negative(self) -> int:
        return self.tn + self.fp


@dataclass(frozen=True, slots=True)
class AverageReader:
    """The mean of several readers' points.

    ``sensitivity`` and ``specificity`` are means with a confidence interval of the mean (t over readers);
    ``sensitivity_sd`` and ``specificity_sd`` are the spread between readers (divisor r - 1), not an error of the mean.
    ``n_readers`` were averaged, ``n_left_out`` had no defined sensitivity or specificity.
    """

    sensitivity: Estimate
    specificity: Estimate
    sensitivity_sd: float
    specificity_sd: float
    n_readers: int
    n_left_out: int
    note: str = ""


def operating_point(
    truth: ArrayLike, decisions: ArrayLike, prevalence: float | None = None, *, level: float = 0.95
) -> OperatingPoint:
    """What one set of decisions comes to.

    ``truth`` (n,) of 0 and 1; ``decisions`` (n,) of 1 (positive: biopsy, malignant), 0 and NaN (no answer).
    ``prevalence`` (0..1), where stated, gives PPV and NPV there (Bayes; interval from that of the likelihood ratio,
    which is the logit interval of Mercaldo, Lau and Zhou, Statistics in Medicine 2007; 26:2170-2183).
    """
    one = as_floats("decisions", decisions)
    if one.ndim != 1:
        raise StatsError(
            f"decisions has shape {one.shape}; one decision a case is needed (for many readers: operating_points)"
        )
    return operating_points(truth, one, prevalence, level=level)[0]


def operating_points(
    truth: ArrayLike, decisions: ArrayLike, prevalence: float | None = None, *, level: float = 0.95
) -> tuple[OperatingPoint, ...]:
    """``operating_point`` of each row of ``decisions`` (k, n), a reader a row."""
    actual = binary_truth(truth)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    yes, no = said == 1, said == 0
    counts = np.stack([
        (yes & actual).sum(axis=1), (no & actual).sum(axis=1), (no & ~actual).sum(axis=1), (yes & ~actual).sum(axis=1)
    ])  # fmt: skip
    return points_from_counts(*counts, n_missing=np.isnan(said).sum(axis=1), prevalence=prevalence, level=level)


def points_from_counts(
    tp: ArrayLike,
    fn: ArrayLike,
    tn: ArrayLike,
    fp: ArrayLike,
    *,
    n_missing: ArrayLike = 0,
    prevalence: float | None = None,
    level: float = 0.95,
) -> tuple[OperatingPoint, ...]:
    """Operating points from 2 x 2 counts, one for each entry of the equally long ``tp``, ``fn``, ``tn``, ``fp``."""
    check_level(level)
    if prevalence is not None and not 0 < prevalence < 1:
        raise StatsError(f"prevalence is {prevalence!r}; it lies between 0 and 1, for example 0.02")
    a, b, d, c, missing = as_counts(tp=tp, fn=fn, tn=tn, fp=fp, n_missing=n_missing)
    sensitivity = proportions(a, a + b, level, empty=NO_POSITIVE)
    specificity = proportions(d, d + c, level, empty=NO_NEGATIVE)
    ppv = proportions(a, a + c, level, empty="no case was called positive")
    npv = proportions(d, d + b, level, empty="no case was called negative")
    accuracy = proportions(a + d, a + b + c + d, level, empty="no case was answered")
    lr_positive = likelihood_ratios(a, a + b, c, c + d, level)
    lr_negative = likelihood_ratios(b, a + b, d, c + d, level)
    counts = np.stack([a, b, d, c, missing], axis=1).astype(int).tolist()
    points = []
    for i, (n_tp, n_fn, n_tn, n_fp, n_missing_here) in enumerate(counts):
        points.append(
            OperatingPoint(
                n_tp, n_fn, n_tn, n_fp, n_missing_here,
                sensitivity[i], specificity[i], ppv[i], npv[i], accuracy[i], lr_positive[i], lr_negative[i],
                youden=youden_index(sensitivity[i], specificity[i]),
                prevalence=prevalence,
                ppv_at_prevalence=predictive_value(lr_positive[i], prevalence),
                npv_at_prevalence=_complement(predictive_value(lr_negative[i], prevalence)),
                note=_point_note(n_tp, n_fn, n_tn, n_fp, n_missing_here),
            )
        )  # fmt: skip
    return tuple(points)


def likelihood_ratios(x1: Floats, n1: Floats, x2: Floats, n2: Floats, level: float = 0.95) -> list[Estimate]:
    """(x1 / n1) / (x2 / n2) with the log interval of Simel, Samsa and Matchar (J Clin Epidemiol 1991; 44:763-770).

    Where a count is 0 that interval does not exist, and where both shares are 1 it has no width; half a case is then
    added to each cell of the table for the interval only, and the note says so. 0 / 0 is NaN, anything else over 0 is
    inf.
    """
    z = z_value(level)
    zero = (x1 == 0) | (x2 == 0) | ((x1 == n1) & (x2 == n2))
    half = np.where(zero, 0.5, 0.0)
    p1, p2 = (x1 + half) / np.maximum(n1 + 2 * half, 1e-300), (x2 + half) / np.maximum(n2 + 2 * half, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (x1 / n1) / (x2 / n2)
        spread = z * np.sqrt((1 - p1) / (x1 + half) + (1 - p2) / (x2 + half))
        low, high = p1 / p2 * np.exp(-spread), p1 / p2 * np.exp(spread)
    low, high = np.where(x1 == 0, 0.0, low), np.where(x2 == 0, np.inf, high)
    estimates = []
    for v, lo, hi, is_zero, n_one, n_two in zip(
        *(array.tolist() for array in (value, low, high, zero, n1, n2)), strict=True
    ):
        n = int(n_one + n_two)
        if math.isnan(v):
            why = join_notes(["" if n_one else NO_POSITIVE, "" if n_two else NO_NEGATIVE]) or "0 / 0"
            estimates.append(Estimate.undefined(why, level=level, method="log", n=n))
            continue
        note = "a cell is 0: interval with half a case added to each cell" if is_zero else ""
        if math.isinf(v):
            note = join_notes(["division by 0: no finite value", note])
        estimates.append(Estimate(v, lo, hi, level, "log, 0.5 added" if is_zero else "log", n, note))
    return estimates


def youden_index(sensitivity: Estimate, specificity: Estimate) -> Estimate:
    """Sensitivity + specificity - 1 with Newcombe's hybrid score interval (Statistics in Medicine 1998; 17:873-890,
    method 10), built from the Wilson limits of the two."""
    n, level, method = sensitivity.n + specificity.n, sensitivity.level, "Newcombe hybrid score"
    value = sensitivity.value + specificity.value - 1
    if math.isnan(value):
        return Estimate.undefined(join_notes([sensitivity.note, specificity.note]), level=level, method=method, n=n)
    down = math.hypot(sensitivity.value - sensitivity.low, specificity.value - specificity.low)
    up = math.hypot(sensitivity.high - sensitivity.value, specificity.high - specificity.value)
    return Estimate(value, value - down, value + up, level, method, n)


def predictive_value(likelihood_ratio: Estimate, prevalence: float | None) -> Estimate | None:
    """The probability after the test where it was ``prevalence`` before it (Bayes, odds times likelihood ratio)."""
    if prevalence is None:
        return None
    odds = prevalence / (1 - prevalence)

    def after(ratio: float) -> float:
        return 1.0 if math.isinf(ratio) else odds * ratio / (1 + odds * ratio)

    lr = likelihood_ratio
    method = "logit (from the likelihood ratio)"
    return Estimate(after(lr.value), after(lr.low), after(lr.high), lr.level, method, lr.n, lr.note)


def average_reader(points: Sequence[OperatingPoint] | ArrayLike, *, level: float = 0.95) -> AverageReader:
    """The average of readers' points.

    ``points``: OperatingPoints, or an array (r, 2) of sensitivity and specificity. A reader for whom either is
    undefined is left out of both, and counted.
    """
    pairs = _pairs(points)
    defined = ~np.isnan(pairs).any(axis=1)
    kept = pairs[defined]
    n_left_out = int((~defined).sum())
    notes = []
    if n_left_out:
        notes.append(f"{n_left_out} reader{'s' if n_left_out != 1 else ''} without a defined point left out")
    if 0 < len(kept) < FEW_READERS:
        notes.append(f"only {len(kept)} reader{'s' if len(kept) != 1 else ''} (fewer than {FEW_READERS}): "
                     "no sound inference to other readers")  # fmt: skip
    note = join_notes(notes)
    sensitivity, specificity = (mean_interval(column, level=level).noted(note) for column in kept.T)
    sds = kept.std(axis=0, ddof=1) if len(kept) > 1 else np.full(2, NAN)
    return AverageReader(sensitivity, specificity, float(sds[0]), float(sds[1]), len(kept), n_left_out, note)


def _pairs(points: Sequence[OperatingPoint] | ArrayLike) -> Floats:
    given = [point for point in points if isinstance(point, OperatingPoint)] if isinstance(points, Sequence) else []
    if given or (isinstance(points, Sequence) and not points):
        pairs = as_floats("points", [(p.sensitivity.value, p.specificity.value) for p in given]).reshape(-1, 2)
    else:
        pairs = as_floats("points", cast(ArrayLike, points))
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise StatsError(
            f"points has shape {pairs.shape}; (r, 2) is needed: sensitivity and specificity of each reader"
        )
    return pairs


def _complement(estimate: Estimate | None) -> Estimate | None:
    if estimate is None:
        return None
    return replace(estimate, value=1 - estimate.value, low=1 - estimate.high, high=1 - estimate.low)


def _point_note(tp: int, fn: int, tn: int, fp: int, missing: int) -> str:
    notes = class_size_notes(tp + fn, tn + fp)
    if missing:
        notes.append(f"{missing} case{'s' if missing != 1 else ''} without an answer {MISSING_RULE}")
    return join_notes(notes)
