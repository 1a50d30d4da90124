"""Which pictures and pages a reader gets, who gets none, and what is asked of the database for it."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.readers import invitations
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.studies import protocol
from readerstudy.studies.models import Case, CaseImage, Study
from tests.builders import accepted_reader, image_set
from tests.conftest import signed_in
from tests.readings.conftest import address_of, answer, answer_all, form, item_at, picture

NOBODYS = "7d444840-9dc0-11d1-b245-5ffdce74fad2"  # the example of RFC 4122, no row's own


def bytes_of(image: Image) -> bytes:
    with image.file.open("rb") as file:
        return bytes(file.read())


def statuses(client: Client, address: str, methods: Iterable[str]) -> dict[str, int]:
    return {method: client.generic(method, address).status_code for method in methods}


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_picture_is_its_bytes_and_nothing_else(reader_client: Client, reading: Reading) -> None:
    item = item_at(reading, 1)
    response = reader_client.get(picture(item))
    stored = bytes_of(item.case.images.get())
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == stored
    assert dict(response.items()) == {
        "Content-Type": "image/png",
        "Content-Length": str(len(stored)),
        "Cache-Control": "private, no-store",
        "Vary": "Accept-Language, Cookie",
        "Content-Language": "en",
        "Content-Security-Policy": response["Content-Security-Policy"],
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def test_only_the_current_picture_and_the_next_are_there(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1)
    answer(reading, 2)
    found = [reader_client.get(picture(item_at(reading, position))).status_code for position in range(1, 8)]
    assert found == [404, 404, 200, 200, 404, 404, 404]


def test_no_picture_is_left_after_the_last_answer(reader_client: Client, reading: Reading) -> None:
    answer_all(reading)
    assert {reader_client.get(picture(item)).status_code for item in reading.items.all()} == {404}


def test_a_picture_that_the_case_does_not_have_is_not_there(reader_client: Client, reading: Reading) -> None:
    assert reader_client.get(picture(item_at(reading, 1), 2)).status_code == 404
    assert reader_client.get(picture(item_at(reading, 1), 0)).status_code == 404


def test_a_case_of_several_pictures_shows_them_in_order(
    administrator: User, reader_client: Client, reading: Reading
) -> None:
    case: Case = item_at(reading, 1).case
    second = image_set(administrator, diagnoses=["melanoma"]).images.get()
    CaseImage.objects.create(case=case, image=second, position=2)
    content = reader_client.get(address_of(reading)).content.decode()
    assert re.findall(r'<img src="([^"]+)"', content) == [picture(item_at(reading, 1), n) for n in (1, 2)]
    response = reader_client.get(picture(item_at(reading, 1), 2))
    assert b"".join(response.streaming_content) == bytes_of(second)


# --- who may not ------------------------------------------------------------------------------------------------------


def addresses(reading: Reading) -> list[str]:
    """Every page of a reading, and its API."""
    names = ["read", "read-done", "api-read"]
    return [reverse(name, args=[reading.uuid]) for name in names] + [picture(item_at(reading, 1))]


def test_another_readers_reading_does_not_exist(study: Study, reading: Reading) -> None:
    client = signed_in(accepted_reader(study).user)
    assert [client.get(address).status_code for address in addresses(reading)] == [404] * 4
    assert client.post(address_of(reading), {}).status_code == 404


def test_a_picture_under_another_reading_does_not_exist(study: Study, reading: Reading) -> None:
    other = accepted_reader(study)
    (own,) = ensure_readings(other.user)
    address = reverse("read-picture", args=[own.uuid, item_at(reading, 1).uuid, 1])
    assert signed_in(other.user).get(address).status_code == 404


def test_no_reading_for_outsiders_administrators_and_researchers(
    reading: Reading, outsider_client: Client, administrator_client: Client, researcher_client: Client
) -> None:
    for client in (outsider_client, administrator_client, researcher_client):
        assert [client.get(address).status_code for address in addresses(reading)] == [404] * 4


def test_a_reader_who_becomes_a_researcher_reads_no_further(reader: Reader, reading: Reading) -> None:
    User.objects.filter(pk=reader.user.pk).update(is_researcher=True)
    client = signed_in(User.objects.get(pk=reader.user.pk))
    assert [client.get(address).status_code for address in addresses(reading)] == [404] * 4


def test_nothing_for_who_withdrew(administrator: User, reader: Reader, reading: Reading, reader_client: Client) -> None:
    invitations.withdraw(reader, actor=administrator)
    assert [reader_client.get(address).status_code for address in addresses(reading)] == [404] * 4
    assert reader_client.post(address_of(reading), {}).status_code == 404


def test_nothing_without_consent(administrator: User, study: Study) -> None:
    reader, _token = invitations.invite(
        study=study, email="new@example.org", tests=study.tests.all(), actor=administrator
    )
    reader.user = User.objects.create_user("new@example.org")
    reader.save()
    reading = Reading.objects.create(reader=reader, test=study.tests.get(), seed="x")
    Item.objects.create(reading=reading, position=1, case=study.tests.get().cases.first())
    client = signed_in(reader.user)
    assert [client.get(address).status_code for address in addresses(reading)] == [404] * 4


def test_who_is_nobody_signs_in(client: Client, reading: Reading) -> None:
    to_sign_in = reverse("account_login")
    pages = [
        address_of(reading),
        reverse("read-done", args=[reading.uuid]),
        picture(item_at(reading, 1)),
        reverse("reading-start"),
    ]
    for address in pages:
        response = client.get(address)
        assert response.status_code == 302
        assert response.url.startswith(to_sign_in)
    assert client.post(address_of(reading), {}).url.startswith(to_sign_in)
    assert not Answer.objects.exists()


def test_a_study_that_is_closed_meanwhile_says_so_kindly(
    administrator: User, study: Study, reader_client: Client, reading: Reading
) -> None:
    for position in (1, 2):
        answer(reading, position)
    data = form(reading, reader_client.get(address_of(reading)))
    protocol.close_study(study, actor=administrator)
    for response in (reader_client.get(address_of(reading)), reader_client.post(address_of(reading), data)):
        assert response.status_code == 410
        assert "The study was closed. Your answers to 2 cases are kept." in response.content.decode()
    assert reader_client.get(picture(item_at(reading, 3))).status_code == 410
    assert reader_client.get(reverse("reading-start")).url == reverse("home")
    assert Answer.objects.count() == 2


def test_a_study_that_is_closed_before_the_first_answer_says_no_more_than_that(
    administrator: User, study: Study, reader_client: Client, reading: Reading
) -> None:
    protocol.close_study(study, actor=administrator)
    content = reader_client.get(address_of(reading)).content.decode()
    assert "The study was closed." in content
    assert "kept" not in content


def test_done_stays_when_the_study_is_closed(
    administrator: User, study: Study, reader_client: Client, reading: Reading
) -> None:
    answer_all(reading)
    protocol.close_study(study, actor=administrator)
    response = reader_client.get(reverse("read-done", args=[reading.uuid]))
    assert response.status_code == 200


# --- methods, addresses, queries --------------------------------------------------------------------------------------


def test_other_methods_are_refused(reader_client: Client, reading: Reading) -> None:
    methods = ["PUT", "PATCH", "DELETE", "OPTIONS"]
    refused = dict.fromkeys(methods, 405)
    assert statuses(reader_client, address_of(reading), methods) == refused
    for address in (*addresses(reading)[1:], reverse("reading-start")):
        assert statuses(reader_client, address, methods) == refused
    for address in (reverse("read-done", args=[reading.uuid]), picture(item_at(reading, 1)), reverse("reading-start")):
        assert reader_client.post(address).status_code == 405


def test_a_head_request_tells_what_a_get_would_without_its_body(reader_client: Client, reading: Reading) -> None:
    response = reader_client.head(picture(item_at(reading, 1)))
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == b""
    assert reader_client.head(address_of(reading)).status_code == 200


@pytest.mark.parametrize("address", ["/read/1/", "/read/not-a-uuid/", f"/read/{NOBODYS}/", f"/api/read/{NOBODYS}/"])
def test_a_wrong_address_is_not_there(reader_client: Client, address: str) -> None:
    assert reader_client.get(address).status_code == 404


def test_a_whole_session_asks_for_no_truth_no_score_and_nobody_else(
    study: Study, reader: Reader, reader_client: Client
) -> None:
    accepted_reader(study)
    asked: list[str] = []

    def ask(call: Callable[..., HttpResponse], *args: Any, **kwargs: Any) -> HttpResponse:
        with CaptureQueriesContext(connection) as queries:
            response = call(*args, **kwargs)
        asked.extend(query["sql"] for query in queries.captured_queries)
        return response

    response = ask(reader_client.get, reverse("reading-start"), follow=True)
    reading = Reading.objects.get(reader=reader)
    for position in range(1, 8):
        assert ask(reader_client.get, picture(item_at(reading, position))).status_code == 200
        assert ask(reader_client.get, reverse("api-read", args=[reading.uuid])).status_code == 200
        response = ask(reader_client.post, address_of(reading), form(reading, response), follow=True)
    assert "All your answers are stored" in response.content.decode()
    assert len(asked) > 100
    hidden = [
        "images_reference",
        "images_upload",
        "scoring_",
        "positive_nodes",
        '"images_imageset"."name"',
        "is_positive",
    ]
    assert {word: [sql for sql in asked if word in sql] for word in hidden} == {word: [] for word in hidden}
