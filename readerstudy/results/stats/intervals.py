"""Confidence intervals of one number: a proportion, a mean, a normal estimate, an AUC without variance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions
from scipy.optimize import brentq
from statsmodels.stats.proportion import proportion_confint

from readerstudy.results.stats.arrays import Floats, as_counts, as_floats, check_level, whole_numbers
from readerstudy.results.stats.estimate import Estimate, Proportion, StatsError, join_notes

# the names used here and in reports -> statsmodels' own
STATSMODELS_METHODS = {
    "wilson": "wilson",
    "clopper-pearson": "beta",
    "agresti-coull": "agresti_coull",
    "jeffreys": "jeffreys",
    "wald": "normal",
}
# a variance below this is rounding, not spread: DeLong's is a sum of squares of multiples of 1 / (2 m n)
ZERO_VARIANCE = 1e-14
PROPORTION_METHODS = (*STATSMODELS_METHODS, "logit", "cloglog", "jeffreys-shortest")


def z_value(level: float) -> float:
    """The two-sided standard normal quantile, 1.96 for 0.95."""
    return float(distributions.norm.ppf(0.5 + check_level(level) / 2))


def t_value(level: float, df: float) -> float:
    """The two-sided quantile of Student's t with ``df`` degrees of freedom; the normal's where df is infinite."""
    return z_value(level) if math.isinf(df) else float(distributions.t.ppf(0.5 + check_level(level) / 2, df))


def proportion_limits(
    count: ArrayLike, n: ArrayLike, level: float = 0.95, method: str = "wilson"
) -> tuple[Floats, Floats]:
    """Limits of ``count / n``, elementwise; NaN where n is 0.

    ``method``: "wilson", "clopper-pearson", "agresti-coull", "jeffreys", "wald" (statsmodels); "logit" and "cloglog",
    Wald on those scales, NaN where the count is 0 or n; "jeffreys-shortest", the highest-density interval of the
    posterior Beta(count + 1/2, n - count + 1/2).
    """
    if method not in PROPORTION_METHODS:
        raise StatsError(f"method is {method!r}; allowed are {', '.join(PROPORTION_METHODS)}")
    given = whole_numbers("count", as_floats("count", count)), whole_numbers("n", as_floats("n", n))
    try:
        counts, ns = np.broadcast_arrays(*given)
    except ValueError as error:
        raise StatsError(f"count has shape {given[0].shape} and n {given[1].shape}; they must fit") from error
    if (counts > ns).any():
        raise StatsError("a count lies outside 0..n: a proportion's count cannot be negative or exceed its n")
    low, high = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    some = ns > 0
    if some.any():
        if method in STATSMODELS_METHODS:
            limits = proportion_confint(counts[some], ns[some], 1 - check_level(level), STATSMODELS_METHODS[method])
        elif method == "jeffreys-shortest":
            limits = _shortest_posterior(counts[some], ns[some], check_level(level))
        else:
            limits = _on_scale(counts[some], ns[some], z_value(level), method)
        low[some], high[some] = (np.clip(limit, 0.0, 1.0) for limit in limits)
    return low, high


def _on_scale(counts: Floats, ns: Floats, z: float, scale: str) -> tuple[Floats, Floats]:
    """Wald limits on the logit or the complementary log-log scale, back on that of proportions."""
    p = np.where((counts > 0) & (counts < ns), counts / ns, np.nan)
    if scale == "logit":
        centre, half = np.log(p / (1 - p)), z / np.sqrt(ns * p * (1 - p))
        return 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-centre - half))
    centre, half = np.log(-np.log(p)), z * np.sqrt((1 - p) / (ns * p)) / np.abs(np.log(p))
    return np.exp(-np.exp(centre + half)), np.exp(-np.exp(centre - half))


def _shortest_posterior(counts: Floats, ns: Floats, level: float) -> tuple[Floats, Floats]:
    limits = np.empty((2, counts.size))
    for i, (count, n) in enumerate(zip(counts.ravel(), ns.ravel(), strict=True)):
        posterior = distributions.beta(count + 0.5, n - count + 0.5)
        if count == 0 or count == n:
            limits[:, i] = (0.0, posterior.ppf(level)) if count == 0 else (posterior.ppf(1 - level), 1.0)
            continue
        # the shortest interval ends where the density is the same
        below = brentq(
            lambda share, at=posterior: at.logpdf(at.ppf(share)) - at.logpdf(at.ppf(share + level)),
            1e-12, 1 - level - 1e-12, xtol=1e-15,
        )  # fmt: skip
        limits[:, i] = posterior.ppf([below, below + level])
    return limits[0].reshape(counts.shape), limits[1].reshape(counts.shape)


def proportions(count: ArrayLike, n: ArrayLike, level: float = 0.95, *, empty: str = "no cases") -> list[Proportion]:
    """A Proportion for each pair of ``count`` and ``n`` (1-d); ``empty`` is the note where n is 0.

    Wilson (1927) and Clopper and Pearson (1934), both by statsmodels.
    """
    counts, ns = as_counts(count=count, n=n)
    low, high = proportion_limits(counts, ns, level, "wilson")
    exact_low, exact_high = proportion_limits(counts, ns, level, "clopper-pearson")
    values = np.divide(counts, ns, out=np.full(counts.shape, np.nan), where=ns > 0)
    columns = (array.tolist() for array in (values, low, high, counts, ns, exact_low, exact_high))
    return [
        Proportion(value, lo, hi, level, "Wilson", int(total), "" if total else empty, int(k), exact_lo, exact_hi)
        for value, lo, hi, k, total, exact_lo, exact_hi in zip(*columns, strict=True)
    ]


def proportion(count: int, n: int, level: float = 0.95, *, empty: str = "no cases") -> Proportion:
    """``count`` of ``n`` with Wilson's and Clopper-Pearson's interval; NaN with the note ``empty`` where n is 0."""
    return proportions([count], [n], level, empty=empty)[0]


def clipped(low: float, high: float, bounds: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float, str]:
    """The interval within ``bounds``, and a note where it reached past them."""
    note = ""
    if low < bounds[0] or high > bounds[1]:
        note = f"interval clipped to {bounds[0]:g}..{bounds[1]:g}"
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return low, high, note


def normal_interval(
    value: float,
    se: float,
    *,
    level: float = 0.95,
    df: float = math.inf,
    method: str,
    n: int,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    note: str = "",
) -> Estimate:
    """``value`` +- quantile * ``se``, Student's t where ``df`` is finite, clipped to ``bounds`` with a note."""
    if math.isnan(se) or math.isnan(df):
        return Estimate(value, math.nan, math.nan, level, method, n, note)
    half = t_value(level, df) * se
    low, high, clip_note = value - half, value + half, ""
    if bounds is not None:
        low, high, clip_note = clipped(low, high, bounds)
    return Estimate(value, low, high, level, method, n, join_notes([note, clip_note]))


def mean_interval(
    values: ArrayLike, *, level: float = 0.95, unit: str = "readers", bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Estimate:
    """The mean of ``values`` (r,) with the t interval over its units (r - 1 degrees of freedom)."""
    array = as_floats("values", values)
    r = array.size
    method = f"t over {unit}"
    if array.ndim != 1 or np.isnan(array).any():
        raise StatsError(f"values has shape {array.shape}; one number each of the {unit} is needed, none of them NaN")
    if r == 0:
        return Estimate.undefined(f"no {unit}", level=level, method=method)
    mean = float(array.mean())
    if r == 1:
        one = unit.removesuffix("s")
        return Estimate(mean, math.nan, math.nan, level, method, 1, f"one {one}: no spread and no interval over {unit}")
    se = float(array.std(ddof=1)) / math.sqrt(r)
    if se < 1e-12:
        note = f"no interval: the {unit} do not differ at all, so their spread says nothing"
        return Estimate(mean, math.nan, math.nan, level, method, r, note)
    return normal_interval(mean, se, level=level, df=r - 1, method=method, n=r, bounds=bounds)


def auc_interval_without_variance(auc: float, n_positive: int, n_negative: int, level: float) -> tuple[float, float]:
    """Newcombe's interval of an AUC, which has width even where the AUC is 0 or 1.

    Newcombe RG, Statistics in Medicine 2006; 25:559-573, method 5: |AUC - theta| = z sqrt(V(theta)) solved for theta,
    V being Hanley and McNeil's (1982) variance with m - 1 and n - 1 replaced by (m + n) / 2 - 1.
    """
    z = z_value(level)
    inner = (n_positive + n_negative) / 2 - 1

    def excess(theta: float) -> float:
        spread = theta * (1 - theta) * (1 + inner * (1 - theta) / (2 - theta) + inner * theta / (1 + theta))
        return abs(auc - theta) - z * math.sqrt(spread / (n_positive * n_negative))

    edge = 1e-12
    low = 0.0 if auc <= edge else float(brentq(excess, edge / 10, auc - edge))
    high = 1.0 if auc >= 1 - edge else float(brentq(excess, auc + edge, 1 - edge / 10))
    return low, high
