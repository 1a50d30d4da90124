"""The check of the screen in a browser: by keyboard, with the size of the window measured."""

import re

import pytest
from playwright.sync_api import expect

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import SessionEvent
from tests.browser import Contexts
from tests.builders import accepted_reader
from tests.readings.designed import designed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_the_screen_is_checked_by_keyboard_and_its_size_recorded(administrator: User, contexts: Contexts) -> None:
    reader = accepted_reader(designed(administrator, screen_check="required").study)
    assert reader.user is not None
    (reading,) = ensure_readings(reader.user)
    page = contexts(reader.user, viewport={"width": 300, "height": 600}, device_scale_factor=2).new_page()
    page.goto(f"/read/{reading.uuid}/")
    expect(page).to_have_url(re.compile("/screen/$"))
    expect(page.get_by_text("This window is 300 by 600 points")).to_be_visible()
    page.set_viewport_size({"width": 820, "height": 600})
    expect(page.get_by_text("This window is")).to_be_hidden()
    targets = [box.bounding_box() for box in page.locator(".screen-check :is(label:has(> input), button)").all()]
    assert len(targets) == 7
    assert min(min(box["width"], box["height"]) for box in targets if box) >= 44
    expect(page.get_by_label("How many steps")).to_be_focused()
    for key in ("1", "8", "Tab", "Space", "Tab", "Space", "Tab", "Space", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-where]")).to_have_text("1 of 7")
    assert SessionEvent.objects.get().detail == {
        "steps_seen": 18, "steps_shown": 18, "dark_seen": True, "light_seen": True, "colours_seen": True,
        "width": 820, "height": 600, "pixel_ratio": 2.0, "passed": True,
    }  # fmt: skip
