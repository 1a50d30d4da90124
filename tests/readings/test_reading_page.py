"""The reading page in a browser: keys, double presses, reload, back, a second tab, several questions, no script."""

import re

import pytest
from playwright.sync_api import Page, expect

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading, Submission
from tests.browser import Contexts
from tests.builders import accepted_reader, add_question, open_study
from tests.readings.browsing import at_case, given, stored
from tests.readings.conftest import answer, item_at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_a_test_is_read_by_keys_to_its_end(page: Page) -> None:
    for position in range(1, 8):
        at_case(page, position)
        page.keyboard.press("1" if position % 2 else "2")
    expect(page).to_have_url(re.compile(r"/done/$"))
    expect(page.get_by_text("All your answers are stored")).to_be_visible()
    assert given() == [1, 2, 1, 2, 1, 2, 1]
    told = Submission.objects.order_by("item__position")
    assert len(told) == 7
    for submission in told:
        assert submission.shown_at is not None
        assert submission.touched_at is not None
        assert submission.answered_at is not None
        assert submission.shown_at <= submission.touched_at <= submission.answered_at
        assert (submission.hidden_ms, submission.zoomed, submission.is_late) == (0, False, False)


def test_buttons_answer_too(page: Page) -> None:
    page.get_by_role("button", name="Reassure the patient").click()
    at_case(page, 2)
    page.get_by_role("button", name="Biopsy or treat").click()
    at_case(page, 3)
    stored(2)
    assert given() == [2, 1]


def test_the_next_picture_is_fetched_ahead_and_no_other(page: Page, reading: Reading) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    at_case(page, 1)
    page.wait_for_timeout(500)
    pictures = [f"{item_at(reading, position).uuid}/1/" for position in range(1, 8)]
    counts = [sum(url.endswith(end) for url in asked) for end in pictures]
    assert counts == [1, 1, 0, 0, 0, 0, 0]
    page.keyboard.press("1")
    at_case(page, 2)
    page.wait_for_timeout(500)
    counts = [sum(url.endswith(end) for url in asked) for end in pictures]
    assert counts == [1, 1, 1, 0, 0, 0, 0]


def test_a_double_press_and_a_double_click_write_once(page: Page) -> None:
    page.keyboard.press("1")
    page.keyboard.press("1")
    at_case(page, 2)
    page.get_by_role("button", name="Reassure the patient").dblclick()
    at_case(page, 3)
    page.wait_for_timeout(700)
    at_case(page, 3)
    assert given() == [1, 2]


def test_a_key_held_down_answers_once(page: Page) -> None:
    page.keyboard.down("1")
    for _ in range(30):
        page.keyboard.down("1")  # a repeat
        page.wait_for_timeout(40)
    page.keyboard.up("1")
    at_case(page, 2)
    page.get_by_role("button", name="Reassure the patient").focus()
    page.keyboard.down("Enter")
    for _ in range(30):
        page.keyboard.down("Enter")
        page.wait_for_timeout(40)
    page.keyboard.up("Enter")
    at_case(page, 3)
    assert given() == [1, 2]


def test_a_reload_goes_on_at_the_same_case(page: Page) -> None:
    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    page.reload()
    at_case(page, 2)
    assert given() == [1]


def test_back_writes_nothing_and_shows_the_current_case(page: Page) -> None:
    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    page.get_by_role("link", name="Leave").click()
    page.wait_for_url("**/")
    page.go_back()
    at_case(page, 2)
    page.keyboard.press("2")
    at_case(page, 3)
    stored(2)
    assert given() == [1, 2]


def test_a_second_tab_follows_and_writes_nothing_twice(page: Page) -> None:
    second = page.context.new_page()
    second.goto(page.url)
    at_case(second, 1)
    page.keyboard.press("1")
    at_case(page, 2)
    at_case(second, 2)  # it hears that the answer was stored
    second.keyboard.press("2")
    at_case(second, 3)
    at_case(page, 3)
    stored(2)
    assert given() == [1, 2]


def test_two_devices_at_one_case_write_one_answer(page: Page, contexts: Contexts, reader: Reader) -> None:
    second = contexts(reader.user).new_page()
    second.goto(page.url)
    at_case(second, 1)
    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    second.keyboard.press("2")  # it still shows case 1
    at_case(second, 2)
    expect(second.get_by_text("had been answered already")).to_be_visible()
    assert given() == [1]
    second.keyboard.press("2")
    at_case(second, 3)
    stored(2)
    assert given() == [1, 2]


def test_another_device_goes_on_at_the_same_place(page: Page, contexts: Contexts, reader: Reader) -> None:
    page.keyboard.press("1")
    at_case(page, 2)
    stored(1)
    tablet = contexts(reader.user, viewport={"width": 820, "height": 1180}, has_touch=True).new_page()
    tablet.goto(page.url)
    at_case(tablet, 2)
    tablet.get_by_role("button", name="Reassure the patient").tap()
    at_case(tablet, 3)
    stored(2)
    assert given() == [1, 2]


def test_the_place_is_announced_and_the_focus_stays(page: Page) -> None:
    button = page.get_by_role("button", name="Biopsy or treat")
    button.focus()
    page.keyboard.press("Enter")
    at_case(page, 2)
    expect(page.locator("[data-announce]")).to_have_text("Case 2 of 7")
    expect(button).to_be_focused()
    expect(page).to_have_title("2 of 7: Test 1")
    expect(page.locator("[data-frame] img")).to_have_attribute("alt", "Picture of the lesion, case 2")


def test_without_script_a_plain_form_does_it(contexts: Contexts, reader: Reader, reading: Reading) -> None:
    page = contexts(reader.user, java_script_enabled=False).new_page()
    page.goto(f"/read/{reading.uuid}/")
    for position in range(1, 8):
        expect(page.locator("[data-where]")).to_have_text(f"{position} of 7")
        page.get_by_role("button", name="Biopsy or treat" if position % 2 else "Reassure").click()
    expect(page).to_have_url(re.compile(r"/done/$"))
    assert given() == [1, 2, 1, 2, 1, 2, 1]


def test_without_script_back_and_a_press_write_nothing(contexts: Contexts, reader: Reader, reading: Reading) -> None:
    page = contexts(reader.user, java_script_enabled=False).new_page()
    page.goto(f"/read/{reading.uuid}/")
    page.get_by_role("button", name="Biopsy or treat").click()
    expect(page.locator("[data-where]")).to_have_text("2 of 7")
    page.go_back()
    expect(page.locator("[data-where]")).to_have_text("2 of 7")  # nothing was kept of the page before
    assert given() == [1]


def test_several_questions_are_answered_by_keys_and_enter(contexts: Contexts, administrator: User) -> None:
    study = open_study(administrator)
    add_question(study.tests.get(), text="Malignant or benign?", answers=["Malignant", "Benign", "Cannot say"])
    reader = accepted_reader(study)
    (reading,) = ensure_readings(reader.user)
    page = contexts(reader.user).new_page()
    page.goto(f"/read/{reading.uuid}/")
    at_case(page, 1)
    page.keyboard.press("2")
    page.keyboard.press("3")
    assert not Answer.objects.exists()
    page.get_by_role("button", name="Next case").click()
    at_case(page, 2)
    stored(2)
    assert list(Answer.objects.order_by("question").values_list("choice__label", flat=True)) == [
        "Reassure the patient", "Cannot say",
    ]  # fmt: skip
    assert page.locator("[data-answer] input:checked").count() == 0
    answer(reading, 2)  # on another device
    page.get_by_label("Biopsy or treat").check()
    page.get_by_label("Benign").check()
    page.get_by_role("button", name="Next case").click()
    at_case(page, 3)
    assert Answer.objects.count() == 4
