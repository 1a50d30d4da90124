"""What a worker does to a chunk, a step at a time."""

from datetime import timedelta

import numpy as np
from django.utils import timezone

from readerstudy.scoring import jobs
from readerstudy.scoring.models import Chunk

HALF = np.array([0.5, 0.5], np.float32)


def taken(chunk: Chunk) -> Chunk:
    claimed = jobs.claim(chunk.pk)
    assert claimed is not None
    return claimed


def delivered(chunk: Chunk, *, failures: dict[int, str] | None = None) -> bool:
    """Finish with a half for each image, but for those in `failures`."""
    failures = failures or {}
    return jobs.finish(
        chunk,
        lease=chunk.lease,
        probabilities={i.pk: HALF for i in jobs.waiting_images(chunk) if i.pk not in failures},
        failures=failures,
    )


def expire(chunk: Chunk) -> None:
    Chunk.objects.filter(pk=chunk.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
