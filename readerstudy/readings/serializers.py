"""What crosses the wire between the page and the server: every field is listed here."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from readerstudy.readings.forms import browser_time
from readerstudy.readings.models import Item
from readerstudy.readings.progress import Standing
from readerstudy.studies.models import CaseImage


class BrowserTimeField(serializers.Field):
    """A time by the browser's clock; nonsense becomes None, never an error."""

    def to_internal_value(self, data: object) -> datetime | None:
        return browser_time(data)


class SubmissionSerializer(serializers.Serializer):
    """An answer to one case: `choices` maps each question's id to the id of the choice made."""

    item = serializers.UUIDField()
    submission = serializers.UUIDField()
    choices = serializers.DictField(child=serializers.IntegerField(), allow_empty=False)
    shown_at = BrowserTimeField(required=False, allow_null=True, default=None)
    answered_at = BrowserTimeField(required=False, allow_null=True, default=None)

    def validate_choices(self, value: dict[str, int]) -> dict[int, int]:
        try:
            return {int(question): choice for question, choice in value.items()}
        except ValueError as error:
            raise serializers.ValidationError("a question's id is a number") from error


class ChoiceSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    key = serializers.IntegerField(source="position")
    text = serializers.CharField(source="label")


class QuestionSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    text = serializers.CharField()
    choices = ChoiceSerializer(many=True, source="choices.all")


class ItemSerializer(serializers.Serializer):
    """A case in sight: its address, its place, and where its pictures are."""

    item = serializers.UUIDField(source="uuid")
    position = serializers.IntegerField()
    pictures = serializers.SerializerMethodField()

    def get_pictures(self, item: Item) -> list[dict[str, Any]]:
        return [self._picture(item, picture) for picture in item.case.case_images.all()]

    def _picture(self, item: Item, picture: CaseImage) -> dict[str, Any]:
        address = reverse("read-picture", args=[self.context["reading"], item.uuid, picture.position])
        return {"src": address, "width": picture.image.width, "height": picture.image.height}


class StandingSerializer(serializers.Serializer):
    """Where a reading stands."""

    total = serializers.IntegerField()
    answered = serializers.IntegerField()
    questions = QuestionSerializer(many=True)
    current = ItemSerializer(allow_null=True)
    next = ItemSerializer(allow_null=True)


def standing_data(standing: Standing) -> dict[str, Any]:
    """`standing` as plain values, for the page and the API alike."""
    return dict(StandingSerializer(standing, context={"reading": standing.reading.uuid}).data)
