"""What comes out of a run, by its kind: which rows, and how a worker's arrays become them."""

import io
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from django.db import models
from numpy.typing import NDArray
from PIL import Image as Picture

from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Features, ModelVersion, SaliencyMap, Score, ScoringRun
from readerstudy.scoring.scores import DTYPE

TABLES: dict[str, type[models.Model]] = {
    ScoringRun.Kind.SCORES: Score,
    ScoringRun.Kind.FEATURES: Features,
    ScoringRun.Kind.SALIENCY: SaliencyMap,
}
MAP_SIZE = 299  # px of a map's longer side: what the network has looked at
CLIPPED = 99.5  # per cent of a map's pixels are no brighter than its white: a few outliers would leave the rest black

Rows = Mapping[int, models.Model]  # by image


class Explained(Protocol):
    """What `model_core.saliency.Explainer` says of a picture."""

    @property
    def map(self) -> NDArray[np.float32]: ...
    @property
    def target(self) -> str: ...
    @property
    def probability(self) -> float: ...


def present(kind: str, model_version: ModelVersion) -> models.QuerySet:
    """The images (a query of ids) of which the model has this already."""
    return TABLES[kind]._default_manager.filter(model_version=model_version).values("image_id")


def store(kind: str, made: Rows) -> None:
    """Write the rows; one that another run has written in the meantime stays."""
    TABLES[kind]._default_manager.bulk_create(made.values(), ignore_conflicts=True, batch_size=100)


def score_rows(
    model_version: ModelVersion, probabilities: Mapping[int, NDArray[np.floating]], precision: str
) -> dict[int, models.Model]:
    """image id -> a row. Raises: ScoringError for a vector that is not k finite probabilities."""
    return {
        pk: Score(
            image_id=pk, model_version=model_version, precision=precision,
            probabilities=_packed(pk, probabilities[pk], (model_version.n_classes,), "probabilities"),
        )
        for pk in sorted(probabilities)
    }  # fmt: skip


def feature_rows(
    model_version: ModelVersion, features: Mapping[int, NDArray[np.floating]], precision: str
) -> dict[int, models.Model]:
    """image id -> a row. Raises: ScoringError for a vector that is not finite, or not as long as the others."""
    length = len(next(iter(features.values()), ()))
    return {
        pk: Features(
            image_id=pk, model_version=model_version, precision=precision,
            values=_packed(pk, features[pk], (length,), "features"),
        )
        for pk in sorted(features)
    }  # fmt: skip


def saliency_rows(model_version: ModelVersion, maps: Mapping[int, Explained]) -> dict[int, models.Model]:
    """image id -> a row."""
    rows: dict[int, models.Model] = {}
    for pk, found in sorted(maps.items()):
        png, brightest = drawn_map(found.map)
        rows[pk] = SaliencyMap(
            image_id=pk, model_version=model_version, target=found.target, probability=found.probability, png=png,
            brightest=brightest,
        )  # fmt: skip
    return rows


def drawn_map(values: NDArray[np.float32]) -> tuple[bytes, float]:
    """(h, w) -> (a grey PNG of at most 299 px, the value of its white). A map of zeros is black, its white 0.

    Raises: ScoringError for a map that is not finite.
    """
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ScoringError(f"A saliency map must be finite and have two dimensions, not {values.shape}.")
    height, width = values.shape
    shrink = min(1.0, MAP_SIZE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = np.asarray(Picture.fromarray(values.astype(np.float32)).resize(size, Picture.Resampling.BOX))
    brightest = float(np.percentile(small, CLIPPED))
    levels = np.clip(small / brightest, 0, 1) * 255 if brightest > 0 else np.zeros(small.shape)
    buffer = io.BytesIO()
    Picture.fromarray(levels.round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue(), brightest


def _packed(image_id: int, vector: NDArray[np.floating], shape: tuple[int], what: str) -> bytes:
    array = np.asarray(vector, dtype=DTYPE)
    if array.shape != shape or not np.isfinite(array).all():
        raise ScoringError(f"Image {image_id}: {shape[0]} finite {what} were due, not an array {array.shape}.")
    return array.tobytes()
