"""A single figure is drawn by a worker, once; a request waits a moment at most."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.results import rendering, single, tasks
from readerstudy.results.files import source
from readerstudy.results.models import Computation
from tests.results import made
from tests.results.conftest import Worked

PICTURE = b"\x89PNG, as far as this test is concerned"


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that a message was sent for; nobody hears them, and nobody is waited for."""
    bells: list[int] = []
    monkeypatch.setattr(tasks.compute, "delay", bells.append)
    monkeypatch.setattr(single, "PATIENCE", 0.0)
    return bells


@pytest.fixture(autouse=True)
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats drawn, by a browser that takes no time."""
    drawn: list[str] = []

    def draw(wanted: Sequence[tuple[str, str]], seconds: float) -> Iterator[bytes]:
        for _figure, fmt in wanted:
            drawn.append(fmt)
            yield PICTURE

    monkeypatch.setattr(rendering, "browser", lambda: "/a/browser")
    monkeypatch.setattr(rendering, "PNG_SCALE", uuid.uuid4().hex)  # no other test's pictures are these, nor the reverse
    monkeypatch.setattr(rendering, "_by_kaleido", draw)
    return drawn


@pytest.fixture
def address(worked: Worked) -> str:
    made.unblind(worked.study)
    return reverse("results-figure", args=[worked.study.pk, worked.test.pk, "png"])


def asked(client: Client, address: str) -> Computation:
    """The figure that a worker is to draw, once the answer has led to the page that waits for it."""
    response = client.get(address)
    row = Computation.objects.get(what="figure", state__in=Computation.ACTIVE)
    assert response["Location"] == reverse("results-file", args=[row.study_id, row.pk])
    return row


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_it_is_drawn_once(worked: Worked, address: str, researcher_client: Client, drawings: list[str],
                          rung: list[int], django_capture_on_commit_callbacks: Any) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        row = asked(researcher_client, address)
        assert asked(researcher_client, address) == row
    assert (rung, drawings) == ([row.pk], [])
    waits = researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk]))
    assert waits.status_code == 202
    assert "roc.png" in waits.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        tasks.compute(row.pk)
    drawn = reverse("results-drawn", args=[worked.study.pk, row.pk])
    page = researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk])).content.decode()
    assert f'href="{drawn}"' in page
    for found in (researcher_client.get(drawn), researcher_client.get(address)):
        assert (found["Content-Type"], content(found)) == ("image/png", PICTURE)
        name = f"study-{worked.study.pk}-test-1-roc.png"
        assert found["Content-Disposition"] == f'attachment; filename="{name}"'
    assert drawings == ["png"]
    assert source(row.inputs_sha256) is None  # nobody needs it any more
    other = asked(researcher_client, f"{address}?convention=roc")  # another figure
    assert other != row


def test_a_worker_that_is_quick_is_waited_for(
    address: str, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "PATIENCE", 60.0)
    monkeypatch.setattr(single.time, "sleep", lambda _s: tasks.compute(Computation.objects.get(what="figure").pk))
    response = researcher_client.get(address)
    assert (response.status_code, content(response)) == (200, PICTURE)


def test_two_requests_wait_and_no_third(
    address: str, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "PATIENCE", 60.0)
    monkeypatch.setattr(single.time, "sleep", lambda _s: pytest.fail("it waits"))
    for _thread in range(2):
        assert single._waiting.acquire(blocking=False)
    try:
        asked(researcher_client, address)
    finally:
        for _thread in range(2):
            single._waiting.release()


def test_a_page_without_script_shows_what_it_waits_for(address: str, researcher_client: Client) -> None:
    inline = address.replace(".png", ".svg") + "?inline"
    waits = researcher_client.get(inline)
    assert (waits.status_code, waits["Content-Type"], waits["Cache-Control"]) == (202, "image/svg+xml", "no-store")
    assert "being drawn" in waits.content.decode()
    tasks.compute(Computation.objects.get(what="figure").pk)
    found = researcher_client.get(inline)
    assert content(found) == PICTURE
    assert found["Content-Disposition"].startswith("inline")


def test_what_cannot_be_drawn_says_why(
    worked: Worked, address: str, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(wanted: Any, seconds: float) -> Iterator[bytes]:
        raise RuntimeError("the browser fell over")
        yield b""

    monkeypatch.setattr(rendering, "_by_kaleido", broken)
    row = asked(researcher_client, address)
    tasks.compute(row.pk)
    page = researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk])).content.decode()
    assert "the browser fell over" in page
    assert "Compute again" in page
    drawn = researcher_client.get(reverse("results-drawn", args=[worked.study.pk, row.pk]))
    assert drawn["Location"] == reverse("results-file", args=[worked.study.pk, row.pk])


def test_only_who_may_see_the_numbers_sees_a_figure(
    worked: Worked, address: str, researcher_client: Client, administrator_client: Client
) -> None:
    row = asked(researcher_client, address)
    tasks.compute(row.pk)
    drawn = reverse("results-drawn", args=[worked.study.pk, row.pk])
    assert administrator_client.get(drawn).status_code == 404
    assert researcher_client.post(drawn).status_code == 405
    assert researcher_client.get(reverse("results-drawn", args=[worked.study.pk, row.pk + 1])).status_code == 404
    type(worked.study).objects.update(unblinded_at=None)
    assert researcher_client.get(drawn).status_code == 404
