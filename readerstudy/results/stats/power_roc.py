"""Cases for one ROC curve, or for the difference of two on the same cases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from readerstudy.results.stats.arrays import Bools, Floats, binary_truth, rows_of_cases
from readerstudy.results.stats.delong import delong
from readerstudy.results.stats.estimate import NAN, StatsError
from readerstudy.results.stats.roc import roc

NULL_VARIANCE = 0.0792  # of an AUC of 1/2 for one positive and one negative, Obuchowski and McClish's approximation


@dataclass(frozen=True, slots=True)
class RocPower:
    """Power and size; ``n_positive`` and ``n_negative`` are not rounded (round up for a study)."""

    power: float
    n_positive: float
    n_negative: float
    alpha: float
    note: str = ""


def power_one_roc(auc: float, n_positive: float, n_negative: float, *, alpha: float = 0.05, sides: int = 2) -> RocPower:
    """Power to find that an AUC is not 1/2.

    Obuchowski NA, Lieber ML, Wians FH, Clinical Chemistry 2004; 50:1118-1125, equations 2 and 3.
    """
    _check_alpha(alpha, sides)
    _check_auc(auc)
    if n_positive <= 0 or n_negative <= 0:
        raise StatsError(f"n_positive is {n_positive} and n_negative {n_negative}; both must be above 0")
    kappa = n_negative / n_positive
    null, own = math.sqrt(NULL_VARIANCE * (1 + 1 / kappa)), math.sqrt(_auc_variance(auc, kappa))
    beta = (-math.sqrt(n_positive) * abs(auc - 0.5) - norm.ppf(alpha / sides) * null) / own
    return RocPower(float(norm.sf(beta)), n_positive, n_negative, alpha)


def sample_size_one_roc(
    auc: float, *, power: float = 0.8, ratio: float = 1.0, alpha: float = 0.05, sides: int = 2
) -> RocPower:
    """Positives and negatives (``ratio`` negatives for each positive) to find that ``auc`` is not 1/2."""
    _check_alpha(alpha, sides)
    _check_auc(auc)
    if not 0 < power < 1 or ratio <= 0:
        raise StatsError(f"power is {power!r} and ratio {ratio!r}; power lies in 0..1, ratio above 0")
    null, own = math.sqrt(NULL_VARIANCE * (1 + 1 / ratio)), math.sqrt(_auc_variance(auc, ratio))
    n = (norm.ppf(alpha / sides) * null + norm.ppf(1 - power) * own) ** 2 / (auc - 0.5) ** 2
    return RocPower(power, float(n), float(ratio * n), alpha)


def sample_size_two_roc(
    truth: ArrayLike,
    scores: ArrayLike,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    sides: int = 2,
    variance: str = "delong",
) -> RocPower:
    """Cases to find the difference between two AUCs as large as in this pilot; ``scores`` (2, n), row 0 the standard.

    Obuchowski NA, McClish DK, Stat Med 1997; 16:1529-1542, equation 9, in the pilot's ratio of classes. ``variance``:
    "delong", or "obuchowski", the binormal one of that paper with parameters by least squares as in pROC.
    """
    _check_alpha(alpha, sides)
    if not 0 < power < 1:
        raise StatsError(f"power is {power!r}; it lies between 0 and 1, for example 0.8")
    actual = binary_truth(truth)
    rows = rows_of_cases("scores", scores, actual.size)
    if len(rows) != 2:
        raise StatsError(f"scores holds {len(rows)} rows; 2 are needed: the standard and the new")
    keep = ~np.isnan(rows).any(axis=0)
    actual, rows = actual[keep], rows[:, keep]
    result = delong(actual, rows)
    m, kappa = result.n_positive, result.n_negative / max(result.n_positive, 1)
    if variance == "delong":
        matrix = result.covariance * m
    elif variance == "obuchowski":
        matrix = _binormal_covariance(actual, rows, kappa)
    else:
        raise StatsError(f"variance is {variance!r}; allowed are 'delong' and 'obuchowski'")
    difference = float(result.auc[0] - result.auc[1])
    null = 2 * matrix[0, 0] - 2 * matrix[0, 1]
    other = matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1]
    if math.isnan(difference) or difference == 0 or not (null >= 0 and other >= 0):
        return RocPower(power, NAN, NAN, alpha, "undefined: no difference between the AUCs, or no variance")
    n = (norm.ppf(alpha / sides) * math.sqrt(null) + norm.ppf(1 - power) * math.sqrt(other)) ** 2 / difference**2
    return RocPower(power, float(n), float(kappa * n), alpha, "the effect is the pilot's own estimate: optimistic")


def _auc_variance(auc: float, kappa: float) -> float:
    """Times the number of positives; the constants are the paper's (A = 1.414 Phi^-1(AUC))."""
    a = norm.ppf(auc) * 1.414
    return float(0.0099 * math.exp(-(a**2) / 2) * ((5 * a**2 + 8) + (a**2 + 8) / kappa))


def _binormal_covariance(truth: Bools, rows: Floats, kappa: float) -> Floats:
    """Covariance of two binormal AUCs, times the number of positives (Obuchowski and McClish 1997, (4) and (5))."""
    fitted = [_least_squares(truth, row) for row in rows]
    (a1, b1, f1, g1), (a2, b2, f2, g2) = ((a, b, *_slopes(a, b)) for a, b in fitted)
    r_pos, r_neg = (float(np.asarray(np.corrcoef(rows[:, mask]))[0, 1]) for mask in (truth, ~truth))
    own = [
        f**2 * (1 + b**2 / kappa + a**2 / 2) + g**2 * b**2 * (1 + kappa) / (2 * kappa)
        for a, b, f, g in ((a1, b1, f1, g1), (a2, b2, f2, g2))
    ]
    shared = (
        f1 * f2 * (r_pos + r_neg * b1 * b2 / kappa + r_pos**2 * a1 * a2 / 2)
        + g1 * g2 * b1 * b2 * (r_neg**2 + kappa * r_pos**2) / (2 * kappa)
        + f1 * g2 * r_pos**2 * a1 * b2 / 2
        + f2 * g1 * r_pos**2 * a2 * b1 / 2
    )
    return np.array([[own[0], shared], [shared, own[1]]])


def _slopes(a: float, b: float) -> tuple[float, float]:
    """Derivatives of the binormal AUC by a and by b."""
    height = math.exp(-(a**2) / (2 * (1 + b**2)))
    return height / math.sqrt(2 * math.pi * (1 + b**2)), -height * a * b / math.sqrt(2 * math.pi * (1 + b**2) ** 3)


def _least_squares(truth: Bools, row: Floats) -> tuple[float, float]:
    """Intercept and slope of Phi^-1(specificity) on Phi^-1(sensitivity), as pROC's binormal smoothing."""
    curve = roc(truth, row)
    inside = (curve.tpr > 0) & (curve.tpr < 1) & (curve.fpr > 0) & (curve.fpr < 1)
    if inside.sum() < 2:
        return NAN, NAN
    slope, intercept = np.polyfit(norm.ppf(curve.tpr[inside]), norm.ppf(curve.specificity[inside]), 1)
    return float(intercept), float(slope)


def _check_alpha(alpha: float, sides: int) -> None:
    if not 0 < alpha < 1 or sides not in (1, 2):
        raise StatsError(f"alpha is {alpha!r} and sides {sides!r}; alpha lies in 0..1, sides is 1 or 2")


def _check_auc(auc: float) -> None:
    if not 0 < auc < 1 or auc == 0.5:
        raise StatsError(f"auc is {auc!r}; it lies in 0..1 and is not 0.5")
