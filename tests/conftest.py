"""Fixtures for every room: people, drawn images, and rows in the database that only grows."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from readerstudy.accounts import append_only
from readerstudy.accounts.models import User

pytest_plugins = ["tests.browser"]


def pytest_configure() -> None:
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    django_settings.STORAGES = {
        **django_settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    django_settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    django_settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    django_settings.WHITENOISE_AUTOREFRESH = True
    if django_settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        # A file, as in use: threads then have connections of their own, and wait for one another's transactions.
        django_settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(django_settings.VAR / "test.sqlite3")


GROWING_TABLES = (
    "accounts_auditentry", "studies_protocolversion", "studies_case", "studies_caseimage", "readers_consent",
    "readers_profile", "readings_item", "readings_submission", "readings_answer", "readings_sessionevent",
    "scoring_score", "scoring_features", "scoring_saliencymap",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _flushable() -> Iterator[None]:
    """Let Django empty the tables after a transactional test; the refusal stands again before the next test.

    For the whole session: a fixture of one test would be gone before pytest-django empties the tables.
    """
    import django.core.management.commands.flush as flush

    original = flush.Command.handle

    def handle(self: Any, **options: Any) -> Any:
        with connection.schema_editor() as editor:
            for table in GROWING_TABLES:
                append_only.remove(editor, table)
        try:
            return original(self, **options)
        finally:
            with connection.schema_editor() as editor:
                for table in GROWING_TABLES:
                    append_only.install(editor, table)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", handle)
        yield


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_user("admin@example.org", "a long pass phrase", is_administrator=True)


@pytest.fixture
def researcher(db: None) -> User:
    return User.objects.create_user("researcher@example.org", "a long pass phrase", is_researcher=True)


@pytest.fixture
def outsider(db: None) -> User:
    """Signed in, with no role and no reading."""
    return User.objects.create_user("outsider@example.org", "a long pass phrase")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def administrator_client(administrator: User) -> Client:
    return signed_in(administrator)


@pytest.fixture
def researcher_client(researcher: User) -> Client:
    return signed_in(researcher)


@pytest.fixture
def outsider_client(outsider: User) -> Client:
    return signed_in(outsider)
