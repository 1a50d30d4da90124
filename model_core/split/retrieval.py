"""Nearest neighbours: which few of 130,000 pictures are worth a closer look. Memory is bounded; no torch.

Sources: whitening of features by their principal components, Jegou and Chum, ECCV 2012; local features gathered into
one vector (VLAD), Jegou et al., CVPR 2010, normalised as in Arandjelovic and Zisserman, CVPR 2013; exact search by
faiss (Johnson et al. 2019) where it is installed, else by scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_core.split.keypoints import Keypoints, mirrored

CHUNK = 8192
WORDS = 64  # of the codebook
SAMPLE = 4000  # vectors from which components are learnt
DESCRIPTOR = 128

Floats = NDArray[np.float32]


class Projection:
    """Centring and whitening onto the leading principal components, then unit length."""

    def __init__(self, sample: NDArray[np.floating], dimensions: int, *, power: float = 0.5) -> None:
        """sample: (m, d). dimensions: at most min(m, d) - 1 are kept. power: 0.5 whitens fully, 0.25 half way."""
        centred = np.array(sample, np.float64)
        self.mean = centred.mean(axis=0)
        centred -= self.mean  # in place: with 20,000 x 2,048 a copy would be 330 MB
        kept = max(1, min(dimensions, *np.subtract(centred.shape, 1)))
        if len(centred) < centred.shape[1]:  # the small side of the data decides the size of the eigenproblem
            variance, left = np.linalg.eigh(centred @ centred.T)
            axes = centred.T @ left[:, ::-1][:, :kept] / np.sqrt(np.maximum(variance[::-1][:kept], 1e-12))
        else:
            variance, right = np.linalg.eigh(centred.T @ centred)
            axes = right[:, ::-1][:, :kept]
        scale = np.maximum(variance[::-1][:kept] / len(centred), 1e-12) ** power
        self.axes = (axes / scale).astype(np.float32)

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """(n, d) of any float type, an array on disk too -> (n, dimensions) float32 of unit length, by chunks.

        A row that is not finite, as `embed` writes for a damaged picture, becomes zeros: near to nothing.
        """
        out = np.empty((len(features), self.axes.shape[1]), np.float32)
        for start in range(0, len(features), CHUNK):
            chunk = np.asarray(features[start : start + CHUNK], np.float32) - self.mean.astype(np.float32)
            chunk = np.where(np.isfinite(chunk).all(axis=1, keepdims=True), chunk, 0)
            out[start : start + CHUNK] = unit(chunk @ self.axes)
        return out


def unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def whitened(features: NDArray[np.floating], dimensions: int = 256, *, seed: int = 0) -> Floats:
    """(n, d) features of a network, float16 or float32 -> (n, <= dimensions) float32, ready for a cosine.

    Raw features of skin are alike to within a few per cent (median cosine of strangers 0.7); whitened they are not (0).
    The components are learnt from 20,000 rows at most, which takes 0.65 GB; the result of 130,000 is 133 MB; the input
    may be a memory map, however many rows it has.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(features), min(len(features), 5 * SAMPLE), replace=False))
    sample = np.asarray(features[rows], np.float32)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if len(sample) < 2:
        return np.zeros((len(features), 1), np.float32)
    # with few pictures the last components are learnt from noise: at least four pictures a component
    return Projection(sample, min(dimensions, max(2, len(features) // 4)))(features)


def nearest(queries: Floats, base: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """((m, k) indices, (m, k) cosines) of the nearest of `base` for each query, nearest first; exact.

    Both have rows of unit length. k is cut to len(base).
    """
    k = min(k, len(base))
    try:  # both are imported here: the processes that look at images need neither
        import faiss
    except ImportError:
        from sklearn.neighbors import NearestNeighbors
    else:
        index = faiss.IndexFlatIP(base.shape[1])
        index.add(np.ascontiguousarray(base))
        cosine, neighbour = index.search(np.ascontiguousarray(queries), k)
        return neighbour, cosine
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="euclidean").fit(base)
    distance, neighbour = search.kneighbors(queries)
    return neighbour.astype(np.int64), (1 - distance.astype(np.float32) ** 2 / 2)


def neighbour_pairs(base: Floats, k: int, *, queries: Floats | None = None) -> tuple[NDArray[np.int64], Floats]:
    """((m, 2) indices, (m,) cosines): each image with its `k` nearest others, every pair once, first < second, sorted.

    queries: other vectors of the same pictures (their mirror images), looked up among `base` in addition; the cosine is
    the greatest found.
    """
    n = len(base)
    keys, cosines = [], []
    for vectors in (base,) if queries is None else (base, queries):
        neighbour, cosine = nearest(vectors, base, k + 1)
        image = np.repeat(np.arange(n), neighbour.shape[1])
        other = neighbour.ravel()
        real = (other >= 0) & (other != image)  # faiss fills up with -1
        keys.append((np.minimum(image, other) * n + np.maximum(image, other))[real])
        cosines.append(cosine.ravel()[real])
    key, value = np.concatenate(keys), np.concatenate(cosines)
    order = np.lexsort((-value, key))
    key, first = np.unique(key[order], return_index=True)
    return np.stack([key // n, key % n], axis=1), value[order][first]


class Codebook:
    """Gathers the local features of a picture into one vector: sums of what they differ from the nearest word."""

    def __init__(self, pictures: Sequence[Keypoints], *, dimensions: int = 1024, seed: int = 0) -> None:
        """Learns words and components from a sample of `pictures` drawn with `seed`."""
        from sklearn.cluster import MiniBatchKMeans

        rng = np.random.default_rng(seed)
        chosen = [pictures[i] for i in rng.permutation(len(pictures))[:SAMPLE]]
        some = [p.descriptors[:30] for p in chosen if len(p)]
        local = np.concatenate(some) if some else np.zeros((0, DESCRIPTOR), np.uint8)
        local = np.concatenate([local, mirrored(local)]).astype(np.float32) / 512
        words = min(WORDS, max(1, len(local) // 50))
        if len(local):
            means = MiniBatchKMeans(words, random_state=seed, batch_size=4096, n_init=1).fit(local)
            self.words = means.cluster_centers_.astype(np.float32)
        else:
            self.words = np.zeros((1, DESCRIPTOR), np.float32)
        sample = self._gather([p.descriptors for p in chosen[: SAMPLE // 2]])
        # half-whitened: full whitening loses crops (measured on HAM10000)
        self.project = Projection(sample, dimensions, power=0.25)

    def __call__(self, pictures: Sequence[Keypoints], *, mirror: bool = False) -> Floats:
        """(n, dimensions) float32 of unit length; of the mirror images with `mirror`."""
        parts = []
        for start in range(0, len(pictures), CHUNK // 8):
            local = [p.descriptors for p in pictures[start : start + CHUNK // 8]]
            parts.append(self.project(self._gather([mirrored(d) for d in local] if mirror else local)))
        return np.concatenate(parts)

    def _gather(self, local: Sequence[NDArray[np.uint8]]) -> Floats:
        sums = np.zeros((len(local), *self.words.shape), np.float32)
        for row, descriptors in enumerate(local):
            values = descriptors.astype(np.float32) / 512
            word = (values @ self.words.T - (self.words**2).sum(1) / 2).argmax(1)
            np.add.at(sums[row], word, values - self.words[word])
        sums /= np.maximum(np.linalg.norm(sums, axis=2, keepdims=True), 1e-6)
        flat = sums.reshape(len(local), -1)
        return unit(np.sign(flat) * np.sqrt(np.abs(flat)))
