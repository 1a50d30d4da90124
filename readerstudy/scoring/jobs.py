"""A run from its request to its last score: who may work on which chunk, and what is written once.

The rows are the truth. A message carries a chunk's id and only rings the bell: a lost, doubled or late one changes
nothing, because a chunk is claimed by a counted UPDATE and `sweep` rings again. Every change of a chunk first locks its
run, so that of two workers who end the last two chunks at once exactly one closes the run.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.scoring import outcomes
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion, RunImage, ScoringRun
from readerstudy.scoring.progress import Progress, failures, progress
from readerstudy.scoring.registry import register_model
from readerstudy.scoring.scores import batches, can_check_leaks, coverage, image_ids, leaks, scores_of

__all__ = [
    "Progress", "can_check_leaks", "claim", "coverage", "deliver", "extend", "fail", "failures", "finish", "give_back",
    "leaks", "progress", "register_model", "request_run", "scores_of", "stop_run", "sweep", "waiting_images",
]  # fmt: skip

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # a chunk that ends its worker this often is given up, and the run goes on
RING_AT_ONCE = 2000  # messages that one sweep sends at most


# --- asking ---------------------------------------------------------------------------------------------------------


def request_run(
    *,
    model_version: ModelVersion,
    images: QuerySet[Image] | Iterable[int],
    label: str,
    requested_by: User,
    kind: str = ScoringRun.Kind.SCORES,
) -> ScoringRun:
    """Ask for the scores (features, saliency maps) of `images` by a model; only what is not there yet becomes work.

    The same request while one is active returns that one. With nothing left to do, the run is done at once.
    Raises: ScoringError if there is no image, or an id is unknown.
    """
    asked = image_ids(images)
    _check_asked(asked)
    digest = hashlib.sha256("\n".join([kind, model_version.sha256, *map(str, asked)]).encode()).hexdigest()
    in_training = leaks(model_version, asked)
    active = ScoringRun.objects.filter(request_sha256=digest, state__in=ScoringRun.ACTIVE)
    try:
        with transaction.atomic():
            if found := active.first():
                return found
            present = set(outcomes.present(kind, model_version).values_list("image_id", flat=True))
            todo = [image_id for image_id in asked if image_id not in present]
            now = timezone.now()
            run = ScoringRun.objects.create(
                model_version=model_version, kind=kind, label=label[:200], request_sha256=digest,
                requested_by=requested_by, n_images=len(asked), n_present=len(asked) - len(todo),
                in_training=in_training, state=ScoringRun.State.QUEUED if todo else ScoringRun.State.DONE,
                finished_at=None if todo else now,
            )  # fmt: skip
            _cut_into_chunks(run, todo, now)
            audit.record(
                "run.requested", actor=requested_by, target=run, label=run.label, kind=str(kind),
                model=model_version.sha256, n_images=run.n_images, n_present=run.n_present,
                n_in_training=len(in_training),
            )  # fmt: skip
    except IntegrityError:  # someone else asked for the same at the same moment
        return active.get()
    return run


def stop_run(run: ScoringRun, *, actor: User) -> bool:
    """Let no waiting chunk be claimed any more; one in work still delivers. Asking again goes on with the rest."""
    with transaction.atomic():
        stopped = ScoringRun.objects.filter(pk=run.pk, state__in=ScoringRun.ACTIVE).update(
            state=ScoringRun.State.STOPPED, finished_at=timezone.now()
        )
        if stopped:
            audit.record("run.stopped", actor=actor, target=run)
    return bool(stopped)


def _check_asked(asked: Sequence[int]) -> None:
    if not asked:
        raise ScoringError(_("There is no image to score: the choice is empty."))
    known: set[int] = set()
    for some in batches(asked):
        known.update(Image.objects.filter(pk__in=some).values_list("pk", flat=True))
    if unknown := [image_id for image_id in asked if image_id not in known]:
        which = ", ".join(map(str, unknown[:5]))
        raise ScoringError(_("There is no image %(which)s to score.") % {"which": which})


def _cut_into_chunks(run: ScoringRun, image_ids: Sequence[int], now: datetime) -> None:
    pieces = list(batches(image_ids, settings.SCORING_CHUNK_SIZE))
    Chunk.objects.bulk_create([Chunk(run=run, number=n, rung_at=now) for n in range(len(pieces))], batch_size=500)
    chunks = list(run.chunks.order_by("number"))
    RunImage.objects.bulk_create(
        [
            RunImage(run=run, chunk=chunk, image_id=image_id)
            for chunk, piece in zip(chunks, pieces, strict=True)
            for image_id in piece
        ],
        batch_size=500,
    )
    _ring_after_commit([chunk.pk for chunk in chunks])


# --- working --------------------------------------------------------------------------------------------------------


def claim(chunk_id: int) -> Chunk | None:
    """Take a chunk that waits, or whose lease ran out, for SCORING_LEASE_SECONDS; None if it is not to be had.

    The chunk comes with its run and model version, and a lease that `finish` asks for.
    """
    with transaction.atomic():
        chunk = Chunk.objects.filter(pk=chunk_id).first()
        if chunk is None or not (run := _locked_run(chunk)).is_active:
            return None
        now = timezone.now()
        free = Chunk.objects.filter(pk=chunk_id).filter(_free(now))
        claimed = free.filter(attempts__lt=MAX_ATTEMPTS).update(
            state=Chunk.State.CLAIMED, lease=uuid.uuid4(), lease_expires_at=_lease_end(now), attempts=F("attempts") + 1
        )
        if not claimed:
            for exhausted in free:
                _fail(exhausted, run, _given_up(exhausted))
            return None
        ScoringRun.objects.filter(pk=run.pk, state=ScoringRun.State.QUEUED).update(
            state=ScoringRun.State.RUNNING, started_at=now
        )
        return Chunk.objects.select_related("run__model_version").get(pk=chunk_id)


def extend(chunk: Chunk) -> bool:
    """The worker's sign of life: the lease begins anew. False if the chunk is no longer the worker's."""
    return bool(_held(chunk, chunk.lease).update(lease_expires_at=_lease_end(timezone.now())))


def waiting_images(chunk: Chunk) -> list[Image]:
    """The images of a chunk that are not done in the meantime (by another run of this kind and model), by id."""
    done = outcomes.present(chunk.run.kind, chunk.run.model_version)
    return list(Image.objects.filter(pk__in=chunk.run_images.exclude(image__in=done).values("image_id")))


def finish(
    chunk: Chunk,
    *,
    lease: uuid.UUID | None,
    probabilities: Mapping[int, NDArray[np.floating]],
    failures: Mapping[int, str],
    precision: str = "",
) -> bool:
    """`deliver` of scores: image id -> (k,) probabilities in the model's class order.

    Raises: ScoringError, also where a vector is not k finite probabilities.
    """
    made = outcomes.score_rows(chunk.run.model_version, probabilities, precision)
    return deliver(chunk, lease=lease, made=made, failures=failures)


def deliver(chunk: Chunk, *, lease: uuid.UUID | None, made: outcomes.Rows, failures: Mapping[int, str]) -> bool:
    """Write what came out of a chunk, once: all of it in one transaction, and only if the lease is still the caller's.

    made: image id -> an unsaved row of the run's kind; failures: image id -> the reason.
    Returns False, with nothing written, if the chunk has been taken by another worker or given up.
    Raises: ScoringError if an image of the chunk is left out or another one is reported on.
    """
    with transaction.atomic():
        run = _locked_run(chunk)
        if not _held(chunk, lease).update(state=Chunk.State.DONE, lease=None, lease_expires_at=None, error=""):
            return False
        _check_complete(chunk, {*made, *failures})
        outcomes.store(chunk.run.kind, made)
        for image_id, reason in failures.items():
            chunk.run_images.filter(image_id=image_id).update(error=reason or "No reason was given.")
        _close(run)
    return True


def fail(chunk: Chunk, *, lease: uuid.UUID | None, reason: str) -> bool:
    """Give a chunk up for a reason that another attempt would not change; its images carry the reason."""
    with transaction.atomic():
        run = _locked_run(chunk)
        held = _held(chunk, lease).first()
        if held is None:
            return False
        _fail(held, run, reason)
    return True


def give_back(chunk: Chunk, *, lease: uuid.UUID | None, reason: str) -> bool:
    """Let the chunk wait again after an attempt that went wrong; the next sweep rings for it."""
    return bool(
        _held(chunk, lease).update(
            state=Chunk.State.QUEUED, lease=None, lease_expires_at=None, rung_at=None, error=reason
        )
    )


def sweep() -> int:
    """Ring again for what no one comes for: leases that ran out, and chunks whose message seems lost.

    A chunk counts as forgotten if it was never rung for, or if the last bell is a lease's time ago and no worker holds
    a chunk of its run (while one does, the messages are merely behind it in the queue). Returns how many bells rang.
    """
    now = timezone.now()
    long_ago = now - timedelta(seconds=settings.SCORING_LEASE_SECONDS)
    active = ScoringRun.objects.filter(state__in=ScoringRun.ACTIVE)
    in_hand = ScoringRun.objects.filter(chunks__state=Chunk.State.CLAIMED, chunks__lease_expires_at__gte=now)
    expired = Q(state=Chunk.State.CLAIMED, lease_expires_at__lt=now)
    forgotten = Q(state=Chunk.State.QUEUED) & (Q(rung_at=None) | (Q(rung_at__lt=long_ago) & ~Q(run__in=in_hand)))
    with transaction.atomic():
        chunks = Chunk.objects.filter(expired | forgotten, run__in=active).order_by("pk")
        ids = list(chunks.values_list("pk", flat=True)[:RING_AT_ONCE])
        for some in batches(ids):
            _expired(now).filter(pk__in=some).update(state=Chunk.State.QUEUED, lease=None, lease_expires_at=None)
            Chunk.objects.filter(pk__in=some).update(rung_at=now)
        _ring_after_commit(ids)
    return len(ids)


def _locked_run(chunk: Chunk) -> ScoringRun:
    """The chunk's run, held until the transaction ends: always before the chunk itself is touched."""
    return ScoringRun.objects.select_for_update().get(pk=chunk.run_id)


def _free(now: datetime) -> Q:
    return Q(state=Chunk.State.QUEUED) | Q(state=Chunk.State.CLAIMED, lease_expires_at__lt=now)


def _expired(now: datetime) -> QuerySet[Chunk]:
    return Chunk.objects.filter(state=Chunk.State.CLAIMED, lease_expires_at__lt=now)


def _held(chunk: Chunk, lease: uuid.UUID | None) -> QuerySet[Chunk]:
    return Chunk.objects.filter(pk=chunk.pk, state=Chunk.State.CLAIMED, lease=lease)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.SCORING_LEASE_SECONDS)


def _check_complete(chunk: Chunk, reported: set[int]) -> None:
    if strays := reported.difference(chunk.run_images.values_list("image_id", flat=True)):
        raise ScoringError(f"The worker reported on image {min(strays)}, which is not of {chunk}.")
    if left_out := [image.pk for image in waiting_images(chunk) if image.pk not in reported]:
        raise ScoringError(f"The worker reported neither a score nor a reason for image {left_out[0]} of {chunk}.")


def _given_up(chunk: Chunk) -> str:
    last = chunk.error or "The worker ended without a word."
    return f"Given up after {chunk.attempts} attempts. {last}"


def _fail(chunk: Chunk, run: ScoringRun, reason: str) -> None:
    """With the run locked: the chunk ends, and each image of it without a score says why."""
    chunk.run_images.filter(image__in=waiting_images(chunk)).update(error=reason)
    Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.State.FAILED, lease=None, lease_expires_at=None, error=reason)
    _close(run)


def _close(run: ScoringRun) -> None:
    """With the run locked: end it if this was its last chunk; failed only if not one image came through."""
    if run.chunks.filter(state__in=[Chunk.State.QUEUED, Chunk.State.CLAIMED]).exists():
        return
    failed = run.run_images.exclude(error="")
    n, n_failed = run.run_images.count(), failed.count()
    state, error = ScoringRun.State.DONE, ""
    if n_failed == n:
        first = failed.order_by("pk").first()
        state, error = ScoringRun.State.FAILED, first.error if first else ""
    closed = ScoringRun.objects.filter(pk=run.pk, state__in=ScoringRun.ACTIVE).update(
        state=state, error=error, finished_at=timezone.now()
    )
    if closed:
        audit.record(
            "run.finished", actor=None, target=run, state=state.value, n_scored=n - n_failed, n_failed=n_failed
        )


def _ring_after_commit(chunk_ids: Sequence[int]) -> None:
    def ring() -> None:
        _ring(chunk_ids)

    # robust: a broker that is down is logged; the rows stand, and the sweep rings when it is back.
    transaction.on_commit(ring, robust=True)


def _ring(chunk_ids: Sequence[int]) -> None:
    from readerstudy.scoring.tasks import score_chunk  # the tasks import this module

    for number, chunk_id in enumerate(chunk_ids):
        try:
            score_chunk.delay(chunk_id)
        except Exception:
            for some in batches(chunk_ids[number:]):
                Chunk.objects.filter(pk__in=some).update(rung_at=None)
            raise
