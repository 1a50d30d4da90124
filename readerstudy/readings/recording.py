"""The one door through which an answer is written: one transaction, once, in order, with its audit entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readings.access import refuse_before_its_time, refuse_closed
from readerstudy.readings.answering import Given, check, said, stored
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.readings.progress import (
    advice_shown,
    advises,
    changeable,
    newest,
    readable,
    screen_checked,
    stage_due,
    stages_of,
    stages_of_test,
)
from readerstudy.studies.models import Stage, Test


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the browser says of an answer, by its own clock; the server keeps it beside its own time, as what it is."""

    shown_at: datetime | None = None
    touched_at: datetime | None = None
    answered_at: datetime | None = None
    hidden_ms: int | None = None
    zoomed: bool | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission as it came: the answers (question pk -> what was given) to one stage (by position) of a case.

    `submission` is drawn by whoever submits; `replaces` is the submission that this one changes; `is_late`: it was sent
    because the time was up.
    """

    item: UUID
    stage: int
    submission: UUID
    answers: Mapping[int, Given]
    replaces: UUID | None = None
    is_late: bool = False
    telemetry: Telemetry = field(default_factory=Telemetry)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission about a stage of the case at `position`.

    stored            written now
    repeated          the same submission had come before: nothing written, the stored answer stands
    already-answered  the stage had been answered by another submission: nothing written, the first answer stands
    """

    kind: Literal["stored", "repeated", "already-answered"]
    position: int
    finished: bool  # whether the reading has come to its end


def record(*, reading: Reading, sent: Sent, actor: User) -> Outcome:
    """Store the answers to one stage of one case.

    The call is repeatable: the same submission gives the stored result, the same id with another content is refused.
    Only the first stage without an answer, of the first case without one, can be answered, and where the stage shows
    advice, only once that was shown; a submission that names the one it `replaces` becomes the next revision, where the
    protocol still allows a change. A return without an exception means: it is on the disk once the surrounding
    transaction, if there is one, commits.

    Raises ReadingsError: conflict, closed, withdrawn, not-yet, screen, unknown (case, stage), ahead, locked, malformed.
    """
    with transaction.atomic():
        locked = _lock(reading)
        if repeated := _repeated(locked, sent):
            return repeated
        _must_be_open(locked)
        item = readable(locked.items.filter(uuid=sent.item)).first()
        if item is None:
            raise ReadingsError("unknown", _("This test has no such case."))
        stages = stages_of_test(locked.test_id)
        stage = next((stage for stage in stages_of(item, stages) if stage.position == sent.stage), None)
        if stage is None:
            raise ReadingsError("unknown", _("This case has no such stage."))
        revision = _revision(locked, item, stage, stages, sent)
        if revision is None:
            return Outcome("already-answered", item.position, finished=locked.finished_at is not None)
        answers = said(sent.answers)
        if answers and revision == 1:
            _must_be_advised(item, stage)
        check(list(stage.questions.all()), answers, in_time=not _cut_off(locked.test, sent))
        _write(item, stage, stage == stages_of(item, stages)[-1], revision, answers, sent)
        audit.record(
            "answer.recorded", actor=actor, target=locked, item=item.position, stage=stage.position, revision=revision,
            submission=str(sent.submission),
        )  # fmt: skip
        return Outcome("stored", item.position, finished=_finish_if_read(locked, actor))


def end(*, reading: Reading, actor: User) -> None:
    """End a reading whose answers could be changed until now. Again changes nothing.

    Raises ReadingsError: ahead, where a case is still unanswered; closed, withdrawn.
    """
    with transaction.atomic():
        locked = _lock(reading)
        if locked.finished_at is not None:
            return
        _must_be_open(locked)
        if left := locked.items.unanswered().order_by("position").first():
            message = _("The test is not over yet: case %(position)s has no answer.")
            raise ReadingsError("ahead", message % {"position": left.position})
        _finish(locked, actor)


def _lock(reading: Reading) -> Reading:
    """The reading as it is now, held until the transaction ends, so that two submissions follow one another.

    Its reader and study are held too: once withdrawal or closing is committed, no answer can come after it. (On SQLite
    the transaction itself is the lock: it begins IMMEDIATE.)
    """
    rows = Reading.objects.select_for_update(of=("self", "reader", "test__study"), no_key=True)
    return (
        rows.select_related("reader", "test__study")
        .only(
            "uuid", "finished_at", "opens_at", "reader__withdrawn_at", "test__position", "test__changes",
            "test__time_limit", "test__seconds_per_case", "test__screen_check", "test__study__state",
        )
        .get(pk=reading.pk)
    )  # fmt: skip


def _repeated(reading: Reading, sent: Sent) -> Outcome | None:
    """The stored result, if this submission was stored before; None if it is new."""
    before = Submission.objects.filter(pk=sent.submission).select_related("item", "stage").first()
    if before is None:
        return None
    if (
        before.item.reading_id != reading.pk
        or before.item.uuid != sent.item
        or before.stage.position != sent.stage
        or stored(before.answers.all()) != said(sent.answers)
    ):
        raise _conflict()
    return Outcome("repeated", before.item.position, finished=reading.finished_at is not None)


def _conflict() -> ReadingsError:
    return ReadingsError(
        "conflict", _("This case was answered already, and differently. The first answer stands; nothing was changed.")
    )


def _must_be_open(reading: Reading) -> None:
    if reading.reader.withdrawn_at is not None:
        raise ReadingsError("withdrawn", _("You have left this study: no more answers are taken."))
    refuse_closed(reading)
    refuse_before_its_time(reading)
    if reading.test.screen_check == Test.ScreenCheck.REQUIRED and not screen_checked(reading):
        raise ReadingsError("screen", _("The screen must pass its check before a case can be answered."))


def _must_be_advised(item: Item, stage: Stage) -> None:
    """An answer that counts as given with advice was given by someone who had it. (Nothing said in time needs none.)"""
    if stage.shows_advice and advises(item) and advice_shown(item) is None:
        raise ReadingsError("ahead", _("The advice beside this case must be seen first."))


def _revision(reading: Reading, item: Item, stage: Stage, stages: Sequence[Stage], sent: Sent) -> int | None:
    """Which revision of the stage's answers this is; None: they are there, and no change of them was meant."""
    last = newest(item, stage)
    if sent.replaces is not None:
        return _next_revision(reading, item, stage, stages, last, sent.replaces)
    if last is not None:
        return None
    current = _current(reading)
    if current is None or item.position < current.position:
        return None
    if item.position > current.position:
        message = _("Case %(ahead)s cannot be answered yet: case %(current)s comes first.")
        raise ReadingsError("ahead", message % {"ahead": item.position, "current": current.position})
    if stage != stage_due(item, stages):
        raise ReadingsError("ahead", _("The questions before these must be answered first."))
    return 1


def _next_revision(
    reading: Reading, item: Item, stage: Stage, stages: Sequence[Stage], last: Submission | None, replaces: UUID
) -> int:
    """The number of a change; raises ReadingsError locked or conflict.

    A change is of the last stage of an answered case: what was seen since would colour the answer to an earlier one.
    """
    open_to_change = {may.pk for may in changeable(reading, _current(reading))}
    if last is None or item.pk not in open_to_change or stage != stages_of(item, stages)[-1]:
        raise ReadingsError(
            "locked",
            _("The answer to case %(position)s can no longer be changed.") % {"position": item.position},
        )
    if last.pk != replaces:
        raise ReadingsError(
            "conflict",
            _("This answer was changed meanwhile, in another window or on another device. Nothing was changed now."),
        )
    return last.revision + 1


def _current(reading: Reading) -> Item | None:
    """The first case without an answer: the only one that can be answered."""
    return reading.items.unanswered().order_by("position").first()


def _cut_off(test: Test, sent: Sent) -> bool:
    """Whether answers may be missing: the time was up, in a test where that ends the case."""
    return sent.is_late and test.time_limit == Test.Limit.HARD


def _write(item: Item, stage: Stage, completes: bool, revision: int, answers: Mapping[int, Given], sent: Sent) -> None:
    told = sent.telemetry
    try:
        with transaction.atomic():
            made = Submission.objects.create(
                id=sent.submission, item=item, stage=stage, completes=completes, revision=revision,
                shown_at=told.shown_at, touched_at=told.touched_at, answered_at=told.answered_at,
                hidden_ms=told.hidden_ms, zoomed=told.zoomed, is_late=sent.is_late,
            )  # fmt: skip
            Answer.objects.bulk_create(
                Answer(
                    submission=made, question_id=question, choice_id=answer.choice, number=answer.number,
                    nodes=None if answer.nodes is None else list(answer.nodes), text=answer.text,
                    cannot_assess=answer.cannot_assess,
                )
                for question, answer in answers.items()
            )  # fmt: skip
    except IntegrityError as error:
        # The lock keeps this reading's submissions apart; only another reading could have used the id just now.
        raise _conflict() from error


def _finish_if_read(reading: Reading, actor: User) -> bool:
    """Whether the reading is over. With its last answer it is, unless answers may still be changed: see `end`."""
    ends_by_itself = reading.finished_at is None and reading.test.changes == Test.Changes.NEVER
    if ends_by_itself and not reading.items.unanswered().exists():
        _finish(reading, actor)
    return reading.finished_at is not None


def _finish(reading: Reading, actor: User) -> None:
    """Stamp the end of the reading, once."""
    now = timezone.now()
    if Reading.objects.filter(pk=reading.pk, finished_at=None).update(finished_at=now):
        audit.record("reading.finished", actor=actor, target=reading)
        reading.finished_at = now
