"""Workers at the same moment, each with a connection of its own, on a database that really commits."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Image, ImageSet
from readerstudy.scoring import jobs, tasks
from readerstudy.scoring.models import Chunk, ModelVersion, Score, ScoringRun
from tests.builders import image_set, model_version
from tests.scoring.steps import delivered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _silent_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.score_chunk, "delay", lambda _chunk_id: None)


def at_once(n: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act(0)` to `act(n - 1)` in as many threads that start together; what they returned."""
    start = threading.Barrier(n)

    def go(number: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(timeout=30)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(go, range(n)))


def test_of_many_who_claim_a_chunk_one_gets_it(chunks: list[Chunk]) -> None:
    for chunk in chunks:
        claimed = at_once(6, lambda _, pk=chunk.pk: jobs.claim(pk))
        assert sum(c is not None for c in claimed) == 1
        chunk.refresh_from_db()
        assert chunk.attempts == 1


def test_workers_who_end_their_chunks_together_end_the_run_once(run: ScoringRun, chunks: list[Chunk]) -> None:
    claimed = [jobs.claim(chunk.pk) for chunk in chunks]
    assert at_once(len(claimed), lambda n: delivered(claimed[n])) == [True, True, True]
    run.refresh_from_db()
    assert run.state == "done"
    assert AuditEntry.objects.filter(action="run.finished").count() == 1
    assert Score.objects.count() == 5


def test_a_chunk_delivered_twice_at_once_is_written_once(chunks: list[Chunk]) -> None:
    chunk = jobs.claim(chunks[0].pk)
    assert chunk is not None
    assert sorted(at_once(4, lambda _: delivered(chunk))) == [False, False, False, True]
    assert Score.objects.count() == 2


def test_two_runs_over_the_same_images_write_each_score_once(
    model: ModelVersion, images: list[Image], researcher: User
) -> None:
    runs = [
        jobs.request_run(model_version=model, images=[i.pk for i in some], label="x", requested_by=researcher)
        for some in (images, images[1:])
    ]
    claimed = [jobs.claim(run.chunks.get().pk) for run in runs]
    assert at_once(2, lambda n: delivered(claimed[n])) == [True, True]
    assert Score.objects.count() == 5
    for run in runs:
        run.refresh_from_db()
        assert run.state == "done"


def test_the_same_request_at_once_is_one_run(model: ModelVersion, images: list[Image], researcher: User) -> None:
    ids = [image.pk for image in images]
    made = at_once(
        5, lambda _: jobs.request_run(model_version=model, images=ids, label="x", requested_by=researcher).pk
    )
    assert len(set(made)) == 1
    assert ScoringRun.objects.count() == 1
    assert AuditEntry.objects.filter(action="run.requested").count() == 1


def test_stop_and_finish_at_once_leave_one_end(researcher: User, administrator: User) -> None:
    model = model_version(researcher)
    for attempt in range(5):
        some: ImageSet = image_set(administrator, diagnoses=["melanoma"])
        run = jobs.request_run(
            model_version=model, images=some.images.all(), label=f"x {attempt}", requested_by=researcher
        )
        chunk = jobs.claim(run.chunks.get().pk)
        assert chunk is not None
        stopped, finished = at_once(
            2, lambda n, r=run, c=chunk: jobs.stop_run(r, actor=researcher) if n == 0 else delivered(c)
        )
        assert finished  # what was in work is kept, whoever comes first
        run.refresh_from_db()
        assert run.state == ("stopped" if stopped else "done")
        ends = AuditEntry.objects.filter(action__in=["run.stopped", "run.finished"], target_id=str(run.pk))
        assert ends.count() == 1
