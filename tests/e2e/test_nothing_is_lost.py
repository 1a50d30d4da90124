"""Against the real server: what was acknowledged is stored, each answer once, whatever fails between.

The connection is lost, a reply is lost, the server is killed with -9 before and after it committed, two tabs and two
devices answer the same case at the same moment.
"""

import time
from contextlib import suppress

import pytest
from django.db import transaction
from playwright.sync_api import Error, Page, Request, Response, Route, expect

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading, Submission
from tests.browser import Contexts
from tests.builders import accepted_reader
from tests.e2e.server import Server
from tests.readings.designed import designed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


class Desk:
    """A reader at a page of his reading: presses keys, and remembers what the server acknowledged."""

    def __init__(self, devices: Contexts, reading: Reading) -> None:
        self.reading = reading
        self.total = reading.items.count()
        self.page: Page = devices(reading.reader.user).new_page()
        self.acknowledged: list[str] = []  # submissions, in the order of the replies
        self.pressed: list[int] = []
        self._replies: list[Response] = []
        self._fetched: list[str] = []
        self.page.on("dialog", lambda dialog: dialog.accept())  # answers wait: leave the page nevertheless
        self.page.on("response", self._note)
        self.page.on("requestfinished", lambda request: self._fetched.append(request.url))
        self.open()

    def _note(self, response: Response) -> None:
        if response.request.method == "POST" and "/api/read/" in response.url:
            self._replies.append(response)

    def open(self) -> None:
        self._fetched.clear()
        self.page.goto(f"/read/{self.reading.uuid}/")

    def at(self, position: int) -> None:
        expect(self.page.locator("[data-where]")).to_have_text(f"{position} of {self.total}")
        expect(self.page.locator("[data-reading]")).to_have_attribute("data-ready", "")

    def settle(self, position: int) -> None:
        """At this case: the next picture has come, so that it can be read with the connection lost."""
        self.at(position)
        following = self.reading.items.filter(position=position + 1).values_list("uuid", flat=True)
        for _ in range(600):
            if all(any(f"/{item}/1/" in url for url in self._fetched) for item in following):
                break
            self.page.wait_for_timeout(50)
        self.page.wait_for_timeout(100)  # and is decoded
        self.listen()

    def listen(self) -> None:
        for reply in self._replies:
            with suppress(Error):  # never arrived, or the page was left meanwhile
                if reply.status == 200 and reply.json()["outcome"] in ("stored", "repeated"):
                    self.acknowledged.append(reply.request.post_data_json["submission"])
        self._replies.clear()

    def press(self, key: int) -> None:
        self.page.keyboard.press(str(key))
        self.pressed.append(key)

    def until_stored(self, count: int) -> None:
        """Wait for so many stored answers; the browser's own business goes on meanwhile."""
        for _ in range(600):
            if Submission.objects.count() >= count:
                break
            self.page.wait_for_timeout(50)
        assert Submission.objects.count() == count

    def waiting(self, text: str) -> None:
        expect(self.page.get_by_text(text)).to_be_visible()

    def nothing_waits(self) -> None:
        expect(self.page.get_by_text("waiting to be sent")).to_have_count(0)


@pytest.fixture
def reading(administrator: User, request: pytest.FixtureRequest) -> Reading:
    """Of as many cases as the test says; opened by a new reader."""
    test = designed(administrator, diagnoses=request.param)
    user = accepted_reader(test.study).user
    assert user is not None
    return ensure_readings(user)[0]


def stored() -> list[tuple[int, int]]:
    """(position, key) of every stored answer, in the order of the cases."""
    rows = Answer.objects.order_by("submission__item__position", "submission__revision")
    return list(rows.values_list("submission__item__position", "choice__position"))


def all_is_well(desk: Desk) -> None:
    """Acknowledged = stored, each once, each as it was pressed."""
    desk.listen()
    assert stored() == list(enumerate(desk.pressed, start=1))
    submissions = [str(pk) for pk in Submission.objects.values_list("pk", flat=True)]
    assert len(submissions) == len(desk.pressed)
    assert set(desk.acknowledged) <= set(submissions)
    arrived = list(Submission.objects.order_by("arrived_at").values_list("item__position", flat=True))
    assert arrived == sorted(arrived)


@pytest.mark.parametrize("reading", [30], indirect=True)
def test_thirty_answers_given_offline_are_stored_once_each(devices: Contexts, server: Server, reading: Reading) -> None:
    """The page holds one case ahead: fifteen losses of the connection, two answers in each.

    In one of them the page is opened again; in one the server stores the answer and its reply is lost as well.
    """
    desk = Desk(devices, reading)
    page, replies_lost = desk.page, []

    def lose_the_reply(route: Route) -> None:
        if route.request.method == "POST" and not replies_lost:
            route.fetch()  # the server has it, the page hears nothing
            replies_lost.append(route.request.post_data_json["submission"])
            route.abort()
        else:
            route.continue_()

    for loss in range(15):
        first = 2 * loss + 1
        desk.settle(first)
        page.context.set_offline(True)
        desk.press(1 + loss % 2)
        desk.at(first + 1)  # loaded ahead
        desk.press(2 - loss // 2 % 2)
        desk.waiting("2 answers are waiting to be sent.")
        assert Submission.objects.count() == first - 1
        if loss == 4:
            with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
                page.reload()
        if loss == 9:
            page.route("**/api/read/**", lose_the_reply)
        page.context.set_offline(False)
        if loss == 4:
            desk.open()
        desk.until_stored(first + 1)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(replies_lost) == 1
    assert len(desk.pressed) == 30
    all_is_well(desk)
    reading.refresh_from_db()
    assert reading.finished_at is not None


@pytest.mark.parametrize("reading", [6], indirect=True)
def test_a_server_killed_before_and_after_it_committed_loses_and_doubles_nothing(
    devices: Contexts, server: Server, reading: Reading
) -> None:
    desk = Desk(devices, reading)
    page = desk.page
    desk.settle(1)
    desk.press(1)
    desk.settle(2)

    # Before: the row is locked here, so that the server cannot commit; it dies with the answer in its hands.
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    with transaction.atomic():
        Reading.objects.select_for_update().get(pk=reading.pk)
        desk.press(2)
        desk.at(3)
        assert len(sent) == 1
        page.wait_for_timeout(500)
        server.kill()
    assert Submission.objects.count() == 1
    desk.waiting("1 answer is waiting to be sent.")
    server.start()
    desk.until_stored(2)
    desk.nothing_waits()
    desk.settle(3)

    # After: what it stored is on the disk, but no reply came back.
    killed: list[str] = []

    def kill_when_stored(route: Route) -> None:
        if route.request.method != "POST" or killed:
            return route.continue_()
        assert route.fetch().status == 200
        killed.append(route.request.post_data_json["submission"])
        server.kill()
        return route.abort()

    page.route("**/api/read/**", kill_when_stored)
    desk.press(1)
    desk.at(4)
    desk.waiting("1 answer is waiting to be sent.")
    assert [str(pk) for pk in Submission.objects.filter(item__position=3).values_list("pk", flat=True)] == killed
    desk.press(2)  # and he reads on, with the server away
    desk.waiting("2 answers are waiting to be sent.")
    server.start()
    page.get_by_role("button", name="Send now").click()
    desk.until_stored(4)
    for position, key in ((5, 1), (6, 2)):
        desk.settle(position)
        if position == 6:
            server.kill()  # between two answers, with none on its way
            server.start()
        desk.press(key)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    all_is_well(desk)


def press_at(page: Page, name: str, moment: float) -> None:
    """Press this button of the page at this moment (seconds since 1970), whatever else goes on."""
    page.get_by_role("button", name=name).evaluate(
        "(button, at) => void setTimeout(() => button.click(), at - Date.now())", moment * 1000
    )


@pytest.mark.parametrize("reading", [6], indirect=True)
@pytest.mark.parametrize("where", ["two tabs", "two devices"])
def test_of_two_answers_to_one_case_the_first_stands(
    devices: Contexts, server: Server, reading: Reading, where: str
) -> None:
    """In three cases both press at the same moment, each another answer."""
    desk = Desk(devices, reading)
    context = desk.page.context if where == "two tabs" else devices(reading.reader.user)
    other = context.new_page()
    other.goto(f"/read/{reading.uuid}/")
    told = 0
    for position in (1, 2, 3):
        for page in (desk.page, other):
            page.bring_to_front()
            expect(page.locator("[data-where]")).to_have_text(f"{position} of 6")
            expect(page.locator("[data-reading]")).to_have_attribute("data-ready", "")
        moment = time.time() + 0.4
        press_at(desk.page, "Biopsy or treat", moment)
        press_at(other, "Reassure the patient", moment)
        desk.until_stored(position)
        for page in (desk.page, other):
            expect(page.locator("[data-where]")).to_have_text(f"{position + 1} of 6")
        told += was_told(desk.page, other)
    assert [position for position, _key in stored()] == [1, 2, 3]
    assert {key for _position, key in stored()} <= {1, 2}
    # A tab that heard of the other's answer in time was not pressed at all; devices hear nothing of one another.
    assert told == 3 if where == "two devices" else told >= 1


def was_told(*pages: Page) -> bool:
    """Whether one of them says within two seconds that the case had been answered already."""
    for _ in range(40):
        if any(page.get_by_text("had been answered already").count() for page in pages):
            return True
        pages[0].wait_for_timeout(50)
    return False
