"""The one door through which an answer is written: one transaction, once, in order, with its audit entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readings.access import closed
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.readings.progress import current_item
from readerstudy.studies.models import Choice, Study


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission about the case at `position`.

    stored            written now
    repeated          the same submission had come before: nothing written, the stored answer stands
    already-answered  the case had been answered by another submission: nothing written, the first answer stands
    """

    kind: Literal["stored", "repeated", "already-answered"]
    position: int
    finished: bool  # whether every case of the reading is answered now


def record_answer(
    *,
    reading: Reading,
    item_uuid: UUID,
    submission_id: UUID,
    choices: Mapping[int, int],
    actor: User,
    client_shown_at: datetime | None = None,
    client_answered_at: datetime | None = None,
) -> Outcome:
    """Store the answer to one case: `choices` maps each question's pk to the pk of the choice made.

    `submission_id` is drawn by whoever submits and makes the call repeatable: the same submission gives the stored
    result, the same id with another content is refused. Only the first unanswered case can be answered. The two client
    times are kept as they came, by the reader's clock. A return without an exception means: it is on the disk once the
    surrounding transaction, if there is one, commits.

    Raises ReadingsError: conflict, closed, withdrawn, unknown (case), ahead, malformed (choices).
    """
    with transaction.atomic():
        locked = _lock(reading)
        if repeated := _repeated(locked, item_uuid, submission_id, choices):
            return repeated
        _must_be_open(locked)
        item = locked.items.filter(uuid=item_uuid).first()
        if item is None:
            raise ReadingsError("unknown", _("This test has no such case."))
        current = current_item(locked)
        if current is None or item.position < current.position:
            return Outcome("already-answered", item.position, finished=current is None)
        if item.position > current.position:
            message = _("Case %(ahead)s cannot be answered yet: case %(current)s comes first.")
            raise ReadingsError("ahead", message % {"ahead": item.position, "current": current.position})
        _write(item, submission_id, _checked(locked, choices), client_shown_at, client_answered_at)
        audit.record("answer.recorded", actor=actor, target=locked, item=item.position, submission=str(submission_id))
        return Outcome("stored", item.position, finished=_finish_if_read(locked, actor))


def _lock(reading: Reading) -> Reading:
    """The reading as it is now, held until the transaction ends, so that two submissions follow one another.

    Its reader and study are held too: once withdrawal or closing is committed, no answer can come after it. (On SQLite
    the transaction itself is the lock: it begins IMMEDIATE.)
    """
    rows = Reading.objects.select_for_update(of=("self", "reader", "test__study"), no_key=True)
    return (
        rows.select_related("reader", "test__study")
        .only("uuid", "finished_at", "reader__withdrawn_at", "test__position", "test__study__state")
        .get(pk=reading.pk)
    )


def _repeated(reading: Reading, item_uuid: UUID, submission_id: UUID, choices: Mapping[int, int]) -> Outcome | None:
    """The stored result, if this submission was stored before; None if it is new."""
    stored = list(Answer.objects.filter(submission_id=submission_id).select_related("item"))
    if not stored:
        return None
    item = stored[0].item
    if (
        item.reading_id != reading.pk
        or item.uuid != item_uuid
        or {answer.question_id: answer.choice_id for answer in stored} != dict(choices)
    ):
        raise _conflict()
    return Outcome("repeated", item.position, finished=reading.finished_at is not None)


def _conflict() -> ReadingsError:
    return ReadingsError(
        "conflict", _("This case was answered already, and differently. The first answer stands; nothing was changed.")
    )


def _must_be_open(reading: Reading) -> None:
    if reading.reader.withdrawn_at is not None:
        raise ReadingsError("withdrawn", _("You have left this study: no more answers are taken."))
    if reading.test.study.state != Study.State.OPEN:
        raise closed(reading)


def _checked(reading: Reading, choices: Mapping[int, int]) -> list[Choice]:
    """The choices as rows, exactly one to each question of the test."""
    allowed = {
        choice.pk: choice for choice in Choice.objects.filter(question__test=reading.test_id).only("pk", "question_id")
    }
    questions = {choice.question_id for choice in allowed.values()}
    if set(choices) != questions:
        raise ReadingsError("malformed", _("Each question needs one answer. Nothing was stored."))
    for question, choice in choices.items():
        if choice not in allowed or allowed[choice].question_id != question:
            raise ReadingsError("malformed", _("This is not one of the answers to choose from. Nothing was stored."))
    return [allowed[choice] for choice in choices.values()]


def _write(
    item: Item,
    submission_id: UUID,
    choices: list[Choice],
    client_shown_at: datetime | None,
    client_answered_at: datetime | None,
) -> None:
    try:
        with transaction.atomic():
            Answer.objects.bulk_create(
                Answer(
                    submission_id=submission_id, item=item, question_id=choice.question_id, choice=choice,
                    client_shown_at=client_shown_at, client_answered_at=client_answered_at,
                )
                for choice in choices
            )  # fmt: skip
    except IntegrityError as error:
        # The lock keeps this reading's submissions apart; only another reading could have used the id just now.
        raise _conflict() from error


def _finish_if_read(reading: Reading, actor: User) -> bool:
    """Stamp the end of the reading, once, when its last case was answered."""
    if reading.items.unanswered().exists():
        return False
    if Reading.objects.filter(pk=reading.pk, finished_at=None).update(finished_at=timezone.now()):
        audit.record("reading.finished", actor=actor, target=reading)
    return True
