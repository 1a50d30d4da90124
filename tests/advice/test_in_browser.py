"""A case with advice in Chromium, with the script: nothing before the unaided answer, then all of it."""

import pytest
from playwright.sync_api import Request, expect

from readerstudy.accounts.models import User
from readerstudy.advice import known
from readerstudy.readings.models import Answer
from tests.advice.material import advised, reading_of, refusals, shown_events
from tests.browser import Contexts
from tests.readings.browsing import stored
from tests.readings.designed import go_on
from tests.readings.test_reading_page_stages import shot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_a_case_is_read_alone_then_beside_its_nearest_known_cases(contexts: Contexts, administrator: User) -> None:
    known._known.cache_clear()
    reading = reading_of(advised(administrator, "neighbours"))
    page = contexts(reading.reader.user).new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/advice/" in request.url:
            asked.append(request.url)

    page.on("request", note)
    page.goto(f"/read/{reading.uuid}/")
    ready, advice = page.locator("[data-reading][data-ready]"), page.locator("[data-advice]")
    expect(ready).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(advice).to_be_hidden()
    assert asked == []  # not fetched ahead, of this case or the next
    page.keyboard.press("1")
    expect(page.get_by_text("And now?").first).to_be_visible()
    expect(advice.get_by_role("img")).to_have_count(6)
    expect(ready).to_be_visible()
    widths = advice.locator("img").evaluate_all("images => images.map((image) => image.naturalWidth)")
    assert widths == [64] * 6
    expect(advice.get_by_text("Research software, not a medical device.")).to_be_visible()
    shot(page, "advice-neighbours")
    page.reload()  # the same case at the same stage, with the same advice
    expect(advice.get_by_role("img")).to_have_count(6)
    expect(ready).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("[data-where]")).to_have_text("2 of 4")
    expect(ready).to_be_visible()
    expect(advice).to_be_hidden()
    stored(2)
    given = Answer.objects.values_list("submission__stage__position", "choice__position")
    assert sorted(given) == [(1, 1), (2, 2)]
    (event,) = shown_events(reading)
    assert event.item is not None
    assert event.item.position == 1
    assert refusals(reading) == []
    # The advice on the next case does not come; the case is answered on another device meanwhile: this page goes on.
    page.route("**/advice/", lambda route: route.abort())
    page.keyboard.press("1")
    expect(advice.get_by_text("The advice cannot be loaded.")).to_be_visible()
    expect(page.locator("[data-reading]")).not_to_have_attribute("data-ready", "")
    go_on(reading)
    expect(page.locator("[data-where]")).to_have_text("3 of 4")
    expect(ready).to_be_visible()
