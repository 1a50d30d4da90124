"""The worker's side, and the only door to torch, which is imported inside the function that needs it."""

import hashlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from numpy.typing import NDArray

from model_core.checkpoint import CheckpointError
from readerstudy.images.models import Image
from readerstudy.scoring import jobs
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion
from readerstudy.scoring.registry import local_checkpoint

if TYPE_CHECKING:
    from model_core.inference import Classifier

log = logging.getLogger(__name__)

BATCH = 16  # images that go through the network at once; the lease is renewed after each batch


@shared_task(name="readerstudy.scoring.tasks.score_chunk", soft_time_limit=1800, time_limit=1860)
def score_chunk(chunk_id: int) -> None:
    """Claim a chunk, score its images, deliver. A second message for the same chunk finds nothing to do."""
    chunk = jobs.claim(chunk_id)
    if chunk is None:
        return
    try:
        classifier = load_classifier(chunk.run.model_version.sha256)
        # Loading may have taken a good part of the lease: the work begins with a whole one.
        outcome = _score(chunk, classifier) if jobs.extend(chunk) else None
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
    delivered = outcome is not None and jobs.finish(
        chunk, lease=chunk.lease, probabilities=outcome[0], failures=outcome[1], precision=classifier.precision
    )
    if not delivered:
        log.warning("Chunk %s: the lease was lost, so what was computed is thrown away", chunk_id)


@shared_task(name="readerstudy.scoring.tasks.sweep", soft_time_limit=60, time_limit=90)
def sweep() -> None:
    """Ring again for chunks that no worker comes for; run by beat every READERSTUDY_SWEEP_SECONDS."""
    if rung := jobs.sweep():
        log.info("rang again for %s chunks", rung)


@lru_cache(maxsize=2)
def load_classifier(sha256: str) -> "Classifier":
    """The model with this hash, from this process's memory after the first time. Raises: ScoringError."""
    version = ModelVersion.objects.get(sha256=sha256)
    path = local_checkpoint(version)
    from model_core.inference import Classifier

    try:
        return Classifier.load(path, settings.SCORING_DEVICE or None)
    except CheckpointError as error:
        raise ScoringError(f"The model {version} cannot be loaded. {error}") from error


def _score(
    chunk: Chunk, classifier: "Classifier"
) -> tuple[Mapping[int, NDArray[np.float32]], Mapping[int, str]] | None:
    """(image id -> probabilities, image id -> reason), or None if the lease was lost on the way."""
    images = jobs.waiting_images(chunk)
    probabilities: dict[int, NDArray[np.float32]] = {}
    failures: dict[int, str] = {}
    unreadable: dict[int, str] = {}
    for batch in classifier.stream(_contents(images, unreadable), BATCH):
        reasons = {failure.index: failure.reason for failure in batch.failures}
        for index, vector in enumerate(batch.probabilities, start=batch.start):
            pk = images[index].pk
            if index in reasons:
                failures[pk] = unreadable.get(pk, reasons[index])
            else:
                probabilities[pk] = vector
        if not jobs.extend(chunk):
            return None
    return probabilities, failures


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
