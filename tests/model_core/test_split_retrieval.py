"""Nearest neighbours against brute force, with and without faiss; whitening; pictures as vectors of local features."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from model_core.split import retrieval
from model_core.split.keypoints import Keypoints, mirrored
from model_core.split.retrieval import Codebook, Projection, nearest, neighbour_pairs, unit, whitened


def vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


@pytest.mark.parametrize("library", ["faiss", "scikit-learn"])
def test_neighbours_are_those_of_brute_force(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "faiss":
        pytest.importorskip("faiss")
    else:
        monkeypatch.setitem(sys.modules, "faiss", None)
    base, queries = vectors(300, 24), vectors(40, 24, seed=1)
    cosine = queries @ base.T
    order = np.argsort(-cosine, axis=1)[:, :7]
    found, value = nearest(queries, base, 7)
    assert (found == order).all()
    assert np.allclose(value, np.take_along_axis(cosine, order, 1), atol=1e-5)
    assert nearest(queries, base[:3], 7)[0].shape == (40, 3)


def as_mapping(base: np.ndarray, k: int, queries: np.ndarray | None = None) -> dict[tuple[int, int], float]:
    pairs, cosine = neighbour_pairs(base, k, queries=queries)
    assert pairs.shape == (len(cosine), 2)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    return {(a, b): c for (a, b), c in zip(pairs.tolist(), cosine.tolist(), strict=True)}


def test_pairs_name_each_image_and_its_neighbours_once() -> None:
    base = vectors(60, 16)
    pairs = as_mapping(base, 4)
    cosine = base @ base.T
    np.fill_diagonal(cosine, -2)
    expected = {(min(i, j), max(i, j)) for i in range(60) for j in np.argsort(-cosine[i])[:4].tolist()}
    assert set(pairs) == expected
    assert all(c == pytest.approx(float(base[a] @ base[b]), abs=1e-5) for (a, b), c in pairs.items())


def test_mirror_images_are_looked_up_too() -> None:
    base = vectors(30, 16)
    queries = base.copy()
    queries[3] = base[17]  # the mirror image of 3 looks like 17
    assert (3, 17) not in as_mapping(base, 1)
    found = as_mapping(base, 1, queries)
    assert found.keys() >= as_mapping(base, 1).keys()
    assert found[3, 17] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(500, 12), (20, 60)])
def test_whitened_components_are_uncorrelated_and_of_equal_size(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1])) + 5
    projection = Projection(sample, 8)
    scores = (sample - sample.mean(0)) @ projection.axes
    assert scores.shape[1] == 8
    assert np.allclose(np.cov(scores.T, bias=True), np.eye(8), atol=1e-4)
    assert np.allclose(np.linalg.norm(projection(sample), axis=1), 1, atol=1e-5)


def test_whitening_separates_what_a_common_direction_hides() -> None:
    """Features that all point one way have cosines near 1; whitened, strangers are near 0 and twins still near 1."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(2000, 64)) * np.linspace(1, 0.05, 64) + 8).astype(np.float16)
    features[1] = features[0]
    raw = unit(features.astype(np.float32))
    white = whitened(features, 32)
    assert float(raw[2] @ raw[3]) > 0.95
    assert abs(float((white[2:500] @ white[500:1000].T).mean())) < 0.02
    assert float(white[0] @ white[1]) == pytest.approx(1, abs=1e-4)


def test_whitening_reads_a_file_in_pieces(tmp_path: Path) -> None:
    """60 MB of float16 on disk become 16,000 x 16 vectors in well under the 120 MB of one float32 copy."""
    path = tmp_path / "features.npy"
    rng = np.random.default_rng(0)
    stored = np.lib.format.open_memmap(path, "w+", np.float16, (16_000, 1900))
    for start in range(0, 16_000, 1000):
        stored[start : start + 1000] = rng.normal(size=(1000, 1900))
    stored.flush()
    del stored
    projection = Projection(np.load(path, mmap_mode="r")[:400], 16)
    monkey_chunk = retrieval.CHUNK
    retrieval.CHUNK = 1000
    tracemalloc.start()
    try:
        found = projection(np.load(path, mmap_mode="r"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        retrieval.CHUNK = monkey_chunk
    assert found.shape == (16_000, 16)
    assert peak < 40e6


def local(seed: int, n: int = 40) -> Keypoints:
    rng = np.random.default_rng(seed)
    histogram = rng.random((n, 128)) ** 6
    descriptors = np.rint(512 * np.sqrt(histogram / histogram.sum(1, keepdims=True))).clip(0, 255).astype(np.uint8)
    return Keypoints(rng.random((n, 4)).astype(np.float32), descriptors)


def test_pictures_that_share_local_features_are_neighbours_mirrored_too() -> None:
    pictures = [local(seed) for seed in range(80)]
    half = Keypoints(pictures[5].geometry[:20], pictures[5].descriptors[:20])
    mirror = Keypoints(pictures[9].geometry, mirrored(pictures[9].descriptors))
    pictures += [half, mirror, Keypoints(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8))]
    codebook = Codebook(pictures, dimensions=64)
    base, turned = codebook(pictures), codebook(pictures, mirror=True)
    assert base.shape == (83, 64)
    assert nearest(base[80:81], base, 2)[0].tolist() == [[80, 5]]
    assert nearest(turned[81:82], base, 1)[0].tolist() == [[9]]
    assert np.isfinite(base).all()


def test_the_same_seed_gives_the_same_vectors() -> None:
    pictures = [local(seed) for seed in range(30)]
    assert (Codebook(pictures, seed=4)(pictures) == Codebook(pictures, seed=4)(pictures)).all()
