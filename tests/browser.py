"""Debian's Chromium under Playwright, for tests marked `browser`.

Start from `contexts`: it opens a fresh browser profile for each person or device of a test, signed in or not.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from readerstudy.accounts.models import User

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

PATIENCE = 30_000  # milliseconds; a test that waits is slow, one that does not wait fails on a busy machine

Contexts = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, started once in a session. Without Chromium the test is skipped, or fails where CI is "true"."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing")
        pytest.skip(f"{CHROMIUM} is missing (Debian: apt-get install chromium)")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def contexts(chromium: Browser, live_server: Any) -> Iterator[Contexts]:
    """`contexts(user=None, **options)`: a browser of its own, on the live server, with that person signed in."""
    yield from browsers_on(chromium, live_server.url)


def browsers_on(chromium: Browser, url: str) -> Iterator[Contexts]:
    """What opens a browser of its own on the server at `url`; all are closed at the end."""
    opened: list[BrowserContext] = []

    def open_one(user: User | None = None, **options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=url, **options)
        context.set_default_timeout(PATIENCE)
        opened.append(context)
        if user is not None:
            context.add_cookies([session_cookie(user, url)])
        return context

    yield open_one
    for context in opened:
        context.close()


def session_cookie(user: User, url: str) -> Any:
    """The cookie of somebody who has just signed in."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
