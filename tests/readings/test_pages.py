"""The pages of a reading, as plain forms."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, image_set, open_study
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, answer_all, fields, form, item_at, picture

# --- the way through --------------------------------------------------------------------------------------------------


def test_start_leads_to_the_first_unfinished_test(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"]) for _ in range(2)]
    study = open_study(administrator, image_sets=sets)
    reader = accepted_reader(study)
    client = signed_in(reader.user)
    assert not Reading.objects.exists()
    first = client.get(reverse("reading-start"))
    one, two = ensure_readings(reader.user)
    assert first.url == address_of(one)
    answer_all(one)
    assert client.get(reverse("reading-start")).url == address_of(two)
    answer_all(two)
    assert client.get(reverse("reading-start")).url == reverse("home")


def test_start_sends_whom_nothing_waits_for_home(study: Study, outsider_client: Client) -> None:
    assert outsider_client.get(reverse("reading-start")).url == reverse("home")


def test_the_page_shows_one_case_its_question_and_the_place(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1)
    response = reader_client.get(address_of(reading))
    content = response.content.decode()
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"
    assert "2 of 7" in content
    assert "What would you do?" in content
    form, _dash, _templates = content.partition("<template")  # from which the script takes the questions of a stage
    assert re.findall(r'data-key="(\d)"', form) == ["1", "2"]
    assert re.findall(r'<img src="([^"]+)"', content) == [picture(item_at(reading, 2))]
    assert fields(response)["item"] == str(item_at(reading, 2).uuid)


def test_a_reading_by_plain_forms_to_its_end(reader_client: Client, reading: Reading) -> None:
    for position in range(1, 8):
        response = reader_client.get(address_of(reading))
        assert f"{position} of 7" in response.content.decode()
        response = reader_client.post(address_of(reading), form(reading, response, key=1 + position % 2))
        assert (response.status_code, response.url) == (302, address_of(reading))
    assert reader_client.get(address_of(reading)).url == reverse("read-done", args=[reading.uuid])
    given = Answer.objects.order_by("submission__item__position").values_list("choice__position", flat=True)
    assert list(given) == [2, 1, 2, 1, 2, 1, 2]
    done = reader_client.get(reverse("read-done", args=[reading.uuid]))
    assert done.status_code == 200
    assert "All your answers are stored" in done.content.decode()
    reading.refresh_from_db()
    assert reading.finished_at is not None


def test_done_leads_to_the_next_test_and_shows_own_progress(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"]) for _ in range(2)]
    reader = accepted_reader(open_study(administrator, image_sets=sets))
    one, two = ensure_readings(reader.user)
    client = signed_in(reader.user)
    done = reverse("read-done", args=[one.uuid])
    assert client.get(done).url == address_of(one)  # not yet
    answer_all(one)
    content = client.get(done).content.decode()
    assert address_of(two) in content
    assert "2 of 2 cases read" in content
    assert "0 of 2 cases read" in content


def test_the_notice_of_the_image_set_is_shown(administrator: User) -> None:
    notice = "These pictures are drawn by a program."
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"], notice=notice)]
    reader = accepted_reader(open_study(administrator, image_sets=sets))
    (reading,) = ensure_readings(reader.user)
    assert notice in signed_in(reader.user).get(address_of(reading)).content.decode()


# --- twice ------------------------------------------------------------------------------------------------------------


def test_the_form_sent_twice_writes_once(reader_client: Client, reading: Reading) -> None:
    data = form(reading, reader_client.get(address_of(reading)))
    assert [reader_client.post(address_of(reading), data).status_code for _ in range(3)] == [302, 302, 302]
    assert Answer.objects.count() == 1
    assert "2 of 7" in reader_client.get(address_of(reading)).content.decode()


def test_back_and_another_answer_in_the_same_form_changes_nothing(reader_client: Client, reading: Reading) -> None:
    first = reader_client.get(address_of(reading))
    reader_client.post(address_of(reading), form(reading, first, key=1))
    response = reader_client.post(address_of(reading), form(reading, first, key=2))
    content = response.content.decode()
    assert response.status_code == 409
    assert "The first answer stands" in content
    assert "2 of 7" in content
    assert Answer.objects.get().choice.position == 1


def test_a_second_tab_changes_nothing_and_says_so(reader_client: Client, reading: Reading) -> None:
    tabs = [reader_client.get(address_of(reading)) for _ in range(2)]
    assert fields(tabs[0])["submission"] != fields(tabs[1])["submission"]
    reader_client.post(address_of(reading), form(reading, tabs[0], key=1))
    response = reader_client.post(address_of(reading), form(reading, tabs[1], key=2), follow=True)
    assert response.redirect_chain == [(address_of(reading), 302)]
    assert "Case 1 had been answered already. The first answer stands." in response.content.decode()
    assert Answer.objects.get().choice.position == 1


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"item": ""}, 400),
        ({"item": "1"}, 400),
        ({"submission": "x\0y"}, 400),
        ({"item": str(uuid.uuid4())}, 404),
        ({"question-1e9": "1"}, 400),
        ({"question-999999999999999999999999": "1"}, 400),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_case_still_there(
    reader_client: Client, reading: Reading, change: dict[str, str], status: int
) -> None:
    data = form(reading, reader_client.get(address_of(reading))) | change
    response = reader_client.post(address_of(reading), data)
    assert response.status_code == status
    assert 'role="alert"' in response.content.decode()
    assert "1 of 7" in response.content.decode()
    assert not Answer.objects.exists()


def test_no_choice_is_no_answer(reader_client: Client, reading: Reading) -> None:
    response = reader_client.post(address_of(reading), fields(reader_client.get(address_of(reading))))
    assert response.status_code == 400
    assert not Answer.objects.exists()


def test_a_case_further_ahead_is_refused(reader_client: Client, reading: Reading) -> None:
    data = form(reading, reader_client.get(address_of(reading))) | {"item": str(item_at(reading, 2).uuid)}
    response = reader_client.post(address_of(reading), data)
    assert response.status_code == 409
    assert "Case 2 cannot be answered yet: case 1 comes first." in response.content.decode()
    assert not Answer.objects.exists()
