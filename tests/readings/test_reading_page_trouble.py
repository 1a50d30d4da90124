"""The reading page in a browser when something fails: the network, the sign-in, a picture, the study closed."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies.models import Study
from tests.browser import Contexts
from tests.readings.browsing import at_case, given, stored
from tests.readings.conftest import item_at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_an_answer_that_cannot_be_sent_is_kept_and_sent_again_under_its_id(page: Page) -> None:
    sent: list[dict[str, Any]] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        sent.append(route.request.post_data_json)
        return route.abort()

    page.route("**/api/read/**", lose)
    page.keyboard.press("2")
    at_case(page, 2)  # already loaded, so he may go on
    page.keyboard.press("1")
    expect(page.get_by_text("2 answers are waiting to be sent.")).to_be_visible()
    assert not Answer.objects.exists()
    page.unroute("**/api/read/**")
    page.on("request", lambda request: request.method == "POST" and sent.append(request.post_data_json))
    page.evaluate("dispatchEvent(new Event('online'))")
    at_case(page, 3)
    expect(page.get_by_text("waiting to be sent")).to_have_count(0)
    stored(2)
    assert given() == [2, 1]
    assert len({made["submission"] for made in sent}) == 2
    assert {str(found) for found in Answer.objects.values_list("submission_id", flat=True)} == {
        made["submission"] for made in sent
    }


def test_an_answer_whose_reply_is_lost_is_not_stored_twice(page: Page) -> None:
    lost: list[str] = []

    def lose_the_first_reply(route: Route) -> None:
        if route.request.method != "POST" or lost:
            return route.continue_()
        route.fetch()  # the server stores it
        lost.append(route.request.post_data_json["submission"])
        return route.abort()  # the browser never hears of it

    page.route("**/api/read/**", lose_the_first_reply)
    page.keyboard.press("2")
    at_case(page, 2)
    expect(page.get_by_text("1 answer is waiting to be sent.")).to_be_visible()
    assert given() == [2]
    expect(page.get_by_text("waiting to be sent")).to_have_count(0)  # tried again by itself
    assert [str(answer.submission_id) for answer in Answer.objects.all()] == lost
    page.keyboard.press("1")
    at_case(page, 3)
    stored(2)
    assert given() == [2, 1]


def test_answers_outlive_the_database_of_the_browser(page: Page) -> None:
    """Somebody clears the site's data, or the browser lets go of it, while an answer waits; and before the next one."""
    clear = """new Promise((done) => {
        const request = indexedDB.deleteDatabase("readerstudy");
        request.onsuccess = () => done("deleted");
        request.onblocked = () => done("blocked");
    })"""
    page.route("**/api/read/**", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.keyboard.press("2")
    expect(page.get_by_text("1 answer is waiting to be sent.")).to_be_visible()
    assert page.evaluate(clear) == "deleted"
    page.unroute("**/api/read/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    stored(1)
    expect(page.get_by_text("waiting to be sent")).to_have_count(0)
    assert page.evaluate(clear) == "deleted"
    at_case(page, 2)
    page.keyboard.press("1")
    at_case(page, 3)
    stored(2)
    expect(page.get_by_text("stores nothing")).to_have_count(0)
    assert given() == [2, 1]


def test_who_was_signed_out_signs_in_again_and_loses_nothing(page: Page, contexts: Contexts, reader: Reader) -> None:
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("2")
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert not Answer.objects.exists()
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Send now").click()
    stored(1)
    expect(page.get_by_text("You are signed out.")).to_have_count(0)
    assert given() == [2]


def test_no_answer_before_the_picture_is_painted(page: Page, reading: Reading) -> None:
    waiting: list[Route] = []
    page.route(f"**/{item_at(reading, 2).uuid}/1/", lambda route: waiting.append(route))
    page.reload()
    at_case(page, 1)
    page.keyboard.press("1")
    expect(page.locator("[data-where]")).to_have_text("2 of 7")
    expect(page.get_by_text("Loading the picture…")).to_be_visible()
    assert page.locator("[data-frame] img").count() == 0  # the old picture is gone
    expect(page.get_by_role("button", name="Biopsy or treat")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("2")
    page.get_by_role("button", name="Biopsy or treat").click(force=True)
    page.wait_for_timeout(600)
    assert given() == [1]
    for route in waiting:
        route.continue_()
    at_case(page, 2)
    expect(page.get_by_text("Loading the picture…")).to_be_hidden()
    page.keyboard.press("2")
    at_case(page, 3)
    stored(2)
    assert given() == [1, 2]


def test_a_picture_that_fails_is_said_and_loaded_again(page: Page, reading: Reading) -> None:
    page.route(f"**/{item_at(reading, 2).uuid}/1/", lambda route: route.abort())
    page.reload()
    at_case(page, 1)
    page.keyboard.press("1")
    expect(page.get_by_text("The picture cannot be loaded.")).to_be_visible()
    page.unroute(f"**/{item_at(reading, 2).uuid}/1/")
    page.get_by_role("button", name="Try now").click()
    at_case(page, 2)
    expect(page.get_by_text("The picture cannot be loaded.")).to_have_count(0)


def test_a_study_that_is_closed_says_so_and_takes_nothing(page: Page, study: Study, administrator: User) -> None:
    from readerstudy.studies import protocol

    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    protocol.close_study(study, actor=administrator)
    page.keyboard.press("2")
    expect(page.get_by_text("The study was closed. Your answer to 1 case is kept.")).to_be_visible()
    assert given() == [1]
