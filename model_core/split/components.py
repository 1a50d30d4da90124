"""The similarity graph: which images must stay together, and why. No torch here.

Source: Esteva et al., Nature 542:115-118 (2017), Methods: images that look alike, or that metadata say belong together,
are joined in a graph, and its connected components never straddle a split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from model_core.split.hashing import Bits, near_pairs
from model_core.split.keypoints import Keypoints, common_points
from model_core.split.retrieval import Codebook, neighbour_pairs, whitened


class Edge(NamedTuple):
    """Images `first` < `second` (indices) and what joins them, for example ("lesion", "HAM_0000118")."""

    first: int
    second: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Components:
    """of: (n,) the component of each image, numbered from 0 in the order of their first images; edges: what joined."""

    of: NDArray[np.int64]
    edges: tuple[Edge, ...]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(number of components,) images in each."""
        return np.bincount(self.of) if len(self.of) else np.zeros(0, np.int64)

    def members(self, component: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.of == component)

    @cached_property
    def _edges_of(self) -> dict[int, list[Edge]]:
        found: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            found[int(self.of[edge.first])].append(edge)
        return found

    def explain(self, component: int) -> Explanation:
        """What holds a component of two or more images together: see `Explanation`."""
        members = self.members(component)
        place = {int(image): i for i, image in enumerate(members)}
        edges = self._edges_of[component]
        values = Counter((e.reason, e.detail) for e in edges)
        without = {}
        for reason in dict.fromkeys(e.reason for e in edges):
            kept = [(place[e.first], place[e.second]) for e in edges if e.reason != reason]
            pieces = np.bincount(_connected(len(members), kept))
            without[reason] = tuple(sorted(pieces.tolist(), reverse=True))
        reasons = Counter(e.reason for e in edges)
        return Explanation(int(component), len(members), dict(reasons.most_common()), values.most_common(5), without)


@dataclass(frozen=True, slots=True)
class Explanation:
    """edges: how many of each reason; commonest: ((reason, detail), edges) of the values that join most.

    without: for each reason, the sizes of the pieces into which the component falls where that reason is left out.
    """

    component: int
    size: int
    edges: dict[str, int]
    commonest: list[tuple[tuple[str, str], int]]
    without: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        parts = [f"{n} by {reason}" for reason, n in self.edges.items()]
        needed = [
            f"without {reason} it falls into {len(pieces)} pieces, the largest of {pieces[0]}"
            for reason, pieces in self.without.items()
            if len(pieces) > 1
        ]
        (reason, detail), n = self.commonest[0]
        most = [f"most edges from one value: {n} by {reason} {detail}"] if n > 1 else []
        return f"{self.size} images, edges: {', '.join(parts)}; " + "; ".join(needed + most)


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike is alike; the defaults were chosen on HAM10000, ISIC 2017 and PAD-UFES-20.

    hash_distance: bits of 255. points: points in common that prove the same skin (`keypoints.common_points`).
    candidates: nearest neighbours of each image whose points are compared. cosine: of whitened CNN features, from which
    two images are joined without such proof.
    """

    hash_distance: int = 32
    points: int = 7
    candidates: int = 20
    cosine: float = 0.8
    seed: int = 0


def similarity_components(
    n_images: int,
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
    hashes: Bits | None = None,
    keypoints: Sequence[Keypoints] | None = None,
    features: NDArray[np.floating] | None = None,
    edges: Iterable[Edge] = (),
    similarity: Similarity | None = None,
) -> Components:
    """Connected components of the images under every kind of likeness that is given.

    keys: {reason: a value for each image}, for example {"lesion": [...], "patient": [...]}; images with the same value
    are joined, an empty value joins nothing. hashes: (n, 32) of `hashing.perceptual_hash`. keypoints: of
    `keypoints.describe`. features: (n, d) of any network, float16 or float32, also a memory map. edges: further ones.
    Deterministic. Raises: ValueError where something has not one entry for each image.
    """
    similarity = similarity or Similarity()
    for name, values in {**(keys or {}), "hashes": hashes, "keypoints": keypoints, "features": features}.items():
        if values is not None and len(values) != n_images:
            raise ValueError(f"{name} has {len(values)} entries for {n_images} images.")
    features = None if features is None else np.asanyarray(features)
    found = [Edge(*edge) for edge in edges]
    for reason, texts in (keys or {}).items():
        found += shared_values(texts, reason)
    if hashes is not None:
        found += hash_edges(hashes, similarity.hash_distance)
    found += look_alikes(keypoints, features, similarity)
    found = sorted(set(found))
    return Components(_connected(n_images, [(e.first, e.second) for e in found]), tuple(found))


def shared_values(values: Sequence[str], reason: str) -> list[Edge]:
    """An edge from the first image with a value to each other that has it; empty values (and NaN) join nothing."""
    groups: dict[str, list[int]] = defaultdict(list)
    for image, value in enumerate(values):
        if value and value == value:  # a table library's NaN stands for an empty cell
            groups[value].append(image)
    return [Edge(group[0], other, reason, value) for value, group in groups.items() for other in group[1:]]


def hash_edges(hashes: Bits, max_distance: int) -> list[Edge]:
    """Images whose perceptual hashes differ in at most `max_distance` of 255 bits, in any of eight orientations."""
    pairs = zip(*(part.tolist() for part in near_pairs(hashes, max_distance)), strict=True)
    return [Edge(a, b, "perceptual hash", f"{d} of 255 bits differ") for a, b, d in pairs]


def look_alikes(
    keypoints: Sequence[Keypoints] | None, features: NDArray[np.floating] | None, similarity: Similarity
) -> list[Edge]:
    """Edges between nearest neighbours, by local features and by a network's features.

    A pair becomes an edge when enough of its keypoints agree, or when the cosine of its whitened features is high.
    """
    found: list[Edge] = []
    candidates = [np.zeros((0, 2), np.int64)]
    if features is not None and len(features) > 1:
        pairs, cosine = neighbour_pairs(whitened(features, seed=similarity.seed), similarity.candidates)
        candidates.append(pairs)
        near = cosine >= similarity.cosine
        for (a, b), c in zip(pairs[near].tolist(), cosine[near].tolist(), strict=True):
            found.append(Edge(a, b, "features", f"cosine {c:.2f}"))
    if keypoints is not None and len(keypoints) > 1:
        codebook = Codebook(keypoints, seed=similarity.seed)
        pairs, _ = neighbour_pairs(codebook(keypoints), similarity.candidates, queries=codebook(keypoints, mirror=True))
        candidates.append(pairs)
        found += _proven(keypoints, np.unique(np.concatenate(candidates), axis=0), similarity.points)
    return found


def _proven(keypoints: Sequence[Keypoints], pairs: NDArray[np.int64], least: int) -> list[Edge]:
    found = []
    with threadpool_limits(1):  # the matrices are small: threads would only wait for each other
        for a, b in tqdm(pairs.tolist(), desc="pairs", unit="pair", disable=None):
            points = common_points(keypoints[a], keypoints[b])
            if points >= least:
                found.append(Edge(a, b, "points in common", f"{points} points"))
    return found


def _connected(n: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(n,) component numbers, in the order of first occurrence whatever scipy's numbering is."""
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, start, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(start), np.int64)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[inverse]
