"""A storage of its own for each test, so that what is left in it can be counted."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from readerstudy.images import tasks


@pytest.fixture(autouse=True)
def storage(settings: LazySettings, tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    settings.MEDIA_ROOT = folder
    return folder


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the sweeper rings for, in place of messages to a broker."""
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(tasks.check_upload, "delay", lambda pk: calls.append(("check", pk)))
    monkeypatch.setattr(tasks.store_upload, "delay", lambda pk: calls.append(("store", pk)))
    return calls
