"""Moments of the success scores of readers and cases: what Gallas' U-statistics are made of.

Gallas BD, Bandos A, Samuelson FW, Wagner RF, Communications in Statistics A 2009; 38:2586-2603. A moment is the mean
product of two success scores (1, 1/2, 0: is the positive rated above the negative?) that share reader, positive and
negative or not. The eight are ordered as in that paper: readers same (1-4) or any two (5-8); within each four, cases
both the same, positive the same, negative the same, neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from readerstudy.results.stats.arrays import Bools, Floats

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


def moments(truth: Bools, first: Floats, second: Floats) -> Moments:
    """Moments of two modalities' ratings (r, n) by the same readers; NaN where a reader did not read a case.

    One reader at a time, so that memory does not grow with readers; O(r m n).
    """
    m, n = int(truth.sum()), int((~truth).sum())
    scores = [_Sums(m, n), _Sums(m, n)]
    designs = [_Sums(m, n), _Sums(m, n)]
    numerator, denominator = np.zeros(8), np.zeros(8)
    for one, other in zip(first, second, strict=True):
        pairs = [success_matrix(row[truth], row[~truth]) for row in ((one,) if other is one else (one, other))]
        if len(pairs) == 1:
            pairs *= 2
        products = []
        for k, (score, seen) in enumerate(pairs):
            products.append((scores[k].add(score), designs[k].add(seen)))
        numerator[:4] += _products(products[0][0], products[1][0])
        denominator[:4] += _products(products[0][1], products[1][1])
    numerator[4:] = _products(scores[0].parts(), scores[1].parts())
    denominator[4:] = _products(designs[0].parts(), designs[1].parts())
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
        auc = np.array([score.total for score in scores]) / np.array([design.total for design in designs])
    return Moments(auc, unbiased, biased, coefficients, _TO_COMPONENTS @ biased, sizes)


def success_matrix(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Success scores (m, n), 0 where a rating is missing, and which pairs were read (m, n) as 0 and 1."""
    difference = positive[:, np.newaxis] - negative
    seen = ~np.isnan(difference)
    return np.where(seen, (np.sign(difference) + 1) / 2, 0.0), seen.astype(float)


class _Sums:
    """A running sum of (m, n) matrices, and the four sums that products of two of them need."""

    def __init__(self, m: int, n: int) -> None:
        self.matrix = np.zeros((m, n))

    def add(self, matrix: Floats) -> tuple[Floats, Floats, Floats, float]:
        self.matrix += matrix
        return matrix, matrix.sum(axis=1), matrix.sum(axis=0), float(matrix.sum())

    def parts(self) -> tuple[Floats, Floats, Floats, float]:
        return self.matrix, self.matrix.sum(axis=1), self.matrix.sum(axis=0), self.total

    @property
    def total(self) -> float:
        return float(self.matrix.sum())


def _products(
    one: tuple[Floats, Floats, Floats, float], other: tuple[Floats, Floats, Floats, float]
) -> tuple[float, float, float, float]:
    """Sums of products: same pair, same positive, same negative, any."""
    return (
        float(np.vdot(one[0], other[0])), float(one[1] @ other[1]), float(one[2] @ other[2]), one[3] * other[3]
    )  # fmt: skip
