"""Every state that a run and its chunks can be in, and every way from one to another."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Image
from readerstudy.scoring import jobs, tasks
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion, Score, ScoringRun
from tests.builders import model_version
from tests.scoring.steps import delivered, expire, taken

# --- asking


def test_a_request_becomes_rows(run: ScoringRun, chunks: list[Chunk], images: list[Image]) -> None:
    assert (run.state, run.n_images, run.n_present) == ("queued", 5, 0)
    assert [c.state for c in chunks] == ["queued"] * 3
    assert [list(c.run_images.values_list("image_id", flat=True)) for c in chunks] == [
        [images[0].pk, images[1].pk], [images[2].pk, images[3].pk], [images[4].pk],
    ]  # fmt: skip
    entry = AuditEntry.objects.get(action="run.requested")
    assert entry.actor == run.requested_by
    assert entry.details["n_images"] == 5


def test_a_request_rings_once_for_each_chunk_after_the_commit(
    model: ModelVersion, images: list[Image], researcher: User, monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any, settings: Any,
) -> None:  # fmt: skip
    settings.SCORING_CHUNK_SIZE = 2
    rung: list[int] = []
    monkeypatch.setattr(tasks.score_chunk, "delay", rung.append)
    with django_capture_on_commit_callbacks(execute=True):
        run = jobs.request_run(model_version=model, images=[i.pk for i in images], label="x", requested_by=researcher)
        assert rung == []
    assert rung == list(run.chunks.order_by("number").values_list("pk", flat=True))
    assert len(rung) == 3


def test_a_broker_that_is_down_loses_no_request(
    model: ModelVersion, images: list[Image], researcher: User, monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any, settings: Any, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    settings.SCORING_CHUNK_SIZE = 2
    rung: list[int] = []

    def once_then_down(chunk_id: int) -> None:
        if rung:
            raise ConnectionError("no broker")
        rung.append(chunk_id)

    monkeypatch.setattr(tasks.score_chunk, "delay", once_then_down)
    with django_capture_on_commit_callbacks(execute=True):
        run = jobs.request_run(model_version=model, images=[i.pk for i in images], label="x", requested_by=researcher)
    assert "no broker" in caplog.text
    assert run.state == "queued"
    not_rung = list(run.chunks.filter(rung_at=None).values_list("number", flat=True))
    assert not_rung == [1, 2]  # the sweep rings for these as soon as it comes
    monkeypatch.setattr(tasks.score_chunk, "delay", rung.append)
    with django_capture_on_commit_callbacks(execute=True):
        assert jobs.sweep() == 2
    assert len(rung) == 3


def test_the_same_request_is_the_same_run_while_it_is_active(
    run: ScoringRun, model: ModelVersion, images: list[Image], researcher: User
) -> None:
    backwards = [i.pk for i in reversed(images)]
    again = jobs.request_run(model_version=model, images=backwards, label="named otherwise", requested_by=researcher)
    assert again.pk == run.pk
    fewer = jobs.request_run(model_version=model, images=backwards[1:], label="fewer", requested_by=researcher)
    assert fewer.pk != run.pk
    assert ScoringRun.objects.count() == 2


def test_images_that_have_a_score_are_left_out(
    run: ScoringRun, chunks: list[Chunk], model: ModelVersion, images: list[Image], researcher: User
) -> None:
    assert delivered(taken(chunks[0]))
    jobs.stop_run(run, actor=researcher)
    rest = jobs.request_run(model_version=model, images=[i.pk for i in images], label="rest", requested_by=researcher)
    assert rest.pk != run.pk
    assert (rest.n_images, rest.n_present) == (5, 2)
    assert list(rest.run_images.order_by("image_id").values_list("image_id", flat=True)) == [i.pk for i in images[2:]]
    other = jobs.request_run(
        model_version=model_version(researcher), images=[i.pk for i in images], label="x", requested_by=researcher
    )
    assert other.n_present == 0  # by another model, nothing is scored


def test_with_nothing_to_do_a_run_is_done_at_once(
    run: ScoringRun, chunks: list[Chunk], model: ModelVersion, images: list[Image], researcher: User
) -> None:
    for chunk in chunks:
        delivered(taken(chunk))
    again = jobs.request_run(model_version=model, images=[i.pk for i in images], label="x", requested_by=researcher)
    assert again.pk != run.pk
    assert (again.state, again.n_present, again.chunks.count()) == ("done", 5, 0)
    assert again.finished_at is not None
    assert jobs.progress(again).total == 0


@pytest.mark.parametrize(("ids", "sentence"), [([], "There is no image"), ([987654], "no image 987654")])
def test_a_request_for_nothing_is_refused(model: ModelVersion, researcher: User, ids: list[int], sentence: str) -> None:
    with pytest.raises(ScoringError, match=sentence):
        jobs.request_run(model_version=model, images=ids, label="x", requested_by=researcher)
    assert not ScoringRun.objects.exists()


# --- claiming


def test_a_claimed_chunk_is_nobody_elses(run: ScoringRun, chunks: list[Chunk]) -> None:
    chunk = taken(chunks[0])
    assert (chunk.state, chunk.attempts) == ("claimed", 1)
    assert chunk.lease is not None
    assert jobs.claim(chunks[0].pk) is None
    run.refresh_from_db()
    assert run.state == "running"
    assert run.started_at is not None


def test_a_chunk_that_is_not_there_is_not_claimed(db: None) -> None:
    assert jobs.claim(123456) is None


def test_the_lease_lasts_as_the_setting_says(chunks: list[Chunk], settings: Any) -> None:
    settings.SCORING_LEASE_SECONDS = 90
    before = timezone.now()
    chunk = taken(chunks[0])
    assert chunk.lease_expires_at is not None
    assert 90 <= (chunk.lease_expires_at - before).total_seconds() < 95


def test_an_expired_lease_can_be_taken_over_and_the_first_holder_writes_nothing(chunks: list[Chunk]) -> None:
    first = taken(chunks[0])
    expire(first)
    second = taken(chunks[0])
    assert second.lease != first.lease
    assert second.attempts == 2
    assert not jobs.extend(first)
    assert not delivered(first)
    assert not jobs.fail(first, lease=first.lease, reason="x")
    assert not jobs.give_back(first, lease=first.lease, reason="x")
    assert Score.objects.count() == 0
    assert delivered(second)
    assert Score.objects.count() == 2


def test_a_sign_of_life_keeps_the_lease(chunks: list[Chunk]) -> None:
    chunk = taken(chunks[0])
    expire(chunk)
    assert jobs.extend(chunk)
    assert jobs.claim(chunk.pk) is None


def test_a_late_holder_whom_nobody_replaced_may_deliver(chunks: list[Chunk]) -> None:
    chunk = taken(chunks[0])
    expire(chunk)
    assert delivered(chunk)
    assert Score.objects.count() == 2


def test_after_too_many_attempts_a_chunk_is_given_up_and_the_run_goes_on(run: ScoringRun, chunks: list[Chunk]) -> None:
    for _ in range(jobs.MAX_ATTEMPTS):
        expire(taken(chunks[0]))
    assert jobs.claim(chunks[0].pk) is None
    chunks[0].refresh_from_db()
    assert (chunks[0].state, chunks[0].attempts, chunks[0].lease) == ("failed", 5, None)
    reasons = list(chunks[0].run_images.values_list("error", flat=True))
    assert reasons == ["Given up after 5 attempts. The worker ended without a word."] * 2
    run.refresh_from_db()
    assert run.state == "running"
    assert jobs.claim(chunks[0].pk) is None
    for chunk in chunks[1:]:
        assert delivered(taken(chunk))
    run.refresh_from_db()
    assert run.state == "done"
    progress = jobs.progress(run)
    assert (progress.done, progress.failed, progress.total) == (3, 2, 5)


def test_a_chunk_given_back_waits_again_and_says_why_in_the_end(chunks: list[Chunk]) -> None:
    for _ in range(jobs.MAX_ATTEMPTS):
        chunk = taken(chunks[0])
        assert jobs.give_back(chunk, lease=chunk.lease, reason="The worker failed: CUDA out of memory.")
        chunk.refresh_from_db()
        assert (chunk.state, chunk.lease, chunk.rung_at) == ("queued", None, None)
    assert jobs.claim(chunks[0].pk) is None
    error = chunks[0].run_images.values_list("error", flat=True)[0]
    assert error == "Given up after 5 attempts. The worker failed: CUDA out of memory."


# --- stopping


def test_a_stopped_run_gives_out_no_chunk_but_takes_what_is_in_work(
    run: ScoringRun, chunks: list[Chunk], researcher: User
) -> None:
    in_work = taken(chunks[0])
    assert jobs.stop_run(run, actor=researcher)
    assert not jobs.stop_run(run, actor=researcher)
    assert jobs.claim(chunks[1].pk) is None
    assert delivered(in_work)
    run.refresh_from_db()
    assert run.state == "stopped"
    assert Score.objects.count() == 2
    assert [e.actor for e in AuditEntry.objects.filter(action="run.stopped")] == [researcher]
    progress = jobs.progress(run)
    assert (progress.done, progress.total, progress.seconds_left) == (2, 5, None)


def test_the_last_chunk_of_a_stopped_run_does_not_make_it_done(
    run: ScoringRun, chunks: list[Chunk], researcher: User
) -> None:
    claimed = [taken(chunk) for chunk in chunks]
    jobs.stop_run(run, actor=researcher)
    for chunk in claimed:
        assert delivered(chunk)
    run.refresh_from_db()
    assert run.state == "stopped"


def test_a_run_that_has_ended_is_not_stopped(run: ScoringRun, chunks: list[Chunk], researcher: User) -> None:
    for chunk in chunks:
        delivered(taken(chunk))
    assert not jobs.stop_run(run, actor=researcher)
    run.refresh_from_db()
    assert run.state == "done"
    assert not AuditEntry.objects.filter(action="run.stopped").exists()


# --- sweeping


def long_ago(run: ScoringRun) -> None:
    run.chunks.update(rung_at=timezone.now() - timedelta(days=1))


def test_nothing_is_swept_that_was_just_rung_for(run: ScoringRun) -> None:
    assert jobs.sweep() == 0


def test_forgotten_chunks_are_rung_for_once(run: ScoringRun, chunks: list[Chunk]) -> None:
    long_ago(run)
    assert jobs.sweep() == 3
    assert jobs.sweep() == 0


def test_an_expired_lease_is_swept_at_once(run: ScoringRun, chunks: list[Chunk]) -> None:
    expire(taken(chunks[0]))
    assert jobs.sweep() == 1
    chunks[0].refresh_from_db()
    assert (chunks[0].state, chunks[0].lease) == ("queued", None)
    assert jobs.sweep() == 0


def test_while_a_worker_is_at_a_run_its_messages_are_merely_behind_it(run: ScoringRun, chunks: list[Chunk]) -> None:
    chunk = taken(chunks[0])
    long_ago(run)
    assert jobs.sweep() == 0
    assert delivered(chunk)
    assert jobs.sweep() == 2


def test_runs_that_are_over_are_not_swept(run: ScoringRun, chunks: list[Chunk], researcher: User) -> None:
    expire(taken(chunks[0]))
    long_ago(run)
    jobs.stop_run(run, actor=researcher)
    assert jobs.sweep() == 0
