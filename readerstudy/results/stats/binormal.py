"""The binormal ROC curve by maximum likelihood (Dorfman and Alf), for ratings in few or many categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from readerstudy.results.stats.arrays import Bools, Floats, as_floats, binary_truth, same_length
from readerstudy.results.stats.estimate import NAN

MAX_STEPS = 200
SLOPES = (1e-3, 1e3)  # a fit whose b leaves these is degenerate: its AUC no longer moves, its b has no maximum
NO_INTERIOR_POINT = "the empirical curve has no point inside the unit square: the fitted curve runs along its edge"


@dataclass(frozen=True, slots=True, eq=False)
class BinormalCurve:
    """TPR = Phi(a + b Phi^-1(FPR)), ``auc`` = Phi(a / sqrt(1 + b^2)); NaN where the likelihood has no maximum."""

    a: float
    b: float
    auc: float
    cutoffs: Floats
    log_likelihood: float
    note: str = ""

    def sensitivity_at(self, specificity: ArrayLike) -> Floats:
        return norm.cdf(self.a + self.b * norm.ppf(1 - as_floats("specificity", specificity)))


def binormal_auc(truth: ArrayLike, ratings: ArrayLike) -> float:
    """The area under the fitted binormal curve; a metric for ``mrmc(..., metric=binormal_auc)``."""
    return binormal(truth, ratings).auc


def binormal(truth: ArrayLike, ratings: ArrayLike) -> BinormalCurve:
    """Fit a binormal curve to ``ratings`` (n,) of cases with ``truth`` (n,), by Fisher scoring.

    Dorfman DD, Alf E, Journal of Mathematical Psychology 1969; 6:487-496. Neighbouring ratings given only to cases of
    one class are merged, which leaves the maximum where it is (Metz, Herman and Shen, Stat Med 1998; 17:1033-1053).
    Cases without a rating are left out.
    """
    actual, values = binary_truth(truth), as_floats("ratings", ratings)
    same_length(truth=actual, ratings=values)
    seen = ~np.isnan(values)
    actual, values = actual[seen], values[seen]
    m, n = int(actual.sum()), int((~actual).sum())
    if m == 0 or n == 0:
        return BinormalCurve(NAN, NAN, NAN, np.empty(0), NAN, "undefined: a class has no case")
    positive, negative = _category_counts(actual, values)
    tpr, fpr = np.cumsum(positive[::-1])[:-1] / m, np.cumsum(negative[::-1])[:-1] / n
    if tpr.size == 0:
        return BinormalCurve(0.0, 1.0, 0.5, np.empty(0), NAN, "every rating is the same: chance")
    if np.all((fpr == 0) | (tpr == 1)):
        return BinormalCurve(math.inf, 1.0, 1.0, np.empty(0), NAN, NO_INTERIOR_POINT)
    if np.all((fpr == 1) | (tpr == 0)):
        return BinormalCurve(-math.inf, 1.0, 0.0, np.empty(0), NAN, NO_INTERIOR_POINT)
    fit = _maximise(positive, negative, _start(tpr, fpr, m, n))
    if fit is None:
        return BinormalCurve(NAN, NAN, NAN, np.empty(0), NAN, "the likelihood has no maximum: a degenerate fit")
    parameters, value = fit
    a, b = float(parameters[0]), float(parameters[1])
    note = "" if SLOPES[0] < b < SLOPES[1] else "a degenerate fit: b runs to its limit, the AUC is that of the limit"
    return BinormalCurve(a, b, float(norm.cdf(a / math.sqrt(1 + b * b))), parameters[2:], value, note)


def _category_counts(truth: Bools, values: Floats) -> tuple[Floats, Floats]:
    """Positives and negatives in each category from low to high, pure neighbours of one class merged."""
    category = np.unique(values, return_inverse=True)[1]
    positive = np.bincount(category, weights=truth)
    negative = np.bincount(category, weights=~truth)
    kind = np.where(positive == 0, -1, np.where(negative == 0, 1, 0))
    new_run = np.append(True, (kind[1:] != kind[:-1]) | (kind[1:] == 0))
    run = np.cumsum(new_run) - 1
    return np.bincount(run, weights=positive).astype(float), np.bincount(run, weights=negative).astype(float)


def _start(tpr: Floats, fpr: Floats, m: int, n: int) -> Floats:
    """A line through the empirical points on normal axes, kept off the edges by half a case."""
    x = norm.ppf(np.clip(fpr, 0.5 / n, 1 - 0.5 / n))
    y = norm.ppf(np.clip(tpr, 0.5 / m, 1 - 0.5 / m))
    spread = float(np.ptp(x))
    b = min(max(float(np.ptp(y)) / spread, 0.2), 5.0) if spread > 0 else 1.0
    a = float(np.mean(y - b * x))
    # a cutoff has to serve both classes: halfway between what each asks of it
    cutoffs = np.sort((-x + (a - y) / b) / 2)
    return np.concatenate([[a, b], cutoffs + 1e-3 * np.arange(cutoffs.size)])


def _maximise(positive: Floats, negative: Floats, start: Floats) -> tuple[Floats, float] | None:
    """Fisher scoring with step halving; None where the parameters run away."""
    parameters = start
    value, gradient, information = _likelihood(positive, negative, parameters)
    for _ in range(MAX_STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        gain = float(gradient @ step)
        if gain < 1e-20:
            return parameters, value
        shrink = 1.0
        while True:
            candidate = parameters + shrink * step
            if candidate[1] > 0 and np.all(np.diff(candidate[2:]) > 0):
                trial = _likelihood(positive, negative, candidate)
                # so close to the top, the value no longer shows a gain that the gradient still sees
                if trial[0] >= value or gain < 1e-8:
                    break
            shrink /= 2
            if shrink < 1e-10:
                return None
        parameters, (value, gradient, information) = candidate, trial
        if not SLOPES[0] < parameters[1] < SLOPES[1]:
            return parameters, value
    return (parameters, value) if gain < 1e-12 else None


def _likelihood(positive: Floats, negative: Floats, parameters: Floats) -> tuple[float, Floats, Floats]:
    """Log-likelihood, its gradient and the expected information in (a, b, cutoffs)."""
    a, b, cutoffs = parameters[0], parameters[1], parameters[2:]
    k = cutoffs.size
    # probability above each cutoff, and its derivative by a, b and that cutoff
    below_density = norm.pdf(cutoffs)
    density = norm.pdf(a - b * cutoffs)
    above_negative, by_negative = norm.sf(cutoffs), np.zeros((k, k + 2))
    by_negative[:, 2:] = np.diag(-below_density)
    above_positive, by_positive = norm.cdf(a - b * cutoffs), np.zeros((k, k + 2))
    by_positive[:, 0], by_positive[:, 1] = density, -cutoffs * density
    by_positive[:, 2:] = np.diag(-b * density)
    value, gradient, information = 0.0, np.zeros(k + 2), np.zeros((k + 2, k + 2))
    for counts, above, by in ((negative, above_negative, by_negative), (positive, above_positive, by_positive)):
        chance = np.maximum(-np.diff(np.concatenate([[1.0], above, [0.0]])), 1e-300)
        edge = np.zeros((1, k + 2))
        slope = -np.diff(np.concatenate([edge, by, edge]), axis=0)
        value += float(counts @ np.log(chance))
        gradient += (counts / chance) @ slope
        information += counts.sum() * (slope / chance[:, np.newaxis]).T @ slope
    return value, gradient, information
