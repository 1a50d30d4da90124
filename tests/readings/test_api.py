"""The reading for the page's script."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readers import invitations
from readerstudy.readers.models import Reader
from readerstudy.readings.forms import browser_time
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.conftest import signed_in
from tests.readings.conftest import answer, answer_all, choices_of, item_at, picture


def api(reading: Reading) -> str:
    return reverse("api-read", args=[reading.uuid])


def submission(reading: Reading, position: int, key: int = 1, **changes: Any) -> dict[str, Any]:
    """What the page sends as the answer to the case at `position`."""
    values = {
        "item": str(item_at(reading, position).uuid),
        "stage": 1,
        "submission": str(uuid.uuid4()),
        "answers": {str(question): {"choice": choice} for question, choice in choices_of(reading, key).items()},
    }
    return {**values, **changes}


def send(client: Client, reading: Reading, data: Any) -> HttpResponse:
    return client.post(api(reading), data, content_type="application/json")


def shown(item: Item) -> dict[str, Any]:
    """A case as the API describes it."""
    pictures = [{"src": picture(item), "width": 64, "height": 48, "modality": "clinical"}]
    return {
        "item": str(item.uuid), "position": item.position, "stage": 1, "is_last": True, "is_practice": False,
        "pictures": pictures, "facts": [], "advice": False, "advice_src": None, "more_seconds": 0, "given": None,
    }  # fmt: skip


def test_where_the_reading_stands(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1)
    response = reader_client.get(api(reading))
    assert response["Cache-Control"] == "private, no-store"
    question = reading.test.questions.get()
    biopsy, reassure = question.choices.order_by("position")
    assert response.json() == {
        "total": 7,
        "answered": 1,
        "finished": False,
        "may_end": False,
        "conduct": {
            "changes": "never",
            "time_limit": "none",
            "seconds": None,
            "break_every": None,
            "break_is_due": False,
            "zoom": True,
            "screen_check": "none",
            "screen_required": False,
        },
        "stages": [
            {
                "stage": 1,
                "instruction": "",
                "questions": [
                    {
                        "id": question.pk,
                        "kind": "decision",
                        "text": "What would you do?",
                        "required": True,
                        "cannot_assess": False,
                        "choices": [
                            {"id": biopsy.pk, "key": 1, "text": "Biopsy or treat"},
                            {"id": reassure.pk, "key": 2, "text": "Reassure the patient"},
                        ],
                        "least": None,
                        "most": None,
                        "least_label": "",
                        "most_label": "",
                    }
                ],
            }
        ],
        "current": shown(item_at(reading, 2)),
        "next": shown(item_at(reading, 3)),
        "feedback": None,
        "changeable": [],
        "agree": False,
    }


def test_the_page_carries_the_same_state(reader_client: Client, reading: Reading) -> None:
    content = reader_client.get(reverse("read", args=[reading.uuid])).content.decode()
    state = content.partition('data-state="')[2].partition('"')[0].replace("&quot;", '"')
    assert json.loads(state) == reader_client.get(api(reading)).json()


def test_an_answer_returns_its_outcome_and_the_next_case(reader_client: Client, reading: Reading) -> None:
    data = submission(reading, 1, shown_at="2026-03-01T09:00:00Z", answered_at="2026-03-01T10:00:07.5+01:00")
    reply = send(reader_client, reading, data).json()
    assert (reply["outcome"], reply["answered"]) == ("stored", 1)
    assert reply["current"] == shown(item_at(reading, 2))
    made = Answer.objects.get()
    assert str(made.submission_id) == data["submission"]
    assert made.submission.shown_at == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    assert made.submission.answered_at == datetime(2026, 3, 1, 9, 0, 7, 500_000, tzinfo=UTC)


def test_to_the_end(reader_client: Client, reading: Reading) -> None:
    for position in range(1, 8):
        reply = send(reader_client, reading, submission(reading, position)).json()
        assert reply["outcome"] == "stored"
        assert (reply["next"] is None) == (position >= 6)
    assert reply["current"] is None
    assert reply["answered"] == 7
    assert reader_client.get(api(reading)).json()["current"] is None


def test_the_same_submission_again_gives_the_stored_result(reader_client: Client, reading: Reading) -> None:
    data = submission(reading, 1)
    outcomes = [send(reader_client, reading, data).json()["outcome"] for _ in range(3)]
    assert outcomes == ["stored", "repeated", "repeated"]
    assert Answer.objects.count() == 1


def test_the_same_id_with_another_content_is_an_error(reader_client: Client, reading: Reading) -> None:
    data = submission(reading, 1)
    send(reader_client, reading, data)
    other = {**data, "answers": submission(reading, 1, key=2)["answers"]}
    response = send(reader_client, reading, other)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert Answer.objects.get().choice.position == 1


def test_another_submission_for_an_answered_case_writes_nothing(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1, key=1)
    reply = send(reader_client, reading, submission(reading, 1, key=2))
    assert (reply.status_code, reply.json()["outcome"]) == (200, "already-answered")
    assert Answer.objects.get().choice.position == 1


def test_no_case_is_skipped(reader_client: Client, reading: Reading) -> None:
    response = send(reader_client, reading, submission(reading, 3))
    assert (response.status_code, response.json()["code"]) == (409, "ahead")
    assert not Answer.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"item": None},
        {"item": "x"},
        {"submission": "5"},
        {"stage": 0},
        {"stage": "x"},
        {"replaces": "x"},
        {"answers": []},
        {"answers": {"x": {"choice": 1}}},
        {"answers": {"1": "x"}},
        {"answers": {"1": {}}},
        {"answers": {"1": {"choice": "x"}}},
        {"answers": {"1": {"choice": 10**30}}},
        {"answers": {"1": {"choice": 1, "number": 1}}},
        {"answers": {"1": {"is_positive": True}}},
        {"answers": {"1": {"number": 10**9}}},
        {"answers": {"1": {"nodes": "melanoma"}}},
        {"answers": {"1": {"text": None}}},
        {"answers": None},
    ],
)
def test_what_is_no_answer_is_refused_and_named(
    reader_client: Client, reading: Reading, change: dict[str, Any]
) -> None:
    response = send(reader_client, reading, submission(reading, 1, **change))
    assert response.status_code == 400
    assert response.json()["code"] == "malformed"
    assert not Answer.objects.exists()


def test_no_answer_is_refused_with_its_question_named(reader_client: Client, reading: Reading) -> None:
    response = send(reader_client, reading, submission(reading, 1, answers={}))
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert "“What would you do?” needs an answer." in response.json()["detail"]
    assert not Answer.objects.exists()


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"answer"', "{}"])
def test_what_is_no_submission_is_refused(reader_client: Client, reading: Reading, body: str) -> None:
    assert send(reader_client, reading, body).status_code == 400
    assert not Answer.objects.exists()


@pytest.mark.parametrize(
    "nonsense",
    ["", "yesterday", "2026-13-45T99:99:99Z", "2026-03-01", "2026-03-01T09:00:00", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z", 17, 1e300, None, [], {}, "9" * 5000],
)  # fmt: skip
def test_a_nonsense_time_costs_no_answer(reader_client: Client, reading: Reading, nonsense: object) -> None:
    assert browser_time(nonsense) is None
    response = send(reader_client, reading, submission(reading, 1, shown_at=nonsense, answered_at=nonsense))
    assert response.status_code == 200
    made = Answer.objects.get()
    assert (made.submission.shown_at, made.submission.answered_at) == (None, None)


def test_a_closed_study_refuses_new_answers_and_confirms_stored_ones(
    administrator: User, study: Study, reader_client: Client, reading: Reading
) -> None:
    first = submission(reading, 1)
    send(reader_client, reading, first)
    protocol.close_study(study, actor=administrator)
    assert send(reader_client, reading, first).json()["outcome"] == "repeated"
    for response in (send(reader_client, reading, submission(reading, 2)), reader_client.get(api(reading))):
        assert response.status_code == 410
        assert response.json() == {
            "code": "closed",
            "detail": "The study was closed. Your answer to 1 case is kept.",
        }
    assert Answer.objects.count() == 1


def test_who_withdrew_finds_nothing(
    administrator: User, reader: Reader, reader_client: Client, reading: Reading
) -> None:
    invitations.withdraw(reader, actor=administrator)
    assert send(reader_client, reading, submission(reading, 1)).status_code == 404
    assert not Answer.objects.exists()


def test_who_is_nobody_is_told_so(client: Client, reading: Reading) -> None:
    assert client.get(api(reading)).status_code == 403
    assert send(client, reading, submission(reading, 1)).status_code == 403
    assert not Answer.objects.exists()


def test_a_forged_request_is_refused(reader: Reader, reading: Reading) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(reader.user)
    assert send(client, reading, submission(reading, 1)).status_code == 403
    assert not Answer.objects.exists()


def test_another_readers_reading_takes_no_answer(outsider: User, reading: Reading) -> None:
    assert send(signed_in(outsider), reading, submission(reading, 1)).status_code == 404
    assert not Answer.objects.exists()


def test_after_the_end_every_answer_is_one_too_many(reader_client: Client, reading: Reading) -> None:
    answer_all(reading)
    reply = send(reader_client, reading, submission(reading, 7, key=2)).json()
    assert (reply["outcome"], reply["current"]) == ("already-answered", None)
    assert Answer.objects.count() == 7
