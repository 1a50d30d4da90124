"""t-SNE of a network's features: each picture a point in the plane, near those that the network finds alike.

Sources: van der Maaten and Hinton, JMLR 9:2579-2605 (2008); Barnes-Hut t-SNE, van der Maaten, JMLR 15:3221-3245 (2014),
by scikit-learn; above 10,000 points FIt-SNE, Linderman et al., Nature Methods 16:243-245 (2019), by openTSNE.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model_core.manifest import DataError

BARNES_HUT_LIMIT = 10_000  # points; above, its time is hours
COMPONENTS = 50  # principal components kept before t-SNE; van der Maaten and Hinton kept 30
CHUNK = 4096
PERPLEXITY = 30

Floats = NDArray[np.float32]


def tsne(features: NDArray[np.floating], *, seed: int = 0, perplexity: float | None = None) -> Floats:
    """(n, d) features, a memory map too -> (n, 2) float32; a row of NaN where a row of features is not finite.

    The features are reduced to their leading principal components, which are also the start. One thread: the same
    features, seed and versions give the same numbers. perplexity: by default `usual_perplexity`.
    Raises: DataError where there are too few points for the perplexity, or openTSNE is needed and not installed.
    """
    usable = np.concatenate([np.zeros(0, bool), *(np.isfinite(c).all(axis=1) for c in _chunks(features))])
    n = int(usable.sum())
    perplexity = usual_perplexity(n) if perplexity is None else perplexity
    check_tsne(n, perplexity)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    placed = np.full((len(features), 2), np.nan, np.float32)
    with threadpool_limits(1):
        reduced = principal_components(features, usable)
        fit = _barnes_hut if n <= BARNES_HUT_LIMIT else _interpolated
        placed[usable] = fit(reduced, seed, perplexity)
    return placed


def usual_perplexity(n: int) -> float:
    """30 (van der Maaten and Hinton took 5 to 50), or the most that n pictures allow."""
    return float(min(PERPLEXITY, max(1, (n - 1) // 3)))


def check_tsne(n: int, perplexity: float) -> None:
    """Whether `tsne` of `n` pictures can be made. Raises: DataError saying what it lacks."""
    if n < 4:
        raise DataError(f"t-SNE needs at least 4 pictures, not {n}.")
    if not 1 <= perplexity <= (n - 1) / 3:
        raise DataError(f"t-SNE of {n} pictures needs a perplexity of 1 to {(n - 1) // 3}, not {perplexity:g}.")
    if n > BARNES_HUT_LIMIT and importlib.util.find_spec("openTSNE") is None:
        raise DataError(
            f"t-SNE of {n} pictures (above {BARNES_HUT_LIMIT}) needs openTSNE: pip install 'readerstudy[tsne]'."
        )


def principal_components(features: NDArray[np.floating], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(number of usable rows, at most 50): in chunks, so that the features need not fit into memory."""
    n, d = int(usable.sum()), features.shape[1]
    total, products = np.zeros(d), np.zeros((d, d))
    for start, chunk in zip(range(0, len(features), CHUNK), _chunks(features), strict=True):
        total += (values := chunk[usable[start : start + CHUNK]]).sum(axis=0)
        products += values.T @ values
    mean = total / n
    _, axes = np.linalg.eigh(products / n - np.outer(mean, mean))
    axes = axes[:, ::-1][:, : min(COMPONENTS, d, n - 1)]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])  # the sign is free: fix it
    parts = [(c[usable[i * CHUNK : (i + 1) * CHUNK]] - mean) @ axes for i, c in enumerate(_chunks(features))]
    return np.concatenate(parts)


def _chunks(features: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(features), CHUNK):
        yield np.asarray(features[start : start + CHUNK], np.float64)


def _barnes_hut(values: NDArray[np.float64], seed: int, perplexity: float) -> Floats:
    from sklearn.manifold import TSNE

    fitted = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(values)
    return np.asarray(fitted, np.float32)


def _interpolated(values: NDArray[np.float64], seed: int, perplexity: float) -> Floats:
    from openTSNE import TSNE

    fitted = TSNE(2, perplexity=perplexity, initialization="pca", random_state=seed, n_jobs=1).fit(values)
    return np.asarray(fitted, np.float32)
