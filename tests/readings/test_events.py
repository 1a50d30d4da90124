"""What a page reports beside the answers: a fixed list; the check of the screen as a gate; breaks and more time."""

import re
import uuid
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.readings import events
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Reading, SessionEvent
from readerstudy.readings.progress import SCREEN_CHECK_HOLDS
from readerstudy.studies.models import Test
from tests.builders import accepted_reader
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, item_at, picture
from tests.readings.designed import designed, go_on, second_stage

GOOD = {
    "steps_seen": 18, "steps_shown": 18, "dark_seen": True, "light_seen": True, "colours_seen": True,
    "width": 820, "height": 1180, "pixel_ratio": 2.0,
}  # fmt: skip


def report(client: Client, reading: Reading, kind: str, detail: Any = None, **more: Any) -> HttpResponse:
    data = {"id": str(uuid.uuid4()), "kind": kind, "detail": {} if detail is None else detail, **more}
    return client.post(reverse("api-read-events", args=[reading.uuid]), data, content_type="application/json")


@pytest.mark.parametrize(
    ("kind", "detail", "stored"),
    [
        ("screen-check", GOOD, {**GOOD, "passed": True}),
        ("screen-check", {**GOOD, "steps_seen": 17}, {**GOOD, "steps_seen": 17, "passed": False}),
        ("screen-check", {**GOOD, "dark_seen": False}, {**GOOD, "dark_seen": False, "passed": False}),
        ("screen-check", {**GOOD, "width": 319}, {**GOOD, "width": 319, "passed": False}),
        ("break", {"seconds": 90}, {"seconds": 90}),
        (
            "keys-changed",
            {"keys": {"choice-1": "j", "next": " "}},
            {"off": False, "keys": {"choice-1": "j", "next": " "}},
        ),
        ("keys-changed", {"off": True, "keys": {}}, {"off": True, "keys": {}}),
    ],
)
def test_what_is_known_is_stored(
    reader_client: Client, reading: Reading, kind: str, detail: dict[str, Any], stored: dict[str, Any]
) -> None:
    response = report(reader_client, reading, kind, detail)
    assert response.json() == {"stored": True, "kind": kind, "detail": stored}
    made = SessionEvent.objects.get()
    assert (made.reading, made.item, made.kind, made.detail) == (reading, None, kind, stored)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("advice-shown", {}),
        ("advice-refused", {}),
        ("anything", {}),
        (["break"], {}),
        (None, {}),
        ("break", {}),
        ("break", []),
        ("break", {"seconds": -1}),
        ("break", {"seconds": 10**9}),
        ("break", {"seconds": 1, "comment": "x"}),
        ("screen-check", {**GOOD, "passed": True}),
        ("screen-check", {**GOOD, "steps_shown": 10**6}),
        ("screen-check", {key: value for key, value in GOOD.items() if key != "dark_seen"}),
        ("keys-changed", {"keys": {"next": "x" * 21}}),
        ("keys-changed", {"keys": {f"k{number}": "x" for number in range(31)}}),
        ("keys-changed", {"keys": {"é": "x"}}),
        ("more-time", {"seconds": 60, "stage": 1}),  # of no case
        ("more-time", {"seconds": 60}),  # of no stage
    ],
)
def test_anything_else_is_refused(reader_client: Client, reading: Reading, kind: Any, detail: Any) -> None:
    response = report(reader_client, reading, kind, detail)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert not SessionEvent.objects.exists()


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "5", "{}", '{"kind": "break", "detail": {"seconds": 1}}',
     '{"id": "x", "kind": "break", "detail": {"seconds": 1}}'],
)  # fmt: skip
def test_what_is_no_event_is_refused(reader_client: Client, reading: Reading, body: str) -> None:
    address = reverse("api-read-events", args=[reading.uuid])
    assert reader_client.post(address, body, content_type="application/json").status_code == 400
    assert reader_client.get(address).status_code == 405


def test_an_event_that_comes_again_is_stored_once(administrator: User, reader_client: Client, reading: Reading) -> None:
    said = {"id": str(uuid.uuid4()), "item": str(item_at(reading, 1).uuid)}
    for _time in range(2):
        assert report(reader_client, reading, "break", {"seconds": 5}, **said).json()["stored"]
    answer(reading, 1)
    assert report(reader_client, reading, "break", {"seconds": 5}, **said).json()["stored"]  # its reply was lost
    other = {**said, "item": str(item_at(reading, 2).uuid)}
    for kind, detail, about in (
        ("break", {"seconds": 6}, said),
        ("keys-changed", {"off": True, "keys": {}}, said),
        ("break", {"seconds": 5}, other),
    ):
        refused = report(reader_client, reading, kind, detail, **about)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    stranger = ensure_readings(accepted_reader(designed(administrator).study).user)[0]
    assert stranger.reader.user is not None
    elsewhere = report(signed_in(stranger.reader.user), stranger, "break", {"seconds": 5}, id=said["id"])
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "conflict")
    assert SessionEvent.objects.get().detail == {"seconds": 5}


def test_events_are_the_readers_own(outsider_client: Client, client: Client, reading: Reading) -> None:
    assert report(outsider_client, reading, "break", {"seconds": 1}).status_code == 404
    assert report(client, reading, "break", {"seconds": 1}).status_code == 403
    assert not SessionEvent.objects.exists()


def test_there_is_an_end_to_reporting(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_EVENTS", 2)
    for _event in range(2):
        events.report(reading=reading, kind="break", detail={"seconds": 1})
    with pytest.raises(ReadingsError, match="reported enough"):
        events.report(reading=reading, kind="break", detail={"seconds": 1})


def test_events_are_neither_changed_nor_deleted(reading: Reading) -> None:
    events.report(reading=reading, kind="break", detail={"seconds": 1})
    with pytest.raises(DatabaseError), transaction.atomic():
        SessionEvent.objects.update(detail={})
    with pytest.raises(DatabaseError), transaction.atomic():
        SessionEvent.objects.all().delete()


def test_more_time_is_for_the_current_case(administrator: User) -> None:
    test = designed(administrator, time_limit="hard", seconds_per_case=30)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    assert reading.reader.user is not None
    client = signed_in(reading.reader.user)
    for stranger in (item_at(reading, 2).uuid, uuid.uuid4(), "x"):
        assert report(client, reading, "more-time", {"seconds": 60, "stage": 1}, item=str(stranger)).status_code == 400
    first, more = str(item_at(reading, 1).uuid), {"seconds": 60, "stage": 1}
    for _time in range(2):
        assert report(client, reading, "more-time", more, item=first).status_code == 200
    state = client.get(reverse("api-read", args=[reading.uuid])).json()
    assert (state["current"]["more_seconds"], state["next"]["more_seconds"]) == (120, 0)


def test_more_time_is_for_the_stage_at_which_it_was_asked_for(administrator: User) -> None:
    test = designed(administrator, time_limit="hard", seconds_per_case=30)
    second_stage(test)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    assert reading.reader.user is not None
    client, api = signed_in(reading.reader.user), reverse("api-read", args=[reading.uuid])
    first = str(item_at(reading, 1).uuid)
    given = []
    for stage, seconds in ((1, 60), (2, 45)):
        other = {"seconds": 600, "stage": 3 - stage}
        assert report(client, reading, "more-time", other, item=first).status_code == 400
        before = client.get(api).json()["current"]["more_seconds"]
        report(client, reading, "more-time", {"seconds": seconds, "stage": stage}, item=first)
        given.append((before, client.get(api).json()["current"]["more_seconds"]))
        go_on(reading)
    assert given == [(0, 60), (0, 45)]


def test_a_break_is_suggested_between_cases_until_it_is_taken_or_declined(administrator: User) -> None:
    test = designed(administrator, break_every=2)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    assert reading.reader.user is not None
    client = signed_in(reading.reader.user)
    api, due = reverse("api-read", args=[reading.uuid]), []
    for position in range(1, 8):
        due.append(client.get(api).json()["conduct"]["break_is_due"])
        if position == 5:
            report(client, reading, "break", {"seconds": 0}, item=str(item_at(reading, 5).uuid))
            assert not client.get(api).json()["conduct"]["break_is_due"]
        answer(reading, position)
    assert due == [False, False, True, False, True, False, True]
    assert "good moment for a break" not in client.get(address_of(reading), follow=True).content.decode()


# --- the check of the screen ------------------------------------------------------------------------------------------


def checked(administrator: User, screen_check: str) -> tuple[Reading, Client]:
    test: Test = designed(administrator, screen_check=screen_check)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    assert reading.reader.user is not None
    return reading, signed_in(reading.reader.user)


FORM = {"steps_seen": "18", "dark_seen": "yes", "light_seen": "yes", "colours_seen": "yes"}


def test_a_screen_that_must_pass_holds_everything_back_until_it_does(administrator: User) -> None:
    reading, client = checked(administrator, "required")
    screen = reverse("read-screen", args=[reading.uuid])
    assert client.get(address_of(reading)).url == screen
    state = client.get(reverse("api-read", args=[reading.uuid])).json()
    assert (state["conduct"]["screen_check"], state["conduct"]["screen_required"]) == ("due", True)
    assert client.get(picture(item_at(reading, 1))).status_code == 404
    with pytest.raises(ReadingsError) as refusal:
        answer(reading, 1)
    assert refusal.value.code == "screen"
    assert "steps of grey" in client.get(screen).content.decode()
    assert client.post(screen, {}).status_code == 400
    failed = client.post(screen, {**FORM, "dark_seen": "no"})
    assert "too little can be seen" in failed.content.decode()
    assert client.get(picture(item_at(reading, 1))).status_code == 404
    assert client.post(screen, FORM).url == address_of(reading)
    assert client.get(address_of(reading)).status_code == 200
    assert client.get(picture(item_at(reading, 1))).status_code == 200
    assert answer(reading, 1).kind == "stored"
    assert list(SessionEvent.objects.order_by("pk").values_list("detail__passed", flat=True)) == [False, True]


def test_a_screen_that_is_only_recorded_holds_nothing_back(administrator: User) -> None:
    reading, client = checked(administrator, "recorded")
    assert client.get(picture(item_at(reading, 1))).status_code == 200
    assert client.get(address_of(reading)).url == reverse("read-screen", args=[reading.uuid])
    client.post(reverse("read-screen", args=[reading.uuid]), {**FORM, "steps_seen": "12"})
    assert client.get(address_of(reading)).status_code == 200
    assert answer(reading, 1).kind == "stored"


def test_the_size_of_the_window_goes_with_the_check_and_one_sent_twice_counts_once(administrator: User) -> None:
    reading, client = checked(administrator, "required")
    screen = reverse("read-screen", args=[reading.uuid])
    (report_id,) = re.findall(r'name="report" value="([0-9a-f-]{36})"', client.get(screen).content.decode())
    small = {**FORM, "width": "568", "height": "319", "pixel_ratio": "1.5", "report": report_id}
    for _time in range(2):
        assert "The window is too small" in client.post(screen, small).content.decode()
    assert client.post(screen, {**small, "height": "400"}).status_code == 409  # not the same, under the same id
    stored = SessionEvent.objects.get().detail
    assert stored == {"steps_seen": 18, "steps_shown": 18, "dark_seen": True, "light_seen": True, "colours_seen": True,
                      "width": 568, "height": 319, "pixel_ratio": 1.5, "passed": False}  # fmt: skip
    assert client.post(screen, {**small, "height": "320", "report": ""}).url == address_of(reading)


def test_the_check_is_asked_for_again_at_the_next_session(administrator: User) -> None:
    reading, client = checked(administrator, "required")
    report(client, reading, "screen-check", GOOD)
    assert client.get(address_of(reading)).status_code == 200
    later = timezone.now() + SCREEN_CHECK_HOLDS + timedelta(minutes=1)
    with patch("readerstudy.readings.progress.timezone.now", return_value=later):
        assert client.get(address_of(reading)).url == reverse("read-screen", args=[reading.uuid])
        assert answer(reading, 1).kind == "stored"  # what is on its way is not lost


def test_where_no_check_is_asked_for_its_page_leads_on(reader_client: Client, reading: Reading) -> None:
    assert reader_client.get(reverse("read-screen", args=[reading.uuid])).url == address_of(reading)
