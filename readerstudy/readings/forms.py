"""What a browser sends: an answer, and the times that it took."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime

QUESTION = "question-"  # the field of a question is this and its pk


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


class SubmissionForm(forms.Form):
    """An answer sent by the plain form: the case, the submission's id, and a choice for each question.

    `cleaned_data["choices"]` maps question pk to choice pk.
    """

    item = forms.UUIDField()
    submission = forms.UUIDField()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        try:
            cleaned["choices"] = {
                int(name.removeprefix(QUESTION)): int(value)
                for name, value in self.data.items()
                if name.startswith(QUESTION)
            }
        except ValueError as error:
            raise forms.ValidationError("a question or a choice that is not a number") from error
        return cleaned
