"""A checkpoint's probabilities of images that were left out, from cached activations where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_core import checkpoint
from model_core.dataset import LabelledImage
from model_core.inference import Classifier, find_device
from model_core.network import restore_network
from model_core.train.activations import ActivationCache, CachedPictures, describe
from model_core.train.config import TrainingConfig
from model_core.train.pictures import examine
from model_core.train.validation import scores
from model_core.transforms import Preprocessing


def held_out_scores(
    model: Path,
    images: Sequence[LabelledImage],
    report: Path,
    config: TrainingConfig,
    cache: Path | None,
    progress: bool = True,
) -> tuple[list[int], NDArray[np.float32]]:
    """(indices of the images that could be scored, (m, k) their probabilities). report: see `pictures.examine`."""
    found = examine(images, report, refuse=config.bad_images == "refuse", progress=progress)
    used = {image.path for image in found.images}
    kept = [i for i, image in enumerate(images) if image.path in used]
    device = find_device(config.device)
    if cache is None:
        precision = "auto" if config.precision == "bfloat16" else "float32"
        predictions = Classifier.load(model, device, precision).predict(i.path for i in found.images)
        return kept, predictions.probabilities
    assert config.train_from is not None
    state, metadata = checkpoint.load(model)
    network = restore_network(state, metadata, model.name).to(device)
    preprocessing = Preprocessing.from_json(metadata.preprocessing)
    store = ActivationCache(cache, describe(network, preprocessing, config))
    store.fill(found.images, found.digests, network, preprocessing, config, device, progress=progress)
    source = CachedPictures(store, found.digests, augmented=False)
    return kept, scores(network, source, found.images, config.train_from, config, device)
