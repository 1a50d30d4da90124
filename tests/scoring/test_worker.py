"""Real workers on a real broker score with a real Inception v3; killed in the middle, they lose nothing.

The network is random but for what a reading of it needs: batch-norm statistics measured on a few pictures, and a last
layer steep enough that different pictures get different probabilities.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Image
from readerstudy.scoring import jobs
from readerstudy.scoring.models import Chunk, ModelVersion, Score, ScoringRun
from tests.broker import Broker, Worker, broker, broker_server, start_worker, wait_until
from tests.builders import checkpoint_metadata, image_set, png

__all__ = ["broker", "broker_server", "start_worker"]

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.django_db(transaction=True)]

# One thread: the tests share the machine. Short leases, so that a killed worker is missed soon.
SPEED = {
    "READERSTUDY_SCORING_LEASE_SECONDS": "8",
    "READERSTUDY_SWEEP_SECONDS": "0.5",
    "READERSTUDY_SCORING_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
}
LONG = 240  # seconds to wait at most; on an idle core everything takes a fraction of it


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from model_core.batchnorm import calibrate
    from model_core.checkpoint import save
    from model_core.network import build_network
    from model_core.transforms import Preprocessing

    preprocessing = Preprocessing()
    pictures = [preprocessing.pixels(PillowImage.open(io.BytesIO(png(1_000 + n)))) for n in range(4)]
    network = build_network(2, seed=1)
    calibrate(network, preprocessing, np.stack(pictures))
    with torch.no_grad():
        network.fc.weight.mul_(30)
    path = tmp_path_factory.mktemp("checkpoint") / "random.safetensors"
    save(path, network.state_dict(), checkpoint_metadata())
    return path


@pytest.fixture
def run(checkpoint: Path, researcher: User, administrator: User, broker: Broker, settings: Any) -> ScoringRun:
    """Twelve pictures in six chunks, asked for by the web process: six messages wait."""
    settings.SCORING_CHUNK_SIZE = 2
    settings.SCORING_LEASE_SECONDS = int(SPEED["READERSTUDY_SCORING_LEASE_SECONDS"])
    model = jobs.register_model(path=checkpoint, name="Random", created_by=researcher)
    images = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 6)
    run = jobs.request_run(model_version=model, images=images.images.all(), label="Twelve", requested_by=researcher)
    assert broker.waiting() == 6
    return run


def is_done(run: ScoringRun) -> bool:
    run.refresh_from_db()
    return run.state == ScoringRun.State.DONE


def assert_each_scored_once(run: ScoringRun) -> None:
    assert Score.objects.count() == 12
    assert set(Score.objects.values_list("image_id", flat=True)) == set(Image.objects.values_list("pk", flat=True))
    assert jobs.progress(run).failed == 0
    assert AuditEntry.objects.filter(action="run.finished").count() == 1


def predicted(model: ModelVersion) -> dict[int, np.ndarray]:
    """What the library says of the same files, in this process."""
    from model_core.inference import Classifier

    images = list(Image.objects.order_by("pk"))
    found = Classifier.load(model.file.path, "cpu").predict([image.file.path for image in images])
    return {image.pk: vector for image, vector in zip(images, found.probabilities, strict=True)}


def test_a_worker_scores_a_run_with_the_real_network(run: ScoringRun, start_worker: Callable[..., Worker]) -> None:
    broken = Image.objects.order_by("pk").last()
    assert broken is not None
    Path(broken.file.path).write_bytes(b"not the picture any more")
    start_worker(**SPEED)
    wait_until("the run is done", lambda: is_done(run), seconds=LONG)
    assert [(f.image_id, f.error) for f in jobs.failures(run)] == [
        (broken.pk, "The picture's file was changed or damaged after it was stored.")
    ]
    stored = jobs.scores_of(run.model_version, Image.objects.all())
    assert len(stored) == 11
    due = predicted(run.model_version)
    tolerance = 1e-4
    for pk, vector in stored.items():
        assert vector == pytest.approx(due[pk], abs=tolerance)
    swapped = np.roll([due[pk] for pk in stored], 1, axis=0)
    assert np.abs(list(stored.values()) - swapped).max() > 10 * tolerance  # the pictures in another order would fail


def test_a_worker_killed_in_the_middle_costs_nothing(run: ScoringRun, start_worker: Callable[..., Worker]) -> None:
    first = start_worker(**SPEED)
    wait_until("the first scores", Score.objects.exists, seconds=LONG)

    def stopped_at_work() -> bool:
        first.pause()
        if Chunk.objects.filter(state=Chunk.State.CLAIMED).exists():
            return True
        first.resume()
        return False

    wait_until("the worker is caught at work", stopped_at_work, seconds=LONG)
    first.kill()
    run.refresh_from_db()
    assert run.state == "running"
    (held,) = Chunk.objects.filter(state=Chunk.State.CLAIMED)
    start_worker(**SPEED)
    wait_until("the second worker ends the run", lambda: is_done(run), seconds=LONG)
    assert_each_scored_once(run)
    held.refresh_from_db()
    assert (held.state, held.lease) == ("done", None)
    assert held.attempts >= 2


def test_a_broker_that_loses_everything_costs_nothing(
    run: ScoringRun, broker: Broker, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker(**SPEED)
    wait_until("the first scores", Score.objects.exists, seconds=LONG)
    worker.pause()
    run.refresh_from_db()
    assert run.state == "running"
    assert broker.waiting() > 0
    broker.lose_everything()
    assert broker.waiting() == 0
    worker.resume()
    wait_until("the run is done", lambda: is_done(run), seconds=LONG)
    assert_each_scored_once(run)
    assert worker.alive()
