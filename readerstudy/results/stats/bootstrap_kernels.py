"""Statistics of a row of values that can be evaluated on thousands of resamples at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readerstudy.results.stats.arrays import Bools, Floats, Ints
from readerstudy.results.stats.delong import placements
from readerstudy.results.stats.estimate import NAN, StatsError
from readerstudy.results.stats.resampling import Counts, resampled_rows

CaseStatistic = Callable[[Bools, Floats], float]
Replicate = Callable[[Counts, Counts], Floats]  # counts of positives (b, m) and of negatives (b, n) -> (b, rows)


class Kernel:
    """A statistic of one row of values, for the observed cases and for chunks of resamples."""

    def value(self, truth: Bools, row: Floats) -> float:
        """The statistic on the observed cases."""
        raise NotImplementedError

    def prepared(self, truth: Bools, rows: Floats) -> Replicate:
        """A function that gives the statistic of each row in each resample."""
        raise NotImplementedError

    def influence(self, truth: Bools, row: Floats) -> Floats:
        """What each case contributes to the value (n,): its influence divided by the size of its class."""
        raise NotImplementedError


class AucKernel(Kernel):
    """The area under the empirical ROC curve."""

    def value(self, truth: Bools, row: Floats) -> float:
        seen = ~np.isnan(row)
        v10, _ = _safe_placements(truth[seen], row[seen])
        return float(v10.mean()) if v10.size else NAN

    def prepared(self, truth: Bools, rows: Floats) -> Replicate:
        sorted_rows = [SortedScores.of(row[truth], row[~truth]) for row in rows]
        return lambda pos, neg: np.stack([row.aucs(pos, neg) for row in sorted_rows], axis=1)

    def influence(self, truth: Bools, row: Floats) -> Floats:
        seen, out = ~np.isnan(row), np.zeros(row.size)
        v10, v01 = _safe_placements(truth[seen], row[seen])
        if v10.size:
            out[seen & truth], out[seen & ~truth] = v10 - v10.mean(), v01 - v01.mean()
        return out / np.where(truth, max((seen & truth).sum(), 1), max((seen & ~truth).sum(), 1))


@dataclass(frozen=True, slots=True)
class ShareKernel(Kernel):
    """The share of right decisions among the positives, the negatives, or all."""

    positives: bool
    negatives: bool

    def _right(self, truth: Bools, rows: Floats) -> tuple[Floats, Floats]:
        among = np.where(truth, self.positives, self.negatives) & ~np.isnan(rows)
        return np.where(among, rows == truth, 0.0), among.astype(float)

    def value(self, truth: Bools, row: Floats) -> float:
        right, among = self._right(truth, row)
        return float(right.sum() / among.sum()) if among.any() else NAN

    def prepared(self, truth: Bools, rows: Floats) -> Replicate:
        right, among = self._right(truth, rows)

        def replicate(pos: Counts, neg: Counts) -> Floats:
            hits = pos @ right[:, truth].T + neg @ right[:, ~truth].T
            total = pos @ among[:, truth].T + neg @ among[:, ~truth].T
            return np.divide(hits, total, out=np.full(hits.shape, NAN), where=total > 0)

        return replicate

    def influence(self, truth: Bools, row: Floats) -> Floats:
        right, among = self._right(truth, row)
        total = max(among.sum(), 1)
        return (right - among * right.sum() / total) / total


@dataclass(frozen=True, slots=True)
class FunctionKernel(Kernel):
    """Any function of (truth, values), called on the resampled cases themselves: slow, and general."""

    function: CaseStatistic

    def value(self, truth: Bools, row: Floats) -> float:
        seen = ~np.isnan(row)
        return float(self.function(truth[seen], row[seen])) if seen.any() else NAN

    def prepared(self, truth: Bools, rows: Floats) -> Replicate:
        where_pos, where_neg = np.flatnonzero(truth), np.flatnonzero(~truth)

        def replicate(pos: Counts, neg: Counts) -> Floats:
            out = np.full((len(pos), len(rows)), NAN)
            for b, (drawn_pos, drawn_neg) in enumerate(zip(pos, neg, strict=True)):
                drawn = np.concatenate([where_pos[resampled_rows(drawn_pos)], where_neg[resampled_rows(drawn_neg)]])
                out[b] = [self.value(truth[drawn], row[drawn]) for row in rows]
            return out

        return replicate

    def influence(self, truth: Bools, row: Floats) -> Floats:
        whole = self.value(truth, row)
        return np.array([
            whole - self.value(np.delete(truth, i), np.delete(row, i)) for i in range(truth.size)
        ])  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class SortedScores:
    """Scores of one row, sorted once.

    ``positives`` indexes the positives that have a score and ``order`` sorts the negatives that have one; each is None
    where that is all of them as they come. ``lower`` and ``upper`` count the negatives below each of those positives,
    ties excluded and included; ``upper`` is None where nothing is tied.
    """

    positives: Ints | None
    order: Ints | None
    lower: Ints
    upper: Ints | None

    @classmethod
    def of(cls, positive: Floats, negative: Floats) -> SortedScores:
        seen, among = np.flatnonzero(~np.isnan(positive)), np.flatnonzero(~np.isnan(negative))
        order = among[np.argsort(negative[among], kind="stable")]
        lower, upper = (np.searchsorted(negative[order], positive[seen], side) for side in ("left", "right"))
        return cls(
            None if seen.size == positive.size else seen,
            None if np.array_equal(order, np.arange(negative.size)) else order,
            lower, upper if (lower != upper).any() else None,
        )  # fmt: skip

    def below(self, neg: Counts) -> Counts:
        """How many negatives of each resample (b, ...) stand below each place in their order: from 0 to all of them."""
        drawn = neg if self.order is None else np.take(neg, self.order, axis=1)
        below = np.empty((len(neg), drawn.shape[1] + 1), np.int64)
        below[:, 0] = 0
        np.cumsum(drawn, axis=1, out=below[:, 1:])
        return below

    def won(self, below: Counts) -> Counts:
        """Twice the negatives that each positive is above in each resample, ties counted half: (b, positives)."""
        won = np.take(below, self.lower, axis=1)
        won += won if self.upper is None else np.take(below, self.upper, axis=1)
        return won

    def aucs(self, pos: Counts, neg: Counts) -> Floats:
        """The AUC of each resample (b,); NaN where a class was not drawn. Whole numbers until the last division."""
        below = self.below(neg)
        drawn = pos if self.positives is None else np.take(pos, self.positives, axis=1)
        return share_of_pairs(np.vecdot(drawn, self.won(below)), drawn.sum(axis=1), below[:, -1])


def share_of_pairs(won: Counts, n_positive: Counts, n_negative: Counts) -> Floats:
    """Twice the pairs won over twice the pairs there are; NaN where there is none."""
    pairs = n_positive * n_negative
    return np.divide(won, 2 * pairs, out=np.full(pairs.shape, NAN), where=pairs > 0)


def kernel_of(statistic: str | CaseStatistic) -> Kernel:
    named: dict[str, Kernel] = {
        "auc": AucKernel(),
        "sensitivity": ShareKernel(True, False),
        "specificity": ShareKernel(False, True),
        "accuracy": ShareKernel(True, True),
    }
    if callable(statistic):
        return FunctionKernel(statistic)
    if statistic not in named:
        raise StatsError(
            f"statistic is {statistic!r}; allowed are {', '.join(named)}, or a function of (truth, values)"
        )
    return named[statistic]


def _safe_placements(truth: Bools, row: Floats) -> tuple[Floats, Floats]:
    if truth.all() or not truth.any():
        return np.empty(0), np.empty(0)
    v10, v01 = placements(truth, row[np.newaxis])
    return v10[0], v01[0]
