"""The worker's side of a chunk, with a classifier that needs no torch."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from readerstudy.images.models import Image
from readerstudy.scoring import jobs, tasks
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion, Score, ScoringRun
from tests.scoring.fakes import FakeClassifier, expected

Use = Callable[..., FakeClassifier]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Put a fake classifier in the place of the loaded one."""

    def put(**as_for_a_fake: Any) -> FakeClassifier:
        fake = FakeClassifier(**as_for_a_fake)
        monkeypatch.setattr(tasks, "load_classifier", lambda sha256: fake)
        return fake

    return put


def test_a_run_is_scored_to_its_end(
    use: Use, run: ScoringRun, chunks: list[Chunk], model: ModelVersion, images: list[Image]
) -> None:
    use()
    for chunk in chunks:
        tasks.score_chunk(chunk.pk)
    run.refresh_from_db()
    assert run.state == "done"
    found = jobs.scores_of(model, [i.pk for i in images])
    assert len(found) == 5
    for image in images:
        with image.file.open() as file:
            assert found[image.pk].tolist() == expected(file.read()).tolist()
    assert set(Score.objects.values_list("precision", flat=True)) == {"float32"}


def test_a_second_message_finds_nothing_to_do(use: Use, chunks: list[Chunk]) -> None:
    fake = use()
    for _ in range(3):
        tasks.score_chunk(chunks[0].pk)
    tasks.score_chunk(987654)
    assert fake.n_seen == 2
    assert Score.objects.count() == 2


def test_images_scored_in_the_meantime_are_not_computed_again(
    use: Use, chunks: list[Chunk], images: list[Image], model: ModelVersion
) -> None:
    half = np.array([0.5, 0.5], "<f4").tobytes()
    Score.objects.create(image=images[0], model_version=model, probabilities=half)
    fake = use()
    tasks.score_chunk(chunks[0].pk)
    assert fake.n_seen == 1
    assert Score.objects.count() == 2


def test_bad_files_are_reported_and_the_run_goes_on(
    use: Use, run: ScoringRun, chunks: list[Chunk], images: list[Image]
) -> None:
    use()
    images[0].file.storage.delete(images[0].file.name)
    with open(images[2].file.path, "r+b") as file:
        file.truncate(100)
    not_a_picture = b"stored as it came, and no picture"
    with open(images[3].file.path, "wb") as file:
        file.write(not_a_picture)
    import hashlib

    Image.objects.filter(pk=images[3].pk).update(sha256=hashlib.sha256(not_a_picture).hexdigest())
    for chunk in chunks:
        tasks.score_chunk(chunk.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert {f.image_id: f.error for f in jobs.failures(run)} == {
        images[0].pk: "The picture's file is not in storage.",
        images[2].pk: "The picture's file was changed or damaged after it was stored.",
        images[3].pk: "The file is not a picture.",
    }
    assert set(Score.objects.values_list("image_id", flat=True)) == {images[1].pk, images[4].pk}


def test_a_lease_lost_on_the_way_ends_the_work_and_writes_nothing(
    use: Use, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)

    def taken_over() -> None:
        Chunk.objects.filter(pk=chunks[0].pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        jobs.claim(chunks[0].pk)

    fake = use(between=taken_over)
    tasks.score_chunk(chunks[0].pk)
    # `between` comes after the sign of life of the first batch: the second one finds the lease gone
    assert fake.n_seen == 2
    assert Score.objects.count() == 0
    assert Chunk.objects.get(pk=chunks[0].pk).state == "claimed"


def test_the_lease_is_renewed_while_a_slow_machine_works(
    use: Use, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)
    ends: list[Any] = []

    def note() -> None:
        ends.append(Chunk.objects.get(pk=chunks[0].pk).lease_expires_at)

    use(between=note)
    tasks.score_chunk(chunks[0].pk)
    assert len(ends) == 2
    assert ends[0] < ends[1]


@pytest.mark.xdist_group("worker")  # where torch is loaded anyway
def test_weights_that_cannot_be_loaded_fail_the_run_with_the_reason(
    run: ScoringRun, chunks: list[Chunk], model: ModelVersion
) -> None:
    tasks.load_classifier.cache_clear()
    for chunk in chunks:
        tasks.score_chunk(chunk.pk)  # the builder's weights are a few bytes
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.error.startswith(f"The model {model} cannot be loaded.")
    assert jobs.progress(run).failed == 5


def test_weights_that_are_gone_fail_the_run_with_the_reason(
    run: ScoringRun, chunks: list[Chunk], model: ModelVersion
) -> None:
    tasks.load_classifier.cache_clear()
    model.file.storage.delete(model.file.name)
    for chunk in chunks:
        tasks.score_chunk(chunk.pk)
    run.refresh_from_db()
    assert run.error.startswith(f"The weights of the model {model} are not in storage.")


@pytest.mark.parametrize(
    ("error", "reason", "raised"),
    [
        (SoftTimeLimitExceeded(), "The worker ran out of time.", False),
        (RuntimeError("CUDA out of memory"), "The worker failed: RuntimeError: CUDA out of memory", True),
    ],
)
def test_a_worker_in_trouble_gives_the_chunk_back(
    use: Use, chunks: list[Chunk], error: Exception, reason: str, raised: bool
) -> None:
    def trouble() -> None:
        raise error

    use(between=trouble)
    if raised:
        with pytest.raises(RuntimeError, match="CUDA"):
            tasks.score_chunk(chunks[0].pk)
    else:
        tasks.score_chunk(chunks[0].pk)
    chunk = Chunk.objects.get(pk=chunks[0].pk)
    assert (chunk.state, chunk.lease, chunk.error) == ("queued", None, reason)
    assert Score.objects.count() == 0
    use()
    tasks.score_chunk(chunks[0].pk)
    assert Score.objects.count() == 2


def test_an_output_of_the_wrong_size_is_no_score(use: Use, chunks: list[Chunk]) -> None:
    use(k=3)
    with pytest.raises(ScoringError, match="2 finite probabilities"):
        tasks.score_chunk(chunks[0].pk)
    assert Score.objects.count() == 0


def test_the_sweep_rings(
    run: ScoringRun, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks.score_chunk, "delay", rung.append)
    run.chunks.update(rung_at=None)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    assert rung == [chunk.pk for chunk in chunks]


def test_the_tasks_have_their_names_their_queue_and_both_limits() -> None:
    from readerstudy.celery import app

    assert tasks.score_chunk.name == "readerstudy.scoring.tasks.score_chunk"
    assert tasks.sweep.name == "readerstudy.scoring.tasks.sweep"
    assert app.amqp.router.route({}, tasks.score_chunk.name)["queue"].name == "gpu"
    assert tasks.sweep.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
    for task in (tasks.score_chunk, tasks.sweep):
        assert 0 < task.soft_time_limit < task.time_limit
