"""Numbers computed once for the same inputs: at once where that is quick, else by a worker, with progress.

`results_of`, `supplement_of` and those below are the only ways to a study's numbers. They compute nothing twice: the
row with the hash of the inputs is the truth, whoever computes has claimed it by a counted UPDATE and holds a lease, and
`sweep` rings again for what no one comes for. Everything random has a fixed seed: whoever computes, the numbers are the
same.
May this person see them? The caller has asked (`access`): nothing here may be called before.
"""

import logging
import time
import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.results.analysis import StudyResults
from readerstudy.results.errors import ResultsError
from readerstudy.results.explained.numbers import Embedding
from readerstudy.results.files import StoredFile, forget, forget_source, is_there, keep_source
from readerstudy.results.models import Computation
from readerstudy.results.packing import PackingError, pack, unpack
from readerstudy.results.parts import Step
from readerstudy.results.subjects import Subject
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.tables.inputs import Inputs
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test

log = logging.getLogger(__name__)

What, State = Computation.What, Computation.State

# Up to here a page waits for its numbers (well under a second at the paper's sizes); above, a worker computes them.
MOST_ANSWERS, MOST_IMAGES = 30_000, 20_000
MOST_CASES = 300  # that t-SNE lays out in about a second
FILES = Computation.FILES
MAX_ATTEMPTS = 3
PATIENCE = 3.0  # seconds that a page waits for another request that computes the same
PAUSE = 0.1


class StillComputing(ResultsError):  # noqa: N818 - nothing went wrong
    """The numbers are not there yet; `computation` says how far they are."""

    def __init__(self, computation: Computation) -> None:
        super().__init__(_("These numbers are being computed. Look again in a moment."), status=503)
        self.computation = computation


class LeaseLost(Exception):  # noqa: N818 - nothing went wrong
    """Stopped, or another worker has it: what is being computed here is not wanted any more."""


# --- asking ---------------------------------------------------------------------------------------------------------


def results_of(
    study: Study, model_version: ModelVersion | None, *, by: User | None = None, here: Step | None = None
) -> StudyResults:
    """Every number of the study's main page. Raises: StillComputing while a worker has it; ResultsError.

    ``by``: who asks, kept with the request. ``here``: compute in this process whatever its size, and say how far it is.
    """
    return cast(StudyResults, _obtain(Subject(What.RESULTS, study, model_version), by, here))


def supplement_of(
    test: Test, question: int, model_version: ModelVersion | None, *, by: User | None = None, here: Step | None = None
) -> Supplement:
    """Every number behind a question (its position) of a test; see `results_of`."""
    subject = Subject(What.SUPPLEMENT, test.study, model_version, test, question)
    return cast(Supplement, _obtain(subject, by, here))


def layout_of(
    test: Test, model_version: ModelVersion, *, by: User | None = None, here: Step | None = None
) -> Embedding | None:
    """Where the model puts the test's cases; None of fewer than four with features. See `results_of`."""
    (found,) = _obtain(Subject(What.LAYOUT, test.study, model_version, test), by, here)
    return cast(Embedding | None, found)


def table_of(test: Test, name: str, model_version: ModelVersion | None, *, by: User | None = None) -> StoredFile:
    """A table of a test as a stored file; ``name``: as "answers.csv". See `results_of`."""
    return cast(StoredFile, _obtain(Subject(What.TABLE, test.study, model_version, test, name=name), by, None))


def export_of(study: Study, model_version: ModelVersion | None, *, by: User | None = None) -> StoredFile:
    """The whole export as a stored ZIP, its words in the language of who asks. See `results_of`."""
    subject = Subject(What.EXPORT, study, model_version, name="results.zip", language=get_language() or "")
    return cast(StoredFile, _obtain(subject, by, None))


def picture_of(
    test: Test, question: int, name: str, content: str, model_version: ModelVersion | None, *, by: User | None = None
) -> StoredFile:
    """A figure (``content``: all of it as JSON), drawn in the format that its ``name`` ends with. See `results_of`."""
    key = keep_source([test.study_id, test.pk, question, model_version.pk if model_version else None, name], content)
    subject = Subject(What.FIGURE, test.study, model_version, test, question, name=name, figure=key)
    return cast(StoredFile, _obtain(subject, by, None))


def file_in(row: Computation) -> StoredFile | None:
    """The file that a row stands for, where it is there."""
    return cast(StoredFile | None, _unpacked(row)) if row.state == State.DONE and row.what in FILES else None


def is_large(study: Study, model_version: ModelVersion | None) -> bool:
    """Whether a worker computes the study's numbers, and its tables."""
    subject = Subject(What.RESULTS, study, model_version)
    return not _is_quick(subject, subject.inputs())


def inputs_of(study: Study, model_version: ModelVersion | None) -> str:
    """The hash of everything that the study's numbers depend on: who reads the rows before and after sees a change."""
    return Subject(What.RESULTS, study, model_version).inputs().sha256


def _obtain(subject: Subject, by: User | None, here: Step | None) -> Any:
    wanted = subject.inputs()
    for_worker = here is None and not _is_quick(subject, wanted)
    row = _row(subject, wanted, by, ring=for_worker)
    if row.state == State.DONE and (found := _unpacked(row)) is not None:
        return found
    if for_worker:
        raise StillComputing(row)
    return _computed_here(subject, row, here)


def _is_quick(subject: Subject, wanted: Inputs) -> bool:
    """Whether a page may wait for it: the one place that decides. What becomes a file is a worker's."""
    if subject.what in FILES:
        return False
    if subject.what == What.LAYOUT and subject.test is not None:
        return subject.test.cases.count() <= MOST_CASES
    return wanted.n_answers <= MOST_ANSWERS and wanted.n_images <= MOST_IMAGES


def _row(subject: Subject, wanted: Inputs, by: User | None, *, ring: bool) -> Computation:
    """The row of these inputs; where there was none it is made, and a worker rung for."""
    rows = Computation.objects.filter(inputs_sha256=wanted.sha256)
    if found := rows.first():
        return found
    try:
        with transaction.atomic():
            row = Computation.objects.create(
                **subject.columns, inputs_sha256=wanted.sha256, requested_by=by, rung_at=timezone.now()
            )
            if ring:
                _ring_after_commit([row.pk])
    except IntegrityError:  # someone else asked for the same at the same moment
        return rows.get()
    return row


def _unpacked(row: Computation) -> Any:
    try:
        found = unpack(bytes(row.result or b""))
        if isinstance(found, StoredFile) and not is_there(found):
            raise PackingError(f"{found.path} is not in storage")
        return found
    except PackingError as error:  # this software's classes are others now, although its version is the same
        log.warning("Computation %s is computed again: %s", row.pk, error)
        Computation.objects.filter(pk=row.pk, state=State.DONE).update(
            state=State.QUEUED, result=None, attempts=0, rung_at=None, finished_at=None
        )  # fmt: skip
        return None


def _computed_here(subject: Subject, row: Computation, here: Step | None) -> Any:
    """Computed by this process; or, where another one is at it, what that one found."""
    waited_since = time.monotonic()
    while True:
        claimed = claim(row.pk, also=Computation.ENDED_EARLY)
        if claimed is not None:
            return _work(subject, claimed, here or _silent)
        row.refresh_from_db()
        if row.state == State.DONE and (found := _unpacked(row)) is not None:
            return found
        if here is None and time.monotonic() - waited_since > PATIENCE:
            raise StillComputing(row)
        if here is not None and row.total:
            here(row.done, row.total)
        time.sleep(PAUSE)


def _silent(done: int, total: int) -> None:
    """For who does not watch."""


# --- working --------------------------------------------------------------------------------------------------------


def claim(pk: int, *, also: tuple[Computation.State, ...] = ()) -> Computation | None:
    """Take a computation that waits (or is in a state of ``also``), or whose lease ran out; None if it is not to be
    had. One that ended its worker too often is given up."""
    now = timezone.now()
    free = Computation.objects.filter(Q(state__in=[State.QUEUED, *also]) | _expired(now), pk=pk)
    if also:
        free.filter(state__in=also).update(attempts=0)
    claimed = free.filter(attempts__lt=MAX_ATTEMPTS).update(
        state=State.RUNNING, lease=uuid.uuid4(), lease_expires_at=_lease_end(now), attempts=F("attempts") + 1,
        done=0, total=0, error="",
    )  # fmt: skip
    if claimed:
        return Computation.objects.select_related("study", "model_version", "test__study").get(pk=pk)
    free.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=State.FAILED, lease=None, lease_expires_at=None, finished_at=now,
        error=_("Given up after %(n)d attempts: the worker ended each time.") % {"n": MAX_ATTEMPTS},
    )  # fmt: skip
    return None


def work(row: Computation) -> None:
    """A worker's part: compute a row that it has claimed. Inputs that changed meanwhile make the row pointless."""
    subject = Subject.of(row)
    if subject.inputs().sha256 != row.inputs_sha256:
        Computation.objects.filter(pk=row.pk).delete()
        return
    try:
        _work(subject, row, _silent)
    except ResultsError as error:
        log.warning("Computation %s: %s", row.pk, error)
    except LeaseLost:
        log.warning("Computation %s: stopped or taken; what was computed is thrown away", row.pk)


def _work(subject: Subject, row: Computation, watch: Step) -> Any:
    def step(done: int, total: int) -> None:
        if not _held(row).update(done=done, total=total, lease_expires_at=_lease_end(timezone.now())):
            raise LeaseLost
        watch(done, total)

    try:
        value = subject.compute(step)
        if subject.inputs().sha256 == row.inputs_sha256:
            _finish(subject, row, pack(value))
        else:  # an answer came in meanwhile: these numbers are of neither
            _held(row).delete()
            _forget_files([value])
    except ResultsError as error:
        _held(row).update(
            state=State.FAILED, lease=None, lease_expires_at=None, error=str(error), finished_at=timezone.now()
        )
        raise
    except LeaseLost:
        raise
    except BaseException as error:
        give_back(row, reason=f"{type(error).__name__}: {error}")
        raise
    return value


def _finish(subject: Subject, row: Computation, content: bytes) -> None:
    with transaction.atomic():
        done = _held(row).update(
            state=State.DONE, lease=None, lease_expires_at=None, result=content, done=F("total"),
            finished_at=timezone.now(),
        )  # fmt: skip
        if done:  # those of other inputs are of no use any more
            others = Computation.objects.filter(**subject.columns).exclude(pk=row.pk)
            others = others.exclude(state__in=Computation.ACTIVE)
            if subject.what == What.FIGURE:  # the picture itself is an export's too
                transaction.on_commit(lambda: forget_source(subject.figure), robust=True)
            elif subject.what in FILES:
                values = [_unpacked(other) for other in others.filter(state=State.DONE)]
                transaction.on_commit(lambda: _forget_files(values), robust=True)
            others.delete()


def _forget_files(values: list[Any]) -> None:
    for value in values:
        if isinstance(value, StoredFile):
            forget(value)


def give_back(row: Computation, *, reason: str) -> None:
    """Let it wait again after an attempt that went wrong; the next sweep rings for it."""
    _held(row).update(state=State.QUEUED, lease=None, lease_expires_at=None, rung_at=None, error=reason)


def stop(row: Computation, *, actor: User) -> bool:
    """Nobody works on it any more; False if it had ended."""
    with transaction.atomic():
        stopped = Computation.objects.filter(pk=row.pk, state__in=Computation.ACTIVE).update(
            state=State.STOPPED, lease=None, lease_expires_at=None, finished_at=timezone.now()
        )
        if stopped:
            audit.record("computation.stopped", actor=actor, target=row, what=row.what, study=row.study_id)
    return bool(stopped)


def again(row: Computation, *, actor: User) -> bool:
    """Let one that was stopped or failed be computed after all."""
    with transaction.atomic():
        queued = Computation.objects.filter(pk=row.pk, state__in=Computation.ENDED_EARLY).update(
            state=State.QUEUED, attempts=0, done=0, total=0, error="", finished_at=None, rung_at=timezone.now()
        )
        if queued:
            audit.record("computation.asked_again", actor=actor, target=row, what=row.what, study=row.study_id)
            _ring_after_commit([row.pk])
    return bool(queued)


def sweep() -> int:
    """Ring again for what no one comes for: leases that ran out, and messages that seem lost. How many bells rang."""
    now = timezone.now()
    long_ago = now - timedelta(seconds=settings.RESULTS_LEASE_SECONDS)
    forgotten = Q(state=State.QUEUED) & (Q(rung_at=None) | Q(rung_at__lt=long_ago))
    with transaction.atomic():
        ids = list(Computation.objects.filter(_expired(now) | forgotten).order_by("pk").values_list("pk", flat=True))
        Computation.objects.filter(_expired(now), pk__in=ids).update(
            state=State.QUEUED, lease=None, lease_expires_at=None
        )
        Computation.objects.filter(pk__in=ids, state=State.QUEUED).update(rung_at=now)
        _ring_after_commit(ids)
    return len(ids)


def _expired(now: datetime) -> Q:
    return Q(state=State.RUNNING, lease_expires_at__lt=now)


def _held(row: Computation) -> QuerySet[Computation]:
    return Computation.objects.filter(pk=row.pk, state=State.RUNNING, lease=row.lease)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.RESULTS_LEASE_SECONDS)


def _ring_after_commit(ids: list[int]) -> None:
    def ring() -> None:
        from readerstudy.results.tasks import compute  # the tasks import this module

        for pk in ids:
            compute.delay(pk)

    # robust: a broker that is down is logged; the rows stand, and the sweep rings when it is back.
    transaction.on_commit(ring, robust=True)
