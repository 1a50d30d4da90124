"""What a reader's page reports beside the answers: a fixed list of kinds, each with its own few fields.

What a page could report falsely to be shown more (advice) is not among them: the room that shows it writes that.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from rest_framework import serializers

from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Item, Reading, SessionEvent
from readerstudy.readings.progress import readable, stage_due, stages_of_test
from readerstudy.readings.serializers import Strict

MOST_EVENTS = 1000  # that the page of a reading reports
NARROWEST = 320  # CSS pixels, the smaller side of the window in which a case can be read


class ScreenCheckSerializer(Strict):
    """What of the test picture was seen: steps of the grey ramp, the patches, and the size of the window."""

    steps_seen = serializers.IntegerField(min_value=0, max_value=64)
    steps_shown = serializers.IntegerField(min_value=2, max_value=64)
    dark_seen = serializers.BooleanField()  # the near-black patch on black
    light_seen = serializers.BooleanField()  # the near-white patch on white
    colours_seen = serializers.BooleanField()
    # CSS pixels; not known without script
    width = serializers.IntegerField(min_value=1, max_value=20_000, required=False)
    height = serializers.IntegerField(min_value=1, max_value=20_000, required=False)
    pixel_ratio = serializers.FloatField(min_value=0.1, max_value=20, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether it passed is for the server to say."""
        seen = attrs["dark_seen"] and attrs["light_seen"] and attrs["colours_seen"]
        every_step = attrs["steps_seen"] == attrs["steps_shown"]
        return {**attrs, "passed": seen and every_step and not is_too_small(attrs)}


def is_too_small(checked: Mapping[str, Any]) -> bool:
    """Whether the window of this check is known to be too small."""
    return min(checked.get("width", NARROWEST), checked.get("height", NARROWEST)) < NARROWEST


class BreakSerializer(Strict):
    """A break before the current case; seconds 0: the suggestion was declined."""

    seconds = serializers.IntegerField(min_value=0, max_value=86_400)


class MoreTimeSerializer(Strict):
    """More time for the stage (by its number) of the case that is being read."""

    seconds = serializers.IntegerField(min_value=1, max_value=3_600)
    stage = serializers.IntegerField(min_value=1, max_value=1_000)


class KeysSerializer(Strict):
    """The keys as they are from now on; `off`: none works."""

    off = serializers.BooleanField(default=False)
    # By what they do; an empty one does nothing.
    keys = serializers.DictField(
        child=serializers.CharField(max_length=20, trim_whitespace=False, allow_blank=True), allow_empty=True
    )

    def validate_keys(self, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 30 or any(not name.isascii() or len(name) > 30 for name in value):
            raise serializers.ValidationError("at most 30 keys, each under a short name")
        return value


KINDS: dict[str, type[Strict]] = {
    SessionEvent.Kind.SCREEN_CHECK: ScreenCheckSerializer,
    SessionEvent.Kind.BREAK: BreakSerializer,
    SessionEvent.Kind.MORE_TIME: MoreTimeSerializer,
    SessionEvent.Kind.KEYS_CHANGED: KeysSerializer,
}


def report(
    *, reading: Reading, kind: object, detail: object, item_uuid: UUID | None = None, report_uuid: UUID | None = None
) -> SessionEvent:
    """Store what the page of this reading reports, about the current case where it names one.

    The call is repeatable: the same `report_uuid`, drawn by whoever reports, gives the stored event.

    Raises ReadingsError malformed: another kind, a field too many, too few or out of its range, another case or stage
    than the current one, or too many events; conflict: another event was reported under this id.
    """
    with transaction.atomic():
        locked = Reading.objects.select_for_update(no_key=True).get(pk=reading.pk)
        kind, checked = _checked(kind, detail)
        if before := _repeated(locked, report_uuid, kind, checked, item_uuid):
            return before
        if locked.events.filter(kind__in=KINDS).count() >= MOST_EVENTS:
            raise ReadingsError("malformed", _("This reading has reported enough."))
        item = _item(locked, kind, checked, item_uuid)
        try:
            with transaction.atomic():
                return SessionEvent.objects.create(
                    reading=locked, item=item, kind=kind, detail=checked, report=report_uuid
                )
        except IntegrityError as error:
            # The lock keeps this reading's reports apart; only another reading could have used the id just now.
            raise _conflict() from error


def _checked(kind: object, detail: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(kind, str) or kind not in KINDS:
        allowed = ", ".join(KINDS)
        raise ReadingsError("malformed", _("Of a reading's events only these are reported: %s.") % allowed)
    checked = KINDS[kind](data=detail)
    if not checked.is_valid():
        raise ReadingsError("malformed", f"{kind}: {json.dumps(checked.errors)}")
    return kind, checked.validated_data


def _repeated(
    reading: Reading, report_uuid: UUID | None, kind: str, detail: dict[str, Any], item_uuid: UUID | None
) -> SessionEvent | None:
    """The stored event, if this report came before; None if it is new."""
    if report_uuid is None:
        return None
    before = SessionEvent.objects.filter(report=report_uuid).select_related("item").first()
    if before is None:
        return None
    about = before.item.uuid if before.item else None
    if (before.reading_id, before.kind, before.detail, about) != (reading.pk, kind, detail, item_uuid):
        raise _conflict()
    return before


def _conflict() -> ReadingsError:
    return ReadingsError("conflict", _("Something else was reported under this id before. Nothing was stored."))


def _item(reading: Reading, kind: str, detail: dict[str, Any], item_uuid: UUID | None) -> Item | None:
    """The case that the event is about: the current one, and at its stage, where more time is asked for."""
    if item_uuid is None and kind != SessionEvent.Kind.MORE_TIME:
        return None
    item = readable(reading.items.unanswered()).first()
    due = stage_due(item, stages_of_test(reading.test_id)) if item else None
    if item is None or due is None or item.uuid != item_uuid or detail.get("stage", due.position) != due.position:
        raise ReadingsError("malformed", _("An event belongs to the case that is being read."))
    return item
