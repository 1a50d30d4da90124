"""The designs as rows: batches, disjoint shares, arms, a crossover with its wash-out, screening, practice, checks."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readings.allocation import cases_of, design_of, ensure_readings, may_read_another, next_batch
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Item, Reading, Submission
from readerstudy.readings.plans import Seeds, plan
from readerstudy.readings.screening import has_passed, right
from readerstudy.studies.models import Case, Choice, Test
from tests.builders import accepted_reader, image_set, open_study
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, answer_all, item_at, picture
from tests.readings.designed import designed, further_cases, go_on, go_to_the_end


def rows(reading: Reading) -> list[tuple[int, int | None, bool, bool]]:
    found = reading.items.order_by("position")
    return list(found.values_list("case__number", "arm__position", "is_repeat", "advice_is_wrong"))


def read(user: User) -> Reading:
    """The last of the person's readings, which he reads to its end."""
    reading = max(ensure_readings(user), key=lambda reading: reading.number)
    go_to_the_end(reading)
    reading.refresh_from_db()
    assert reading.finished_at is not None
    return reading


def test_what_is_stored_is_the_plan_of_these_seeds(administrator: User) -> None:
    """The same on SQLite and PostgreSQL: plans know no database ids, and test_plans draws one by hand."""
    test = designed(
        administrator, diagnoses=30, arms=("none", "probability"), cases_read="batches", cases_per_reading=9,
        positives_per_reading=3, most_readings=3, order="stratified", arms_design="alternating", block_size=3,
        repeats=2, repeat_distance=2,
    )  # fmt: skip
    test.arms.filter(position=2).update(wrong_per_cent=50)
    further_cases(test, "practice", 2)
    further_cases(test, "attention", 2)
    for ordinal in (1, 2, 3):
        reader = accepted_reader(test.study)
        first = read(reader.user)
        second = next_batch(first, actor=reader.user)
        assert second is not None
        seeds = Seeds(test="2017/test 1", reader=f"2017/test 1/reader {reader.code}")
        design = design_of(test)
        for reading in (first, second):
            places = plan(design, cases_of(test, design), seeds, ordinal=ordinal, number=reading.number)
            assert places is not None
            assert rows(reading) == [(p.case, p.arm, p.is_repeat, p.advice_is_wrong) for p in places]
            assert (reading.ordinal, reading.seed) == (ordinal, seeds.reading(reading.number))
        entry = AuditEntry.objects.get(action="reading.allocated", target_id=str(second.pk))
        assert (entry.details["ordinal"], entry.details["number"], entry.details["items"]) == (ordinal, 2, 13)


def test_batches_are_given_on_request_one_after_another(administrator: User) -> None:
    """14 cases, 5 of them melanomas, in batches of 4 with 2: two batches, then too few melanomas are left."""
    test = designed(
        administrator, diagnoses=14, cases_read="batches", cases_per_reading=4, positives_per_reading=2, most_readings=3
    )
    user = accepted_reader(test.study).user
    (first,) = ensure_readings(user)
    assert not may_read_another(first)
    assert next_batch(first, actor=user) is None  # the first one first
    go_to_the_end(first)
    client = signed_in(user)
    assert "Read another batch of cases" in client.get(reverse("read-done", args=[first.uuid])).content.decode()
    response = client.post(reverse("read-another", args=[first.uuid]))
    second = Reading.objects.get(reader__user=user, number=2)
    assert response.url == address_of(second)
    assert client.post(reverse("read-another", args=[first.uuid])).url == reverse("read-done", args=[first.uuid])
    assert not {row[0] for row in rows(first)} & {row[0] for row in rows(second)}
    go_to_the_end(second)
    assert not may_read_another(second)
    assert next_batch(second, actor=user) is None
    assert Reading.objects.count() == 2
    assert client.get(reverse("read-another", args=[first.uuid])).status_code == 405


def test_disjoint_shares_leave_nobody_a_case_twice_and_the_last_reader_none(administrator: User) -> None:
    test = designed(administrator, cases_read="disjoint", cases_per_reading=3)
    readers = [accepted_reader(test.study) for _reader in range(3)]
    made = [ensure_readings(reader.user) for reader in readers]
    assert [len(readings) for readings in made] == [1, 1, 0]
    assert [readings[0].items.count() for readings in made[:2]] == [3, 3]
    assert Item.objects.values("case").distinct().count() == 6
    assert ensure_readings(readers[2].user) == []


def test_a_crossover_waits_for_the_wash_out_which_the_server_enforces(administrator: User) -> None:
    test = designed(administrator, arms=("none", "probability"), arms_design="crossover", wash_out_days=14)
    user = accepted_reader(test.study).user
    client = signed_in(user)
    first = read(user)
    done = client.get(reverse("read-done", args=[first.uuid])).content.decode()
    second = Reading.objects.get(reader__user=user, number=2)
    assert "can be read from" in done
    assert first.finished_at is not None
    assert second.opens_at == first.finished_at + timedelta(days=14)
    assert {row[1] for row in rows(first)} | {row[1] for row in rows(second)} == {1, 2}
    assert {row[0] for row in rows(first)} == {row[0] for row in rows(second)}
    with pytest.raises(ReadingsError, match="can be read from") as refusal:
        answer(second, 1)
    assert refusal.value.code == "not-yet"
    page = client.get(address_of(second))
    assert (page.status_code, "Not yet" in page.content.decode()) == (409, True)
    assert client.get(reverse("api-read", args=[second.uuid])).json()["code"] == "not-yet"
    assert client.get(picture(item_at(second, 1))).status_code == 409
    assert client.post(address_of(second), {}).status_code == 409
    assert client.get(reverse("reading-start")).url == reverse("home")
    assert client.get(reverse("home")).status_code == 200
    assert not Submission.objects.filter(item__reading=second).exists()
    with patch("django.utils.timezone.now", return_value=second.opens_at):
        assert answer(second, 1).kind == "stored"
    assert len(ensure_readings(user)) == 2  # and no third one


def test_a_crossover_without_wash_out_goes_on_at_once(administrator: User) -> None:
    test = designed(administrator, arms=("none", "probability"), arms_design="crossover")
    user = accepted_reader(test.study).user
    read(user)
    second = read(user)
    assert (second.number, second.opens_at) == (2, None)
    assert len(ensure_readings(user)) == 2


def test_the_order_of_arms_is_even_over_every_two_readers(administrator: User) -> None:
    test = designed(administrator, arms=("none", "probability"), arms_design="parallel")
    arms = []
    for _reader in range(6):
        (reading,) = ensure_readings(accepted_reader(test.study).user)
        (arm,) = {row[1] for row in rows(reading)}
        arms.append(arm)
    assert [sorted(arms[at : at + 2]) for at in (0, 2, 4)] == [[1, 2]] * 3  # type: ignore[type-var]


@pytest.mark.parametrize(("n_right", "passes"), [(6, True), (5, True), (4, False), (0, False)])
def test_a_screening_test_opens_the_next_one_to_who_passes(administrator: User, n_right: int, passes: bool) -> None:
    """Seven cases and a pass mark of 70 %: 5 of 7 are 71 %, 4 of 7 are 57 %."""
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 3 + ["melanoma"])] * 2
    study = open_study(administrator, image_sets=sets)
    screening, proper = study.tests.order_by("position")
    Test.objects.filter(pk=screening.pk).update(pass_mark=70)
    Test.objects.filter(pk=proper.pk).update(requires=screening)
    screening.refresh_from_db()
    further_cases(screening, "attention", 1)  # read, and not counted
    reader = accepted_reader(study)
    (reading,) = ensure_readings(reader.user)
    assert not has_passed(reader, screening)
    left = n_right
    for item in reading.items.order_by("position").select_related("case"):
        correct = item.case.kind == Case.Kind.SCORED and left > 0
        left -= correct
        choice = Choice.objects.get(question__test=screening, is_positive=item.case.is_positive == correct)
        answer(reading, item.position, choices={choice.question_id: choice.pk})
    assert right(reader, screening) == (n_right, 7)
    assert has_passed(reader, screening) == passes
    assert len(ensure_readings(reader.user)) == (2 if passes else 1)


def test_without_a_pass_mark_the_screening_test_is_only_read_first(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])] * 2
    study = open_study(administrator, image_sets=sets)
    first, second = study.tests.order_by("position")
    Test.objects.filter(pk=second.pk).update(requires=first)
    user = accepted_reader(study).user
    (reading,) = ensure_readings(user)
    answer_all(reading)
    assert [reading.test for reading in sorted(ensure_readings(user), key=lambda r: r.test.position)] == [first, second]


def test_practice_comes_first_with_its_feedback_and_is_never_changed(administrator: User) -> None:
    test = designed(administrator, changes="until-end")
    further_cases(test, "practice", 2)
    user = accepted_reader(test.study).user
    (reading,) = ensure_readings(user)
    client: Client = signed_in(user)
    api = reverse("api-read", args=[reading.uuid])
    assert [item.case.kind for item in reading.items.order_by("position")] == ["practice"] * 2 + ["scored"] * 7
    page = client.get(address_of(reading)).content.decode()
    assert "practice" in page
    assert "this is picture" not in page  # before the answer
    assert client.get(api).json()["feedback"] is None
    go_on(reading)
    told = client.get(api).json()["feedback"]
    feedback = item_at(reading, 1).case.feedback
    assert told == {"item": str(item_at(reading, 1).uuid), "position": 1, "text": feedback}
    shown = client.get(address_of(reading), {"item": item_at(reading, 1).uuid}).content.decode()
    assert feedback in shown
    assert client.get(picture(item_at(reading, 1))).status_code == 200  # to be looked at again
    assert client.get(api).json()["changeable"] == []
    go_on(reading)
    go_on(reading)
    assert client.get(api).json()["feedback"] is None
    assert client.get(picture(item_at(reading, 1))).status_code == 404
    assert [place["position"] for place in client.get(api).json()["changeable"]] == [3]


def test_by_plain_forms_a_practice_answer_leads_to_its_feedback(administrator: User) -> None:
    from tests.readings.conftest import form

    test = designed(administrator)
    further_cases(test, "practice", 1)
    user = accepted_reader(test.study).user
    (reading,) = ensure_readings(user)
    client = signed_in(user)
    response = client.post(address_of(reading), form(reading, client.get(address_of(reading))))
    assert response.url == f"{address_of(reading)}?item={item_at(reading, 1).uuid}"
    assert item_at(reading, 1).case.feedback in client.get(response.url).content.decode()
    assert client.get(f"{address_of(reading)}?item={item_at(reading, 2).uuid}").url == address_of(reading)
    assert client.get(f"{address_of(reading)}?item=x").url == address_of(reading)


def test_an_attention_check_and_a_repeat_look_like_any_case(administrator: User) -> None:
    test = designed(administrator, repeats=2, repeat_distance=2)
    further_cases(test, "attention", 1)
    (reading,) = ensure_readings(accepted_reader(test.study).user)
    client = signed_in(reading.reader.user)
    keys, items = set(), []
    for _position in range(10):
        state = client.get(reverse("api-read", args=[reading.uuid])).json()["current"]
        keys.add((tuple(sorted(state)), state["is_practice"], tuple(sorted(state["pictures"][0]))))
        items.append(state["item"])
        go_on(reading)
    assert len(keys) == 1
    assert len(set(items)) == 10
    assert Item.objects.filter(reading=reading, is_repeat=True).count() == 2


def test_a_reading_that_opens_later_is_read_when_its_time_has_come(reading: Reading) -> None:
    Reading.objects.filter(pk=reading.pk).update(opens_at=timezone.now() + timedelta(hours=1))
    with pytest.raises(ReadingsError):
        answer(reading, 1)
    Reading.objects.filter(pk=reading.pk).update(opens_at=timezone.now() - timedelta(seconds=1))
    assert answer(reading, 1).kind == "stored"
