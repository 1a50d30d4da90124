"""What comes out of a chunk is written once, whole, and only by the holder of its lease; and it can be read again."""

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Image
from readerstudy.scoring import jobs
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Chunk, ModelVersion, RunImage, Score, ScoringRun
from tests.builders import image_set
from tests.scoring.steps import HALF, delivered, taken


def test_scores_are_written_as_they_came(chunks: list[Chunk], model: ModelVersion, images: list[Image]) -> None:
    chunk = taken(chunks[0])
    vectors = {images[0].pk: np.array([0.25, 0.75]), images[1].pk: np.array([1.0, 0.0], np.float32)}
    assert jobs.finish(chunk, lease=chunk.lease, probabilities=vectors, failures={}, precision="bfloat16")
    row = Score.objects.get(image=images[0])
    # IEEE 754 single precision, little-endian: 0.25 is 0x3e800000, 0.75 is 0x3f400000.
    assert bytes(row.probabilities) == bytes.fromhex("0000803e 0000403f")
    assert row.precision == "bfloat16"
    found = jobs.scores_of(model, [i.pk for i in images])
    assert found.keys() == {images[0].pk, images[1].pk}
    assert found[images[1].pk].dtype == np.float32
    assert found[images[1].pk].tolist() == [1.0, 0.0]


def test_nothing_is_delivered_twice(chunks: list[Chunk]) -> None:
    chunk = taken(chunks[0])
    assert delivered(chunk)
    assert not jobs.finish(chunk, lease=chunk.lease, probabilities={}, failures={})
    assert jobs.claim(chunk.pk) is None
    assert Score.objects.count() == 2


def test_without_the_lease_nothing_is_delivered(chunks: list[Chunk], images: list[Image]) -> None:
    chunk = taken(chunks[0])
    for lease in (uuid.uuid4(), None):
        assert not jobs.finish(chunk, lease=lease, probabilities={i.pk: HALF for i in images[:2]}, failures={})
    assert not Score.objects.exists()


def test_a_score_that_another_run_wrote_in_the_meantime_stands(
    run: ScoringRun, chunks: list[Chunk], model: ModelVersion, images: list[Image], researcher: User
) -> None:
    other = jobs.request_run(model_version=model, images=[images[0].pk], label="one", requested_by=researcher)
    mine = taken(chunks[0])
    both = {i.pk: HALF for i in jobs.waiting_images(mine)}
    theirs = taken(other.chunks.get())
    jobs.finish(theirs, lease=theirs.lease, probabilities={images[0].pk: np.array([0.1, 0.9])}, failures={})
    assert [i.pk for i in jobs.waiting_images(mine)] == [images[1].pk]
    assert jobs.finish(mine, lease=mine.lease, probabilities=both, failures={})
    assert Score.objects.count() == 2
    assert jobs.scores_of(model, [images[0].pk])[images[0].pk] == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize(
    "vector", [np.array([0.5]), np.array([0.2, 0.3, 0.5]), np.array([np.nan, 1.0]), np.array([[0.5, 0.5]])]
)
def test_a_vector_that_is_not_the_models_is_refused_whole(
    chunks: list[Chunk], images: list[Image], vector: np.ndarray
) -> None:
    chunk = taken(chunks[0])
    with pytest.raises(ScoringError, match=f"Image {images[1].pk}: 2 finite probabilities"):
        jobs.finish(chunk, lease=chunk.lease, probabilities={images[0].pk: HALF, images[1].pk: vector}, failures={})
    assert not Score.objects.exists()
    assert Chunk.objects.get(pk=chunk.pk).state == "claimed"


def test_an_image_left_out_is_refused_whole(chunks: list[Chunk], images: list[Image]) -> None:
    chunk = taken(chunks[0])
    with pytest.raises(ScoringError, match=f"neither a score nor a reason for image {images[1].pk}"):
        jobs.finish(chunk, lease=chunk.lease, probabilities={images[0].pk: HALF}, failures={})
    assert not Score.objects.exists()
    assert Chunk.objects.get(pk=chunk.pk).state == "claimed"


def test_an_image_of_another_chunk_is_refused_whole(chunks: list[Chunk], images: list[Image]) -> None:
    chunk = taken(chunks[0])
    vectors = {image.pk: HALF for image in images[:3]}
    with pytest.raises(ScoringError, match=f"reported on image {images[2].pk}, which is not of"):
        jobs.finish(chunk, lease=chunk.lease, probabilities=vectors, failures={})
    assert not Score.objects.exists()


def test_failed_images_carry_their_reason_and_the_run_is_done(
    run: ScoringRun, chunks: list[Chunk], images: list[Image]
) -> None:
    delivered(taken(chunks[0]), failures={images[1].pk: "The file is not a picture."})
    for chunk in chunks[1:]:
        delivered(taken(chunk))
    run.refresh_from_db()
    assert (run.state, run.error) == ("done", "")
    assert [(f.image_id, f.error) for f in jobs.failures(run)] == [(images[1].pk, "The file is not a picture.")]
    progress = jobs.progress(run)
    assert (progress.done, progress.failed, progress.total) == (4, 1, 5)


def test_a_run_of_which_nothing_came_through_has_failed(
    run: ScoringRun, chunks: list[Chunk], images: list[Image]
) -> None:
    for chunk in chunks:
        claimed = taken(chunk)
        assert jobs.fail(claimed, lease=claimed.lease, reason="The weights are not in storage.")
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "The weights are not in storage.")
    assert jobs.progress(run).failed == 5
    assert AuditEntry.objects.get(action="run.finished").details == {"state": "failed", "n_scored": 0, "n_failed": 5}


def test_a_run_ends_once(run: ScoringRun, chunks: list[Chunk]) -> None:
    for number, chunk in enumerate(chunks):
        run.refresh_from_db()
        assert run.finished_at is None, f"before chunk {number}"
        delivered(taken(chunk))
    run.refresh_from_db()
    assert run.state == "done"
    assert run.finished_at is not None
    assert AuditEntry.objects.filter(action="run.finished").count() == 1


def test_pace_and_time_left(run: ScoringRun, chunks: list[Chunk]) -> None:
    assert jobs.progress(run).images_per_second is None
    delivered(taken(chunks[0]))
    ScoringRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(seconds=4))
    run.refresh_from_db()
    progress = jobs.progress(run)
    # two images in 4 s: half an image a second, and six seconds for the three that are left
    assert progress.images_per_second == pytest.approx(0.5, rel=0.05)
    assert progress.seconds_left == pytest.approx(6, rel=0.05)


def test_coverage(run: ScoringRun, chunks: list[Chunk], model: ModelVersion, images: list[Image]) -> None:
    assert jobs.coverage(model, Image.objects.all()) == (0, 5)
    delivered(taken(chunks[0]))
    assert jobs.coverage(model, [i.pk for i in images]) == (2, 5)
    assert jobs.coverage(model, [images[4].pk]) == (0, 1)
    assert jobs.coverage(model, []) == (0, 0)
    # images or ids, of whatever query, sliced or not
    assert jobs.coverage(model, Image.objects.order_by("pk")[:3]) == (2, 3)
    assert jobs.coverage(model, Image.objects.order_by("-pk").values_list("pk", flat=True)[:3]) == (0, 3)
    assert jobs.coverage(model, run.run_images.values_list("image_id", flat=True)) == (2, 5)


def test_more_images_than_a_statement_may_have_values(
    administrator: User, researcher: User, model: ModelVersion, images: list[Image]
) -> None:
    source = images[0]
    rows = [
        Image(
            image_set=source.image_set, file=source.file.name, sha256="0", pixels_sha256=str(n), media_type="image/png",
            width=64, height=48, modality=source.modality,
        )
        for n in range(1200)
    ]  # fmt: skip
    Image.objects.bulk_create(rows, batch_size=400)
    run = jobs.request_run(model_version=model, images=Image.objects.all(), label="many", requested_by=researcher)
    assert run.run_images.count() == 1205
    assert run.chunks.count() == 38  # 1,205 / 32 = 37.7
    assert jobs.scores_of(model, Image.objects.all()) == {}


def test_the_database_refuses_what_must_not_be(run: ScoringRun, chunks: list[Chunk], images: list[Image]) -> None:
    delivered(taken(chunks[0]))
    score = Score.objects.first()
    assert score is not None
    attempts = [
        lambda: Chunk.objects.filter(pk=chunks[1].pk).update(state="claimed"),  # claimed without a lease
        lambda: ScoringRun.objects.filter(pk=run.pk).update(state="paused"),
        lambda: RunImage.objects.create(run=run, chunk=chunks[1], image=images[0]),  # twice in a run
        lambda: Score.objects.create(image=images[0], model_version=run.model_version, probabilities=b""),
        lambda: Score.objects.filter(pk=score.pk).update(probabilities=b""),
        lambda: Score.objects.filter(pk=score.pk).delete(),
    ]
    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


def test_a_set_of_another_study_is_not_touched(run: ScoringRun, administrator: User, model: ModelVersion) -> None:
    other = image_set(administrator, diagnoses=["melanoma"])
    assert jobs.coverage(model, other.images.all()) == (0, 1)
    assert not run.run_images.filter(image__image_set=other).exists()
