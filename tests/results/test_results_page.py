"""The results page in a browser: the figure is drawn under the site's own policy, at any width, and saved."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from playwright.sync_api import ConsoleMessage, Page, expect

from readerstudy.accounts.models import User
from tests.browser import Contexts
from tests.results import made
from tests.results.conftest import Worked

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


@pytest.fixture
def page(contexts: Contexts, worked: Worked, researcher: User) -> Iterator[Page]:
    """The results of the hand-worked study; fails if the browser reports an error or a breach of the policy."""
    made.unblind(worked.study)
    opened = contexts(researcher, viewport={"width": 1280, "height": 900}).new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "trace") and "503" not in message.text:  # 503: a picture, refused
            complaints.append(message.text)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"/studies/{worked.study.pk}/results/", timeout=60_000)  # the first one pays for plotly.js
    expect(opened.locator(".plot .main-svg").first).to_be_visible()
    yield opened
    assert complaints == []


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).first.bounding_box()
    assert found is not None
    return {name: float(value) for name, value in found.items()}


def test_the_figure_is_drawn_with_square_axes_at_every_width(page: Page) -> None:
    for width in (1280, 390, 800):
        page.set_viewport_size({"width": width, "height": 900})
        place = page.locator(".plot").first
        expect(place).to_be_visible()
        page.wait_for_function(
            "() => { const p = document.querySelector('.plot');"
            " return p.querySelector('.main-svg').clientWidth === p.clientWidth }"
        )
        frame = box(page, ".plot .nsewdrag")  # what plotly.js calls the rectangle between the axes
        assert abs(frame["width"] - frame["height"]) <= 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".plot .scatterlayer .point").count() == 3  # two readers and their average


def test_pointing_at_a_reader_says_who_it_is(page: Page) -> None:
    point = page.locator(".plot .scatterlayer .trace", has=page.locator(".point")).nth(0).locator(".point").nth(0)
    point.scroll_into_view_if_needed()
    where = point.bounding_box()
    assert where is not None
    page.mouse.move(where["x"] + where["width"] / 2, where["y"] + where["height"] / 2, steps=5)
    expect(page.locator(".plot .hovertext").first).to_contain_text("R01, n = 10")


def test_where_the_server_cannot_draw_the_browser_saves(
    page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("readerstudy.results.rendering.browser", lambda: None)
    page.reload()
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    with page.expect_download() as download:
        page.locator("figure .downloads a", has_text="PNG").click()
    download.value.save_as(tmp_path / "figure.png")
    with PillowImage.open(tmp_path / "figure.png") as picture:
        assert picture.width == 4 * 420
    page.locator("figure .downloads a", has_text="PDF").click()
    expect(page.locator("main")).to_contain_text("This server cannot draw")


def test_without_script_there_is_a_picture_or_its_words(
    contexts: Contexts, worked: Worked, researcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture's alternative text stands for it where the server cannot draw."""
    monkeypatch.setattr("readerstudy.results.rendering.browser", lambda: None)
    made.unblind(worked.study)
    page = contexts(researcher, java_script_enabled=False).new_page()
    page.goto(f"/studies/{worked.study.pk}/results/")
    expect(page.locator(".plot")).to_be_hidden()
    picture = page.locator("figure img")
    assert "The model's curve has an AUC of 0.854" in (picture.get_attribute("alt") or "")
    assert "roc.svg" in (picture.get_attribute("src") or "")
