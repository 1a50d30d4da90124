"""Multi-reader multi-case analysis by U-statistics (Gallas; iMRMC): any design, missing readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Floats,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
)
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.intervals import ZERO_VARIANCE, normal_interval
from readerstudy.results.stats.mrmc import names_of
from readerstudy.results.stats.mrmc_covariance import METRICS
from readerstudy.results.stats.mrmc_moments import Moments, moments

NO_VARIANCE = "no interval: no variance from one reader, or from one case of a class"
FAR_BELOW = 4  # times: a variance so much smaller than the one that cannot be negative is near 0 by chance
NORMAL_ABOVE = 50  # iMRMC's rule: above so many degrees of freedom t is taken as the normal


@dataclass(frozen=True, slots=True, eq=False)
class UstatResult:
    """An average over readers, or the difference of two (``second`` names the other modality).

    ``variance`` is the unbiased estimate, which can be negative; ``biased_variance`` cannot. ``df``: Bhattacharyya-
    Dunn-Gallas degrees of freedom (Obuchowski, Gallas and Hillis, Acad Radiol 2012; 19:1508-1517). ``estimate`` has
    the t interval with floor(df), ``normal`` the normal one; ``test`` and ``normal_test`` are against 1/2 for an AUC,
    against 0 for a difference.
    """

    first: str
    second: str | None
    estimate: Estimate
    normal: Estimate
    variance: float
    biased_variance: float
    df: float
    test: Test
    normal_test: Test


@dataclass(frozen=True, slots=True, eq=False)
class MrmcUstat:
    """``means`` (one a modality), ``differences`` (each pair), ``covariances`` between the averages of two modalities,
    and the ``moments`` behind them, keyed by the two names."""

    metric: str
    modalities: tuple[str, ...]
    n_readers: int
    n_positive: int
    n_negative: int
    n_missing: int
    means: tuple[UstatResult, ...]
    differences: tuple[UstatResult, ...]
    moments: dict[tuple[str, str], Moments]
    note: str = ""


def mrmc_ustat(
    truth: ArrayLike,
    ratings: ArrayLike,
    *,
    metric: str = "auc",
    level: float = 0.95,
    modalities: Sequence[str] | None = None,
) -> MrmcUstat:
    """U-statistic analysis, readers and cases random, of any design: fully crossed, split-plot, readings missing.

    ``truth`` (n,); ``ratings`` (t, r, n) or (r, n): modality, reader, case, NaN where a reader did not read the case.
    ``metric``: "auc", or "sensitivity" or "specificity" of decisions 0/1, treated as iMRMC's roc2binary does (every
    case of the other class counts as half way between).

    Averages weigh every reading alike (iMRMC's "minimum variance" weighting), so with missing readings a reader who
    read more counts more. Intervals and tests use t with floor(df), and the normal above 50, as iMRMC does. Where the
    unbiased variance is negative, the biased one takes its place, and the note says so.
    """
    check_level(level)
    actual, cells = binary_truth(truth), as_floats("ratings", ratings)
    cells = cells[np.newaxis] if cells.ndim == 2 else cells
    if cells.ndim != 3 or cells.shape[2] != actual.size:
        raise StatsError(f"ratings has shape {cells.shape}; (t, r, {actual.size}) is needed: modality, reader, case")
    if metric not in METRICS:
        raise StatsError(f"metric is {metric!r}; allowed are {', '.join(map(repr, METRICS))}")
    if metric != "auc":
        binary_decisions(cells, "ratings")
        other = ~actual if metric == "sensitivity" else actual
        cells = np.where(other & ~np.isnan(cells), 0.5, cells)
    t = len(cells)
    names = names_of("modalities", modalities, t)
    n_positive, n_negative = int(actual.sum()), int((~actual).sum())
    found = {(names[i], names[j]): pair for (i, j), pair in moments(actual, cells).items()}
    means = tuple(_mean(name, found[name, name], actual.size, level) for name in names)
    differences = tuple(_difference(one, other, found, actual.size, level) for one, other in combinations(names, 2))
    read = ~np.isnan(cells)
    # a reader of one class only has no pair to give
    readers = int((read[:, :, actual].any(axis=2) & read[:, :, ~actual].any(axis=2)).any(axis=0).sum())
    notes = class_size_notes(n_positive, n_negative)
    if readers < FEW_READERS:
        notes.append(f"only {readers} readers (fewer than {FEW_READERS}): no sound inference to other readers")
    n_missing = int(np.isnan(cells).sum())
    if n_missing:
        notes.append(f"{n_missing} missing readings: every reading counts alike, so readers who read more count more")
    return MrmcUstat(
        metric, names, readers, n_positive, n_negative, n_missing, means, differences, found, join_notes(notes)
    )


def bdg_degrees_of_freedom(variance: float, components: Floats, sizes: Floats) -> float:
    """variance^2 / sum of components^2 / size^3, not below the smallest size (Gaylor and Hopper's bound)."""
    if not variance > 0 or (sizes <= 0).any():
        return NAN
    spread = float(np.sum(components**2 / sizes**3))
    return max(variance**2 / spread, float(sizes.min())) if spread > 0 else math.inf


def _mean(name: str, own: Moments, n: int, level: float) -> UstatResult:
    return _result(
        name, None, float(own.auc[0]), own.covariance, own.biased_covariance, own.components, own.sizes, n, level
    )


def _difference(one: str, other: str, found: dict[tuple[str, str], Moments], n: int, level: float) -> UstatResult:
    a, b, ab = found[one, one], found[other, other], found[one, other]
    return _result(
        one, other, float(a.auc[0] - b.auc[0]), a.covariance + b.covariance - 2 * ab.covariance,
        a.biased_covariance + b.biased_covariance - 2 * ab.biased_covariance,
        a.components + b.components - 2 * ab.components, np.minimum(a.sizes, b.sizes), n, level,
    )  # fmt: skip


def _result(
    first: str, second: str | None, value: float, variance: float, biased: float, components: Floats, sizes: Floats,
    n: int, level: float,
) -> UstatResult:  # fmt: skip
    used, notes = variance, []
    if math.isnan(value):
        notes.append("undefined: no reader read a positive and a negative case")
    elif variance < 0 <= biased:
        used = biased
        notes.append(
            f"the unbiased variance is negative ({variance:.3g}); the biased one ({biased:.3g}) takes its place"
        )
    elif ZERO_VARIANCE <= variance < biased / FAR_BELOW:
        notes.append(
            f"the unbiased variance ({variance:.3g}) happens to be far below the biased one ({biased:.3g}): "
            "interval and p may flatter"
        )
    if math.isnan(used) and not math.isnan(value):
        notes.append(NO_VARIANCE)
    elif used < ZERO_VARIANCE:
        used = NAN
        notes.append("no interval: the variance estimate is zero")
    df = bdg_degrees_of_freedom(used, components, sizes)
    if not math.isnan(used) and math.isnan(df):
        notes.append("no degrees of freedom: too few readers, or cases of a class")
    effective = math.inf if df > NORMAL_ABOVE else math.floor(df) if not math.isnan(df) else NAN
    se = math.sqrt(used)
    bounds = (-1.0, 1.0) if second else (0.0, 1.0)
    null = 0.0 if second else 0.5
    note = join_notes(notes)
    estimate = normal_interval(
        value, se, level=level, df=effective, method="U-statistics, t with BDG degrees of freedom", n=n, bounds=bounds,
        note=note,
    )  # fmt: skip
    normal = normal_interval(value, se, level=level, method="U-statistics, normal", n=n, bounds=bounds, note=note)
    statistic = (value - null) / se
    p_normal = 2 * float(distributions.norm.sf(abs(statistic)))
    p = p_normal if math.isinf(effective) else 2 * float(distributions.t.sf(abs(statistic), effective))
    return UstatResult(
        first, second, estimate, normal, variance, biased, df,
        Test("t, BDG", statistic, p, df, n, note), Test("z", statistic, p_normal, math.inf, n, note),
    )  # fmt: skip
