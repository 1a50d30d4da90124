"""The worker's side, and the only door to torch, which is imported inside the function that needs it."""

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from numpy.typing import NDArray

from model_core.checkpoint import CheckpointError
from readerstudy.images.models import Image
from readerstudy.scoring import jobs, outcomes
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion, ScoringRun
from readerstudy.scoring.registry import local_checkpoint

if TYPE_CHECKING:
    from model_core.embedding import Embedder
    from model_core.inference import Classifier
    from model_core.saliency import Explainer

log = logging.getLogger(__name__)
Model = TypeVar("Model")

BATCH = 16  # images that go through the network at once; the lease is renewed after each batch


@shared_task(name="readerstudy.scoring.tasks.score_chunk", soft_time_limit=1800, time_limit=1860)
def score_chunk(chunk_id: int) -> None:
    """Claim a chunk, do what its run asks for, deliver. A second message for the same chunk finds nothing to do."""
    chunk = jobs.claim(chunk_id)
    if chunk is None:
        return
    try:
        deliver = _WORK[chunk.run.kind](chunk)
    except ScoringError as error:
        log.error("Chunk %s: %s", chunk_id, error)
        jobs.fail(chunk, lease=chunk.lease, reason=str(error))
        return
    except SoftTimeLimitExceeded:
        jobs.give_back(chunk, lease=chunk.lease, reason="The worker ran out of time.")
        return
    except Exception as error:
        jobs.give_back(chunk, lease=chunk.lease, reason=f"The worker failed: {type(error).__name__}: {error}")
        raise
    if deliver is None or not deliver():
        log.warning("Chunk %s: the lease was lost, so what was computed is thrown away", chunk_id)


@shared_task(name="readerstudy.scoring.tasks.sweep", soft_time_limit=60, time_limit=90)
def sweep() -> None:
    """Ring again for chunks that no worker comes for; run by beat every READERSTUDY_SWEEP_SECONDS."""
    if rung := jobs.sweep():
        log.info("rang again for %s chunks", rung)


@lru_cache(maxsize=2)
def load_classifier(sha256: str) -> "Classifier":
    """The model with this hash, from this process's memory after the first time. Raises: ScoringError."""
    from model_core.inference import Classifier

    classifier = _loaded(sha256, Classifier.load)
    if classifier.note:
        log.warning("Model %s: %s", sha256[:12], classifier.note)
    return classifier


@lru_cache(maxsize=1)
def load_embedder(sha256: str) -> "Embedder":
    """The same model without its last layer. Raises: ScoringError."""
    from model_core.embedding import Embedder

    return _loaded(sha256, Embedder.load)


@lru_cache(maxsize=1)
def load_explainer(sha256: str) -> "Explainer":
    """The same model, ready to explain its answers. Raises: ScoringError."""
    from model_core.saliency import Explainer

    return _loaded(sha256, Explainer.load)


def _loaded(sha256: str, load: Callable[..., Model]) -> Model:
    version = ModelVersion.objects.get(sha256=sha256)
    path = local_checkpoint(version)
    try:
        return load(path, settings.SCORING_DEVICE or None)
    except CheckpointError as error:
        raise ScoringError(f"The model {version} cannot be loaded. {error}") from error


Deliver = Callable[[], bool]


def _score(chunk: Chunk) -> Deliver | None:
    """Probabilities of each image; None if the lease was lost on the way."""
    classifier = load_classifier(chunk.run.model_version.sha256)
    streamed = _streamed(chunk, classifier.stream, "probabilities")
    if streamed is None:
        return None
    probabilities, failures = streamed
    return partial(
        jobs.finish, chunk, lease=chunk.lease, probabilities=probabilities, failures=failures,
        precision=classifier.precision,
    )  # fmt: skip


def _embed(chunk: Chunk) -> Deliver | None:
    """The last hidden layer of each image."""
    embedder = load_embedder(chunk.run.model_version.sha256)
    streamed = _streamed(chunk, embedder.stream, "features")
    if streamed is None:
        return None
    rows = outcomes.feature_rows(chunk.run.model_version, streamed[0], embedder.precision)
    return partial(jobs.deliver, chunk, lease=chunk.lease, made=rows, failures=streamed[1])


def _explain(chunk: Chunk) -> Deliver | None:
    """The saliency map of each image, of its most probable class."""
    from model_core.transforms import ImageError

    explainer = load_explainer(chunk.run.model_version.sha256)
    images, unreadable, failures = jobs.waiting_images(chunk), dict[int, str](), dict[int, str]()
    maps: dict[int, outcomes.Explained] = {}
    for image, content in zip(images, _contents(images, unreadable), strict=True):
        if not jobs.extend(chunk):  # loading, too, may have taken a good part of the lease
            return None
        try:
            maps[image.pk] = explainer.explain(content)
        except ImageError as error:
            failures[image.pk] = unreadable.get(image.pk, str(error))
    rows = outcomes.saliency_rows(chunk.run.model_version, maps)
    return partial(jobs.deliver, chunk, lease=chunk.lease, made=rows, failures=failures)


_WORK: dict[str, Callable[[Chunk], Deliver | None]] = {
    ScoringRun.Kind.SCORES: _score,
    ScoringRun.Kind.FEATURES: _embed,
    ScoringRun.Kind.SALIENCY: _explain,
}


def _streamed(
    chunk: Chunk, stream: Callable[..., Iterator[Any]], name: str
) -> tuple[dict[int, NDArray[np.float32]], dict[int, str]] | None:
    """(image id -> the row of ``name``, image id -> reason) of what is streamed; None if the lease was lost."""
    # Loading may have taken a good part of the lease: the work begins with a whole one.
    if not jobs.extend(chunk):
        return None
    images = jobs.waiting_images(chunk)
    found: dict[int, NDArray[np.float32]] = {}
    failures: dict[int, str] = {}
    unreadable: dict[int, str] = {}
    for batch in stream(_contents(images, unreadable), BATCH):
        reasons = {failure.index: failure.reason for failure in batch.failures}
        for index, row in enumerate(getattr(batch, name), start=batch.start):
            pk = images[index].pk
            if index in reasons:
                failures[pk] = unreadable.get(pk, reasons[index])
            else:
                found[pk] = row
        if not jobs.extend(chunk):
            return None
    return found, failures


def _contents(images: Sequence[Image], unreadable: dict[int, str]) -> Iterator[io.BytesIO]:
    """The stored bytes of each image, checked against its hash; nothing, and a reason, where they are not as stored."""
    for image in images:
        content = b""
        try:
            with image.file.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            unreadable[image.pk] = "The picture's file is not in storage."
        except OSError as error:
            unreadable[image.pk] = f"The picture's file cannot be read: {error.strerror or error}."
        else:
            if hashlib.sha256(content).hexdigest() != image.sha256:
                unreadable[image.pk] = "The picture's file was changed or damaged after it was stored."
                content = b""
        yield io.BytesIO(content)
