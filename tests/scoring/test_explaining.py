"""Runs for features and saliency maps: asked for, worked at and stored as runs for scores are; the worker's two other
doors to torch, with a real network."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, transaction
from PIL import Image as PillowImage

from model_core.transforms import ImageError
from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet
from readerstudy.scoring import jobs, outcomes, tasks
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Features, ModelVersion, SaliencyMap, Score, ScoringRun
from tests.builders import checkpoint_metadata


class FakeEmbedder:
    """Streams as `model_core.embedding.Embedder` does: the mean of the pixels' three colours, and their number."""

    precision = "float32"

    def stream(self, images: Iterable[io.BytesIO], batch_size: int) -> Iterator[Any]:
        for start, source in enumerate(images):
            try:
                pixels = np.asarray(PillowImage.open(source), np.float32)
                row, failures = [*pixels.mean(axis=(0, 1)), pixels.size], ()
            except OSError:
                row, failures = [np.nan] * 4, (SimpleNamespace(index=start, reason="The file is not a picture."),)
            yield SimpleNamespace(start=start, features=np.array([row], np.float32), failures=failures)


class FakeExplainer:
    """Explains as `model_core.saliency.Explainer` does: a ramp from left to right."""

    def explain(self, content: io.BytesIO) -> Any:
        try:
            picture = PillowImage.open(content)
        except OSError as error:
            raise ImageError("The file is not a picture.") from error
        ramp = np.tile(np.linspace(0, 2, picture.width, dtype=np.float32), (picture.height, 1))
        return SimpleNamespace(map=ramp, target="melanoma", probability=0.75)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "load_embedder", lambda sha256: FakeEmbedder())
    monkeypatch.setattr(tasks, "load_explainer", lambda sha256: FakeExplainer())


Ask = Callable[[str], ScoringRun]


@pytest.fixture
def ask(model: ModelVersion, image_set_of_five: ImageSet, researcher: User, settings: Any) -> Ask:
    settings.SCORING_CHUNK_SIZE = 2

    def asked(kind: str) -> ScoringRun:
        return jobs.request_run(
            model_version=model, images=image_set_of_five.images.all(), label="Five", requested_by=researcher, kind=kind
        )

    return asked


def work(run: ScoringRun) -> ScoringRun:
    for chunk in run.chunks.order_by("number"):
        tasks.score_chunk(chunk.pk)
    run.refresh_from_db()
    return run


@pytest.mark.usefixtures("fakes")
def test_features_are_stored_once_for_each_image(ask: Ask, images: list[Image], model: ModelVersion) -> None:
    run = work(ask("features"))
    assert (run.state, run.n_images, Score.objects.count()) == ("done", 5, 0)
    rows = {row.image_id: np.frombuffer(bytes(row.values), "<f4") for row in model.features.all()}
    assert len(rows) == 5
    for image in images:
        with image.file.open() as file:
            pixels = np.asarray(PillowImage.open(file), np.float32)
        assert rows[image.pk].tolist() == pytest.approx([*pixels.mean(axis=(0, 1)), 64 * 48 * 3], rel=1e-6)
    again = ask("features")
    assert again.pk != run.pk
    assert (again.state, again.n_present) == ("done", 5)


@pytest.mark.usefixtures("fakes")
def test_kinds_do_not_stand_in_for_one_another(ask: Ask) -> None:
    first, second, third = (ask(kind) for kind in ("features", "saliency", "scores"))
    assert len({first.pk, second.pk, third.pk}) == 3
    assert ask("saliency").pk == second.pk
    work(first)
    assert SaliencyMap.objects.count() == Score.objects.count() == 0
    second.refresh_from_db()
    assert second.state == "queued"


@pytest.mark.usefixtures("fakes")
def test_a_map_is_a_small_grey_png_in_the_pictures_proportions(ask: Ask, model: ModelVersion) -> None:
    """The ramp 0 to 2 over 64 columns: the 99.5th percentile lies between the last two columns, 2 * 62/63 and 2."""
    assert work(ask("saliency")).state == "done"
    rows = list(model.saliency_maps.all())
    assert len(rows) == 5
    for row in rows:
        picture = PillowImage.open(io.BytesIO(bytes(row.png)))
        assert (picture.mode, picture.size) == ("L", (64, 48))
        assert 2 * 62 / 63 < row.brightest <= 2
        levels = np.asarray(picture)
        assert (levels[:, 0].max(), levels[:, -1].min()) == (0, 255)
        assert (np.diff(levels[0].astype(int)) >= 0).all()
        assert (row.target, row.probability) == ("melanoma", 0.75)


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("kind", ["features", "saliency"])
def test_a_picture_that_cannot_be_read_says_why_and_stops_nothing(ask: Ask, images: list[Image], kind: str) -> None:
    Path(images[1].file.path).write_bytes(b"no picture")
    run = work(ask(kind))
    assert run.state == "done"
    (failed,) = jobs.failures(run)
    assert failed.image_id == images[1].pk
    assert failed.error == "The picture's file was changed or damaged after it was stored."
    assert outcomes.present(kind, run.model_version).count() == 4


@pytest.mark.usefixtures("fakes")
def test_the_tables_only_grow(ask: Ask) -> None:
    work(ask("features"))
    work(ask("saliency"))
    for table in (Features, SaliencyMap):
        with pytest.raises(DatabaseError), transaction.atomic():
            table.objects.update(created_at="2020-01-01T00:00Z")
        with pytest.raises(DatabaseError), transaction.atomic():
            table.objects.all().delete()


def test_a_large_map_is_averaged_down_and_zeros_are_black() -> None:
    """600 x 300 px in blocks of 2 x 2 with the values 0, 0, 0, 4: every mean is 1, which is also the white."""
    block = np.array([[0, 0], [0, 4]], np.float32)
    drawn, white = outcomes.drawn_map(np.tile(block, (150, 300)))
    picture = PillowImage.open(io.BytesIO(drawn))
    assert picture.size == (299, 150)
    assert white == pytest.approx(1, abs=0.02)
    black, none = outcomes.drawn_map(np.zeros((5, 7), np.float32))
    assert (np.asarray(PillowImage.open(io.BytesIO(black))).max(), none) == (0, 0)
    with pytest.raises(ScoringError, match="finite"):
        outcomes.drawn_map(np.array([[np.nan]], np.float32))


def test_features_of_differing_length_are_refused(model: ModelVersion) -> None:
    with pytest.raises(ScoringError, match="Image 2: 3 finite features were due"):
        outcomes.feature_rows(model, {1: np.zeros(3, np.float32), 2: np.zeros(4, np.float32)}, "float32")


def test_with_a_real_network(ask: Ask, images: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both doors, through `model_core`: 2,048 features, and a map that is not even, of the most probable class."""
    import torch

    from model_core.embedding import Embedder
    from model_core.network import build_network
    from model_core.saliency import Explainer

    metadata = checkpoint_metadata()
    network = build_network(2, seed=1)
    monkeypatch.setattr(tasks, "load_embedder", lambda sha256: Embedder(network, metadata, device="cpu"))
    monkeypatch.setattr(
        tasks, "load_explainer", lambda sha256: Explainer(network, metadata, device=torch.device("cpu"))
    )
    for kind in ("features", "saliency"):
        tasks.score_chunk(ask(kind).chunks.order_by("number")[0].pk)
    assert Features.objects.count() == SaliencyMap.objects.count() == 2
    for row in Features.objects.all():
        assert np.frombuffer(bytes(row.values), "<f4").shape == (2048,)
    for explained in SaliencyMap.objects.all():
        assert explained.target in ("melanoma", "melanocytic-naevus")
        assert 0.5 <= explained.probability <= 1
        levels = np.asarray(PillowImage.open(io.BytesIO(bytes(explained.png))))
        assert levels.shape == (48, 64)
        assert levels.std() > 1
