"""The parts of an Obuchowski-Rockette analysis: variance components, F tests, means and differences of modalities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats as distributions

from readerstudy.results.stats.arrays import Floats
from readerstudy.results.stats.estimate import NAN, Estimate, join_notes
from readerstudy.results.stats.intervals import ZERO_VARIANCE, normal_interval

Bounds = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class OrComponents:
    """Obuchowski-Rockette variance components, as estimated: negative ones are not set to zero.

    ``error``: variance of one reader's accuracy over cases; covariances of two accuracies: ``cov1`` same reader, other
    modality; ``cov2`` other reader, same modality; ``cov3`` both other.
    """

    reader: float
    modality_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Mean squares of the readers' accuracies: between modalities, between readers, and their interaction."""

    modality: float
    reader: float
    modality_reader: float


@dataclass(frozen=True, slots=True)
class EqualityTest:
    """Are all modalities equal? ``name`` is "F" (df1, df2) or "chi-square" (df1; df2 infinite)."""

    name: str
    statistic: float
    denominator: float
    df1: float
    df2: float
    p: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModalityMean:
    """The average over readers in one modality, from that modality's data alone."""

    modality: str
    estimate: Estimate
    se: float
    df: float
    ms_reader: float
    error: float
    cov2: float


@dataclass(frozen=True, slots=True)
class ModalityDifference:
    """First modality minus second, on average or for one ``reader``; ``statistic`` is t, or z where df is infinite."""

    first: str
    second: str
    estimate: Estimate
    se: float
    df: float
    statistic: float
    p: float
    reader: str | None = None


def variance_components(theta: Floats, matrix: Floats) -> tuple[OrComponents, MeanSquares]:
    """Components and mean squares from accuracies (t, r) and their covariances (t, r, t, r)."""
    t, r = theta.shape
    if r == 0:
        return OrComponents(NAN, NAN, NAN, NAN, NAN, NAN), MeanSquares(NAN, NAN, NAN)
    per_modality, per_reader, whole = theta.mean(axis=1), theta.mean(axis=0), theta.mean()
    rest = theta - per_modality[:, np.newaxis] - per_reader + whole
    squares = MeanSquares(
        r * float(np.sum((per_modality - whole) ** 2)) / (t - 1) if t > 1 else 0.0,
        t * float(np.sum((per_reader - whole) ** 2)) / (r - 1) if r > 1 else NAN,
        float(np.sum(rest**2)) / ((t - 1) * (r - 1)) if t > 1 and r > 1 else (0.0 if t == 1 else NAN),
    )
    error, cov1, cov2, cov3 = _averages(matrix)
    between = (squares.reader - squares.modality_reader) / t - cov1 + cov3
    interaction = squares.modality_reader - error + cov1 + cov2 - cov3 if t > 1 else NAN
    if t == 1:
        between = squares.reader - error + cov2
    return OrComponents(between, interaction, error, cov1, cov2, cov3), squares


def _averages(matrix: Floats) -> tuple[float, float, float, float]:
    """Mean variance, and mean covariance by what two accuracies share, of (t, r, t, r); 0 where no pair is such."""
    t, r = matrix.shape[:2]
    same_reader = np.array([[np.trace(matrix[i, :, j, :]) for j in range(t)] for i in range(t)])
    # zeroed rather than subtracted: where no two cells share a case the covariance is 0, not a rounding error
    apart_only = matrix.copy()
    apart_only[:, range(r), :, range(r)] = 0.0
    other_reader = apart_only.sum(axis=(1, 3))
    error, cov2 = float(np.trace(same_reader)) / (t * r), float(np.trace(other_reader)) / max(t * r * (r - 1), 1)
    apart = ~np.eye(t, dtype=bool)
    cov1 = float(same_reader[apart].sum()) / max(t * (t - 1) * r, 1)
    cov3 = float(other_reader[apart].sum()) / max(t * (t - 1) * r * (r - 1), 1)
    return error, cov1, cov2, cov3


def modality_mean(
    name: str, theta: Floats, matrix: Floats, *, readers: str, cases: str, level: float, n: int,
    bounds: Bounds = (0.0, 1.0),
) -> ModalityMean:  # fmt: skip
    """The mean of readers' accuracies (r,) with covariance (r, r), by Hillis' single-modality formulae."""
    r = theta.size
    error = float(np.diagonal(matrix).mean()) if r else NAN
    cov2 = float(matrix[~np.eye(r, dtype=bool)].mean()) if r > 1 else 0.0
    return mean_of_readers(
        name, theta, error, cov2, readers=readers, cases=cases, level=level, n=n, bounds=bounds
    )  # fmt: skip


def mean_of_readers(
    name: str, theta: Floats, error: float, cov2: float, *, readers: str, cases: str, level: float, n: int,
    bounds: Bounds = (0.0, 1.0),
) -> ModalityMean:  # fmt: skip
    """The same from the mean variance ``error`` of the readers' accuracies (r,) and their mean covariance ``cov2``."""
    r = theta.size
    method = f"Obuchowski-Rockette, {effects(readers, cases)}"
    if r == 0:
        nothing = Estimate.undefined("no reader has a defined accuracy", level=level, method=method, n=n)
        return ModalityMean(name, nothing, NAN, NAN, NAN, NAN, NAN)
    ms_reader = float(theta.var(ddof=1)) if r > 1 else NAN
    if ms_reader < ZERO_VARIANCE:
        ms_reader = 0.0
    if readers == "fixed":
        variance, df = (error + (r - 1) * max(cov2, 0.0)) / r, math.inf
    elif cases == "fixed":
        variance, df = ms_reader / r, r - 1.0
    else:
        variance = ms_reader / r + max(cov2, 0.0)
        df = (r * variance) ** 2 / (ms_reader**2 / (r - 1)) if r > 1 and ms_reader > 0 else NAN
    notes = []
    if readers == "random" and r < 2:
        notes.append("one reader: no inference to other readers")
    if readers == "random" and cases == "random" and ms_reader == 0:
        notes.append("the readers do not differ at all: degrees of freedom are infinite")
        df = math.inf
    if cov2 < 0 and not (readers == "random" and cases == "fixed"):
        notes.append("covariance between readers is negative and taken as 0")
    if math.isnan(variance) and r > 1:
        notes.append("no interval: the variance is undefined (fewer than two cases of a class)")
    elif not variance >= ZERO_VARIANCE:
        notes.append("no interval: the variance estimate is not positive")
        variance = NAN
    se = math.sqrt(variance)
    estimate = normal_interval(
        float(theta.mean()), se, level=level, df=df, method=method, n=n, bounds=bounds, note=join_notes(notes)
    )
    return ModalityMean(name, estimate, se, df, ms_reader, error, cov2)


def equality_test(
    components: OrComponents, squares: MeanSquares, shape: tuple[int, ...], readers: str, cases: str
) -> EqualityTest:
    t, r = shape
    name = "chi-square" if readers == "fixed" else "F"
    if t < 2:
        return EqualityTest(name, NAN, NAN, NAN, NAN, NAN, "one modality: nothing to compare")
    if r == 0:
        return EqualityTest(name, NAN, NAN, t - 1.0, NAN, NAN, "no reader has a defined accuracy in every modality")
    df1, df2 = float(t - 1), math.inf
    notes = []
    if readers == "fixed":
        denominator = components.error - components.cov1 + (r - 1) * (components.cov2 - components.cov3)
        if components.cov2 < components.cov3:
            notes.append("Cov2 - Cov3 is negative and, readers being fixed, kept")
    else:
        extra = 0.0 if cases == "fixed" else r * (components.cov2 - components.cov3)
        if extra < 0:
            notes.append("Cov2 - Cov3 is negative and taken as 0")
        denominator = squares.modality_reader + max(extra, 0.0)
        df2 = (
            denominator**2 / (squares.modality_reader**2 / ((t - 1) * (r - 1)))
            if squares.modality_reader >= ZERO_VARIANCE
            else NAN
        )
    if r < 2 and readers == "random":
        return EqualityTest(name, NAN, NAN, df1, NAN, NAN, "one reader: no inference to other readers")
    if not denominator >= ZERO_VARIANCE or math.isnan(df2):
        return EqualityTest(name, NAN, denominator, df1, NAN, NAN, "no test: the denominator is not positive")
    if readers == "fixed":
        statistic = df1 * squares.modality / denominator
        p = float(distributions.chi2.sf(statistic, df1))
    else:
        statistic = squares.modality / denominator
        p = float(distributions.f.sf(statistic, df1, df2))
    return EqualityTest(name, statistic, denominator, df1, df2, p, join_notes(notes))


def modality_differences(
    theta: Floats,
    equality: EqualityTest,
    names: Sequence[str],
    n: int,
    level: float,
    readers: str,
    cases: str,
    bounds: Bounds = (-1.0, 1.0),
) -> tuple[ModalityDifference, ...]:
    means = theta.mean(axis=1) if theta.size else np.full(len(theta), NAN)
    se = math.sqrt(2 / theta.shape[1] * equality.denominator) if equality.denominator >= ZERO_VARIANCE else NAN
    method = f"Obuchowski-Rockette, {effects(readers, cases)}"
    return tuple(
        difference(
            names[i], names[j], float(means[i] - means[j]), se, equality.df2, n, level, method, equality.note, bounds
        )
        for i, j in combinations(range(len(means)), 2)
    )


def difference(
    first: str, second: str, value: float, se: float, df: float, n: int, level: float, method: str, note: str,
    bounds: Bounds, reader: str | None = None,
) -> ModalityDifference:  # fmt: skip
    estimate = normal_interval(value, se, level=level, df=df, method=method, n=n, bounds=bounds, note=note)
    statistic = value / se
    tail = distributions.norm.sf(abs(statistic)) if math.isinf(df) else distributions.t.sf(abs(statistic), df)
    return ModalityDifference(first, second, estimate, se, df, statistic, 2 * float(tail), reader)


def effects(readers: str, cases: str) -> str:
    return f"{readers} readers, {cases} cases"
