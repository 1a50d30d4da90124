"""The reading page in a browser: stages, every kind of question, practice, changes, answers kept over a reload."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Submission
from readerstudy.studies.models import Test
from tests.browser import Contexts
from tests.builders import accepted_reader
from tests.readings.browsing import at_case, given, stored
from tests.readings.designed import designed, every_kind, second_stage, with_facts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def opened(contexts: Contexts, test: Test) -> Page:
    """The test, opened by a new reader."""
    reader = accepted_reader(test.study)
    (reading,) = ensure_readings(reader.user)
    page = contexts(reader.user).new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"/read/{reading.uuid}/")
    at_case(page, 1)
    return page


def shot(page: Page, name: str) -> None:
    """The page at three widths, in the folder READERSTUDY_TEST_SCREENSHOTS, if that is set."""
    if folder := os.environ.get("READERSTUDY_TEST_SCREENSHOTS"):
        for width, height in ((390, 844), (820, 1180), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(150)
            page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"))


def test_every_kind_of_question_is_answered_by_keys(contexts: Contexts, administrator: User) -> None:
    test = designed(administrator)
    asked = every_kind(test)
    page = opened(contexts, test)
    page.keyboard.press("1")  # the decision
    page.keyboard.press("x")  # the classes: cannot be assessed
    page.keyboard.press("4")  # the scale
    field = page.get_by_role("combobox")
    field.focus()
    page.keyboard.type("malignant melanoma")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.type("nodular mel")
    expect(page.get_by_role("option").first).to_be_visible()
    shot(page, "kinds")
    page.keyboard.press("Enter")
    page.locator("textarea").focus()
    page.keyboard.type("irregular border")
    page.keyboard.press("Control+Enter")
    at_case(page, 2)
    stored(5)
    answers = {answer.question_id: answer for answer in Answer.objects.all()}
    assert answers[asked["classes"].pk].cannot_assess
    assert answers[asked["scale"].pk].number == 4
    assert answers[asked["ranking"].pk].nodes == ["melanoma", "nodular-melanoma"]
    assert answers[asked["text"].pk].text == "irregular border"
    page.get_by_role("button", name="Next case").click()
    expect(page.get_by_text("This needs an answer: What would you do?")).to_be_visible()


def test_the_second_stage_shows_facts_and_comes_again_after_a_reload(contexts: Contexts, administrator: User) -> None:
    test = designed(administrator)
    second_stage(test)
    with_facts(test.study)
    page = opened(contexts, test)
    expect(page.get_by_text("upper back")).to_have_count(0)
    page.keyboard.press("1")
    expect(page.get_by_text("And now?").first).to_be_visible()
    expect(page.get_by_text("upper back")).to_be_visible()
    shot(page, "facts")
    page.reload()
    at_case(page, 1)
    expect(page.get_by_text("upper back")).to_be_visible()
    page.keyboard.press("2")
    at_case(page, 2)
    stored(2)
    expect(page.get_by_text("upper back")).to_have_count(0)
    assert given() == [1, 2]


def test_z_changes_the_answer_before(contexts: Contexts, administrator: User) -> None:
    page = opened(contexts, designed(administrator, changes="until-next"))
    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    expect(page.locator("[data-undo]")).to_have_attribute("aria-disabled", "false")
    page.keyboard.press("z")
    at_case(page, 1)
    expect(page.get_by_role("button", name="Biopsy or treat")).to_have_attribute("aria-current", "true")
    page.keyboard.press("2")
    at_case(page, 2)
    stored(2)
    assert list(Submission.objects.order_by("revision").values_list("revision", flat=True)) == [1, 2]
    assert given() == [1, 2]


def test_answers_that_wait_outlive_a_reload(contexts: Contexts, administrator: User) -> None:
    page = opened(contexts, designed(administrator))
    page.wait_for_load_state("networkidle")
    page.on("dialog", lambda dialog: dialog.accept())

    def lose(route: Route) -> None:
        route.abort() if route.request.method == "POST" else route.continue_()

    page.route("**/api/read/**", lose)
    page.keyboard.press("2")
    at_case(page, 2)
    page.keyboard.press("1")
    expect(page.get_by_text("2 answers are waiting to be sent.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("2 answers are waiting to be sent.")).to_be_visible()
    assert not Answer.objects.exists()
    page.unroute("**/api/read/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    at_case(page, 3)
    stored(2)
    assert given() == [2, 1]
