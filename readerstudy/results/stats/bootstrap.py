"""Bootstrap intervals: over cases, over readers and cases, clustered; percentile and BCa."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Bools,
    Floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.bootstrap_kernels import CaseStatistic, FunctionKernel, Kernel, kernel_of
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, join_notes
from readerstudy.results.stats.resampling import CaseSampler, cluster_codes, draw_counts, drawing

INTERVALS = ("percentile", "bca")
NO_WIDTH = 1e-12  # limits nearer than this are one number, apart by rounding: an interval that would feign certainty
SAME_VALUE = "no interval: every replicate, or nearly every one, gave the same value"
SCOPES = ("cases", "readers", "readers and cases")


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """A bootstrapped estimate.

    ``estimate`` carries the observed value and its interval; ``distribution`` (replicates,) the replicates, NaN where
    a resample had no case of a class (``n_undefined`` of them, left out); ``se`` their standard deviation, ``bias``
    their mean minus the observed value.
    """

    estimate: Estimate
    distribution: Floats
    se: float
    bias: float
    n_undefined: int
    replicates: int
    seed: int


def bootstrap(
    statistic: str | CaseStatistic,
    truth: ArrayLike,
    values: ArrayLike,
    *,
    over: str = "cases",
    stratified: bool = True,
    clusters: ArrayLike | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    interval: str = "percentile",
) -> Bootstrap:
    """A statistic of one reader (or model), or its mean over readers, with a bootstrap interval.

    ``statistic``: "auc", "sensitivity", "specificity", "accuracy" (decisions 0/1 for the last three), or a function
    (truth (n,), values (n,)) -> float, called once a replicate and reader. ``truth`` (n,), ``values`` (n,) or (r, n);
    a NaN value is a missing one, and its case is left out for that reader.

    ``over``: "cases" (readers fixed), "readers" (cases fixed) or "readers and cases" (both drawn anew, independently).
    ``clusters`` (n,): draw lesions or patients, not images. ``interval``: "percentile", or "bca" (Efron, JASA 1987;
    82:171-185; acceleration from the influence of each case, cluster and reader).
    """
    actual = binary_truth(truth)
    rows = rows_of_cases("values", values, actual.size)
    if not len(rows):
        raise StatsError("values holds no reader's row; at least one is needed")
    _check_options(over, interval)
    kernel = kernel_of(statistic)
    if isinstance(statistic, str) and statistic != "auc":
        binary_decisions(rows, "values")
    codes = cluster_codes(clusters, actual.size)
    # in the order of the first row's scores, so that running sums and look-ups walk through memory forwards
    order = np.argsort(rows[0], kind="stable")
    actual, rows, codes = actual[order], rows[:, order], None if codes is None else codes[order]
    rng = drawing(seed, replicates)
    sampler = CaseSampler(actual, stratified, codes)
    observed = np.array([kernel.value(actual, row) for row in rows])
    if over == "readers":
        per_reader = np.broadcast_to(observed, (replicates, len(rows)))
    else:
        replicate = kernel.prepared(actual, rows)
        per_reader = np.concatenate([replicate(pos, neg) for pos, neg in sampler.chunks(replicates, rng)])
    weights = np.ones((1, len(rows)))
    if over != "cases":
        weights = draw_counts(len(rows), len(rows), replicates, rng).astype(float)
    distribution = _weighted_mean(per_reader, weights)
    value = float(_weighted_mean(observed[np.newaxis], np.ones((1, len(rows))))[0])
    influence = _influence(kernel, sampler, rows, observed, over) if interval == "bca" else None
    scheme = {"cases": sampler.scheme, "readers": "readers", "readers and cases": f"readers and {sampler.scheme}"}[over]
    notes = class_size_notes(int(actual.sum()), int((~actual).sum()))
    if over != "cases" and len(rows) < FEW_READERS:
        notes.append(f"only {len(rows)} readers (fewer than {FEW_READERS}): no sound inference to other readers")
    n_missing = int(np.isnan(rows).sum())
    if n_missing:
        notes.append(f"{n_missing} missing values left out, reader by reader")
    n = len(rows) if over == "readers" else actual.size
    return summarise(
        value, distribution, level=level, interval=interval, scheme=scheme, influence=influence, n=n, seed=seed,
        note=join_notes(notes),
    )  # fmt: skip


def summarise(
    value: float,
    distribution: Floats,
    *,
    level: float,
    interval: str = "percentile",
    scheme: str,
    influence: Floats | None = None,
    n: int,
    seed: int,
    note: str = "",
) -> Bootstrap:
    """The Bootstrap of an observed value and its replicates; an interval without width is not given."""
    check_level(level)
    kept = distribution[~np.isnan(distribution)]
    n_undefined = distribution.size - kept.size
    name = "BCa" if interval == "bca" else "percentile"
    method = f"bootstrap, {name}, {distribution.size} replicates over {scheme}"
    notes = [note]
    if n_undefined:
        notes.append(f"{n_undefined} of {distribution.size} replicates were undefined and left out")
    if math.isnan(value) or kept.size == 0:
        estimate = Estimate.undefined(join_notes([*notes, "undefined on these cases"]), level=level, method=method, n=n)
        return Bootstrap(estimate, distribution, NAN, NAN, n_undefined, distribution.size, seed)
    low, high = (
        percentile_limits(kept, level) if interval == "percentile" else bca_limits(value, kept, influence, level)
    )
    if high - low < NO_WIDTH or np.ptp(kept) < NO_WIDTH:
        low = high = NAN
        notes.append(SAME_VALUE)
    elif math.isnan(low):
        notes.append("no BCa interval: its bias correction or acceleration is undefined")
    estimate = Estimate(value, low, high, level, method, n, join_notes(notes))
    se = float(kept.std(ddof=1)) if kept.size > 1 else NAN
    return Bootstrap(estimate, distribution, se, float(kept.mean()) - value, n_undefined, distribution.size, seed)


def percentile_limits(distribution: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca_limits(value: float, distribution: Floats, influence: Floats | None, level: float) -> tuple[float, float]:
    """Efron's (1987) limits; ``influence``: what each unit contributes to the statistic, in any common scale."""
    tied = np.abs(distribution - value) < NO_WIDTH  # by rounding a replicate may miss the value that it is
    below = float(np.mean((distribution < value) & ~tied) + np.mean(tied) / 2)
    if influence is None or not 0 < below < 1 or not np.any(influence):
        return NAN, NAN
    z0 = distributions.norm.ppf(below)
    a = float(np.sum(influence**3) / (6 * np.sum(influence**2) ** 1.5))
    z = distributions.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    shares = distributions.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    low, high = np.quantile(distribution, shares)
    return float(low), float(high)


def _weighted_mean(per_reader: Floats, weights: Floats) -> Floats:
    """Mean over readers (b, r) -> (b,), readers without a value left out."""
    defined = ~np.isnan(per_reader)
    used = np.where(defined, weights, 0.0)
    total = used.sum(axis=1)
    sums = np.einsum("br,br->b", used, np.where(defined, per_reader, 0.0))
    return np.divide(sums, total, out=np.full(len(sums), NAN), where=total > 0)


def _influence(kernel: Kernel, sampler: CaseSampler, rows: Floats, observed: Floats, over: str) -> Floats:
    parts = []
    if over != "readers":
        cases = np.mean([kernel.influence(sampler.truth, row) for row in rows], axis=0)
        if sampler.clusters is None and sampler.stratified:
            seen = np.asarray(~np.isnan(rows).all(axis=0))
            cases = _within_classes(cases, sampler.truth, seen, kernel)
        parts.append(cases if sampler.clusters is None else np.bincount(sampler.clusters, weights=cases))
    if over != "cases":
        defined = observed[~np.isnan(observed)]
        parts.append((defined - defined.mean()) / defined.size if defined.size else defined)
    return np.nan_to_num(np.concatenate(parts))


def _within_classes(cases: Floats, truth: Bools, seen: Bools, kernel: Kernel) -> Floats:
    """Influences of cases that are drawn within their class: each class about its own mean, and deletion's on the scale
    of its size (Davison and Hinkley, Bootstrap Methods and their Application, 1997, 2.7.3 and 3.2.1)."""
    out = np.zeros_like(cases)
    for of_class in (truth & seen, ~truth & seen):
        size = int(of_class.sum())
        if size:
            own = cases[of_class] - cases[of_class].mean()
            out[of_class] = own * (size - 1) / size if isinstance(kernel, FunctionKernel) else own
    return out


def _check_options(over: str, interval: str) -> None:
    if over not in SCOPES:
        raise StatsError(f"over is {over!r}; allowed are {', '.join(map(repr, SCOPES))}")
    if interval not in INTERVALS:
        raise StatsError(f"interval is {interval!r}; allowed are {', '.join(map(repr, INTERVALS))}")
