"""An AUC on a part of a set against the AUC on the whole, when the part's cases are in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import Bools, Floats, as_floats, binary_truth, check_level
from readerstudy.results.stats.bootstrap import Bootstrap, summarise
from readerstudy.results.stats.bootstrap_kernels import SortedScores, share_of_pairs
from readerstudy.results.stats.estimate import StatsError
from readerstudy.results.stats.resampling import Counts, draw_counts, drawing

CELLS_AT_ONCE = 2**17  # of the counts held at a time: they stay within the processor's cache


def bootstrap_part_minus_whole(
    truth: ArrayLike, score: ArrayLike, part: ArrayLike, *, replicates: int = 2000, seed: int = 0, level: float = 0.95
) -> Bootstrap:
    """AUC of the cases in ``part`` minus the AUC of all, with a percentile interval.

    ``truth`` (n,), ``score`` (n,) and ``part`` (n,) of 0 and 1; cases without a score are left out. The cases in the
    part and those outside are drawn anew apart, each class keeping its size in both (a stratified bootstrap: Davison
    and Hinkley, Bootstrap Methods and their Application, 1997, 3.2), and a case of the part counts as often in the
    whole as it does in the part, so that the two AUCs move together as they do.
    """
    check_level(level)
    actual, scores, inside = binary_truth(truth), as_floats("score", score), binary_truth(part, "part")
    if not actual.shape == scores.shape == inside.shape:
        raise StatsError(f"truth, score and part have shapes {actual.shape}, {scores.shape} and {inside.shape}")
    scored = ~np.isnan(scores)
    note = f"{int((~scored).sum())} cases without a score left out" if not scored.all() else ""
    halves = _Halves.of(actual[scored], scores[scored], inside[scored])
    n = int(scored.sum())
    rng = drawing(seed, replicates)
    at_once = max(1, CELLS_AT_ONCE // max(n, 1))
    drawn = [halves.differences(min(at_once, replicates - start), rng) for start in range(0, replicates, at_once)]
    return summarise(
        float(halves.observed()[0]), np.concatenate(drawn), level=level,
        scheme="cases within each class, in the part and outside it", n=n, seed=seed, note=note,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Halves:
    """The part and the rest. A count is of cases in the order of their scores within their class and half: cases that
    are drawn alike may be drawn in any order. ``pairs[i][j]`` are the positives of half i against the negatives of j.
    """

    sizes: tuple[tuple[int, int], tuple[int, int]]  # of positives and of negatives in each half
    pairs: tuple[tuple[SortedScores, SortedScores], tuple[SortedScores, SortedScores]]

    @classmethod
    def of(cls, truth: Bools, scores: Floats, inside: Bools) -> _Halves:
        positive, negative = ([np.sort(scores[side & half]) for half in (inside, ~inside)] for side in (truth, ~truth))
        one, other = ((SortedScores.of(of, negative[0]), SortedScores.of(of, negative[1])) for of in positive)
        sizes = [(of.size, against.size) for of, against in zip(positive, negative, strict=True)]
        return cls((sizes[0], sizes[1]), (one, other))

    def observed(self) -> Floats:
        """The difference on the cases themselves, (1,)."""
        return self._differences(*([np.ones((1, size[side]), np.int64) for size in self.sizes] for side in (0, 1)))

    def differences(self, b: int, rng: np.random.Generator) -> Floats:
        """The difference in each of b resamples, (b,); each class keeps its size in each half."""
        drawn = [[draw_counts(size, size, b, rng) for size in half] for half in self.sizes]
        return self._differences([half[0] for half in drawn], [half[1] for half in drawn])

    def _differences(self, pos: Sequence[Counts], neg: Sequence[Counts]) -> Floats:
        below = [self.pairs[0][half].below(neg[half]) for half in (0, 1)]
        own, other = (np.vecdot(pos[0], self.pairs[0][half].won(below[half])) for half in (0, 1))
        rest = [self.pairs[1][half].won(below[half]) for half in (0, 1)]
        n_pos, n_neg = [np.full(len(pos[0]), sum(self.sizes[half][side] for half in (0, 1))) for side in (0, 1)]
        part = share_of_pairs(own, np.full(len(own), self.sizes[0][0]), np.full(len(own), self.sizes[0][1]))
        return part - share_of_pairs(own + other + np.vecdot(pos[1], np.add(*rest)), n_pos, n_neg)
