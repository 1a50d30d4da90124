"""Venkatraman and Begg's test that two ROC curves on the same cases are equal everywhere, not only in area."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from readerstudy.results.stats.arrays import Bools, Floats, Ints, as_floats, binary_truth, same_length
from readerstudy.results.stats.estimate import NAN, StatsError, Test
from readerstudy.results.stats.resampling import drawing


def venkatraman(
    truth: ArrayLike, score_1: ArrayLike, score_2: ArrayLike, *, permutations: int = 2000, seed: int = 0
) -> Test:
    """Are two ROC curves on the same cases the same curve? A permutation test.

    ``truth``, ``score_1``, ``score_2``: (n,), without missing scores. The statistic E sums, over every cut of the
    ranks, the absolute difference in the number of errors of the two scores. Ranks of tied scores go by the order of
    the cases; in a permutation, ties are broken at random and each case's two ranks change places with probability
    one half. Venkatraman ES, Begg CB, Biometrika 1996; 83:835-848. p is the share of permutations with E or more.
    """
    actual = binary_truth(truth)
    rows = as_floats("score_1", score_1), as_floats("score_2", score_2)
    n = same_length(truth=actual, score_1=rows[0], score_2=rows[1])
    if np.isnan(rows).any():
        raise StatsError("score_1 or score_2 holds NaN; Venkatraman's test needs both scores of every case")
    if not 0 < actual.sum() < n:
        return Test("Venkatraman, paired", NAN, NAN, n=n, note="undefined: a class has no case")
    ranks = np.stack([rankdata(row, method="ordinal") for row in rows]).astype(float)
    observed = float(_errors_apart(actual, ranks.astype(np.intp)[np.newaxis])[0])
    rng = drawing(seed, permutations)
    at_least = 0
    for start in range(0, permutations, 256):
        b = min(256, permutations - start)
        shaken = ranks + rng.random((b, 2, n)) - 0.5
        swap = rng.random((b, 1, n)) < 0.5
        # a swapped case takes the other score's rank as it was, so that its ties stay where they were
        drawn = np.where(swap, ranks[::-1], shaken)
        again = rankdata(drawn, method="ordinal", axis=2).astype(np.intp)
        at_least += int((_errors_apart(actual, again) >= observed).sum())
    note = f"{permutations} permutations"
    if at_least == 0:
        note = f"{note}, none of them so far apart: p is below {1 / permutations:.2g}, not 0"
    return Test("Venkatraman, paired", observed, at_least / permutations, n=n, note=note)


def _errors_apart(truth: Bools, ranks: Ints) -> Floats:
    """E of each pair of rankings (b, 2, n)."""
    sign = np.where(truth, 1, -1)
    at_rank = np.zeros(ranks.shape)
    np.put_along_axis(at_rank, ranks - 1, np.broadcast_to(sign, ranks.shape), axis=2)
    # errors at cut x = positives ranked <= x plus negatives ranked > x: a running sum, up to a constant
    errors = np.cumsum(at_rank, axis=2)
    return np.abs(errors[:, 0] - errors[:, 1]).sum(axis=1)
