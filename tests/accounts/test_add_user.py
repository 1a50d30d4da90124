"""manage.py add_user."""

import getpass
import re
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from readerstudy.accounts.models import AuditEntry, User


def added(*arguments: str) -> str:
    out = StringIO()
    call_command("add_user", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_without_a_terminal_a_link_sets_the_password_once(db: None, client: Client) -> None:
    output = added("New@Example.org", "--role", "researcher", "--name", "Dr. New", "--site", "https://study.example/")
    user = User.objects.get()
    assert (user.email, user.name, user.is_researcher, user.is_administrator) == (
        "new@example.org", "Dr. New", True, False,
    )  # fmt: skip
    assert not user.has_usable_password()
    link = re.search(r"https://study\.example(/\S+)", output)
    assert link
    form = client.get(link[1], follow=True)
    values = {"password1": "a long pass phrase", "password2": "a long pass phrase"}
    client.post(form.request["PATH_INFO"], values)
    user.refresh_from_db()
    assert user.check_password("a long pass phrase")
    assert "does not work any more" in Client().get(link[1], follow=True).content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.details) == ("user.added", None, {"roles": ["researcher"]})


def test_at_a_terminal_the_password_is_asked_for_until_it_will_do(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["one", "another", "short", "short", "a long pass phrase", "a long pass phrase"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    output = added("new@example.org", "--role", "administrator", "--role", "researcher")
    assert "differ" in output
    assert "at least 12 characters" in output
    assert "as administrator and researcher" in output
    user = User.objects.get()
    assert user.is_administrator
    assert user.is_researcher
    assert user.check_password("a long pass phrase")
    assert list(typed) == []


def test_an_address_is_added_once(outsider: User) -> None:
    with pytest.raises(CommandError, match="is a user already"):
        added("Outsider@example.org", "--role", "administrator")
    outsider.refresh_from_db()
    assert not outsider.is_administrator


@pytest.mark.parametrize("arguments", [["not an address", "--role", "researcher"], ["a@example.org", "--role", "king"]])
def test_what_is_wrong_is_named_and_nobody_is_added(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"not an address|king"):
        added(*arguments)
    assert not User.objects.exists()


def test_a_role_is_needed(db: None) -> None:
    with pytest.raises(CommandError, match="--role"):
        added("a@example.org")
