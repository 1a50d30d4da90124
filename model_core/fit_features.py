"""What `fit-head` fits on: the features of each picture and of its mirror images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_core.dataset import LabelledImage
from model_core.feature_parts import PART, FeatureParts
from model_core.listing import Listed
from model_core.manifest import DataError
from model_core.transforms import Preprocessing

if TYPE_CHECKING:
    from model_core.fit import HeadSettings
    from model_core.inference import FeatureExtractor
    from model_core.network import InceptionV3

VIEWS = ("none", "horizontal", "both")


@dataclass
class HeadFeatures:
    """values: (n, views, 2048) float32; used: the pictures they are of; skipped: (path, reason)."""

    values: NDArray[np.float32]
    used: list[LabelledImage]
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def extract(
    network: InceptionV3,
    preprocessing: Preprocessing,
    images: Sequence[LabelledImage],
    settings: HeadSettings,
    cache: Path | None,
    progress: bool,
) -> HeadFeatures:
    """cache: a folder for what has been done so far, or None. Raises: DataError where no picture can be decoded, or,
    with `refuse_bad`, at the first that cannot."""
    from tqdm import tqdm

    from model_core.inference import FeatureExtractor

    extractor = FeatureExtractor(network, preprocessing, device=settings.device)
    depends_on = {
        "network": _digest(network),
        "preprocessing": preprocessing.to_json(),
        "flips": settings.flips,
        "device": extractor.device.type,
        "precision": extractor.precision,
        "refuse_bad": settings.refuse_bad,  # a run that refuses does not go on from one that skipped
    }
    parts = FeatureParts(cache, depends_on) if cache else None
    found = HeadFeatures(np.empty((0, 1, 0), np.float32), [])
    values = []
    with tqdm(total=len(images), unit=" pictures", desc="Features", disable=not progress) as bar:
        for start in range(0, len(images), PART):
            chosen = images[start : start + PART]
            listed = [Listed(str(image.path), image.path) for image in chosen]
            part = parts.load(start, listed) if parts else None
            if part is None:
                part = _of_part(extractor, preprocessing, chosen, settings, bar)
                if parts:
                    parts.save(start, listed, *part)
            bar.update(start + len(chosen) - bar.n)
            features, reasons = part
            usable = [i for i in range(len(chosen)) if i not in reasons]
            values.append(features[usable])
            found.used += [chosen[i] for i in usable]
            found.skipped += [(chosen[i].path, reason) for i, reason in reasons.items()]
    if not found.used:
        raise DataError("None of the pictures can be decoded.")
    found.values = np.concatenate(values)
    return found


def _of_part(
    extractor: FeatureExtractor,
    preprocessing: Preprocessing,
    images: Sequence[LabelledImage],
    settings: HeadSettings,
    bar: Any,
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """((m, views, 2048), NaN where there is none; {index: why})."""
    from model_core.inference import decoded_batches

    views = _views(settings.flips)
    values = np.full((len(images), len(views), 2048), np.nan, np.float32)
    reasons: dict[int, str] = {}
    position = 0
    for batch in decoded_batches((image.path for image in images), preprocessing, settings.batch_size):
        pixels = {position + i: item for i, item in enumerate(batch) if not isinstance(item, str)}
        reasons |= {position + i: item for i, item in enumerate(batch) if isinstance(item, str)}
        if reasons and settings.refuse_bad:
            i, reason = next(iter(reasons.items()))
            raise DataError(f"{images[i].path}: {reason}")
        if pixels:
            values[list(pixels)] = extractor.features(np.stack(list(pixels.values())), views)
        position += len(batch)
        bar.update(len(batch))
    return values, reasons


def _digest(network: InceptionV3) -> str:
    digest = hashlib.sha256(json.dumps(network.options.to_json()).encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc."):
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def _views(flips: str) -> tuple[tuple[int, ...], ...]:
    """The axes of (n, 3, height, width) that each view mirrors; the first view is the picture itself."""
    if flips not in VIEWS:
        raise ValueError(f"flips must be one of {', '.join(VIEWS)}, not {flips!r}.")
    return {"none": ((),), "horizontal": ((), (3,)), "both": ((), (3,), (2,), (2, 3))}[flips]
