"""A reader with a test to read, for the tests of this room."""

import re
import uuid
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.answering import Given
from readerstudy.readings.models import Item, Reading
from readerstudy.readings.recording import Outcome, Sent, record
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, open_study
from tests.conftest import signed_in
from tests.readings.browsing import page

__all__ = ["page"]  # a fixture


@pytest.fixture
def study(administrator: User) -> Study:
    """Open, one test of seven cases."""
    return open_study(administrator)


@pytest.fixture
def reader(study: Study) -> Reader:
    return accepted_reader(study)


@pytest.fixture
def reading(reader: Reader) -> Reading:
    return ensure_readings(reader.user)[0]


@pytest.fixture
def reader_client(reader: Reader) -> Client:
    return signed_in(reader.user)


def choices_of(reading: Reading, key: int = 1) -> dict[int, int]:
    """The choice with this key for each question."""
    return {question.pk: question.choices.get(position=key).pk for question in reading.test.questions.all()}


def item_at(reading: Reading, position: int) -> Item:
    return reading.items.get(position=position)


def sent(reading: Reading, position: int, key: int = 1, **changes: Any) -> Sent:
    """What the reader sends as the answer to the case at `position`; `choices` in place of `answers` for short."""
    choices = changes.pop("choices", None)
    choices = choices_of(reading, key) if choices is None else choices
    values = {
        "item": item_at(reading, position).uuid,
        "stage": 1,
        "submission": uuid.uuid4(),
        "answers": {question: Given(choice=choice) for question, choice in choices.items()},
    }
    return Sent(**{**values, **changes})


def answer(reading: Reading, position: int, key: int = 1, **changes: Any) -> Outcome:
    """Answer the case at `position` as the reader himself."""
    return record(reading=reading, sent=sent(reading, position, key, **changes), actor=reading.reader.user)


def answer_all(reading: Reading) -> None:
    for position in range(1, reading.items.count() + 1):
        answer(reading, position)


def address_of(reading: Reading) -> str:
    return reverse("read", args=[reading.uuid])


def picture(item: Item, position: int = 1) -> str:
    return reverse("read-picture", args=[item.reading.uuid, item.uuid, position])


def fields(response: HttpResponse) -> dict[str, str]:
    """The hidden fields of the page's form."""
    found = dict(
        re.findall(r'<input type="hidden" name="(item|submission|stage)" value="([^"]+)"', response.content.decode())
    )
    assert set(found) == {"item", "submission", "stage"}
    return found


def form(reading: Reading, response: HttpResponse, key: int = 1) -> dict[str, str]:
    """What the browser posts when the button with this key is pressed on the page."""
    chosen = {f"question-{question}": str(choice) for question, choice in choices_of(reading, key).items()}
    return {**fields(response), **chosen}
