"""What takes longer than a page may wait for is a worker's: the export, tables of large studies, large layouts."""

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.results import computing, export, tasks
from readerstudy.results.models import Computation
from readerstudy.scoring.models import Features
from tests.conftest import signed_in
from tests.results import made
from tests.results.conftest import Worked


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that a message was sent for; nobody hears them."""
    rung: list[int] = []
    monkeypatch.setattr(tasks.compute, "delay", rung.append)
    return rung


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "MOST_ANSWERS", 0)


def asked(client: Client, address: str) -> Computation:
    """The file that a worker is to make, once the answer has led to the page that waits for it."""
    response = client.get(address)
    row = Computation.objects.get(what__in=computing.FILES, state__in=Computation.ACTIVE)
    assert response["Location"] == reverse("results-file", args=[row.study_id, row.pk])
    return row


@pytest.mark.parametrize("name", ["answers.csv", "responses.csv", "summary.json"])
def test_a_table_of_a_large_study_is_the_same_from_a_worker(
    worked: Worked, researcher_client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made.unblind(worked.study)
    table, _dot, fmt = name.partition(".")
    address = reverse("results-table", args=[worked.study.pk, worked.test.pk, table, fmt])
    here = researcher_client.get(address)
    assert not Computation.objects.exists()
    monkeypatch.setattr(computing, "MOST_ANSWERS", 0)
    row = asked(researcher_client, address)
    waits = researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk]))
    assert waits.status_code == 202
    assert "A worker makes this file" in waits.content.decode()
    tasks.compute(row.pk)
    page = researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk])).content.decode()
    assert f'href="{address}?model=' in page
    found = researcher_client.get(address)
    assert (found["Content-Type"], found["Content-Disposition"]) == (
        here["Content-Type"], here["Content-Disposition"],
    )  # fmt: skip
    assert b"".join(found.streaming_content) == here.content


@pytest.mark.usefixtures("no_figures", "large")
def test_an_export_is_made_once_and_again_when_something_changed(
    worked: Worked, researcher_client: Client, bells: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    made.unblind(worked.study)
    address = reverse("results-export", args=[worked.study.pk])
    with django_capture_on_commit_callbacks(execute=True):
        row = asked(researcher_client, address)
        assert asked(researcher_client, address) == row
    assert bells == [row.pk]
    assert computing.claim(row.pk) is not None  # by a worker that is killed
    Computation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        computing.sweep()
    for pk in bells:  # the second finds nothing to do
        tasks.compute(pk)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 2)
    found = computing.file_in(row)
    assert found is not None
    given = researcher_client.get(address)
    assert given["Content-Type"] == "application/zip"
    assert b"".join(given.streaming_content).startswith(b"PK")

    default_storage.delete(found.path)  # as if somebody had tidied up: it is made again
    assert asked(researcher_client, address) == row
    tasks.compute(row.pk)
    made.answer(worked.test.readings.first().items.first(), worked.test.questions.get(), True, revision=2)
    other = asked(researcher_client, address)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.compute(other.pk)
    assert not Computation.objects.filter(pk=row.pk).exists()
    assert not default_storage.exists(found.path)  # nobody needs it any more
    assert computing.file_in(Computation.objects.get(pk=other.pk)) is not None


def test_an_export_is_one_bar(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(results: Any, numbers: Any, seen: Any, step: Any = None) -> Any:
        for done in range(5):
            step(done, 4)
        return [], []

    monkeypatch.setattr(export, "figure_files", drawn)
    seen: list[tuple[int, int]] = []
    for _attempt in range(2):  # what was computed before is passed over
        seen.clear()
        export.write_zip(worked.study, worked.model, step=lambda *parts: seen.append(parts)).close()
        assert {total for _done, total in seen} == {100}
        shown = [done for done, _total in seen]
        assert shown == sorted(shown)
        assert shown[0] < 30
        assert shown[-1] >= 95


@pytest.mark.usefixtures("no_figures", "large")
def test_stopped_it_is_stopped(worked: Worked, researcher_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made.unblind(worked.study)
    row = asked(researcher_client, reverse("results-export", args=[worked.study.pk]))
    page = reverse("results-file", args=[worked.study.pk, row.pk])
    stopped = researcher_client.post(reverse("computation-stop", args=[worked.study.pk, row.pk]))
    assert stopped["Location"] == page
    tasks.compute(row.pk)
    assert "Compute again" in researcher_client.get(page).content.decode()
    assert not Computation.objects.exclude(state="stopped").exists()


@pytest.mark.usefixtures("no_figures", "large")
def test_only_who_may_see_the_numbers_sees_a_file(
    worked: Worked, researcher_client: Client, administrator_client: Client
) -> None:
    made.unblind(worked.study)
    row = asked(researcher_client, reverse("results-export", args=[worked.study.pk]))
    page = reverse("results-file", args=[worked.study.pk, row.pk])
    for who in (administrator_client, signed_in(worked.readers[0].user)):
        assert who.get(page).status_code == 404
    assert researcher_client.get(reverse("results-file", args=[worked.study.pk, row.pk + 1])).status_code == 404
    assert researcher_client.post(page).status_code == 405
    type(worked.study).objects.update(unblinded_at=None)
    assert researcher_client.get(page).status_code == 404


def test_a_large_layout_does_not_keep_the_page_waiting(
    worked: Worked, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "MOST_CASES", 0)
    made.unblind(worked.study)
    chance = np.random.default_rng(1)
    for case in worked.test.cases.all():
        values = chance.normal(size=8).astype("<f4").tobytes()
        Features.objects.create(image=case.images.get(), model_version=worked.model, values=values)
    address = reverse("results-explained", args=[worked.study.pk, worked.test.pk])
    page = researcher_client.get(address).content.decode()
    assert "The cases are being laid out" in page
    assert "figure-layout" not in page
    row = Computation.objects.get()
    Computation.objects.update(state="running", lease=uuid.uuid4(), lease_expires_at=timezone.now(), done=1, total=2)
    progress = reverse("computation", args=[worked.study.pk, row.pk])
    assert "1 of 2 parts" in researcher_client.get(progress, headers={"HX-Request": "true"}).content.decode()
    assert researcher_client.get(progress)["Location"].startswith(address)
    Computation.objects.update(state="queued", lease=None, lease_expires_at=None)
    tasks.compute(row.pk)
    page = researcher_client.get(address).content.decode()
    assert 'id="figure-layout"' in page
    assert "being laid out" not in page
    assert Computation.objects.count() == 1
