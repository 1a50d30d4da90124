"""An AUC on a part of a set against the AUC on the whole, when the part's cases are in both."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import Bools, as_floats, binary_truth, check_level
from readerstudy.results.stats.bootstrap import Bootstrap, summarise
from readerstudy.results.stats.bootstrap_kernels import AucKernel
from readerstudy.results.stats.estimate import StatsError
from readerstudy.results.stats.resampling import Counts, draw_counts

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
    order = np.concatenate([np.flatnonzero(scored & inside), np.flatnonzero(scored & ~inside)])
    actual, scores, n_inside = actual[order], scores[order], int((scored & inside).sum())
    kernel = AucKernel()
    of_part = kernel.prepared(actual[:n_inside], scores[np.newaxis, :n_inside])
    of_whole = kernel.prepared(actual, scores[np.newaxis])
    rng = np.random.default_rng(seed)
    drawn = []
    at_once = max(1, CELLS_AT_ONCE // max(actual.size, 1))
    for start in range(0, replicates, at_once):
        b = min(at_once, replicates - start)
        pos, neg = _redrawn(actual[:n_inside], b, rng)
        pos_rest, neg_rest = _redrawn(actual[n_inside:], b, rng)
        whole = of_whole(np.concatenate([pos, pos_rest], axis=1), np.concatenate([neg, neg_rest], axis=1))
        drawn.append((of_part(pos, neg) - whole)[:, 0])
    value = kernel.value(actual[:n_inside], scores[:n_inside]) - kernel.value(actual, scores)
    return summarise(
        value, np.concatenate(drawn), level=level, scheme="cases within each class, in the part and outside it",
        n=actual.size, seed=seed, note=note,
    )  # fmt: skip


def _redrawn(truth: Bools, b: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Counts of positives and of negatives in b resamples, each class keeping its size."""
    sizes = (int(truth.sum()), int((~truth).sum()))
    positives, negatives = (draw_counts(size, size, b, rng) for size in sizes)
    return positives, negatives
