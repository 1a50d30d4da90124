"""The pages of a test's design and arms: they work, and refuse what is wrong at its field."""

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import arms_of
from readerstudy.studies.models import Study, Test
from tests.builders import model_version
from tests.studies.building import address, rows_sent, sent, text

# --- design ----------------------------------------------------------------------------------------------------------


def test_a_design_is_saved_as_it_is_and_as_it_was_changed(administrator_client: Client, test: Test) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"])
    before = protocol.document(test.study)
    answer = administrator_client.post(page, values)
    assert answer.url == f"{reverse('study', args=[test.study_id])}#test-{test.pk}"
    assert protocol.document(Study.objects.get()) == before
    values |= {
        "cases_read": "batches", "cases_per_reading": "4", "positives_per_reading": "2", "most_readings": "3",
        "order": "stratified", "time_limit": "hard", "seconds_per_case": "30", "changes": "until-next",
        "repeats": "1", "repeat_distance": "2", "pass_mark": "75", "zoom_allowed": "on",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    test.refresh_from_db()
    assert (test.cases_read, test.cases_per_reading, test.positives_per_reading) == ("batches", 4, 2)
    assert (test.most_readings, test.order, test.seconds_per_case, test.pass_mark) == (3, "stratified", 30, 75)
    assert protocol.missing(Study.objects.get()) == []
    card = text(administrator_client.get(reverse("study", args=[test.study_id])).content)
    for sentence in (
        "as many as he likes: 4 cases, 2 of them positive.", "At most 3 batches a reader.",
        "30 seconds for a case", "1 cases come a second time, after 2 others at least.", "Passed with 75 % correct",
    ):  # fmt: skip
        assert sentence in card, sentence


def test_what_a_choice_makes_irrelevant_is_dropped(administrator_client: Client, test: Test) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"])
    # Left in fields that the page hides with script.
    values |= {"cases_per_reading": "7", "block_size": "3", "wash_out_days": "9", "seconds_per_case": "2",
               "most_readings": "4", "practice_cases": "3"}  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    test.refresh_from_db()
    assert (test.cases_per_reading, test.block_size, test.wash_out_days) == (None, None, 0)
    assert (test.seconds_per_case, test.most_readings, test.practice_cases) == (None, 1, 0)


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"cases_read": "sample"}, "cases_per_reading", "Say how many cases a reading has."),
        ({"cases_read": "sample", "cases_per_reading": "-1"}, "cases_per_reading", "greater than or equal to 0"),
        (
            {"cases_read": "sample", "cases_per_reading": "2", "positives_per_reading": "3"},
            "positives_per_reading", "more positive cases than cases in a reading",
        ),
        ({"arms_design": "alternating"}, "block_size", "after how many cases"),
        ({"time_limit": "hard", "seconds_per_case": "4"}, "seconds_per_case", "at least 5"),
        ({"time_limit": "hard"}, "seconds_per_case", "at least 5"),
        ({"images_per_case": "7"}, "images_per_case", "from 1 to 6"),
        ({"pass_mark": "0"}, "pass_mark", "from 1 to 100 per cent"),
        ({"cases_read": "guess"}, "cases_read", "is not one of the available choices"),
        ({"practice_set": "99999"}, "practice_set", "not one of the available choices"),
        ({"requires": "99999"}, "requires", "not one of the available choices"),
        ({"repeats": "many"}, "repeats", "Enter a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_design_is_named_at_its_field_and_not_stored(
    administrator_client: Client, test: Test, values: dict[str, str], field: str, sentence: str
) -> None:
    page = address("test-design", test)
    before = protocol.document(test.study)
    answer = administrator_client.post(page, sent(administrator_client.get(page).context["form"]) | values)
    assert answer.status_code == HTTPStatus.OK
    assert sentence in " ".join(answer.context["form"].errors[field])
    assert sentence in text(answer.content)
    assert protocol.document(Study.objects.get()) == before


def test_practice_without_a_number_is_named(administrator_client: Client, test: Test, images: ImageSet) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"]) | {"practice_set": str(images.pk)}
    assert "how many practice cases" in text(administrator_client.post(page, values).content)


def test_only_an_earlier_test_can_be_required(administrator_client: Client, draft: Study, images: ImageSet) -> None:
    first = draft.tests.get()
    second = Test(study=draft, image_set=images, title="Second")
    drafting.save_test(second, actor=draft.created_by)
    offered = [
        [label for _value, label in administrator_client.get(address("test-design", one)).context["form"]["requires"]
         .field.choices]
        for one in (first, second)
    ]  # fmt: skip
    assert offered == [["none"], ["none", "Test 1"]]


# --- arms ------------------------------------------------------------------------------------------------------------


def test_arms_are_added_changed_and_removed(administrator_client: Client, administrator: User, test: Test) -> None:
    model = model_version(administrator, name="The model")
    page = address("test-arms", test)
    rows = administrator_client.get(page).context["rows"]
    assert len(rows.forms) == 2
    values = rows_sent(rows) | {
        "arm-0-title": "Without", "arm-1-title": "With", "arm-1-advice": "probability",
        "arm-1-model_sha256": model.sha256, "arm-1-wrong_per_cent": "10",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    stored = [(arm.title, arm.advice, arm.model_sha256, arm.wrong_per_cent) for arm in arms_of(test)]
    assert stored == [("Without", "none", "", 0), ("With", "probability", model.sha256, 10)]
    rows = administrator_client.get(page).context["rows"]
    assert len(rows.forms) == 3
    assert administrator_client.post(page, rows_sent(rows)).status_code == HTTPStatus.FOUND
    assert [arm.title for arm in arms_of(test)] == ["Without", "With"]
    values = rows_sent(rows) | {"arm-0-title": ""}
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert [arm.title for arm in arms_of(test)] == ["With"]


def test_an_arm_without_advice_keeps_no_model(administrator_client: Client, administrator: User, test: Test) -> None:
    model = model_version(administrator)
    page = address("test-arms", test)
    values = rows_sent(administrator_client.get(page).context["rows"]) | {
        "arm-0-title": "A", "arm-0-model_sha256": model.sha256, "arm-0-wrong_per_cent": "20",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert [(arm.model_sha256, arm.wrong_per_cent) for arm in arms_of(test)] == [("", 0)]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"arm-0-title": "A", "arm-0-advice": "classes"}, "“A” gives advice: choose the model"),
        ({"arm-0-advice": "classes"}, "Name the arm."),
        ({"arm-0-title": "A", "arm-0-advice": "oracle"}, "is not one of the available choices"),
        ({"arm-0-title": "A", "arm-0-model_sha256": "ab" * 32}, "is not one of the available choices"),
        ({"arm-0-title": "A", "arm-0-wrong_per_cent": "101"}, "less than or equal to 100"),
        ({"arm-0-title": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_wrong_arm_is_named_and_not_stored(
    administrator_client: Client, test: Test, values: dict[str, str], sentence: str
) -> None:
    page = address("test-arms", test)
    answer = administrator_client.post(page, rows_sent(administrator_client.get(page).context["rows"]) | values)
    assert answer.status_code == HTTPStatus.OK
    assert sentence in text(answer.content)
    assert arms_of(test) == []


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        # 4 melanomas and 5 naevi.
        ({"cases_read": "disjoint", "cases_per_reading": 2}, "The cases are enough for 4 readers."),
        (
            {"cases_read": "disjoint", "cases_per_reading": 3, "positives_per_reading": 1},
            "The cases are enough for 2 readers.",
        ),
        (
            {"cases_read": "batches", "cases_per_reading": 6, "positives_per_reading": 3, "most_readings": 3},
            "The cases are enough for 1 batch.",
        ),
        (
            {"cases_read": "disjoint", "cases_per_reading": 2, "sample_size": 6, "sample_positives": 3},
            "The cases are enough for 3 readers.",
        ),
    ],
)
def test_for_how_many_the_cases_are_enough(
    administrator_client: Client, test: Test, columns: dict[str, Any], sentence: str
) -> None:
    for name, value in columns.items():
        setattr(test, name, value)
    drafting.save_test(test, actor=test.study.created_by)
    page = reverse("study", args=[test.study_id])
    assert sentence in text(administrator_client.get(page).content)
    protocol.open_study(test.study, actor=test.study.created_by)
    assert sentence in text(administrator_client.get(page).content)
