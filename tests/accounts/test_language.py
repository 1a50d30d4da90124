"""The choice of a language: where it is kept, and which pages and letters follow it."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import translation

from readerstudy.accounts.models import User
from readerstudy.readers import invitations
from readerstudy.studies import protocol
from tests.builders import accepted_reader, open_study
from tests.conftest import signed_in
from tests.readers.test_pages import ANSWERS


@pytest.fixture(autouse=True)
def _back_to_english() -> Iterator[None]:
    """A request leaves its language behind in this thread."""
    with translation.override("en"):
        yield


def language_of(page: Any) -> str:
    """The language that the page says it is in, to the browser and to caches."""
    found = re.search(r'<html lang="([a-z-]+)">', page.content.decode())
    assert found is not None
    assert page["Content-Language"] == found[1]
    assert "Accept-Language" in page["Vary"]
    return found[1]


def choose(client: Client, language: str, **more: Any) -> Any:
    return client.post(reverse("language"), {"language": language}, **more)


def test_the_browser_decides_until_somebody_chooses(client: Client, db: None) -> None:
    page = reverse("account_login")
    assert language_of(client.get(page)) == "en"
    assert language_of(client.get(page, headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})) == "de"
    assert language_of(client.get(page, headers={"Accept-Language": "fr,nl;q=0.9"})) == "en"
    response = choose(client, "de", headers={"Referer": f"http://testserver{page}?next=/read/"})
    assert (response.status_code, response["Location"]) == (302, f"http://testserver{page}?next=/read/")
    assert language_of(client.get(page, headers={"Accept-Language": "en"})) == "de"


@pytest.mark.parametrize("is_secure", [True, False])
def test_the_choice_is_kept_in_a_cookie_like_the_others(
    client: Client, db: None, settings: Any, is_secure: bool
) -> None:
    settings.LANGUAGE_COOKIE_SECURE = is_secure
    cookie = choose(client, "de").cookies["language"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("de", True, "Lax")
    assert (bool(cookie["secure"]), cookie["max-age"]) == (is_secure, 31_536_000)


def test_no_other_language_and_no_other_site(outsider_client: Client, outsider: User) -> None:
    for language in ("fr", "", "de-AT", "../de"):
        response = choose(outsider_client, language)
        assert response.status_code == HTTPStatus.BAD_REQUEST
        assert settings.LANGUAGE_COOKIE_NAME not in response.cookies
    outsider.refresh_from_db()
    assert outsider.language == ""
    response = choose(outsider_client, "de", headers={"Referer": "https://elsewhere.example/page"})
    assert response["Location"] == "/"
    assert outsider_client.get(reverse("language")).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    stranger = Client(enforce_csrf_checks=True)
    assert choose(stranger, "de").status_code == HTTPStatus.FORBIDDEN


def test_a_signed_in_persons_choice_follows_to_other_devices(outsider: User) -> None:
    assert choose(signed_in(outsider), "de").status_code == HTTPStatus.FOUND
    elsewhere = signed_in(outsider)
    assert language_of(elsewhere.get(reverse("home"), headers={"Accept-Language": "en"})) == "de"
    choose(elsewhere, "en")
    assert language_of(signed_in(outsider).get(reverse("home"), headers={"Accept-Language": "de"})) == "en"


def test_what_was_chosen_before_signing_in_is_kept_on_an_account_without_a_choice(
    client: Client, administrator: User
) -> None:
    values = {"login": administrator.email, "password": "a long pass phrase"}
    choose(client, "de")
    assert client.post(reverse("account_login"), values).status_code == HTTPStatus.FOUND
    assert User.objects.get(pk=administrator.pk).language == "de"
    other = Client()
    choose(other, "en")
    assert other.post(reverse("account_login"), values).status_code == HTTPStatus.FOUND
    assert User.objects.get(pk=administrator.pk).language == "de"  # made here before
    assert language_of(other.get(reverse("home"))) == "de"


def test_every_page_offers_each_language_under_its_own_name(client: Client, db: None) -> None:
    choose(client, "de")
    page = client.get(reverse("account_login")).content.decode()
    assert re.search(r'value="en" lang="en">English</button>', page)
    assert re.search(r'value="de" lang="de" aria-current="true">Deutsch</button>', page)


def test_a_letter_is_in_the_language_of_its_reader(administrator: User, administrator_client: Client) -> None:
    study = open_study(administrator)
    german = accepted_reader(study).user
    User.objects.filter(pk=german.pk).update(language="de")
    Client().post(reverse("account_request_login_code"), {"email": german.email}, headers={"Accept-Language": "en"})
    assert mail.outbox[-1].subject.startswith("Ihr Code: ")
    assert "innerhalb von 15 Minuten" in mail.outbox[-1].body

    other = open_study(administrator)
    addresses = ["new@example.org", german.email]
    values = {"emails": ", ".join(addresses), "tests": [test.pk for test in other.tests.all()]}
    administrator_client.post(reverse("readers", args=[other.pk]), {**values, "language": "en"})
    assert [letter.subject for letter in mail.outbox[-2:]] == [
        f"Invitation to read: “{other.title}”", f"Einladung zur Teilnahme: „{other.title}“",
    ]  # fmt: skip
    assert '<html lang="de">' in mail.outbox[-1].alternatives[0].content
    # A reminder to somebody who has not chosen is in the language of the invitation.
    third = open_study(administrator)
    values = {"emails": "third@example.org", "tests": [test.pk for test in third.tests.all()], "language": "de"}
    administrator_client.post(reverse("readers", args=[third.pk]), values)
    reader = third.readers.get()
    administrator_client.post(reverse("reader-renew", args=[third.pk, reader.pk]))
    assert [letter.subject for letter in mail.outbox[-2:]] == [f"Einladung zur Teilnahme: „{third.title}“"] * 2


def test_a_reader_joins_in_the_language_that_he_chose_on_the_letters_page(client: Client, administrator: User) -> None:
    study = open_study(administrator)
    _reader, token = invitations.invite(
        study=study, email="new@example.org", tests=study.tests.all(), actor=administrator
    )
    address = reverse("join", args=[token])
    page = client.get(address)
    back = re.search(r'name="next" value="([^"]+)"', page.content.decode())  # it sends no Referer
    assert back is not None
    response = client.post(reverse("language"), {"language": "de", "next": back[1]})
    assert response["Location"] == address
    assert "Einwilligen und beginnen" in client.get(address).content.decode()
    answers = {**ANSWERS, "text_sha256": protocol.text_sha256(study.consent_text)}
    assert client.post(address, answers).status_code == HTTPStatus.FOUND
    assert User.objects.get(email="new@example.org").language == "de"
