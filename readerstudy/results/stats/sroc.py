"""A summary ROC curve of many operating points: the bivariate model of Reitsma, and the HSROC curve it implies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions
from scipy.optimize import minimize

from readerstudy.results.stats.arrays import FEW_READERS, Floats, as_counts, check_level
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, join_notes
from readerstudy.results.stats.intervals import z_value

REGION_POINTS = 181


@dataclass(frozen=True, slots=True, eq=False)
class Sroc:
    """A summary of k operating points (readers, or studies).

    ``sensitivity``, ``specificity``: of the average one, with intervals. ``mean`` (2,): logit sensitivity and logit
    false positive rate, ``mean_covariance`` (2, 2) of those, ``between`` (2, 2): how the points vary about them.
    ``confidence_region`` and ``prediction_region`` (p, 2): specificity and sensitivity along the edge of the region for
    the mean, and for another point. ``curve`` (p, 2): specificity and sensitivity along the summary curve over the
    range of the data; ``auc`` the area under all of it.
    """

    sensitivity: Estimate
    specificity: Estimate
    mean: Floats
    mean_covariance: Floats
    between: Floats
    correlation: float
    confidence_region: Floats
    prediction_region: Floats
    curve: Floats
    auc: float
    log_likelihood: float
    n: int
    method: str
    note: str = ""


def sroc(
    tp: ArrayLike,
    fn: ArrayLike,
    tn: ArrayLike,
    fp: ArrayLike,
    *,
    method: str = "reml",
    correction: float = 0.5,
    level: float = 0.95,
) -> Sroc:
    """Fit the bivariate random-effects model to 2 x 2 counts (k,) each, by "reml" or "ml".

    Reitsma JB et al., J Clin Epidemiol 2005; 58:982-990, normal approximation on logits; the curve is Rutter and
    Gatsonis' (Harbord et al., Biostatistics 2007; 8:239-251). ``correction`` is added to every count where any is 0
    (as mada). Points from the same cases, such as readers', are taken as independent: say so where it is used.
    """
    check_level(level)
    counts = np.stack(as_counts(tp=tp, fn=fn, tn=tn, fp=fp))
    if method not in ("reml", "ml"):
        raise StatsError(f"method is {method!r}; allowed are 'reml' and 'ml'")
    notes = []
    usable = (counts[0] + counts[1] > 0) & (counts[2] + counts[3] > 0)
    if not usable.all():
        notes.append(f"{int((~usable).sum())} points without a case of each class left out")
    counts = counts[:, usable]
    k = counts.shape[1]
    if k < 3:
        return _undefined(k, method, level, join_notes([*notes, "undefined: at least three points are needed"]))
    if k < FEW_READERS:
        notes.append(f"only {k} points (fewer than {FEW_READERS}): fragile")
    if (counts == 0).any():
        counts = counts + correction
        notes.append(f"a count is 0: {correction:g} added to every count")
    a, b, d, c = counts
    points = np.stack([np.log(a / b), np.log(c / d)], axis=1)
    within = np.stack([1 / a + 1 / b, 1 / c + 1 / d], axis=1)
    between, value = _fit(points, within, method == "reml")
    mean, covariance = _pooled(points, within, between)
    spread = np.sqrt(np.diagonal(between))
    correlation = float(between[0, 1] / np.prod(spread)) if (spread > 1e-6).all() else NAN
    if math.isnan(correlation) or abs(correlation) > 0.999:
        notes.append("the between-point covariance lies on its boundary: curve and regions are fragile")
    z = z_value(level)
    estimates = []
    for i, sign in ((0, 1), (1, -1)):
        centre, half = sign * mean[i], z * math.sqrt(covariance[i, i])
        value_at, low, high = (float(_expit(np.array(x))) for x in (centre, centre - half, centre + half))
        estimates.append(Estimate(value_at, low, high, level, f"bivariate model, {method.upper()}", k))
    radius = math.sqrt(distributions.chi2.ppf(level, 2))
    curve, auc = _curve(mean, spread, points)
    if math.isnan(auc):
        notes.append("no summary curve: the points do not vary in both directions")
    return Sroc(
        estimates[0], estimates[1], mean, covariance, between, correlation,
        _region(mean, covariance, radius), _region(mean, covariance + between, radius), curve, auc, value, k, method,
        join_notes(notes),
    )  # fmt: skip


def _fit(points: Floats, within: Floats, restricted: bool) -> tuple[Floats, float]:
    """Maximise the (restricted) likelihood over the Cholesky factor of the between-point covariance."""

    def covariance_of(factor: Floats) -> Floats:
        lower = np.array([[factor[0], 0.0], [factor[1], factor[2]]])
        return lower @ lower.T

    def cost(factor: Floats) -> float:
        return -_log_likelihood(points, within, covariance_of(factor), restricted)

    observed = np.cov(points.T)
    best = None
    for share, tilt in ((1.0, 1.0), (0.5, 0.0), (0.1, -0.5)):
        first = math.sqrt(max(observed[0, 0] * share, 1e-3))
        second = math.sqrt(max(observed[1, 1] * share, 1e-3))
        rho = tilt * observed[0, 1] / math.sqrt(max(observed[0, 0] * observed[1, 1], 1e-12)) * 0.9
        start = np.array([first, rho * second, second * math.sqrt(max(1 - rho**2, 0.05))])
        found = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000})
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    return covariance_of(best.x), float(-best.fun)


def _log_likelihood(points: Floats, within: Floats, between: Floats, restricted: bool) -> float:
    total = between + within[:, :, np.newaxis] * np.eye(2)
    determinant = total[:, 0, 0] * total[:, 1, 1] - total[:, 0, 1] ** 2
    if (determinant <= 0).any():
        return -1e10
    inverse = np.linalg.inv(total)
    information = inverse.sum(axis=0)
    mean = np.linalg.solve(information, np.einsum("kij,kj->i", inverse, points))
    residual = points - mean
    k = len(points)
    value = -0.5 * (np.log(determinant).sum() + np.einsum("ki,kij,kj->", residual, inverse, residual))
    constant = -k * math.log(2 * math.pi)
    if restricted:
        return float(value - 0.5 * np.log(np.linalg.det(information)) + constant + math.log(2 * math.pi))
    return float(value + constant)


def _pooled(points: Floats, within: Floats, between: Floats) -> tuple[Floats, Floats]:
    inverse = np.linalg.inv(between + within[:, :, np.newaxis] * np.eye(2))
    covariance = np.linalg.inv(inverse.sum(axis=0))
    return covariance @ np.einsum("kij,kj->i", inverse, points), covariance


def _region(mean: Floats, covariance: Floats, radius: float) -> Floats:
    """The edge of the ellipse in logits, as specificity and sensitivity."""
    angles = np.linspace(0, 2 * math.pi, REGION_POINTS)
    values, vectors = np.linalg.eigh(covariance)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    edge = mean[:, np.newaxis] + vectors @ (np.sqrt(np.maximum(values, 0))[:, np.newaxis] * radius * circle)
    return np.stack([1 - _expit(edge[1]), _expit(edge[0])], axis=1)


def _curve(mean: Floats, spread: Floats, points: Floats) -> tuple[Floats, float]:
    """Sensitivity over specificity along the HSROC curve, and the area under it from 0 to 1."""
    if not (spread > 1e-6).all():
        return np.empty((0, 2)), NAN
    ratio = spread[0] / spread[1]

    def sensitivity(logit_fpr: Floats) -> Floats:
        return _expit(mean[0] + ratio * (logit_fpr - mean[1]))

    fpr = np.linspace(1e-6, 1 - 1e-6, 20001)
    auc = float(np.trapezoid(sensitivity(np.log(fpr / (1 - fpr))), fpr))
    along = np.linspace(points[:, 1].min(), points[:, 1].max(), 201)
    return np.stack([1 - _expit(along), sensitivity(along)], axis=1), auc


def _expit(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _undefined(k: int, method: str, level: float, note: str) -> Sroc:
    nothing = Estimate.undefined(note, level=level, method=f"bivariate model, {method.upper()}", n=k)
    square, empty = np.full((2, 2), NAN), np.empty((0, 2))
    return Sroc(nothing, nothing, np.full(2, NAN), square, square, NAN, empty, empty, empty, NAN, NAN, k, method, note)
