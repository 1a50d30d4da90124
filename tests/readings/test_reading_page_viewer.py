"""The light box in a browser: zoom, pan, and room for everything on every screen."""

import pytest
from playwright.sync_api import Page, expect

from readerstudy.readers.models import Reader
from readerstudy.readings.models import Reading
from tests.browser import Contexts
from tests.readings.browsing import at_case, given

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


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
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-30, -20), abs=0.01)


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
    assert len(sizes["targets"]) == 11  # help, leave, 3 for zoom, 4 to move, 2 choices
    for text, across, down, left, top, right, bottom in sizes["targets"]:
        assert min(across, down) >= 44, text
        assert (left >= 0, top >= 0, right <= width, bottom <= height) == (True,) * 4, text
