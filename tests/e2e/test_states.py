"""Against the real server: in each state of a reading the page is loaded again, gone back to, and pressed twice."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.formats import date_format
from playwright.sync_api import Page, Route, expect

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading, SessionEvent, Submission
from tests.browser import Contexts
from tests.builders import accepted_reader
from tests.e2e.reading_through import ready, until_stored, where
from tests.readings.conftest import item_at, picture
from tests.readings.designed import designed, further_cases, go_to_the_end, second_stage, with_facts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


@pytest.fixture
def reading(administrator: User) -> Reading:
    """A practice case and three others, each at two stages; a screen check, breaks, changes until the end."""
    test = designed(administrator, diagnoses=3, screen_check="required", break_every=2, changes="until-end")
    second_stage(test)
    further_cases(test, "practice", 1)
    with_facts(test.study)
    user = accepted_reader(test.study).user
    assert user is not None
    return ensure_readings(user)[0]


def check_the_screen(page: Page, steps: str) -> None:
    page.get_by_label("How many steps").fill(steps)
    for radio in page.get_by_label("yes").all():
        radio.check()
    page.get_by_role("button", name="Go on").click()


def test_every_state_outlives_a_reload_and_the_back_button(devices: Contexts, reading: Reading) -> None:
    page = devices(reading.reader.user).new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    address = f"/read/{reading.uuid}/"

    def again(position: int, *, asked: str = "What would you do?") -> None:
        """The same question after a reload, and after the way out and back."""
        for way in ("reload", "back"):
            if way == "reload":
                page.reload()
            else:
                page.get_by_role("link", name="Leave").click()
                page.wait_for_url("**/")
                page.go_back()
            where(page, f"{position} of 4")
            ready(page)
            expect(page.locator("[data-questions] legend")).to_have_text(asked)
            expect(page.get_by_text("upper back")).to_have_count(1 if asked == "And now?" else 0)

    # the screen check
    page.goto(address)
    heading = page.get_by_role("heading", name="Is the screen good enough?")
    for _ in range(2):
        expect(heading).to_be_visible()
        page.reload()
    check_the_screen(page, "12")
    expect(page.get_by_text("too little can be seen")).to_be_visible()
    page.goto(address)  # no way around it
    expect(heading).to_be_visible()
    check_the_screen(page, "18")
    where(page, "1 of 4")

    # a question; a double click answers it once, and not the stage after it
    again(1)
    page.get_by_role("button", name="Biopsy or treat").dblclick()
    until_stored(page, 1)
    again(1, asked="And now?")
    assert Submission.objects.count() == 1

    # what is told after practice
    page.keyboard.press("2")
    for _ in range(2):
        expect(page.get_by_text("Practice: this is picture")).to_be_visible()
        page.reload()
    until_stored(page, 2)
    page.get_by_role("button", name="Next case").dblclick()
    where(page, "2 of 4")

    # an answer that waits
    ready(page)
    page.wait_for_load_state("networkidle")

    def lose(route: Route) -> None:
        route.abort() if route.request.method == "POST" else route.continue_()

    page.route("**/api/read/**", lose)
    page.keyboard.press("1")
    for _ in range(2):
        expect(page.get_by_text("1 answer is waiting to be sent.")).to_be_visible()
        page.reload()
    assert Submission.objects.count() == 2
    page.unroute("**/api/read/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    until_stored(page, 3)
    again(2, asked="And now?")
    page.keyboard.press("1")

    # a break before the third case
    for _ in range(2):
        expect(page.get_by_text("a good moment for a break")).to_be_visible()
        until_stored(page, 4)
        page.reload()
    page.get_by_role("button", name="Go on reading").dblclick()
    ready(page)
    again(3)
    for number, key in enumerate("1212", start=5):
        page.keyboard.press(key)
        until_stored(page, number)
        if number < 8:
            where(page, f"{3 + (number - 4) // 2} of 4")
            ready(page)

    # all is answered, one answer is changed, the end is said
    for _ in range(2):
        expect(page.get_by_role("heading", name="Every case is answered")).to_be_visible()
        page.reload()
    page.get_by_role("link", name="Case 2").click()
    ready(page)
    page.reload()  # it was not changed
    expect(page.get_by_role("heading", name="Every case is answered")).to_be_visible()
    page.get_by_role("link", name="Case 2").click()
    ready(page)
    page.keyboard.press("2")
    until_stored(page, 9)
    page.get_by_role("button", name="End the test").dblclick()
    thanks = page.get_by_role("heading", name="Thank you")
    expect(thanks).to_be_visible()
    page.reload()
    expect(thanks).to_be_visible()
    page.go_back()
    expect(thanks).to_be_visible()
    page.goto(address)
    expect(thanks).to_be_visible()

    rows = Answer.objects.order_by("submission__item__position", "submission__stage", "submission__revision")
    assert list(
        rows.values_list(
            "submission__item__position", "submission__stage__position", "submission__revision", "choice__position"
        )
    ) == [
        (1, 1, 1, 1), (1, 2, 1, 2), (2, 1, 1, 1), (2, 2, 1, 1), (2, 2, 2, 2), (3, 1, 1, 1), (3, 2, 1, 2), (4, 1, 1, 1),
        (4, 2, 1, 2),
    ]  # fmt: skip
    events = list(reading.events.values_list("kind", flat=True))
    assert events == [SessionEvent.Kind.SCREEN_CHECK] * 2 + [SessionEvent.Kind.BREAK]


def test_a_wash_out_that_is_not_over_is_told_with_its_date_and_shows_nothing(
    devices: Contexts, administrator: User
) -> None:
    test = designed(administrator, diagnoses=2, arms=("none", "probability"), arms_design="crossover", wash_out_days=14)
    user = accepted_reader(test.study).user
    assert user is not None
    (first,) = ensure_readings(user)
    go_to_the_end(first)
    context = devices(user)
    page = context.new_page()
    page.goto(f"/read/{first.uuid}/done/")
    second = Reading.objects.get(test=test, number=2)
    assert second.opens_at is not None
    date = date_format(timezone.localtime(second.opens_at), "DATETIME_FORMAT")
    expect(page.get_by_text(f"can be read from {date} on")).to_be_visible()
    refused = page.goto(f"/read/{second.uuid}/")
    assert refused is not None
    assert refused.status == 409
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    expect(page.get_by_text(date)).to_be_visible()
    page.reload()
    expect(page.get_by_text(date)).to_be_visible()
    page.get_by_role("link", name="To my tests").click()
    expect(page.get_by_role("link", name="Start reading")).to_have_count(0)
    api = context.request.get(f"/api/read/{second.uuid}/")
    assert (api.status, api.json()["code"]) == (409, "not-yet")
    assert date in api.json()["detail"]
    for kept in (picture(item_at(second, 1)), picture(item_at(second, 2))):
        assert context.request.get(kept).status == 409
    # An honest clock lets him in again.
    Reading.objects.filter(pk=second.pk).update(opens_at=timezone.now() - timedelta(seconds=1))
    page.goto(f"/read/{second.uuid}/")
    ready(page)
