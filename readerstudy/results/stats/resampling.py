"""Drawing cases, clusters of cases and readers with replacement, as counts rather than as copies.

A resample is kept as how often each case was drawn. Scores are then sorted once, not once a replicate, and a statistic
that is a weighted sum becomes a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readerstudy.results.stats.arrays import Bools, Ints
from readerstudy.results.stats.estimate import StatsError

CHUNK_BYTES = 2**19  # counts held at a time: bounds the memory, and keeps a replicate within the processor's cache
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CaseSampler:
    """How cases are resampled.

    ``stratified``: positives and negatives apart, each class keeping its size. ``clusters`` (n,), codes 0..g-1: all
    cases of a lesion or patient are drawn together, whatever their class, and then no class keeps its size.
    """

    truth: Bools
    stratified: bool = True
    clusters: Ints | None = None

    @property
    def scheme(self) -> str:
        if self.clusters is not None:
            return "clusters of cases"
        return "cases within each class" if self.stratified else "cases"

    @property
    def n_clusters(self) -> int:
        return 0 if self.clusters is None or not self.clusters.size else int(self.clusters.max()) + 1

    def chunks(self, replicates: int, rng: np.random.Generator) -> Iterator[tuple[Counts, Counts]]:
        """Counts of the positives (b, m) and the negatives (b, n) in their order in ``truth``, chunk by chunk."""
        positives, negatives = np.flatnonzero(self.truth), np.flatnonzero(~self.truth)
        size = max(1, min(replicates, CHUNK_BYTES // (8 * max(self.truth.size, 1))))
        for start in range(0, replicates, size):
            b = min(size, replicates - start)
            if self.clusters is None and self.stratified:
                yield (
                    draw_counts(positives.size, positives.size, b, rng),
                    draw_counts(negatives.size, negatives.size, b, rng),
                )
            elif self.clusters is None:
                counts = draw_counts(self.truth.size, self.truth.size, b, rng)
                yield np.take(counts, positives, axis=1), np.take(counts, negatives, axis=1)
            else:
                counts = draw_counts(self.n_clusters, self.n_clusters, b, rng)
                yield (
                    np.take(counts, self.clusters[positives], axis=1),
                    np.take(counts, self.clusters[negatives], axis=1),
                )


def draw_counts(n: int, size: int, replicates: int, rng: np.random.Generator) -> Counts:
    """How often each of ``n`` units comes up in ``size`` draws with replacement: (replicates, n)."""
    if n == 0:
        return np.zeros((replicates, 0), np.int64)
    # 64 bits although fewer would do: bincount copies anything else, which costs more than the draw
    drawn = rng.integers(0, n, size=(replicates, size))
    if replicates > 1:
        drawn += np.arange(0, n * replicates, n)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=n * replicates).reshape(replicates, n)


def drawing(seed: int, replicates: int) -> np.random.Generator:
    """The generator of ``seed``, once there is something to draw."""
    if not isinstance(replicates, int | np.integer) or replicates < 1:
        raise StatsError(f"replicates is {replicates!r}; a whole number, at least 1 is needed, 2000 are usual")
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise StatsError(f"seed is {seed!r}; a whole number from 0 is needed") from error


def kept_cluster_codes(clusters: ArrayLike | None, kept: Bools | Ints, n_cases: int) -> Ints | None:
    """``cluster_codes`` of the cases that are kept, from the labels of all ``n_cases``."""
    codes = cluster_codes(clusters, n_cases)
    return None if codes is None else cluster_codes(codes[kept], codes[kept].size)


def cluster_codes(clusters: ArrayLike | None, n_cases: int) -> Ints | None:
    """Cluster labels (n,) of any kind as codes 0..g-1; None stays None. A case without a label is refused: together
    such cases would pass for one lesion."""
    if clusters is None:
        return None
    labels = np.asarray(clusters, object)
    if labels.shape != (n_cases,):
        raise StatsError(f"clusters has shape {labels.shape}; one label a case is needed, shape ({n_cases},)")
    for i, label in enumerate(labels.tolist()):
        if label is None or label != label:  # NaN is not itself
            raise StatsError(f"clusters[{i}] is {label!r}; every case needs a label, one of its own where it is alone")
    try:
        return np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.intp)
    except TypeError as error:
        raise StatsError(f"clusters mixes labels of kinds that cannot be told apart: {error}") from error


def resampled_rows(counts: Counts) -> Ints:
    """The indices of a resample, each repeated as often as it was drawn."""
    return np.repeat(np.arange(counts.size), counts)
