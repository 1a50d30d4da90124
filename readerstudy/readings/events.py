"""What a reader's page reports beside the answers: a fixed list of kinds, each with its own few fields.

What a page could report falsely to be shown more (advice) is not among them: the room that shows it writes that.
"""

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import serializers

from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Reading, SessionEvent
from readerstudy.readings.serializers import Strict

MOST_EVENTS = 1000  # of a reading
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
        large = min(attrs.get("width", NARROWEST), attrs.get("height", NARROWEST)) >= NARROWEST
        return {**attrs, "passed": seen and large and attrs["steps_seen"] == attrs["steps_shown"]}


class BreakSerializer(Strict):
    """A break before the current case; seconds 0: the suggestion was declined."""

    seconds = serializers.IntegerField(min_value=0, max_value=86_400)


class MoreTimeSerializer(Strict):
    seconds = serializers.IntegerField(min_value=1, max_value=3_600)


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


def report(*, reading: Reading, kind: object, detail: object, item_uuid: UUID | None = None) -> SessionEvent:
    """Store what the page of this reading reports, about the current case where it names one.

    Raises ReadingsError malformed: another kind, a field too many, too few or out of its range, another case than the
    current one, or too many events.
    """
    with transaction.atomic():
        locked = Reading.objects.select_for_update(no_key=True).get(pk=reading.pk)
        if not isinstance(kind, str) or kind not in KINDS:
            allowed = ", ".join(KINDS)
            raise ReadingsError("malformed", _("Of a reading's events only these are reported: %s.") % allowed)
        checked = KINDS[kind](data=detail)
        if not checked.is_valid():
            raise ReadingsError("malformed", f"{kind}: {json.dumps(checked.errors)}")
        item = locked.items.unanswered().order_by("position").first() if item_uuid is not None else None
        if (item is None or item.uuid != item_uuid) and (item_uuid is not None or kind == SessionEvent.Kind.MORE_TIME):
            raise ReadingsError("malformed", _("An event belongs to the case that is being read."))
        if locked.events.count() >= MOST_EVENTS:
            raise ReadingsError("malformed", _("This reading has reported enough."))
        return SessionEvent.objects.create(reading=locked, item=item, kind=kind, detail=checked.validated_data)
