"""Changing an answer: never, until the next case, until the end; each change is a new revision of the last stage."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readings import recording
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Reading, Submission
from readerstudy.readings.progress import changeable, standing
from readerstudy.studies import protocol
from readerstudy.studies.models import Test
from tests.builders import accepted_reader
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, answer_all, choices_of, fields, item_at, picture
from tests.readings.designed import designed, first_choices, go_on, second_stage
from tests.readings.test_recording import refused


def made(administrator: User, changes: str) -> Reading:
    test = designed(administrator, changes=changes)
    return ensure_readings(accepted_reader(test.study).user)[0]


@pytest.fixture
def until_next(administrator: User) -> Reading:
    return made(administrator, "until-next")


@pytest.fixture
def until_end(administrator: User) -> Reading:
    return made(administrator, "until-end")


def last(reading: Reading, position: int) -> uuid.UUID:
    """The submission that counts for the last answered stage of a case."""
    sent = Submission.objects.filter(item__reading=reading, item__position=position)
    return sent.order_by("-stage__position", "-revision")[0].pk


def change(reading: Reading, position: int, key: int = 2) -> str:
    return answer(reading, position, key, replaces=last(reading, position)).kind


def kept(reading: Reading) -> list[tuple[int, int, int]]:
    """(case, revision, key) of every answer."""
    rows = Submission.objects.filter(item__reading=reading).order_by("item__position", "revision")
    return list(rows.values_list("item__position", "revision", "answers__choice__position"))


def places(reading: Reading) -> list[int]:
    return [item.position for item in standing(Reading.objects.get(pk=reading.pk)).changeable]


def test_never_means_never(reading: Reading) -> None:
    answer(reading, 1)
    assert places(reading) == []
    assert refused(lambda: answer(reading, 1, key=2, replaces=last(reading, 1))) == "locked"
    assert kept(reading) == [(1, 1, 1)]


def test_until_the_next_case_is_answered(until_next: Reading) -> None:
    answer(until_next, 1)
    assert places(until_next) == [1]
    assert change(until_next, 1) == "stored"
    assert change(until_next, 1, key=1) == "stored"
    answer(until_next, 2)
    assert places(until_next) == [2]
    assert refused(lambda: answer(until_next, 1, key=2, replaces=last(until_next, 1))) == "locked"
    assert kept(until_next) == [(1, 1, 1), (1, 2, 2), (1, 3, 1), (2, 1, 1)]


def test_until_the_next_case_is_begun_where_cases_have_stages(administrator: User) -> None:
    reading = made(administrator, "until-next")
    second_stage(reading.test)
    go_on(reading)
    go_on(reading)
    assert places(reading) == [1]
    go_on(reading)  # the first stage of case 2
    assert places(reading) == []
    choice = reading.test.questions.get(stage__position=2).choices.get(position=2)
    with pytest.raises(ReadingsError) as refusal:
        answer(reading, 1, stage=2, choices={choice.question_id: choice.pk}, replaces=last(reading, 1))
    assert refusal.value.code == "locked"


def test_until_the_end_which_the_reader_declares(until_end: Reading) -> None:
    answer_all(until_end)
    until_end.refresh_from_db()
    assert until_end.finished_at is None
    assert places(until_end) == [1, 2, 3, 4, 5, 6, 7]
    assert change(until_end, 3) == "stored"
    recording.end(reading=until_end, actor=until_end.reader.user)
    until_end.refresh_from_db()
    first = until_end.finished_at
    assert first is not None
    recording.end(reading=until_end, actor=until_end.reader.user)
    until_end.refresh_from_db()
    assert until_end.finished_at == first
    assert AuditEntry.objects.filter(action="reading.finished").count() == 1
    assert places(until_end) == []
    assert refused(lambda: answer(until_end, 3, key=1, replaces=last(until_end, 3))) == "locked"
    assert kept(until_end)[2:4] == [(3, 1, 1), (3, 2, 2)]


def test_the_end_comes_after_the_last_case(administrator: User, until_end: Reading) -> None:
    answer(until_end, 1)
    with pytest.raises(ReadingsError, match="case 2 has no answer"):
        recording.end(reading=until_end, actor=until_end.reader.user)
    protocol.close_study(until_end.test.study, actor=administrator)
    with pytest.raises(ReadingsError) as refusal:
        recording.end(reading=until_end, actor=until_end.reader.user)
    assert refusal.value.code == "closed"
    assert Reading.objects.get(pk=until_end.pk).finished_at is None


def test_a_change_names_what_it_replaces(until_end: Reading) -> None:
    """Two tabs: what was changed in one is not overwritten by the other, and a plain answer changes nothing."""
    answer(until_end, 1)
    seen = last(until_end, 1)
    assert answer(until_end, 1, key=2).kind == "already-answered"
    assert change(until_end, 1) == "stored"
    assert refused(lambda: answer(until_end, 1, key=1, replaces=seen)) == "conflict"
    assert refused(lambda: answer(until_end, 1, key=1, replaces=uuid.uuid4())) == "conflict"
    assert refused(lambda: answer(until_end, 2, key=1, replaces=seen)) == "locked"
    assert kept(until_end) == [(1, 1, 1), (1, 2, 2)]


def test_a_repeated_change_is_stored_once(until_end: Reading) -> None:
    answer(until_end, 1)
    seen, submission = last(until_end, 1), uuid.uuid4()
    assert answer(until_end, 1, 2, replaces=seen, submission=submission).kind == "stored"
    assert answer(until_end, 1, 2, replaces=seen, submission=submission).kind == "repeated"
    assert kept(until_end) == [(1, 1, 1), (1, 2, 2)]


def test_only_the_last_stage_of_a_case_is_changed(administrator: User) -> None:
    """The answer to an earlier one was locked before more was shown."""
    reading = made(administrator, "until-end")
    second_stage(reading.test)
    go_on(reading)
    first = last(reading, 1)
    go_on(reading)
    question = reading.test.questions.get(stage__position=1)
    choice = question.choices.get(position=2).pk
    assert refused(lambda: answer(reading, 1, choices={question.pk: choice}, replaces=first)) == "locked"
    (item,) = changeable(reading, item_at(reading, 2))
    assert item.position == 1
    stage = reading.test.stages.get(position=2)
    choice = stage.questions.get().choices.get(position=2)
    outcome = answer(reading, 1, stage=2, choices={choice.question_id: choice.pk}, replaces=last(reading, 1))
    assert outcome.kind == "stored"
    assert first_choices(standing(reading).current)  # type: ignore[arg-type]


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(until_end: Reading) -> Client:
    assert until_end.reader.user is not None
    return signed_in(until_end.reader.user)


def test_the_api_shows_an_answered_case_again(client: Client, until_end: Reading) -> None:
    answer(until_end, 1, key=2)
    api = reverse("api-read", args=[until_end.uuid])
    item = item_at(until_end, 1)
    assert client.get(api).json()["changeable"] == [{"item": str(item.uuid), "position": 1}]
    again = client.get(api, {"item": str(item.uuid)}).json()["again"]
    (question, choice) = choices_of(until_end, 2).popitem()
    assert again["given"] == {
        "submission": str(last(until_end, 1)), "answers": {str(question): {"choice": choice}}, "names": {},
    }  # fmt: skip
    assert client.get(again["pictures"][0]["src"]).status_code == 200
    for stranger in (item_at(until_end, 5).uuid, uuid.uuid4(), "x"):
        assert client.get(api, {"item": str(stranger)}).status_code == 404
    data = {
        "item": str(item.uuid), "stage": 1, "submission": str(uuid.uuid4()), "replaces": again["given"]["submission"],
        "answers": {str(question): {"choice": choices_of(until_end, 1)[question]}},
    }  # fmt: skip
    assert client.post(api, data, content_type="application/json").json()["outcome"] == "stored"
    assert kept(until_end) == [(1, 1, 2), (1, 2, 1)]


def test_by_plain_forms_an_answer_is_changed_and_the_test_ended(client: Client, until_end: Reading) -> None:
    answer_all(until_end)
    review = client.get(address_of(until_end))
    assert "End the test" in review.content.decode()
    assert client.get(reverse("read-done", args=[until_end.uuid])).url == address_of(until_end)
    address = f"{address_of(until_end)}?item={item_at(until_end, 4).uuid}"
    assert address in review.content.decode()
    page = client.get(address)
    assert f'name="replaces" value="{last(until_end, 4)}"' in page.content.decode()
    assert 'aria-current="true"' in page.content.decode()
    assert client.get(picture(item_at(until_end, 4))).status_code == 200
    chosen = {f"question-{question}": str(choice) for question, choice in choices_of(until_end, 2).items()}
    data = {**fields(page), "replaces": str(last(until_end, 4)), **chosen}
    assert client.post(address, data).status_code == 302
    assert kept(until_end)[3:5] == [(4, 1, 1), (4, 2, 2)]
    ended = client.post(reverse("read-end", args=[until_end.uuid]))
    assert ended.url == reverse("read-done", args=[until_end.uuid])
    assert client.get(ended.url).status_code == 200
    assert client.get(picture(item_at(until_end, 4))).status_code == 404
    assert client.get(reverse("read-end", args=[until_end.uuid])).status_code == 405


def test_the_end_too_early_leads_back_with_a_reason(client: Client, until_end: Reading) -> None:
    response = client.post(reverse("read-end", args=[until_end.uuid]), follow=True)
    assert "case 1 has no answer" in response.content.decode()


def test_a_case_that_cannot_be_changed_leads_to_the_current_one(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1)
    assert reader_client.get(address_of(reading), {"item": item_at(reading, 1).uuid}).url == address_of(reading)


def test_nobody_ends_anothers_reading(outsider_client: Client, until_end: Reading) -> None:
    assert outsider_client.post(reverse("read-end", args=[until_end.uuid])).status_code == 404
    assert outsider_client.post(reverse("read-another", args=[until_end.uuid])).status_code == 404
    assert Test.objects.get(pk=until_end.test_id).changes == "until-end"
