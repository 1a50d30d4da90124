"""What a browser sends: an answer, and the times that it took."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from readerstudy.readings.answering import Given
from readerstudy.readings.diagnoses import named
from readerstudy.readings.recording import Sent
from readerstudy.studies.models import Question

QUESTION = "question-"  # the field of a question is this and its pk; those of a ranking go on with -1, -2, ...
CANNOT = "cannot-assess"  # the value of that field, or with -cannot-assess the name of a box beside it
LONGEST_HIDDEN = 2**31 - 1  # milliseconds, what the column holds
STEPS_OF_THE_RAMP = 18  # of the grey ramp on the page of the screen check
YES_NO = (("yes", _("yes")), ("no", _("no")))


def _is_yes(value: str) -> bool:
    return value == "yes"


def browser_time(value: object) -> datetime | None:
    """A time by the browser's clock (ISO 8601 with a zone), or None for whatever is no plausible time.

    Never an error: a wrong clock must not cost an answer.
    """
    if not isinstance(value, str):
        return None
    try:
        time = parse_datetime(value)
        if time is None or time.tzinfo is None:
            return None
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if 2000 <= time.year < 2100 else None


def browser_span(value: object) -> int | None:
    """A span in whole milliseconds, or None for whatever is none. Never an error."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value) if 0 <= value <= LONGEST_HIDDEN else None


class SubmissionForm(forms.Form):
    """An answer sent by the plain form: the case, its stage, the submission's id, and an answer to each question.

    `questions`: those of the test. Of a decision, of classes and of a scale the field holds the choice or the number,
    of a text the text; a ranking has a field for each place, in which a diagnosis is named.
    """

    item = forms.UUIDField()
    stage = forms.IntegerField(min_value=1, max_value=1000)
    submission = forms.UUIDField()
    replaces = forms.UUIDField(required=False)

    def __init__(self, data: Any, *, questions: Iterable[Question]) -> None:
        super().__init__(data)
        self.questions = {question.pk: question for question in questions}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            cleaned["answers"] = self._answers()
        except ValueError as error:
            raise forms.ValidationError("a question or an answer that is none") from error
        return cleaned

    def _answers(self) -> dict[int, Given]:
        """ValueError: a question, a choice or a number that is none. A diagnosis that is none stays as it was typed."""
        answers: dict[int, Given] = {}
        ranked: dict[int, list[tuple[int, str]]] = {}
        for name, value in self.data.items():
            if not name.startswith(QUESTION) or not value.strip():
                continue
            question, _dash, rest = name.removeprefix(QUESTION).partition("-")
            if value == CANNOT or rest == CANNOT:
                answers[int(question)] = Given(cannot_assess=True)
            elif rest:
                ranked.setdefault(int(question), []).append((int(rest), value))
            else:
                answers.setdefault(int(question), self._one(int(question), value))
        for pk, places in ranked.items():
            asked = self.questions.get(pk)
            nodes = [(named(asked, text) if asked else None) or text for _place, text in sorted(places)]
            answers.setdefault(pk, Given(nodes=tuple(nodes)))
        return answers

    def _one(self, question: int, value: str) -> Given:
        kind = self.questions[question].kind if question in self.questions else None
        if kind == Question.Kind.TEXT:
            return Given(text=value)
        return Given(number=int(value)) if kind == Question.Kind.SCALE else Given(choice=int(value))

    def sent(self) -> Sent:
        """The submission, once the form is valid."""
        values = self.cleaned_data
        return Sent(
            item=values["item"],
            stage=values["stage"],
            submission=values["submission"],
            answers=values["answers"],
            replaces=values["replaces"],
        )


class ScreenForm(forms.Form):
    """What was seen of the test picture.

    The page's script fills in the size of the window; without it, it is not known. `report` is drawn with the page:
    the same form sent twice is stored once.
    """

    steps_seen = forms.IntegerField(
        label=_("How many steps of grey can you tell apart, both rows together?"),
        help_text=_("Count every field that differs from the one before it."),
        min_value=0,
        max_value=64,
    )
    dark_seen = forms.TypedChoiceField(
        label=_("Do you see a lighter square in the black area?"),
        choices=YES_NO,
        coerce=_is_yes,
        widget=forms.RadioSelect,
    )
    light_seen = forms.TypedChoiceField(
        label=_("Do you see a darker square in the white area?"),
        choices=YES_NO,
        coerce=_is_yes,
        widget=forms.RadioSelect,
    )
    colours_seen = forms.TypedChoiceField(
        label=_("Are the three patches red, green and blue, from top to bottom?"),
        choices=YES_NO,
        coerce=_is_yes,
        widget=forms.RadioSelect,
    )

    width = forms.IntegerField(required=False, min_value=1, max_value=20_000, widget=forms.HiddenInput)
    height = forms.IntegerField(required=False, min_value=1, max_value=20_000, widget=forms.HiddenInput)
    pixel_ratio = forms.FloatField(required=False, min_value=0.1, max_value=20, widget=forms.HiddenInput)
    report = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def detail(self) -> dict[str, Any]:
        """What is stored of it, see `events`: what is not known is left out."""
        said = {name: value for name, value in self.cleaned_data.items() if value is not None and name != "report"}
        return {**said, "steps_shown": STEPS_OF_THE_RAMP}
