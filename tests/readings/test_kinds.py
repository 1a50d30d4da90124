"""Every kind of question: what is an answer to it, what is none, by the API and by the plain form."""

import uuid
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings import diagnoses
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading, Submission
from readerstudy.studies.models import Question, Test
from tests.builders import accepted_reader
from tests.conftest import signed_in
from tests.readings.conftest import address_of, fields, item_at
from tests.readings.designed import designed, every_kind


@pytest.fixture
def asked(administrator: User) -> Test:
    test = designed(administrator)
    every_kind(test)
    return test


@pytest.fixture
def kinds(asked: Test) -> dict[str, Question]:
    return {question.kind: question for question in asked.questions.all()}


@pytest.fixture
def mine(asked: Test) -> Reading:
    return ensure_readings(accepted_reader(asked.study).user)[0]


@pytest.fixture
def client(mine: Reading) -> Client:
    assert mine.reader.user is not None
    return signed_in(mine.reader.user)


def send(client: Client, reading: Reading, answers: dict[str, Any], **changes: Any) -> HttpResponse:
    decision = reading.test.questions.get(kind="decision")
    whole = changes.pop("whole", {str(decision.pk): {"choice": decision.choices.get(position=1).pk}, **answers})
    data = {
        "item": str(item_at(reading, 1).uuid), "stage": 1, "submission": str(uuid.uuid4()), "answers": whole, **changes
    }  # fmt: skip
    return client.post(reverse("api-read", args=[reading.uuid]), data, content_type="application/json")


def stored() -> dict[str, Any]:
    """kind -> what is stored."""
    rows = Answer.objects.values_list("question__kind", "choice__label", "number", "nodes", "text", "cannot_assess")
    found = {}
    for kind, *values in rows:
        (value,) = [value for value in values if value is not None and value is not False]
        found[kind] = value
    return found


def test_each_kind_is_stored_as_what_it_is(client: Client, mine: Reading, kinds: dict[str, Question]) -> None:
    answers = {
        str(kinds["classes"].pk): {"choice": kinds["classes"].choices.get(position=3).pk},
        str(kinds["scale"].pk): {"number": 5},
        str(kinds["ranking"].pk): {"nodes": ["nodular-melanoma", "blue-naevus"]},
        str(kinds["text"].pk): {"text": "  asymmetric – “grey”\nveil "},
    }
    data = {"hidden_ms": 1500.4, "zoomed": True, "touched_at": "2026-03-01T09:00:01Z"}
    assert send(client, mine, answers, **data).json()["outcome"] == "stored"
    assert stored() == {
        "decision": "Biopsy or treat", "classes": "other", "scale": 5, "ranking": ["nodular-melanoma", "blue-naevus"],
        "text": "  asymmetric – “grey”\nveil ",
    }  # fmt: skip
    made = Submission.objects.get()
    assert (made.hidden_ms, made.zoomed, made.is_late) == (1500, True, False)


def test_what_may_be_left_out_has_no_row(client: Client, mine: Reading, kinds: dict[str, Question]) -> None:
    answers = {str(kinds["text"].pk): {"text": ""}, str(kinds["ranking"].pk): {"nodes": []}}
    assert send(client, mine, answers).status_code == 200
    assert set(stored()) == {"decision"}


def test_cannot_be_assessed_is_an_answer_of_its_own(client: Client, mine: Reading, kinds: dict[str, Question]) -> None:
    Question.objects.filter(kind="decision").update(allows_cannot_assess=True)
    answers = {str(kinds[kind].pk): {"cannot_assess": True} for kind in ("decision", "classes")}
    assert send(client, mine, answers).status_code == 200
    assert stored() == {"decision": True, "classes": True}


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("decision", {"cannot_assess": True}, "is not an answer to"),
        ("decision", {"number": 1}, "is not an answer to"),
        ("decision", {"cannot_assess": False}, "needs an answer"),
        ("classes", {"choice": 0}, "not one of the answers to choose from"),
        ("classes", {"text": "melanoma"}, "is not an answer to"),
        ("scale", {"number": 0}, "from 1 to 5, not by 0"),
        ("scale", {"number": 6}, "from 1 to 5, not by 6"),
        ("scale", {"choice": 3}, "is not an answer to"),
        ("scale", {"cannot_assess": True}, "is not an answer to"),
        ("ranking", {"nodes": ["melanoma", "melanoma"]}, "named twice"),
        ("ranking", {"nodes": ["psoriasis"]}, "“psoriasis” is not one of the diagnoses"),
        ("ranking", {"nodes": ["no-such-thing"]}, "“no-such-thing” is not one of the diagnoses"),
        ("ranking", {"nodes": ["melanoma", "blue-naevus", "nodular-melanoma", "lentigo-maligna"]}, "at most 3"),
        ("ranking", {"text": "melanoma"}, "is not an answer to"),
        ("text", {"text": "x" * 2001}, "at most 2000 characters"),
        ("text", {"text": "a\0b"}, ""),
        ("text", {"number": 3}, "is not an answer to"),
    ],
)
def test_what_is_no_answer_to_this_kind_is_refused_with_its_question(
    client: Client, mine: Reading, kinds: dict[str, Question], kind: str, answer: dict[str, Any], reason: str
) -> None:
    response = send(client, mine, {str(kinds[kind].pk): answer})
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert reason in response.json()["detail"]
    assert not Submission.objects.exists()


def test_a_repeated_answer_is_compared_in_every_part(client: Client, mine: Reading, kinds: dict[str, Question]) -> None:
    answers = {str(kinds["ranking"].pk): {"nodes": ["melanoma", "blue-naevus"]}, str(kinds["text"].pk): {"text": ""}}
    submission = str(uuid.uuid4())
    assert send(client, mine, answers, submission=submission).json()["outcome"] == "stored"
    assert send(client, mine, answers, submission=submission).json()["outcome"] == "repeated"
    del answers[str(kinds["text"].pk)]  # an empty text is no answer
    assert send(client, mine, answers, submission=submission).json()["outcome"] == "repeated"
    turned = {str(kinds["ranking"].pk): {"nodes": ["blue-naevus", "melanoma"]}}
    assert send(client, mine, turned, submission=submission).json()["code"] == "conflict"
    more = {**answers, str(kinds["scale"].pk): {"number": 1}}
    assert send(client, mine, more, submission=submission).json()["code"] == "conflict"
    assert Submission.objects.count() == 1


def test_when_the_time_is_up_what_is_missing_is_missing(
    asked: Test, client: Client, mine: Reading, kinds: dict[str, Question]
) -> None:
    """Only where the protocol ends a case by the clock."""
    nothing: dict[str, Any] = {"whole": {}, "late": True}
    for limit in ("none", "soft"):
        Test.objects.filter(pk=asked.pk).update(time_limit=limit, seconds_per_case=None if limit == "none" else 30)
        assert send(client, mine, {}, **nothing).status_code == 400
    Test.objects.filter(pk=asked.pk).update(time_limit="hard", seconds_per_case=30)
    assert send(client, mine, {}, **{**nothing, "late": False}).status_code == 400
    reply = send(client, mine, {}, **nothing).json()
    assert (reply["outcome"], reply["answered"], reply["conduct"]["seconds"]) == ("stored", 1, 30)
    made = Submission.objects.get()
    assert (made.is_late, made.completes, made.answers.count()) == (True, True, 0)


# --- by the plain form ------------------------------------------------------------------------------------------------


def test_the_plain_form_asks_and_takes_every_kind(client: Client, mine: Reading, kinds: dict[str, Question]) -> None:
    response = client.get(address_of(mine))
    page = response.content.decode()
    decision, classes, scale, ranking, text = (
        f"question-{kinds[kind].pk}" for kind in ("decision", "classes", "scale", "ranking", "text")
    )
    for name in (decision, classes, scale, f"{ranking}-1", f"{ranking}-3", text):
        assert f'name="{name}"' in page
    assert f'name="{ranking}-4"' not in page
    assert "a guess" in page
    assert "checked" not in page  # nothing is answered beforehand
    assert '<option value="nodular melanoma">' in page.lower()
    data = {
        **fields(response), decision: str(kinds["decision"].choices.get(position=2).pk), classes: "cannot-assess",
        scale: "3", f"{ranking}-1": "Nodular Melanoma", f"{ranking}-2": "", f"{ranking}-3": "blue-naevus",
        text: "as it is",
    }  # fmt: skip
    assert client.post(address_of(mine), data).status_code == 302
    assert stored() == {
        "decision": "Reassure the patient", "classes": True, "scale": 3, "text": "as it is",
        "ranking": ["nodular-melanoma", "blue-naevus"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "suffix", "value"),
    [
        ("ranking", "-1", "a thing unheard of"),
        ("ranking", "-x", "melanoma"),
        ("scale", "", "three"),
        ("scale", "", "9"),
    ],
)
def test_the_plain_form_refuses_what_is_no_answer(
    client: Client, mine: Reading, kinds: dict[str, Question], kind: str, suffix: str, value: str
) -> None:
    response = client.get(address_of(mine))
    data = {
        **fields(response), f"question-{kinds['decision'].pk}": str(kinds["decision"].choices.get(position=2).pk),
        f"question-{kinds[kind].pk}{suffix}": value,
    }  # fmt: skip
    refused = client.post(address_of(mine), data)
    assert refused.status_code == 400
    assert 'role="alert"' in refused.content.decode()
    assert not Submission.objects.exists()


# --- finding a diagnosis ----------------------------------------------------------------------------------------------


def found(client: Client, reading: Reading, **query: Any) -> list[dict[str, str]]:
    response = client.get(reverse("api-read-diagnoses", args=[reading.uuid]), query)
    assert response.status_code == 200
    return list(response.json()["diagnoses"])


def test_a_diagnosis_is_found_by_the_beginnings_of_its_words(
    client: Client, mine: Reading, kinds: dict[str, Question]
) -> None:
    ranking = kinds["ranking"].pk
    names = [one["name"].lower() for one in found(client, mine, question=ranking, q="mel nod")]
    assert "nodular melanoma" in names
    assert found(client, mine, question=ranking, q="psoriasis") == []  # not under the question's nodes
    assert found(client, mine, question=ranking, q="  ") == []
    every = found(client, mine, question=ranking, q="m")
    assert len(every) == diagnoses.MOST
    assert set(every[0]) == {"id", "name", "path"}
    assert found(client, mine, question=ranking, q="blue")[0]["id"] == "blue-naevus"


def test_accents_and_case_do_not_matter_and_a_name_must_be_unique(kinds: dict[str, Question]) -> None:
    assert diagnoses.search(kinds["ranking"], "NÓDULAR")[0].id == "nodular-melanoma"
    assert diagnoses.named(kinds["ranking"], " nodular  MELANOMA ") == "nodular-melanoma"
    assert diagnoses.named(kinds["ranking"], "psoriasis") is None
    assert all(diagnoses.named(kinds["ranking"], text) for text in diagnoses.choosable(kinds["ranking"]))


@pytest.mark.parametrize("number", ["", "x", "0", "9" * 30, "-1"])
def test_diagnoses_of_no_ranking_are_not_there(client: Client, mine: Reading, number: str) -> None:
    address = reverse("api-read-diagnoses", args=[mine.uuid])
    assert client.get(address, {"question": number, "q": "mel"}).status_code == 404


def test_diagnoses_are_for_the_reader_of_the_reading(
    outsider_client: Client, mine: Reading, kinds: dict[str, Question]
) -> None:
    query = {"question": kinds["ranking"].pk, "q": "mel"}
    assert outsider_client.get(reverse("api-read-diagnoses", args=[mine.uuid]), query).status_code == 404
