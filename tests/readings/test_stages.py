"""Stages: what is shown and asked at each, in which order, and nothing of a later one before its time."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import Modality
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.answering import Given
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.studies.models import Arm, CaseImage, Stage, Test
from tests.builders import accepted_reader, add_question, image_set
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, fields, item_at, picture, sent
from tests.readings.designed import SHA256, current, designed, first_choices, go_on, second_stage, with_facts


@pytest.fixture
def staged(administrator: User) -> Test:
    """Seven cases at two stages; facts at the second."""
    test = designed(administrator)
    second_stage(test)
    with_facts(test.study)
    return test


@pytest.fixture
def two_stages(staged: Test) -> Reading:
    return ensure_readings(accepted_reader(staged.study).user)[0]


def client_of(reading: Reading) -> Client:
    assert reading.reader.user is not None
    return signed_in(reading.reader.user)


def state(client: Client, reading: Reading) -> dict:  # type: ignore[type-arg]
    found: dict = client.get(reverse("api-read", args=[reading.uuid])).json()  # type: ignore[type-arg]
    return found


def test_each_case_goes_through_its_stages_before_the_next_case(two_stages: Reading) -> None:
    client, seen = client_of(two_stages), []
    for _stage in range(14):
        now = state(client, two_stages)
        seen.append((now["current"]["position"], now["current"]["stage"], now["current"]["is_last"], now["answered"]))
        outcome = go_on(two_stages)
    assert seen == [(case, stage, stage == 2, case - 1) for case in range(1, 8) for stage in (1, 2)]
    assert outcome.finished
    assert state(client, two_stages)["current"] is None
    rows = Submission.objects.order_by("item__position", "stage__position").values_list("completes", flat=True)
    assert list(rows) == [False, True] * 7


def test_facts_come_with_their_stage_only(two_stages: Reading) -> None:
    client = client_of(two_stages)
    now = state(client, two_stages)
    assert (now["current"]["facts"], now["next"]["facts"]) == ([], [])
    page = client.get(address_of(two_stages)).content.decode()
    assert "upper back" not in page
    go_on(two_stages)
    now = state(client, two_stages)
    assert now["current"]["facts"] == [
        {"name": "Age", "value": "61"}, {"name": "Sex", "value": "female"}, {"name": "Site", "value": "upper back"},
        {"name": "Skin type", "value": "II"},
    ]  # fmt: skip
    assert now["next"]["facts"] == []  # it is ahead at its first stage
    assert "upper back" in client.get(address_of(two_stages)).content.decode()
    go_on(two_stages)
    assert state(client, two_stages)["current"]["facts"] == []


def test_what_is_not_known_is_said_to_be_so(administrator: User) -> None:
    test = designed(administrator)
    Stage.objects.filter(test=test).update(shows_facts=True)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    facts = state(client_of(reading), reading)["current"]["facts"]
    assert [fact["value"] for fact in facts] == ["not stated"] * 4


def test_a_later_stage_before_its_time_and_an_earlier_one_after_it_are_refused(two_stages: Reading) -> None:
    questions = {stage.position: stage.questions.get() for stage in two_stages.test.stages.all()}
    second = {questions[2].pk: Given(choice=questions[2].choices.get(position=1).pk)}
    with pytest.raises(ReadingsError) as refusal:
        answer(two_stages, 1, stage=2, answers=second)
    assert refusal.value.code == "ahead"
    first = go_on(two_stages)
    assert not first.finished
    again = first_choices(current(two_stages), key=2)
    assert answer(two_stages, 1, answers=again).kind == "already-answered"
    made = Submission.objects.get()
    with pytest.raises(ReadingsError) as refusal:  # a change of it: its next stage was seen
        answer(two_stages, 1, stage=1, answers=again, replaces=made.pk)
    assert refusal.value.code == "locked"
    with pytest.raises(ReadingsError) as refusal:
        answer(two_stages, 2, answers=first_choices(current(two_stages)))
    assert refusal.value.code == "ahead"
    with pytest.raises(ReadingsError) as refusal:
        answer(two_stages, 1, stage=3, answers=second)
    assert refusal.value.code == "unknown"
    assert Submission.objects.count() == 1


def test_a_stage_takes_the_answers_to_its_own_questions_only(two_stages: Reading) -> None:
    both = {
        question.pk: Given(choice=question.choices.get(position=1).pk) for question in two_stages.test.questions.all()
    }
    with pytest.raises(ReadingsError, match="not asked here"):
        answer(two_stages, 1, answers=both)
    go_on(two_stages)
    with pytest.raises(ReadingsError, match="not asked here"):
        answer(two_stages, 1, stage=2, answers=both)
    assert Answer.objects.count() == 1


def test_the_same_id_at_another_stage_is_a_conflict(two_stages: Reading) -> None:
    submission = uuid.uuid4()
    go_on(two_stages, submission=submission)
    with pytest.raises(ReadingsError) as refusal:
        go_on(two_stages, submission=submission)
    assert refusal.value.code == "conflict"
    assert go_on(two_stages).kind == "stored"


def test_by_plain_forms_through_both_stages(two_stages: Reading) -> None:
    client = client_of(two_stages)
    for place in range(14):
        response = client.get(address_of(two_stages))
        assert fields(response)["stage"] == str(1 + place % 2)
        (question, choice) = re.findall(r'name="(question-\d+)" value="(\d+)"', response.content.decode())[0]
        posted = client.post(address_of(two_stages), {**fields(response), question: choice})
        assert posted.status_code == 302
    assert client.get(address_of(two_stages)).url == reverse("read-done", args=[two_stages.uuid])
    assert Submission.objects.count() == 14


# --- pictures of a stage ----------------------------------------------------------------------------------------------


@pytest.fixture
def pictured(administrator: User) -> Reading:
    """Each case has a close-up and a dermoscopic picture; the first stage shows the close-up, the second both."""
    test = designed(administrator)
    second_stage(test, shows_facts=False)
    Stage.objects.filter(test=test, position=1).update(modalities=["clinical"])
    more = image_set(administrator, diagnoses=["melanoma"] * 7, modality=Modality.DERMOSCOPY).images.all()
    for case, image in zip(test.cases.all(), more, strict=True):
        CaseImage.objects.create(case=case, image=image, position=2)
    return ensure_readings(accepted_reader(test.study).user)[0]


def statuses(client: Client, item: Item) -> list[int]:
    return [client.get(picture(item, position)).status_code for position in (1, 2)]


def test_a_picture_of_a_later_stage_is_not_there_before_it(pictured: Reading) -> None:
    client = client_of(pictured)
    assert [statuses(client, item_at(pictured, position)) for position in (1, 2, 3)] == [
        [200, 404], [200, 404], [404, 404],
    ]  # fmt: skip
    now = state(client, pictured)
    assert [picture["modality"] for picture in now["current"]["pictures"]] == ["clinical"]
    assert [picture["modality"] for picture in now["next"]["pictures"]] == ["clinical"]
    go_on(pictured)
    assert [statuses(client, item_at(pictured, position)) for position in (1, 2, 3)] == [
        [200, 200], [200, 404], [404, 404],
    ]  # fmt: skip
    now = state(client, pictured)
    assert [picture["modality"] for picture in now["current"]["pictures"]] == ["clinical", "dermoscopy"]
    assert len(re.findall(r"<img ", client.get(address_of(pictured)).content.decode())) == 2
    go_on(pictured)
    assert statuses(client, item_at(pictured, 1)) == [404, 404]


# --- advice -----------------------------------------------------------------------------------------------------------


def with_arm(test: Test, advice: str) -> Reading:
    Stage.objects.filter(test=test, position=2).update(shows_advice=True, shows_facts=False)
    Arm.objects.create(test=test, title="the arm", advice=advice, model_sha256="" if advice == "none" else SHA256)
    return ensure_readings(accepted_reader(test.study).user)[0]


def test_advice_is_announced_at_its_stage_only(staged: Test) -> None:
    reading = with_arm(staged, "probability")
    client = client_of(reading)
    announced = []
    for _stage in range(4):
        now = state(client, reading)
        announced.append((now["current"]["stage"], now["current"]["advice"], now["next"]["advice"]))
        go_on(reading)
    assert announced == [(1, False, False), (2, True, False)] * 2
    assert SHA256 not in client.get(address_of(reading)).content.decode()


def test_in_an_arm_without_advice_the_stage_that_brings_only_advice_is_left_out(staged: Test) -> None:
    reading = with_arm(staged, "none")
    now = state(client_of(reading), reading)
    assert (now["current"]["is_last"], now["current"]["advice"]) == (True, False)
    for position in range(1, 8):
        assert go_on(reading).position == position
    assert set(Submission.objects.values_list("stage__position", "completes")) == {(1, True)}
    reading.refresh_from_db()
    assert reading.finished_at is not None


def test_in_an_arm_without_advice_a_stage_that_brings_facts_stays(staged: Test) -> None:
    reading = with_arm(staged, "none")
    Stage.objects.filter(test=staged, position=2).update(shows_facts=True)
    go_on(reading)
    shown = current(reading)
    assert (shown.position, shown.stage.position, shown.needs_advice) == (1, 2, False)


def test_a_stage_of_another_test_is_unknown(administrator: User, two_stages: Reading) -> None:
    other = designed(administrator)
    (foreign,) = ensure_readings(accepted_reader(other.study).user)
    made = sent(foreign, 1)
    with pytest.raises(ReadingsError) as refusal:
        answer(two_stages, 1, item=made.item)
    assert refusal.value.code == "unknown"


def test_in_an_arm_without_advice_a_stage_that_asks_more_stays(staged: Test) -> None:
    """As in Jain 2021: referral is asked after the differential diagnosis, in both arms."""
    reading = with_arm(staged, "none")
    stage = Stage.objects.get(test=staged, position=2)
    add_question(staged, text="How sure?", stage=stage, answers=(), kind="scale", least=1, most=5)
    go_on(reading)
    shown = current(reading)
    assert (shown.position, shown.stage.position, shown.needs_advice) == (1, 2, False)
