"""What the tests of the builder's pages share: addresses, what a page says, and what a browser sends."""

import html
import re
from typing import Any

from django.urls import reverse

from readerstudy.studies.drafts import QuestionDraft, decision
from readerstudy.studies.models import Question, Test

BIOPSY = decision("Biopsy?", [("Yes", True), ("No", False)])
SURE = QuestionDraft("Sure?", Question.Kind.SCALE, least=1, most=5)


def address(name: str, test: Test, *more: int) -> str:
    return reverse(name, args=[test.study_id, test.pk, *more])


def text(content: bytes) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


def sent(form: Any) -> dict[str, Any]:
    """What a browser sends of a form as it stands."""
    values = {field.html_name: field.value() for field in form}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def rows_sent(rows: Any) -> dict[str, Any]:
    values = {field.html_name: field.value() for field in rows.management_form}
    for row in rows:
        values |= sent(row)
    return values
