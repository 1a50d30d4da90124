"""Another language in the middle of a case: nothing is lost, nothing false is recorded."""

import pytest
from playwright.sync_api import Page, Route, expect

from readerstudy.readings.models import SessionEvent, Submission
from tests.readings.browsing import at_case, given, stored

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def abort(route: Route) -> None:
    route.abort()


def abort_answers(route: Route) -> None:
    if route.request.method == "POST":
        route.abort()
    else:
        route.continue_()


def test_answers_that_wait_outlive_the_change(page: Page) -> None:
    page.route("**/api/read/**", abort_answers)
    page.keyboard.press("2")
    at_case(page, 2)
    expect(page.get_by_text("1 answer is waiting to be sent.")).to_be_visible()

    page.route("**/language/", abort)  # no connection at all: the case stays
    page.get_by_role("button", name="Keys and help").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_text("The language could not be changed")).to_be_visible()
    page.unroute("**/language/", abort)

    page.on("dialog", lambda dialog: dialog.accept())  # the browser's own question, as an answer waits
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_text("1 Antwort wartet darauf, gesendet zu werden.")).to_be_visible()
    expect(page.locator("[data-where]")).to_have_text("2 von 7")
    expect(page.locator("[data-reading]")).to_have_attribute("data-ready", "")
    assert not Submission.objects.exists()

    page.unroute("**/api/read/**", abort_answers)
    page.get_by_role("button", name="Jetzt senden").click()
    stored(1)
    page.keyboard.press("1")
    stored(2)
    assert given() == [2, 1]
    assert not SessionEvent.objects.exists()
