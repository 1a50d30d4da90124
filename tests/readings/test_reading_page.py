"""The reading page in a browser: keys, double presses, reload, back, a second tab, a slow picture, no script."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies.models import Study
from tests.browser import Contexts
from tests.builders import accepted_reader, open_study
from tests.readings.conftest import answer, item_at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def given() -> list[int]:
    """The keys of the stored answers, in the order of the cases."""
    return list(Answer.objects.order_by("item__position").values_list("choice__position", flat=True))


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


def test_a_test_is_read_by_keys_to_its_end(page: Page) -> None:
    for position in range(1, 8):
        at_case(page, position)
        page.keyboard.press("1" if position % 2 else "2")
    expect(page).to_have_url(re.compile(r"/done/$"))
    expect(page.get_by_text("All your answers are stored")).to_be_visible()
    assert given() == [1, 2, 1, 2, 1, 2, 1]
    assert not Answer.objects.filter(client_shown_at=None).exists()
    assert not Answer.objects.filter(client_answered_at=None).exists()


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


def test_a_second_tab_writes_nothing_twice(page: Page) -> None:
    second = page.context.new_page()
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
    page.get_by_role("button", name="Send now").click()
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


def scale(page: Page) -> int:
    return int(page.locator("[data-scale]").inner_text().removesuffix(" %"))


def test_zoom_and_pan_by_keys_buttons_wheel_and_double_click(page: Page) -> None:
    whole = scale(page)
    page.keyboard.press("+")
    larger = scale(page)
    assert larger > whole
    page.keyboard.press("-")
    assert scale(page) == whole
    expect(page.get_by_role("button", name="Move left")).to_be_hidden()
    for _ in range(4):
        page.get_by_role("button", name="Larger").click()
    expect(page.get_by_role("button", name="Move left")).to_be_visible()
    image = page.locator("[data-frame] img")
    before = image.bounding_box()
    page.keyboard.press("ArrowRight")
    after = image.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] < before["x"]
    page.get_by_role("button", name="Move left").click()
    assert image.bounding_box() == before
    page.keyboard.press("0")
    assert scale(page) == whole
    page.mouse.move(700, 300)
    page.mouse.wheel(0, -300)
    expect(page.locator("[data-scale]")).not_to_have_text(f"{whole} %")
    page.mouse.dblclick(700, 300)
    assert scale(page) == whole
    page.mouse.dblclick(700, 300)
    assert scale(page) > whole
    page.get_by_role("button", name="of full size").click()
    assert scale(page) == whole
    page.get_by_role("button", name="of full size").click()
    assert scale(page) == 100  # one pixel of the picture on one of the screen
    assert given() == []


def test_a_drag_moves_the_picture(page: Page) -> None:
    for _ in range(5):
        page.keyboard.press("+")
    image = page.locator("[data-frame] img")
    before = image.bounding_box()
    page.mouse.move(600, 300)
    page.mouse.down()
    page.mouse.move(570, 280, steps=5)
    page.mouse.up()
    after = image.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-30, -20))


def test_two_fingers_zoom(contexts: Contexts, reader: Reader, reading: Reading) -> None:
    phone = contexts(reader.user, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    phone.goto(f"/read/{reading.uuid}/")
    at_case(phone, 1)
    whole = scale(phone)
    devtools = phone.context.new_cdp_session(phone)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        touching = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touching})

    touch("touchStart", (180, 350), (210, 350))
    for spread in range(0, 80, 10):
        touch("touchMove", (180 - spread, 350), (210 + spread, 350))
    touch("touchEnd")
    assert scale(phone) > 3 * whole
    expect(phone.locator("[data-where]")).to_have_text("1 of 7")


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


@pytest.mark.parametrize(
    ("width", "height"),
    [(320, 568), (390, 844), (820, 1180), (1440, 900), (640, 360), (720, 450), (568, 320), (320, 256)],
)
def test_nothing_scrolls_and_every_target_is_large_enough(
    contexts: Contexts, reader: Reader, reading: Reading, width: int, height: int
) -> None:
    page = contexts(reader.user, viewport={"width": width, "height": height}).new_page()
    page.goto(f"/read/{reading.uuid}/")
    at_case(page, 1)
    for _ in range(4):
        page.keyboard.press("+")  # the buttons to move the picture are there too
    sizes = page.evaluate(
        """() => ({
            page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
            panel: document.querySelector(".panel").scrollHeight - document.querySelector(".panel").clientHeight,
            picture: [document.querySelector(".light").clientWidth, document.querySelector(".light").clientHeight],
            targets: [...document.querySelectorAll("a, button")]
                .map((one) => [one.getBoundingClientRect(), one.textContent])
                .filter(([box]) => box.width > 0)
                .map(([box, text]) => [text.trim(), box.width, box.height, box.left, box.top, box.right, box.bottom]),
        })"""
    )
    assert sizes["page"] == [width, height]
    assert sizes["panel"] <= 0
    assert min(sizes["picture"]) >= 140  # even there
    assert len(sizes["targets"]) == 10  # leave, 3 for zoom, 4 to move, 2 choices
    for text, across, down, left, top, right, bottom in sizes["targets"]:
        assert min(across, down) >= 44, text
        assert (left >= 0, top >= 0, right <= width, bottom <= height) == (True,) * 4, text


def test_several_questions_are_answered_by_keys_and_enter(contexts: Contexts, administrator: User) -> None:
    from readerstudy.studies.models import Choice, Question

    study = open_study(administrator)
    second = Question.objects.create(test=study.tests.get(), position=2, text="Malignant or benign?")
    for position, label in enumerate(["Malignant", "Benign", "Cannot say"], start=1):
        Choice.objects.create(question=second, position=position, label=label, is_positive=position == 1)
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
    assert page.locator("input:checked").count() == 0
    answer(reading, 2)  # on another device
    page.get_by_label("Biopsy or treat").check()
    page.get_by_label("Benign").check()
    page.get_by_role("button", name="Next case").click()
    at_case(page, 3)
    assert Answer.objects.count() == 4
