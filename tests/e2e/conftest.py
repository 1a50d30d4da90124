"""A real server for a reader's browsers: one for all tests of this folder, alive again at the start of each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import Contexts, browsers_on
from tests.e2e.server import Server


@pytest.fixture(scope="package")
def gunicorn(django_db_setup: None, chromium: Browser) -> Iterator[Server]:
    made = Server()
    made.collect_static_files()
    yield made
    made.stop()


@pytest.fixture
def server(gunicorn: Server, transactional_db: None) -> Server:
    if gunicorn.process is None or gunicorn.process.poll() is not None:
        gunicorn.start()
    return gunicorn


@pytest.fixture
def devices(chromium: Browser, server: Server) -> Iterator[Contexts]:
    """`devices(user=None, **options)`: a browser of its own on the real server, with that person signed in."""
    yield from browsers_on(chromium, server.url)
