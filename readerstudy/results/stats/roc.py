"""The ROC curve of one score: its points, its area, a part of its area, and what it reads at a given point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from readerstudy.results.stats.arrays import Floats, Ints, as_floats, binary_truth, same_length
from readerstudy.results.stats.delong import delong
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, join_notes

ON_POINT = 1e-12  # 1 - 0.9 is not 0.1 in binary: so near a point is on it
CHOSEN_HERE = "threshold chosen on these same cases: sensitivity and specificity are optimistic"


@dataclass(frozen=True, slots=True)
class PartialAuc:
    """The area under a part of the curve: ``raw``, and ``mcclish``, scaled so that chance is 0.5 and perfect 1.

    ``focus`` says on which axis ``low``..``high`` lies. ``mcclish`` is NaN where the curve lies below chance there.
    """

    raw: float
    mcclish: float
    focus: str
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of a curve and the rule ``score >= threshold`` that gives it."""

    threshold: float
    sensitivity: float
    specificity: float
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """An empirical ROC curve, from (0, 0) to (1, 1).

    ``fpr``, ``tpr`` (= sensitivity), ``specificity`` and ``thresholds`` have one entry for each distinct score and one
    (threshold inf) for "nobody is positive"; a case is positive when its score >= threshold. All four are empty where
    a class has no case. ``n_excluded`` cases without a score were left out.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats
    auc: Estimate
    n_positive: int
    n_negative: int
    n_excluded: int = 0
    note: str = ""

    @property
    def sensitivity(self) -> Floats:
        return self.tpr

    @property
    def specificity(self) -> Floats:
        return 1 - self.fpr

    def corners(self) -> Ints:
        """Indices of the points where the curve turns: enough to draw it, area and all."""
        if self.fpr.size < 3:
            return np.arange(self.fpr.size)
        dx, dy = np.diff(self.fpr), np.diff(self.tpr)
        turns = np.abs(dx[1:] * dy[:-1] - dx[:-1] * dy[1:]) > 1e-15
        return np.concatenate([[0], np.flatnonzero(turns) + 1, [self.fpr.size - 1]])

    def sensitivity_at(self, specificity: ArrayLike) -> Floats:
        """Sensitivity at the given specificities, linear between points; on a vertical step its upper end."""
        return on_curve(1 - _in_unit("specificity", specificity), self.fpr, self.tpr)

    def specificity_at(self, sensitivity: ArrayLike) -> Floats:
        """Specificity at the given sensitivities, linear between points; on a horizontal step its better end."""
        wanted = _in_unit("sensitivity", sensitivity)
        return on_curve(1 - wanted, (1 - self.tpr)[::-1], (1 - self.fpr)[::-1])

    def at_threshold(self, threshold: float) -> CurvePoint:
        """Sensitivity and specificity of the rule ``score >= threshold``."""
        if not self.fpr.size:
            return CurvePoint(threshold, NAN, NAN, self.note)
        last = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return CurvePoint(threshold, float(self.tpr[last]), 1 - float(self.fpr[last]))

    def youden(self) -> CurvePoint:
        """The point of greatest sensitivity + specificity; its threshold is halfway to the next lower score."""
        if not self.fpr.size:
            return CurvePoint(NAN, NAN, NAN, self.note)
        gain = self.tpr - self.fpr
        best = np.flatnonzero(gain >= gain.max() - 1e-12)
        i = int(best[0])
        lower = self.thresholds[i + 1] if i + 1 < self.thresholds.size else -math.inf
        threshold = (self.thresholds[i] + lower) / 2
        tied = f"{best.size} points share the greatest sum; the most specific is given" if best.size > 1 else ""
        return CurvePoint(float(threshold), float(self.tpr[i]), 1 - float(self.fpr[i]), join_notes([CHOSEN_HERE, tied]))

    def partial_auc(self, between: tuple[float, float] = (0.9, 1.0), focus: str = "specificity") -> PartialAuc:
        """The area over the band ``between`` of specificity (or of sensitivity, with ``focus="sensitivity"``).

        McClish DK, Medical Decision Making 1989; 9:190-195. Interval: ``bootstrap_curve``.
        """
        low, high = sorted(float(v) for v in _in_unit("between", between))
        if focus not in ("specificity", "sensitivity"):
            raise StatsError(f"focus is {focus!r}; allowed are 'specificity' and 'sensitivity'")
        if low == high:
            raise StatsError(f"between is {between!r}; the band of {focus} needs a width")
        if not self.fpr.size:
            return PartialAuc(NAN, NAN, focus, low, high, self.note)
        # both areas are over 1 - focus, which rises along the curve (specificity) or against it (sensitivity)
        x, y = (self.fpr, self.tpr) if focus == "specificity" else ((1 - self.tpr)[::-1], (1 - self.fpr)[::-1])
        raw = area_between(x, y, 1 - high, 1 - low)
        corrected, note = mcclish(raw, low, high)
        return PartialAuc(raw, corrected, focus, low, high, note)


def roc(truth: ArrayLike, score: ArrayLike, *, level: float = 0.95, interval: str = "delong") -> RocCurve:
    """The empirical ROC curve and its AUC.

    ``truth`` (n,) of 0 and 1, ``score`` (n,) of any real numbers, higher meaning more likely positive; NaN scores are
    left out and counted. ``interval`` of the AUC: "delong" or "delong-logit". Points by scikit-learn's ``roc_curve``.
    """
    actual, scores = binary_truth(truth), as_floats("score", score)
    if scores.ndim != 1:
        raise StatsError(f"score has shape {scores.shape}; one score a case, shape ({actual.size},), is needed")
    same_length(truth=actual, score=scores)
    result = delong(actual, scores)
    auc = result.ci(level, interval=interval)[0]
    fpr = tpr = thresholds = np.empty(0)
    if result.n_positive and result.n_negative:
        keep = ~np.isnan(scores)
        fpr, tpr, thresholds = roc_curve(actual[keep], scores[keep], drop_intermediate=False)
    return RocCurve(fpr, tpr, thresholds, auc, result.n_positive, result.n_negative, result.n_excluded, result.note)


def area_between(x: Floats, y: Floats, start: float, stop: float) -> float:
    """Area under the polygon (x, y), x rising, between two abscissae, by trapezoids cut at the edges."""
    x0, x1, y0, y1 = x[:-1], x[1:], y[:-1], y[1:]
    left, right = np.clip(x0, start, stop), np.clip(x1, start, stop)
    width = x1 - x0
    slope = np.divide(y1 - y0, width, out=np.zeros_like(width), where=width > 0)
    return float(np.sum((right - left) * (y0 + slope * ((left + right) / 2 - x0))))


def mcclish(raw: float, low: float, high: float) -> tuple[float, str]:
    """McClish's correction of an area over a band ``low``..``high``: chance becomes 0.5, perfection 1."""
    chance = ((1 - low) ** 2 - (1 - high) ** 2) / 2
    if raw < chance:
        return NAN, "below chance in this band: McClish's correction is undefined"
    return (1 + (raw - chance) / (high - low - chance)) / 2, ""


def _in_unit(name: str, values: ArrayLike) -> Floats:
    array = as_floats(name, values)
    if ((array < 0) | (array > 1)).any():
        raise StatsError(f"{name} holds a value outside 0..1")
    return array


def on_curve(wanted: Floats, x: Floats, y: Floats) -> Floats:
    """y at ``wanted``: on a point or a vertical step the largest y there, between points linear."""
    if not x.size:
        return np.full(wanted.shape, np.nan)
    after = np.searchsorted(x, wanted + ON_POINT, side="right")
    left = np.clip(after - 1, 0, x.size - 1)
    right = np.clip(after, 0, x.size - 1)
    width = x[right] - x[left]
    share = np.divide(wanted - x[left], width, out=np.zeros_like(width), where=width > 0)
    return y[left] + np.clip(share, 0, 1) * (y[right] - y[left])


def on_curves(wanted: Floats, x: Floats, y: Floats) -> Floats:
    """``on_curve`` of one value (b,) on each of b curves (b, k); NaN where a curve or the value is undefined."""
    k = x.shape[1]
    after = (x <= wanted[:, np.newaxis] + ON_POINT).sum(axis=1)[:, np.newaxis]
    left, right = np.clip(after - 1, 0, k - 1), np.clip(after, 0, k - 1)
    x0, x1, y0, y1 = (np.take_along_axis(array, at, axis=1)[:, 0] for array in (x, y) for at in (left, right))
    width = x1 - x0
    share = np.divide(wanted - x0, width, out=np.zeros_like(width), where=width > 0)
    found = y0 + np.clip(share, 0, 1) * (y1 - y0)
    return np.where(np.isnan(wanted + x[:, -1] + y[:, -1]), NAN, found)
