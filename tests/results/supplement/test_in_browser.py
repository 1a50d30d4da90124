"""A test's own page in a browser: every figure is drawn under the site's own policy, and nothing scrolls sideways."""

import pytest
from playwright.sync_api import ConsoleMessage, expect

from readerstudy.accounts.models import User
from tests.browser import Contexts
from tests.results import made
from tests.results.conftest import Worked

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


def test_every_figure_is_drawn_and_fits(contexts: Contexts, worked: Worked, researcher: User) -> None:
    made.unblind(worked.study)
    page = contexts(researcher, viewport={"width": 1280, "height": 900}).new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"/studies/{worked.study.pk}/results/{worked.test.pk}/", timeout=60_000)
    expect(page.locator(".plot.drawn .main-svg").last).to_be_visible(timeout=30_000)
    assert page.locator("figure.plate").count() == 10
    for place in page.locator(".plot").all():
        expect(place.locator(".main-svg").first).to_be_visible(timeout=30_000)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    # what is wider than the narrow page scrolls for the keyboard too, under a name
    wide = (
        page.locator(".table")
        .filter(visible=True)
        .evaluate_all(
            "boxes => boxes.filter((b) => b.scrollWidth > b.clientWidth).map((b) => [b.tabIndex, b.getAttribute('role'), b.ariaLabel])"  # noqa: E501
        )
    )
    assert wide
    assert all((stop, role) == (0, "region") and name for stop, role, name in wide)
    assert complaints == []
