"""The one door to advice: it opens when every stage before the one with advice is answered, and not before.

Who may see which case at which stage is what the room of readings says (`progress.seen`); that the unaided answers are
committed is asked here once more, of the rows themselves. What is refused is recorded, and so is what is shown, once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.advice import saying
from readerstudy.readings.access import reading_for
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Item, Reading, SessionEvent
from readerstudy.readings.progress import Shown, advice_shown, readable, screen_checked, seen, stages_of, stages_of_test
from readerstudy.studies.models import Arm, Test

MOST_REFUSALS = 1000  # that are recorded of a reading, or of a stranger; further ones are refused all the same
REFUSED = "advice.refused"  # to someone whose reading it is not


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a case at the stage that is shown: `detail` as `saying.told` made it when it was first shown."""

    shown: Shown
    arm: Arm
    detail: dict[str, Any]


def told(user: User, reading_uuid: UUID, item_uuid: UUID) -> Told:
    """The advice on a case that its reader sees now, at a stage that shows it.

    The first time is recorded with what was told; every further time tells the same. Raises Http404 for what is not
    this user's to read, ReadingsError for what is not due (unknown, ahead, locked, screen, not-yet, closed), each of
    which is recorded; AdviceError where the advice cannot be made.
    """
    try:
        reading = reading_for(user, reading_uuid)
        shown = _due(reading, item_uuid)
        assert shown.item.arm_id is not None  # it needs advice
        arm = Arm.objects.select_related("neighbours_set").get(pk=shown.item.arm_id)
        before = advice_shown(shown.item)
        # Made outside the transaction, which waits for nobody's pictures.
        detail = before.detail if before else saying.told(shown.item, arm, shown.stage)
        return Told(shown, arm, detail if before else _recorded(reading, item_uuid, detail))
    except Http404:
        _record_refusal(user, reading_uuid, item_uuid, "unknown")
        raise
    except ReadingsError as refusal:
        _record_refusal(user, reading_uuid, item_uuid, refusal.code)
        raise


def _due(reading: Reading, item_uuid: UUID) -> Shown:
    """The case at the stage that its reader sees now. Raises ReadingsError unless that stage shows advice."""
    item = readable(reading.items.filter(uuid=item_uuid)).first()
    if item is None:
        raise ReadingsError("unknown", _("This test has no such case."))
    if reading.test.screen_check == Test.ScreenCheck.REQUIRED and not screen_checked(reading):
        raise ReadingsError("screen", _("The screen must pass its check before a case can be answered."))
    shown = seen(reading, item_uuid)
    if shown is not None and shown.needs_advice and _is_answered_unaided(shown):
        return shown
    current = reading.items.unanswered().order_by("position").first()
    if current is not None and item.position >= current.position:
        raise ReadingsError("ahead", _("The answer without advice comes first."))
    raise ReadingsError("locked", _("What was shown beside this case can no longer be seen."))


def _is_answered_unaided(shown: Shown) -> bool:
    """Whether every stage of the case before this one has an answer that is stored."""
    answered = set(shown.item.submissions.values_list("stage_id", flat=True))
    stages = stages_of(shown.item, stages_of_test(shown.item.reading.test_id))
    before = [stage for stage in stages if stage.position < shown.stage.position]
    return bool(before) and all(stage.pk in answered for stage in before)


@transaction.atomic
def _recorded(reading: Reading, item_uuid: UUID, detail: dict[str, Any]) -> dict[str, Any]:
    """What is told from now on: this, or what another request has recorded meanwhile. Raises as `_due`."""
    Reading.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=reading.pk)
    shown = _due(reading, item_uuid)
    if (before := advice_shown(shown.item)) is not None:
        return dict(before.detail)
    kind = SessionEvent.Kind.ADVICE_SHOWN
    SessionEvent.objects.create(reading=reading, item=shown.item, kind=kind, detail=detail)
    return detail


@transaction.atomic
def _record_refusal(user: User, reading_uuid: UUID, item_uuid: UUID, code: str) -> None:
    """In the reading's own record; of a stranger in the record of acts. Of a reading that there is not, nowhere."""
    reading = Reading.objects.select_related("reader").filter(uuid=reading_uuid).first()
    if reading is None:
        return
    if reading.reader.user_id != user.pk:
        if AuditEntry.objects.filter(action=REFUSED, actor=user).count() < MOST_REFUSALS:
            audit.record(REFUSED, actor=user, target=reading)
        return
    refusals = reading.events.filter(kind=SessionEvent.Kind.ADVICE_REFUSED)
    if refusals.count() < MOST_REFUSALS:
        code = "withdrawn" if reading.reader.withdrawn_at is not None else code
        item = Item.objects.filter(reading=reading, uuid=item_uuid).first()
        SessionEvent.objects.create(
            reading=reading, item=item, kind=SessionEvent.Kind.ADVICE_REFUSED, detail={"code": code}
        )
