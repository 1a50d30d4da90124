"""What crosses the wire between the page and the server: every field is listed here.

GET  /api/read/<reading>/               where the reading stands: `StandingSerializer`
GET  /api/read/<reading>/?item=<case>   an answered case that may be changed, or practice feedback: {"again": case}
POST /api/read/<reading>/               an answer to one stage (`SubmissionSerializer`): the standing, with "outcome"
POST /api/read/<reading>/events/        what happened beside the answers (see `events`): {"stored": true, ...}
                                        for {"id": uuid drawn by the page, "kind", "detail", "item": uuid or absent};
                                        sent again, it is stored once; another event under the same id: conflict
GET  /api/read/<reading>/diagnoses/?question=<id>&q=<typed>
                                        {"diagnoses": [{"id", "name", "path"}, ...]} of a ranking question;
                                        without q all of them, each with "others": its synonyms without spaces

A refusal is {"code", "detail"} (see `errors`): 400 malformed, 404 unknown, 409 ahead | conflict | locked | not-yet |
screen | consent, 410 closed | withdrawn. 403 without a code: signed out.

An answer::

    {"item": uuid, "stage": 1, "submission": uuid drawn by the page, "replaces": uuid or absent,
     "answers": {"<question id>": {"choice": id} | {"number": n} | {"nodes": [id, ...]} | {"text": "..."}
                                  | {"cannot_assess": true}},
     "shown_at", "touched_at", "answered_at": ISO 8601 with a zone, "hidden_ms": n, "zoomed": bool, "late": bool}

A question that need not be answered is left out of `answers`. The reply's `outcome` is stored, repeated (the same
submission had come before: its answer stands) or already-answered (another one was first). `late` says that the page
sent because the time was up; only in a test with a hard limit may required answers then be missing.

The standing::

    {"total", "answered": cases, "finished": the reading is over, "may_end": all is answered, the reader has to say
     that he is done (POST to the page read-end), "conduct": {...}, "stages": [stage, ...],
     "current": case or null, "next": case or null (at its first stage), "feedback": null or {"item", "position",
     "text"} on the practice case just answered, "changeable": [{"item", "position"}, ...],
     "agree": the consent text was amended, and the reader must agree to it (on the page) before another case is shown}

A case is {"item", "position", "stage": number, "is_last", "is_practice", "pictures": [{"src", "width", "height",
"modality"}], "facts": [{"name", "value"}], "advice": whether it is to be asked for now, "advice_src": where, or
null, "more_seconds", "given"}; the questions are those of `stages` with its number (stages are left out of cases whose
arm has nothing to show there).
`given` is null, but of a case that may be changed: {"submission": what to send as `replaces`, "answers": as above,
"names": {node: its name}}.
`conduct.seconds` runs anew at each stage.
"""

from datetime import datetime
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from readerstudy.images.truth import name_of
from readerstudy.readings.answering import MOST_CHARACTERS, Given, stored
from readerstudy.readings.forms import browser_span, browser_time
from readerstudy.readings.models import Item
from readerstudy.readings.progress import Shown, Standing
from readerstudy.readings.recording import Sent, Telemetry
from readerstudy.studies.models import CaseImage


class BrowserTimeField(serializers.Field):
    """A time by the browser's clock; nonsense becomes None, never an error."""

    def to_internal_value(self, data: object) -> datetime | None:
        return browser_time(data)


class BrowserSpanField(serializers.Field):
    """Milliseconds by the browser's clock; nonsense becomes None, never an error."""

    def to_internal_value(self, data: object) -> int | None:
        return browser_span(data)


class BrowserFlagField(serializers.Field):
    """True or false; nonsense becomes None, never an error."""

    def to_internal_value(self, data: object) -> bool | None:
        return data if isinstance(data, bool) else None


class Strict(serializers.Serializer):
    """Refuses what it does not know."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and (unknown := sorted(map(str, set(data) - set(self.fields)))):
            raise serializers.ValidationError({unknown[0][:40]: ["is not known here"]})
        return dict(super().to_internal_value(data))


class GivenSerializer(Strict):
    """The answer to one question: exactly one of these."""

    choice = serializers.IntegerField(required=False)
    number = serializers.IntegerField(required=False, min_value=-32768, max_value=32767)
    nodes = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=10)
    text = serializers.CharField(
        required=False, allow_blank=True, max_length=2 * MOST_CHARACTERS, trim_whitespace=False
    )
    cannot_assess = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("exactly one of choice, number, nodes, text, cannot_assess")
        return attrs


class SubmissionSerializer(serializers.Serializer):
    """An answer to one stage of a case, as above."""

    item = serializers.UUIDField()
    stage = serializers.IntegerField(min_value=1, max_value=1000)
    submission = serializers.UUIDField()
    replaces = serializers.UUIDField(required=False, allow_null=True, default=None)
    answers = serializers.DictField(child=GivenSerializer(), allow_empty=True)
    shown_at = BrowserTimeField(required=False, allow_null=True, default=None)
    touched_at = BrowserTimeField(required=False, allow_null=True, default=None)
    answered_at = BrowserTimeField(required=False, allow_null=True, default=None)
    hidden_ms = BrowserSpanField(required=False, allow_null=True, default=None)
    zoomed = BrowserFlagField(required=False, allow_null=True, default=None)
    late = serializers.BooleanField(required=False, default=False)

    def validate_answers(self, value: dict[str, dict[str, Any]]) -> dict[int, Given]:
        try:
            return {int(question): _given(answer) for question, answer in value.items()}
        except ValueError as error:
            raise serializers.ValidationError("a question's id is a number") from error

    def sent(self) -> Sent:
        """The submission, once the data are valid."""
        values = self.validated_data
        times = {name: values[name] for name in ("shown_at", "touched_at", "answered_at", "hidden_ms", "zoomed")}
        names = ("item", "stage", "submission", "answers", "replaces")
        return Sent(**{name: values[name] for name in names}, is_late=values["late"], telemetry=Telemetry(**times))


def _given(answer: dict[str, Any]) -> Given:
    return Given(**{**answer, "nodes": tuple(answer["nodes"])} if "nodes" in answer else answer)


# --- where the reading stands ----------------------------------------------------------------------------------------


class ChoiceSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    key = serializers.IntegerField(source="position")
    text = serializers.CharField(source="label")


class QuestionSerializer(serializers.Serializer):
    """`least` and `most` are those of a scale, with a word for each end; `most` of a ranking is how many diagnoses."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.CharField()
    text = serializers.CharField()
    required = serializers.BooleanField(source="is_required")  # type: ignore[assignment]  # a field's own attribute
    cannot_assess = serializers.BooleanField(source="allows_cannot_assess")
    choices = ChoiceSerializer(many=True, source="choices.all")
    least = serializers.IntegerField(allow_null=True)
    most = serializers.IntegerField(allow_null=True)
    least_label = serializers.CharField()
    most_label = serializers.CharField()


class StageSerializer(serializers.Serializer):
    stage = serializers.IntegerField(source="position")
    instruction = serializers.CharField()
    questions = QuestionSerializer(many=True, source="questions.all")


class CaseSerializer(serializers.Serializer):
    """A case in sight: its address, its place and stage, and what is shown of it there."""

    item = serializers.UUIDField(source="item.uuid")
    position = serializers.IntegerField()
    stage = serializers.IntegerField(source="stage.position")
    is_last = serializers.BooleanField()
    is_practice = serializers.BooleanField()
    pictures = serializers.SerializerMethodField()
    facts = serializers.SerializerMethodField()
    advice = serializers.BooleanField(source="needs_advice")
    advice_src = serializers.SerializerMethodField()
    more_seconds = serializers.IntegerField()
    given = serializers.SerializerMethodField()

    def get_pictures(self, shown: Shown) -> list[dict[str, Any]]:
        return [self._picture(shown.item, picture) for picture in shown.pictures]

    def _picture(self, item: Item, picture: CaseImage) -> dict[str, Any]:
        address = reverse("read-picture", args=[self.context["reading"], item.uuid, picture.position])
        image = picture.image
        return {"src": address, "width": image.width, "height": image.height, "modality": image.modality}

    def get_advice_src(self, shown: Shown) -> str | None:
        if not shown.needs_advice:
            return None
        return reverse("read-advice", args=[self.context["reading"], shown.item.uuid])

    def get_facts(self, shown: Shown) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in shown.facts]

    def get_given(self, shown: Shown) -> dict[str, Any] | None:
        if shown.given is None:
            return None
        answers = stored(shown.given.answers.all())
        return {
            "submission": str(shown.given.pk),
            "answers": {str(pk): _plain(one) for pk, one in answers.items()},
            "names": {node: name_of(node) for one in answers.values() for node in one.nodes or ()},
        }


def _plain(given: Given) -> dict[str, Any]:
    (part,) = given.parts
    return {part: list(given.nodes or ()) if part == "nodes" else getattr(given, part)}


class ItemSerializer(serializers.Serializer):
    item = serializers.UUIDField(source="uuid")
    position = serializers.IntegerField()


class FeedbackSerializer(ItemSerializer):
    text = serializers.CharField(source="case.feedback")


class ConductSerializer(serializers.Serializer):
    """How the test is read. `screen_check` is none, due or done; `screen_required`: without it no case is shown."""

    changes = serializers.CharField(source="reading.test.changes")
    time_limit = serializers.CharField(source="reading.test.time_limit")
    seconds = serializers.IntegerField(source="reading.test.seconds_per_case", allow_null=True)
    break_every = serializers.IntegerField(source="reading.test.break_every", allow_null=True)
    break_is_due = serializers.BooleanField()
    zoom = serializers.BooleanField(source="reading.test.zoom_allowed")
    screen_check = serializers.CharField()
    screen_required = serializers.SerializerMethodField()

    def get_screen_required(self, standing: Standing) -> bool:
        return standing.reading.test.screen_check == "required"


class StandingSerializer(serializers.Serializer):
    """Where a reading stands."""

    total = serializers.IntegerField()
    answered = serializers.IntegerField()
    finished = serializers.SerializerMethodField()
    may_end = serializers.BooleanField()
    conduct = ConductSerializer(source="*")
    stages = StageSerializer(many=True)
    current = CaseSerializer(allow_null=True)
    next = CaseSerializer(allow_null=True)
    feedback = FeedbackSerializer(allow_null=True)
    changeable = ItemSerializer(many=True)

    def get_finished(self, standing: Standing) -> bool:
        return standing.reading.finished_at is not None


def standing_data(standing: Standing) -> dict[str, Any]:
    """`standing` as plain values, for the page and the API alike."""
    return {**StandingSerializer(standing, context={"reading": standing.reading.uuid}).data, "agree": False}


def withheld(standing: dict[str, Any]) -> dict[str, Any]:
    """The same without any case: of a reader who must first agree to another consent text."""
    nothing: dict[str, Any] = {"current": None, "next": None, "feedback": None, "changeable": []}
    return {**standing, **nothing, "agree": True}


def case_data(shown: Shown) -> dict[str, Any]:
    """One case as plain values."""
    return dict(CaseSerializer(shown, context={"reading": shown.item.reading.uuid}).data)
