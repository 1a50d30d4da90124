"""What the model sees in the cases: where its last hidden layer puts them, and which of them are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.taxonomy import Taxonomy
from model_core.tsne import tsne
from readerstudy.results.arrays import CaseTable

Floats = NDArray[np.float64]
LEVEL = 2  # of the taxonomy: the nine classes of the paper, of which a test has a few
MOST_GROUPS = 8  # colours and shapes that can be told apart
MOST_INSETS = 8
MOST_MAPS = 9  # pairs of a saliency plate, as in the paper
PERPLEXITY = 30.0
FEWEST = 4  # points that t-SNE can lay out


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The cases in the plane, by t-SNE of the last hidden layer. ``numbers`` (n,) of the cases, ``points`` (n, 2), NaN
    where a case has no features, ``group`` (n,) indices into ``groups``, which are diagnoses (names) or sides.
    ``insets`` are indices of the cases whose pictures are shown."""

    numbers: NDArray[np.int64]
    points: Floats
    groups: tuple[str, ...]
    group: NDArray[np.int64]
    insets: tuple[int, ...]
    perplexity: float
    seed: int

    @property
    def n(self) -> int:
        """Cases that have a place."""
        return int(np.isfinite(self.points).all(axis=1).sum())


def embedding(
    cases: CaseTable,
    taxonomy: Taxonomy,
    features: NDArray[np.float32],
    *,
    seed: int = 0,
    lay_out: Callable[..., NDArray[np.float32]] = tsne,
) -> Embedding | None:
    """The layout of the cases whose ``features`` (n, d) are known (NaN: not); None where they are fewer than four.

    The same features, seed and versions of the software give the same numbers; another machine may lay them out
    otherwise, because t-SNE amplifies the last digit. ``lay_out`` is `tsne`, or what finds its result again.
    """
    known = np.isfinite(features).all(axis=1)
    n = int(known.sum()) if features.shape[1] else 0
    if n < FEWEST:
        return None
    perplexity = float(min(PERPLEXITY, (n - 1) // 3))
    points = lay_out(features, seed=seed, perplexity=perplexity).astype(np.float64)
    groups, group = groups_of(cases, taxonomy)
    return Embedding(cases.numbers, points, groups, group, spread(points, MOST_INSETS), perplexity, seed)


def groups_of(cases: CaseTable, taxonomy: Taxonomy) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """(names, index of each case): the level-two diagnoses; where they are more than eight, the sides of the test."""
    nodes = [_level(taxonomy, diagnosis) for diagnosis in cases.diagnoses]
    order = [node for node in taxonomy.nodes if node in set(nodes)]
    if not 0 < len(order) <= MOST_GROUPS or set(nodes) - set(order):
        return ("negative", "positive"), cases.truth
    index = {node: i for i, node in enumerate(order)}
    return tuple(taxonomy.name(node) for node in order), np.array([index[node] for node in nodes], np.int64)


def _level(taxonomy: Taxonomy, diagnosis: str) -> str:
    """The node of level two above a diagnosis, or the diagnosis where it lies above that."""
    if diagnosis not in taxonomy.nodes:
        return diagnosis
    path = [diagnosis, *taxonomy.ancestors(diagnosis)]
    return path[-LEVEL] if len(path) >= LEVEL else diagnosis


def spread(points: Floats, most: int) -> tuple[int, ...]:
    """Indices of points far from one another: the one next to the middle, then each time the one farthest from those
    chosen. Nobody picks the pictures that are shown."""
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not known.size:
        return ()
    placed = points[known]
    chosen = [int(np.linalg.norm(placed - placed.mean(axis=0), axis=1).argmin())]
    away = np.linalg.norm(placed - placed[chosen[0]], axis=1)
    while len(chosen) < min(most, len(known)):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.linalg.norm(placed - placed[chosen[-1]], axis=1))
    return tuple(int(known[i]) for i in chosen)


def first_of_each(group: Sequence[int], has_map: Sequence[bool], most: int = MOST_MAPS) -> tuple[int, ...]:
    """Indices of cases with a map: the first of each group, then the second of each, and so on, at most ``most``."""
    turns: dict[int, int] = {}
    ranked = []
    for index, (of, there) in enumerate(zip(group, has_map, strict=True)):
        if there:
            turns[of] = turns.get(of, 0) + 1
            ranked.append((turns[of], of, index))
    return tuple(index for _turn, _of, index in sorted(ranked)[:most])
