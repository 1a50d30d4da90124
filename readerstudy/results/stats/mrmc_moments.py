"""Moments of the success scores of readers and cases: what Gallas' U-statistics are made of.

Gallas BD, Bandos A, Samuelson FW, Wagner RF, Communications in Statistics A 2009; 38:2586-2603. A moment is the mean
product of two success scores (1, 1/2, 0: is the positive rated above the negative?) that share reader, positive and
negative or not. The eight are ordered as in that paper: readers same (1-4) or any two (5-8); within each four, cases
both the same, positive the same, negative the same, neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readerstudy.results.stats.arrays import Bools, Floats

Codes = NDArray[np.int32]
BLOCK = 2**17  # pairs of cases at a time: within the processor's cache
# sums over pairs of scores that may coincide -> sums over pairs that do not, in the order above
_APART = np.array(
    [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [-1, 1, 0, 0, 0, 0, 0, 0],
        [-1, 0, 1, 0, 0, 0, 0, 0],
        [1, -1, -1, 1, 0, 0, 0, 0],
        [-1, 0, 0, 0, 1, 0, 0, 0],
        [1, -1, 0, 0, -1, 1, 0, 0],
        [1, 0, -1, 0, -1, 0, 1, 0],
        [-1, 1, 1, -1, 1, -1, -1, 1],
    ],
    float,
)
# which moments each component of variance adds up, negatives, positives, readers (Gallas 2009, equation 19)
_TO_COMPONENTS = np.array(
    [[0, 0, 0, 0, 0, 0, 1, -1], [0, 0, 0, 0, 0, 1, 0, -1], [0, 0, 0, 1, 0, 0, 0, -1]],
    float,
)
_TO_COEFFICIENTS = np.array(
    [[1, 0, 1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]],
    float,
)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The moments of one pair of modalities (or of one modality with itself).

    ``auc`` (2,): the average over all readings, so that a reader who read more counts more. ``unbiased`` and
    ``biased`` (8,) moments, ``coefficients`` (8,): the covariance of the two averages is their weighted sum.
    ``components`` (3,): biased components of variance of negatives, positives and readers; ``sizes`` (3,): the degrees
    of freedom of each (effective number - 1).
    """

    auc: Floats
    unbiased: Floats
    biased: Floats
    coefficients: Floats
    components: Floats
    sizes: Floats

    @property
    def covariance(self) -> float:
        return float(self.coefficients @ self.unbiased)

    @property
    def biased_covariance(self) -> float:
        return float(self.coefficients @ self.biased)


def moments(truth: Bools, ratings: Floats) -> dict[tuple[int, int], Moments]:
    """Moments of each pair of modalities i <= j of ``ratings`` (t, r, n); NaN where a reader did not read a case.

    O(t r m n) comparisons, a block of positives at a time, so that memory grows with neither readers nor cases; what
    sums over one class only comes from ranks, and what was read from products of readers.
    """
    positive, negative = ratings[:, :, truth], ratings[:, :, ~truth]
    rows, columns = _won(positive, negative), _won(-negative, -positive)
    own, together = _pair_products(positive, negative)
    read_pos, read_neg = (~np.isnan(positive)).astype(float), (~np.isnan(negative)).astype(float)
    pairs = (read_pos.sum(axis=2) * read_neg.sum(axis=2)).sum(axis=1)
    return {
        (i, j): _moments(
            _numerators(rows[i], rows[j], columns[i], columns[j], own[i, j], together[i, j]),
            _denominators(read_pos[i], read_pos[j], read_neg[i], read_neg[j]),
            np.array([rows[i].sum(), rows[j].sum()]), np.array([pairs[i], pairs[j]]),
        )
        for i in range(len(ratings))
        for j in range(i, len(ratings))
    }  # fmt: skip


def _moments(numerator: Floats, denominator: Floats, totals: Floats, pairs: Floats) -> Moments:
    """From the sums over pairs of scores that may coincide, of scores and of what was read, in the order above; the
    sum of each modality's scores (2,) and how many there are (2,)."""
    apart_numerator, apart_denominator = _APART @ numerator, _APART @ denominator
    with np.errstate(invalid="ignore", divide="ignore"):
        unbiased = apart_numerator / apart_denominator
        biased = numerator / denominator
        coefficients = apart_denominator / denominator[7]
        coefficients[7] -= 1
        # a moment of which the design has no pair has coefficient 0 and drops out
        unbiased = np.where(np.abs(apart_denominator) < 0.5, 0.0, unbiased)
        if apart_denominator[7] < 0.5:  # the square of the mean: without it there is no variance
            unbiased[7] = np.nan
        sizes = np.round(1 / (_TO_COEFFICIENTS @ coefficients) - 1)
        auc = totals / pairs
    return Moments(auc, unbiased, biased, coefficients, _TO_COMPONENTS @ biased, sizes)


def _won(values: Floats, among: Floats) -> Floats:
    """How many of ``among`` (t, r, n) each of ``values`` (t, r, m) is above, ties counted half, 0 where missing."""
    won = np.zeros(values.shape)
    for at in np.ndindex(values.shape[:2]):
        seen, others = ~np.isnan(values[at]), np.sort(among[at][~np.isnan(among[at])])
        mine = values[at][seen]
        won[at][seen] = (np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")) / 2
    return won


def _pair_products(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Sums over the pairs of cases of the products of two modalities' scores: by one reader, and of scores summed over
    readers; both (t, t), the upper half."""
    t, r, m = positive.shape
    positive_codes, negative_codes = _codes(positive, negative)
    own, together = np.zeros((t, t)), np.zeros((t, t))
    step = max(1, BLOCK // max(negative.shape[2], 1))
    for start in range(0, m, step):
        block = positive_codes[:, :, start : start + step, np.newaxis]
        summed = np.zeros((t, block.shape[2], negative.shape[2]), np.float32)
        for reader in range(r):
            scores = [twice_success(block[k, reader], negative_codes[k, reader]) for k in range(t)]
            for i, score in enumerate(scores):
                summed[i] += score
                for j in range(i, t):
                    # whole numbers, the sum of a block's below 2**24: exact in single precision
                    own[i, j] += float(np.vdot(score, scores[j]))
        exact = summed.astype(float)
        for i in range(t):
            for j in range(i, t):
                together[i, j] += float(np.vdot(exact[i], exact[j]))
    return own / 4, together / 4


def _codes(positive: Floats, negative: Floats) -> tuple[Codes, Codes]:
    """Ratings (t, r, m) and (t, r, n) as whole numbers in the same order within each modality and reader, which compare
    faster; a missing positive is below all, a missing negative above all, so that neither wins a pair."""
    m = positive.shape[2]
    ratings = np.concatenate([positive, negative], axis=2)
    codes = np.empty(ratings.shape, np.int32)
    codes[:, :, :m], codes[:, :, m:] = -1, ratings.shape[2]
    for at in np.ndindex(ratings.shape[:2]):
        seen = ~np.isnan(ratings[at])
        codes[at][seen] = np.unique(ratings[at][seen], return_inverse=True)[1]
    return codes[:, :, :m].copy(), codes[:, :, m:].copy()


def twice_success(positive: Codes, negative: Codes) -> NDArray[np.float32]:
    """Twice the success scores of (b, 1) against (n,): 2, 1 or 0, and 0 where a rating is missing."""
    won = (positive >= negative).view(np.int8)
    won += (positive > negative).view(np.int8)
    return won.astype(np.float32)


def _numerators(
    row: Floats, other_row: Floats, column: Floats, other_column: Floats, own: float, together: float
) -> Floats:
    """Sums of products of scores, from each reader's sums (r, m) and (r, n): same reader, then any two."""
    total, other_total = row.sum(axis=1), other_row.sum(axis=1)
    return np.array([
        own, np.vdot(row, other_row), np.vdot(column, other_column), total @ other_total,
        together, row.sum(axis=0) @ other_row.sum(axis=0), column.sum(axis=0) @ other_column.sum(axis=0),
        total.sum() * other_total.sum(),
    ])  # fmt: skip


def _denominators(pos: Floats, other_pos: Floats, neg: Floats, other_neg: Floats) -> Floats:
    """The same sums of what was read: positives (r, m) and negatives (r, n) as 1 and 0."""
    both_pos, both_neg = np.vecdot(pos, other_pos), np.vecdot(neg, other_neg)
    m, other_m, n, other_n = (seen.sum(axis=1) for seen in (pos, other_pos, neg, other_neg))
    return np.array([
        both_pos @ both_neg, both_pos @ (n * other_n), both_neg @ (m * other_m), (m * n) @ (other_m * other_n),
        np.vdot(pos @ other_pos.T, neg @ other_neg.T), (n @ pos) @ (other_n @ other_pos),
        (m @ neg) @ (other_m @ other_neg), (m @ n) * (other_m @ other_n),
    ])  # fmt: skip
