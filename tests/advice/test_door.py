"""Advice is seen after the unaided answer, while its stage is on the screen, by its reader; refusals are recorded."""

from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readings.models import Reading, SessionEvent
from readerstudy.studies import protocol
from readerstudy.studies.models import Arm, Test
from tests.advice.material import advised, ask, reading_of, refusals, shown_events
from tests.conftest import signed_in
from tests.readers.test_two_at_once import at_once
from tests.readings.conftest import address_of, item_at
from tests.readings.designed import go_on


@pytest.fixture
def test(administrator: User) -> Test:
    return advised(administrator, "probability")


@pytest.fixture
def reading(test: Test) -> Reading:
    return reading_of(test)


def test_advice_comes_after_the_unaided_answer_and_is_recorded_once(reading: Reading) -> None:
    client, first = signed_in(reading.reader.user), item_at(reading, 1)
    early = ask(client, first)
    assert (early.status_code, early["Content-Type"]) == (HTTPStatus.CONFLICT, "text/plain; charset=utf-8")
    assert b"%" not in early.content
    assert refusals(reading) == [(1, "ahead")]
    assert shown_events(reading) == []
    go_on(reading)
    before = timezone.now()
    due = ask(client, first)
    assert due.status_code == HTTPStatus.OK
    assert due["Cache-Control"] == "no-store, private" or due["Cache-Control"] == "private, no-store"
    (event,) = shown_events(reading)
    assert event.item == first
    assert before <= event.at <= timezone.now()
    assert (event.detail["advice"], event.detail["wrong"], event.detail["stage"]) == ("probability", False, 2)
    assert event.detail["model"] == Arm.objects.get().model_sha256
    # Again: the same, and recorded no second time.
    assert ask(client, first).content == due.content
    assert len(shown_events(reading)) == 1
    # The page without script has it inside.
    assert due.content.decode().strip() in client.get(address_of(reading)).content.decode()
    go_on(reading)
    late = ask(client, first)
    assert late.status_code == HTTPStatus.CONFLICT
    assert b"%" not in late.content
    assert refusals(reading) == [(1, "ahead"), (1, "locked")]


def test_the_case_that_is_fetched_ahead_is_refused(reading: Reading) -> None:
    client = signed_in(reading.reader.user)
    go_on(reading)  # case 1 is at its advice, case 2 in sight at its first stage
    following = client.get(reverse("api-read", args=[reading.uuid])).json()["next"]
    assert (following["position"], following["advice"], following["advice_src"]) == (2, False, None)
    for position in (2, 3, 4):
        assert ask(client, item_at(reading, position)).status_code == HTTPStatus.CONFLICT
    assert refusals(reading) == [(2, "ahead"), (3, "ahead"), (4, "ahead")]
    assert shown_events(reading) == []


def test_a_changeable_answer_shows_its_advice_again_while_it_may_be_changed(administrator: User) -> None:
    reading = reading_of(advised(administrator, "probability", changes="until-next"))
    client, first = signed_in(reading.reader.user), item_at(reading, 1)
    go_on(reading)
    told = ask(client, first).content
    go_on(reading)
    assert ask(client, first).content == told
    again = client.get(f"{address_of(reading)}?item={first.uuid}").content.decode()
    assert told.decode().strip() in again
    go_on(reading)  # the next case is begun
    assert ask(client, first).status_code == HTTPStatus.CONFLICT
    assert refusals(reading) == [(1, "locked")]


def test_an_item_of_another_reader_is_refused_and_recorded(test: Test, reading: Reading) -> None:
    other = reading_of(test)
    go_on(other)
    client, due_there = signed_in(reading.reader.user), item_at(other, 1)
    mixed = client.get(reverse("read-advice", args=[reading.uuid, due_there.uuid]))
    assert mixed.status_code == HTTPStatus.NOT_FOUND
    assert refusals(reading) == [(None, "unknown")]
    for number in (None, 1):
        assert ask(client, due_there, number).status_code == HTTPStatus.NOT_FOUND
    entries = AuditEntry.objects.filter(action="advice.refused")
    assert [(entry.actor, entry.target_id) for entry in entries] == [(reading.reader.user, str(other.pk))] * 2
    assert (refusals(other), shown_events(other)) == ([], [])


def test_after_withdrawal_nothing_is_told(reading: Reading) -> None:
    go_on(reading)
    invitations.withdraw(reader=reading.reader, actor=reading.reader.user)
    assert ask(signed_in(reading.reader.user), item_at(reading, 1)).status_code == HTTPStatus.NOT_FOUND
    assert refusals(reading) == [(1, "withdrawn")]


def test_a_closed_study_tells_nothing(test: Test, reading: Reading) -> None:
    go_on(reading)
    protocol.close_study(test.study, actor=test.study.created_by)
    assert ask(signed_in(reading.reader.user), item_at(reading, 1)).status_code == HTTPStatus.GONE
    assert refusals(reading) == [(1, "closed")]


def test_before_the_wash_out_is_over_nothing_is_told(reading: Reading) -> None:
    go_on(reading)
    Reading.objects.filter(pk=reading.pk).update(opens_at=timezone.now() + timedelta(days=14))
    assert ask(signed_in(reading.reader.user), item_at(reading, 1)).status_code == HTTPStatus.CONFLICT
    assert refusals(reading) == [(1, "not-yet")]


def test_an_unchecked_screen_shows_no_advice(test: Test, reading: Reading) -> None:
    go_on(reading)
    Test.objects.filter(pk=test.pk).update(screen_check="required")
    assert ask(signed_in(reading.reader.user), item_at(reading, 1)).status_code == HTTPStatus.CONFLICT
    assert refusals(reading) == [(1, "screen")]


def test_nobody_else_is_told_and_nothing_is_written(reading: Reading, administrator: User) -> None:
    """Staff, who read no blinded case, and whoever is signed out: no page to sign in comes back to a script."""
    go_on(reading)
    anonymous, first = signed_in(reading.reader.user), item_at(reading, 1)
    anonymous.logout()
    assert ask(anonymous, first).status_code == HTTPStatus.FORBIDDEN
    assert ask(anonymous, first, 1).status_code == HTTPStatus.FORBIDDEN
    assert ask(signed_in(administrator), first).status_code == HTTPStatus.NOT_FOUND
    assert (
        signed_in(reading.reader.user).post(reverse("read-advice", args=[reading.uuid, first.uuid])).status_code == 405
    )
    assert shown_events(reading) == []


def test_an_arm_without_advice_has_none_to_ask_for(test: Test) -> None:
    Arm.objects.update(advice="none", model_sha256="")
    reading = reading_of(test)
    client = signed_in(reading.reader.user)
    assert ask(client, item_at(reading, 1)).status_code == HTTPStatus.CONFLICT
    go_on(reading)
    assert ask(client, item_at(reading, 1)).status_code == HTTPStatus.CONFLICT
    assert shown_events(reading) == []


def test_what_is_shown_and_refused_leaves_the_page_room_to_report(reading: Reading) -> None:
    SessionEvent.objects.bulk_create(
        SessionEvent(reading=reading, kind=SessionEvent.Kind.ADVICE_REFUSED, detail={"code": "ahead"})
        for _ in range(1000)
    )
    client = signed_in(reading.reader.user)
    assert ask(client, item_at(reading, 1)).status_code == HTTPStatus.CONFLICT  # refused as ever
    assert len(refusals(reading)) == 1000
    body = {"id": str(uuid4()), "kind": "keys-changed", "detail": {"off": True, "keys": {}}}
    sent = client.post(reverse("api-read-events", args=[reading.uuid]), body, content_type="application/json")
    assert sent.status_code == HTTPStatus.OK


@pytest.mark.django_db(transaction=True)
def test_asked_for_four_times_at_once_it_is_recorded_once(administrator: User) -> None:
    reading = reading_of(advised(administrator, "probability"))
    go_on(reading)
    first, clients = item_at(reading, 1), [signed_in(reading.reader.user) for _ in range(4)]
    answers = at_once(*[lambda client=client: ask(client, first) for client in clients])  # type: ignore[misc]
    assert {answer.status_code for answer in answers} == {HTTPStatus.OK}
    assert len({answer.content for answer in answers}) == 1
    assert len(shown_events(reading)) == 1
