"""Signing in by a code or a password, setting a password, and that nobody signs up."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User

PASSWORD = "a long pass phrase"


@pytest.fixture(autouse=True)
def _no_earlier_tries() -> Iterator[None]:
    """The limits on tries are counted in the cache."""
    cache.clear()
    yield
    cache.clear()


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def ask_for_code(client: Client, email: str, onward: str = "") -> str:
    """The code in the letter."""
    address = reverse("account_request_login_code") + (f"?next={onward}" if onward else "")
    answer = client.post(address, {"email": email})
    assert answer.status_code == HTTPStatus.FOUND, answer.content
    assert answer.url.startswith(reverse("account_confirm_login_code"))
    code = re.search(r"^\S{4,}-?\S*$", mail.outbox[-1].body, re.MULTILINE)
    assert code, mail.outbox[-1].body
    return code[0]


def test_both_ways_are_offered_the_code_first(client: Client, db: None) -> None:
    page = client.get(reverse("account_login") + "?next=/read/").content.decode()
    assert page.index("Send me a code") < page.index('type="password"')
    assert page.count("?next=%2Fread%2F") == 2
    assert "sign up" not in page.lower()


def test_a_reader_signs_in_with_a_code_and_goes_on_where_he_was_going(client: Client, outsider: User) -> None:
    code = ask_for_code(client, outsider.email, "/read/")
    assert mail.outbox[-1].to == [outsider.email]
    page = client.get(reverse("account_confirm_login_code") + "?next=/read/")
    assert outsider.email in page.content.decode()
    assert code not in page.content.decode()
    answer = client.post(reverse("account_confirm_login_code") + "?next=/read/", {"code": code})
    assert (answer.status_code, answer.url) == (HTTPStatus.FOUND, "/read/")
    assert is_signed_in(client)


@pytest.mark.parametrize("email", ["outsider@example.org", "nobody@example.org"])
def test_a_mail_server_that_is_down_is_said_and_tells_nothing_of_the_address(
    client: Client, outsider: User, settings: Any, email: str
) -> None:
    assert outsider.email == "outsider@example.org"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    answer = client.post(reverse("account_request_login_code"), {"email": email}, follow=True)
    assert answer.redirect_chain == [(reverse("account_login"), HTTPStatus.FOUND)]
    assert "the mail server did not take it" in answer.content.decode()


def test_a_wrong_code_opens_nothing_and_tries_are_counted(client: Client, outsider: User) -> None:
    code = ask_for_code(client, outsider.email)
    for _ in range(3):
        client.post(reverse("account_confirm_login_code"), {"code": "XXXX-XXXX"})
    client.post(reverse("account_confirm_login_code"), {"code": code})
    assert not is_signed_in(client)


def test_a_code_is_of_no_use_in_another_browser(client: Client, outsider: User) -> None:
    code = ask_for_code(client, outsider.email)
    other = Client()
    other.post(reverse("account_confirm_login_code"), {"code": code})
    assert not is_signed_in(other)


def test_a_new_code_can_be_asked_for(client: Client, outsider: User) -> None:
    first = ask_for_code(client, outsider.email)
    client.post(reverse("account_confirm_login_code"), {"action": "resend"})
    assert len(mail.outbox) == 2
    client.post(reverse("account_confirm_login_code"), {"code": first})
    assert not is_signed_in(client)


def test_an_unknown_address_gets_a_letter_and_the_page_does_not_tell(client: Client, db: None) -> None:
    answer = client.post(reverse("account_request_login_code"), {"email": "nobody@example.org"})
    assert answer.url == reverse("account_confirm_login_code")
    assert "not known here" in mail.outbox[0].body
    assert "signup" not in mail.outbox[0].body
    page = client.get(answer.url).content.decode()
    assert "If nobody@example.org is known here" in page


def test_staff_sign_in_with_a_password(client: Client, administrator: User) -> None:
    wrong = client.post(reverse("account_login"), {"login": administrator.email, "password": "not this one"})
    assert wrong.status_code == HTTPStatus.OK
    assert not is_signed_in(client)
    answer = client.post(reverse("account_login"), {"login": "Admin@Example.org", "password": PASSWORD})
    assert (answer.status_code, answer.url) == (HTTPStatus.FOUND, reverse("home"))
    assert is_signed_in(client)


def test_guessing_is_slowed_down(client: Client, administrator: User) -> None:
    for _ in range(5):
        client.post(reverse("account_login"), {"login": administrator.email, "password": "not this one"})
    client.post(reverse("account_login"), {"login": administrator.email, "password": PASSWORD})
    assert not is_signed_in(client)


def test_a_switched_off_account_does_not_sign_in(client: Client, outsider: User) -> None:
    outsider.is_active = False
    outsider.save()
    answer = client.post(reverse("account_login"), {"login": outsider.email, "password": PASSWORD}, follow=True)
    assert "switched off" in answer.content.decode()
    assert not is_signed_in(client)


def test_signing_out_is_posted(outsider_client: Client) -> None:
    page = outsider_client.get(reverse("account_logout"))
    assert "Stay signed in" in page.content.decode()
    assert is_signed_in(outsider_client)
    answer = outsider_client.post(reverse("account_logout"))
    assert answer.url == reverse("account_login")
    assert not is_signed_in(outsider_client)
    assert outsider_client.post(reverse("account_logout")).status_code == HTTPStatus.FOUND  # twice


def test_a_forgotten_password_is_set_anew_once(client: Client, administrator: User) -> None:
    answer = client.post(reverse("account_reset_password"), {"email": administrator.email}, follow=True)
    assert "Look into your mail" in answer.content.decode()
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body)
    assert link
    form = client.get(link[1], follow=True)
    values = {"password1": "another pass phrase", "password2": "another pass phrase"}
    weak = client.post(form.request["PATH_INFO"], {"password1": "short", "password2": "short"})
    assert "at least 12 characters" in weak.content.decode()
    done = client.post(form.request["PATH_INFO"], values, follow=True)
    assert "The password is set" in done.content.decode()
    administrator.refresh_from_db()
    assert administrator.check_password("another pass phrase")
    assert "does not work any more" in Client().get(link[1], follow=True).content.decode()


def test_nobody_signs_up(client: Client, db: None) -> None:
    values = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    for page in (client.get(reverse("account_signup")), client.post(reverse("account_signup"), values)):
        assert "Nobody signs up here" in page.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("path", ["email/", "confirm-email/", "password/change/", "password/set/", "reauthenticate/"])
def test_the_pages_of_allauth_that_are_not_wanted_are_not_there(outsider_client: Client, path: str) -> None:
    assert outsider_client.get(f"/accounts/{path}").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("name", ["account_login", "account_request_login_code", "account_reset_password"])
def test_another_sites_address_is_not_followed(client: Client, outsider: User, name: str) -> None:
    page = client.get(reverse(name) + "?next=https://elsewhere.example/").content.decode()
    assert "elsewhere" not in page


def test_every_page_is_in_our_frame_and_has_no_style_or_script_of_its_own(client: Client, db: None) -> None:
    names = ["login", "request_login_code", "reset_password", "reset_password_done", "inactive", "signup",
             "reset_password_from_key_done"]  # fmt: skip
    pages = [client.get(reverse(f"account_{name}")) for name in names]
    pages.append(client.get(reverse("account_reset_password_from_key", kwargs={"uidb36": "1", "key": "x-y"})))
    assert len(pages) == 8
    for page in pages:
        content = page.content.decode()
        assert 'class="page narrow"' in content
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", content)


def test_a_form_from_before_the_sign_in_is_refused_in_words(db: None) -> None:
    """Its token is no longer good, as after a sign-in in another window."""
    answer = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "a@b.example"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "reload the page and send it again" in answer.content.decode()
