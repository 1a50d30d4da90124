"""AUCs of several classifiers on the same cases, with their covariance (DeLong, DeLong and Clarke-Pearson)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    Bools,
    Floats,
    Ints,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, join_notes
from readerstudy.results.stats.intervals import (
    ZERO_VARIANCE,
    auc_interval_without_variance,
    normal_interval,
    z_value,
)

FEW_ROWS = 4


@dataclass(frozen=True, slots=True)
class AucComparison:
    """AUC ``first`` minus AUC ``second`` with its test.

    ``statistic`` is z for a paired comparison and Welch's t (``df`` degrees of freedom) for an unpaired one; it and
    the two-sided ``p`` are NaN where the difference has no variance. ``covariance`` is that of the two AUCs (0 when
    unpaired), ``variance`` that of the difference.
    """

    first: float
    second: float
    difference: Estimate
    statistic: float
    p: float
    df: float
    variance: float
    covariance: float
    method: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DeLong:
    """AUCs of k classifiers on the same cases.

    ``auc`` (k,); ``covariance`` (k, k), NaN where a class has fewer than two cases; ``v10`` (k, n_positive) and
    ``v01`` (k, n_negative), the placement values; ``n_excluded`` cases with a missing score were left out.
    """

    auc: Floats
    covariance: Floats
    v10: Floats
    v01: Floats
    n_positive: int
    n_negative: int
    n_excluded: int = 0
    note: str = ""

    def ci(self, level: float = 0.95, *, interval: str = "delong") -> tuple[Estimate, ...]:
        """An Estimate for each AUC. ``interval``: "delong" (symmetric, clipped to 0..1) or "delong-logit".

        Near 1, or with few cases of a class, the symmetric interval covers less than it says (simulated: 92 % of 95 for
        an AUC of 0.96 from 100 and 100 cases, 90 % for 0.76 from 10 and 10), the logit one does not.
        """
        variances = np.diagonal(self.covariance)
        return tuple(
            auc_estimate(
                float(auc), float(variance), self.n_positive, self.n_negative,
                level=level, interval=interval, note=self.note,
            )
            for auc, variance in zip(self.auc, variances, strict=True)
        )  # fmt: skip

    def compare(self, i: int = 0, j: int = 1, level: float = 0.95, *, paired: bool = True) -> AucComparison:
        """AUC i minus AUC j. ``paired=False`` ignores the covariance and uses Welch's t, as if no case were shared."""
        for index in (i, j):
            if not -len(self.auc) <= index < len(self.auc):
                raise StatsError(f"there is no classifier {index}: {len(self.auc)} were given, counted from 0")
        if not paired:
            return compare_unpaired(self, self, i, j, level)
        covariance = float(self.covariance[i, j])
        variance = float(self.covariance[i, i] + self.covariance[j, j] - 2 * covariance)
        n = self.n_positive + self.n_negative
        return _comparison(
            float(self.auc[i]),
            float(self.auc[j]),
            variance,
            covariance,
            math.inf,
            level,
            n,
            "DeLong, paired",
            join_notes([self.note, _without_variance(self.covariance[i, i], self.covariance[j, j])]),
        )


def placements(truth: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Placement values of each positive among the negatives (k, m) and of each negative among the positives (k, n).

    ``truth`` (N,), ``scores`` (k, N) without NaN. A positive's value is the share of negatives below it, ties counted
    half; a negative's the share of positives above it. Two sorts a row, O(N log N): Sun X, Xu W, IEEE Signal
    Processing Letters 2014; 21:1389-1393, whose midranks these are, seen from the other class.
    """
    m = int(truth.sum())
    v10, v01 = np.empty((len(scores), m)), np.empty((len(scores), truth.size - m))
    for row, above, below in zip(scores, v10, v01, strict=True):
        positive, negative = row[truth], row[~truth]
        by_positive, by_negative = np.argsort(positive), np.argsort(negative)
        rising, other = positive[by_positive], negative[by_negative]
        above[by_positive] = _twice_below(rising, other) / (2 * max(negative.size, 1))
        below[by_negative] = 1 - _twice_below(other, rising) / (2 * max(m, 1))
    return v10, v01


def _twice_below(values: Floats, among: Floats) -> Ints:
    """Twice how many of ``among`` lie below each value, ties counted once; both rising, so that the searches go on
    where the last one ended."""
    return np.searchsorted(among, values, side="left") + np.searchsorted(among, values, side="right")


def placement_covariance(v10: Floats, v01: Floats) -> Floats:
    """DeLong's covariance of the AUCs: S10 / m + S01 / n, both with divisor size - 1; NaN where a size is below 2."""
    k, m = v10.shape
    n = v01.shape[1]
    if m < 2 or n < 2:
        return np.full((k, k), np.nan)
    return _products(v10) / (m * (m - 1)) + _products(v01) / (n * (n - 1))


def _products(values: Floats) -> Floats:
    """Sums over the columns of the products of the rows' deviations from their means: (k, k)."""
    centred = values - values.mean(axis=1, keepdims=True)
    if len(values) <= FEW_ROWS:  # to wake the linear algebra's threads takes longer than so small a product
        return np.einsum("in,jn->ij", centred, centred)
    return centred @ centred.T


def delong(truth: ArrayLike, scores: ArrayLike) -> DeLong:
    """AUCs of k classifiers on the same cases, and their covariance matrix, in O(k N log N).

    ``truth`` (N,) of 0 and 1; ``scores`` (k, N), or (N,) for one classifier, higher meaning more likely positive. A
    case for which any classifier has no score (NaN) is left out for all of them, and counted.

    DeLong ER, DeLong DM, Clarke-Pearson DL, Biometrics 1988; 44:837-845; computed by Sun and Xu (2014).
    """
    actual = binary_truth(truth)
    rows = rows_of_cases("scores", scores, actual.size)
    keep = ~np.isnan(rows).any(axis=0)
    n_excluded = int((~keep).sum())
    actual, rows = actual[keep], rows[:, keep]
    m, n = int(actual.sum()), int((~actual).sum())
    notes = class_size_notes(m, n)
    if n_excluded:
        notes.append(f"{n_excluded} case{'s' if n_excluded != 1 else ''} without a score left out")
    k = rows.shape[0]
    if m == 0 or n == 0:
        notes.append(f"AUC is undefined: no {'positive' if m == 0 else 'negative'} case")
        empty = np.full(k, np.nan)
        return DeLong(empty, np.full((k, k), np.nan), np.empty((k, m)), np.empty((k, n)), m, n, n_excluded,
                      join_notes(notes))  # fmt: skip
    v10, v01 = placements(actual, rows)
    return DeLong(v10.mean(axis=1), placement_covariance(v10, v01), v10, v01, m, n, n_excluded, join_notes(notes))


def compare_unpaired(one: DeLong, other: DeLong, i: int = 0, j: int = 0, level: float = 0.95) -> AucComparison:
    """AUC ``i`` of ``one`` minus AUC ``j`` of ``other``, two sets of cases that share none.

    Welch's t with Satterthwaite's degrees of freedom on the two DeLong variances, N - 1 for each set (as pROC).
    """
    first, second = float(one.covariance[i, i]), float(other.covariance[j, j])
    n_first, n_second = one.n_positive + one.n_negative, other.n_positive + other.n_negative
    df = NAN
    if first + second > 0:
        df = (first + second) ** 2 / (first**2 / (n_first - 1) + second**2 / (n_second - 1))
    note = join_notes([one.note, other.note, _without_variance(first, second)])
    return _comparison(
        float(one.auc[i]), float(other.auc[j]), first + second, 0.0, df, level, n_first + n_second,
        "DeLong, unpaired (Welch)", note,
    )  # fmt: skip


def delong_unpaired(
    truth_1: ArrayLike, score_1: ArrayLike, truth_2: ArrayLike, score_2: ArrayLike, level: float = 0.95
) -> AucComparison:
    """AUC on the first set of cases minus AUC on the second; the sets share no case. See ``compare_unpaired``."""
    return compare_unpaired(delong(truth_1, score_1), delong(truth_2, score_2), level=level)


def auc_estimate(
    auc: float,
    variance: float,
    n_positive: int,
    n_negative: int,
    *,
    level: float = 0.95,
    interval: str = "delong",
    note: str = "",
) -> Estimate:
    """An AUC with its interval: "delong" is symmetric and clipped to 0..1, "delong-logit" is symmetric in the logit.

    Where DeLong's variance is zero (classes wholly apart, or all scores tied) a DeLong interval would have no width;
    Newcombe's (2006, method 5) takes its place, and ``method`` and ``note`` say so.
    """
    if interval not in ("delong", "delong-logit"):
        raise StatsError(f"interval is {interval!r}; allowed are 'delong' and 'delong-logit'")
    check_level(level)
    n = n_positive + n_negative
    method = "DeLong" if interval == "delong" else "DeLong, logit"
    if math.isnan(auc):
        return Estimate.undefined(note or "AUC is undefined", level=level, method=method, n=n)
    if math.isnan(variance):
        reason = "no interval: DeLong's variance needs two cases of each class"
        return Estimate(auc, NAN, NAN, level, method, n, join_notes([note, reason]))
    if variance < ZERO_VARIANCE:
        low, high = auc_interval_without_variance(auc, n_positive, n_negative, level)
        reason = "DeLong's variance is zero, so its interval would have no width"
        return Estimate(auc, low, high, level, "Newcombe 2006, method 5", n, join_notes([note, reason]))
    se = math.sqrt(variance)
    if interval == "delong":
        return normal_interval(auc, se, level=level, method=method, n=n, note=note)
    centre, half = math.log(auc / (1 - auc)), z_value(level) * se / (auc * (1 - auc))
    low, high = (1 / (1 + math.exp(-limit)) for limit in (centre - half, centre + half))
    return Estimate(auc, low, high, level, method, n, note)


def _without_variance(*variances: float) -> str:
    """Said where one of two AUCs, but not their difference, has no variance (pROC warns of it too)."""
    if sum(variance < ZERO_VARIANCE for variance in variances) != 1:
        return ""
    return "one AUC has a DeLong variance of zero: p and interval leave its uncertainty out and flatter"


def _comparison(
    first: float,
    second: float,
    variance: float,
    covariance: float,
    df: float,
    level: float,
    n: int,
    method: str,
    note: str,
) -> AucComparison:
    difference = first - second
    if math.isnan(difference) or math.isnan(variance):
        why = join_notes([note, "no test: an AUC or its variance is undefined"])
        estimate = Estimate(difference, NAN, NAN, level, method, n, why)
        return AucComparison(first, second, estimate, NAN, NAN, df, variance, covariance, method, why)
    if variance < ZERO_VARIANCE:
        why = join_notes([note, "no test and no interval: the difference has zero estimated variance"])
        estimate = Estimate(difference, NAN, NAN, level, method, n, why)
        return AucComparison(first, second, estimate, NAN, NAN, df, 0.0, covariance, method, why)
    se = math.sqrt(variance)
    estimate = normal_interval(difference, se, level=level, df=df, method=method, n=n, bounds=(-1.0, 1.0), note=note)
    statistic = difference / se
    tail = distributions.norm.sf(abs(statistic)) if math.isinf(df) else distributions.t.sf(abs(statistic), df)
    return AucComparison(first, second, estimate, statistic, 2 * float(tail), df, variance, covariance, method, note)
