"""What the tests of the reading page in a browser share; `page` is a fixture by way of conftest."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from readerstudy.readers.models import Reader
from readerstudy.readings.models import Answer, Reading
from tests.browser import Contexts


def given() -> list[int]:
    """The keys of the stored answers, in the order of the cases."""
    return list(Answer.objects.order_by("submission__item__position").values_list("choice__position", flat=True))


def at_case(page: Page, position: int) -> None:
    """Wait until this case can be answered."""
    expect(page.locator("[data-where]")).to_have_text(f"{position} of 7")
    expect(page.locator("[data-reading]")).to_have_attribute("data-ready", "")


def stored(count: int) -> None:
    """Wait until so many answers are in the database."""
    for _ in range(100):
        if Answer.objects.count() >= count:
            break
        threading.Event().wait(0.05)
    assert Answer.objects.count() == count


@pytest.fixture
def page(contexts: Contexts, reader: Reader, reading: Reading) -> Iterator[Page]:
    """The reading, opened by its reader; fails if the page ever reports an error."""
    opened = contexts(reader.user).new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"/read/{reading.uuid}/")
    at_case(opened, 1)
    opened.wait_for_load_state("networkidle")  # the next picture is there: routes set from here on miss nothing
    yield opened
    assert errors == []
