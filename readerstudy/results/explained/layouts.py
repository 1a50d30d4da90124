"""t-SNE, computed once for the same features: what was laid out once lies in storage under the hash of its inputs."""

import hashlib
import io
from importlib.metadata import version

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from numpy.typing import NDArray

from model_core.tsne import tsne


def laid_out(features: NDArray[np.float32], *, seed: int, perplexity: float) -> NDArray[np.float32]:
    """`model_core.tsne.tsne` of (n, d) features: (n, 2), from storage where it was computed before."""
    name = _name(features, seed, perplexity)
    if default_storage.exists(name):
        with default_storage.open(name, "rb") as file:
            stored: NDArray[np.float32] = np.load(io.BytesIO(file.read()), allow_pickle=False)
        return stored
    points = tsne(features, seed=seed, perplexity=perplexity)
    buffer = io.BytesIO()
    np.save(buffer, points)
    default_storage.save(name, ContentFile(buffer.getvalue()))
    return points


def _name(features: NDArray[np.float32], seed: int, perplexity: float) -> str:
    told = f"{features.shape}|{seed}|{perplexity}|{version('scikit-learn')}|{version('numpy')}|"
    digest = hashlib.sha256(told.encode() + np.ascontiguousarray(features, "<f4").tobytes())
    return f"results/layouts/{digest.hexdigest()}.npy"
