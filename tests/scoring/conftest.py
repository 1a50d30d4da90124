"""A model, five images and a run over them in chunks of two."""

from typing import Any

import pytest

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet
from readerstudy.scoring import jobs
from readerstudy.scoring.models import Chunk, ModelVersion, ScoringRun
from tests.builders import image_set, model_version


@pytest.fixture
def model(researcher: User) -> ModelVersion:
    return model_version(researcher, name="Inception v3, two classes")


@pytest.fixture
def image_set_of_five(administrator: User) -> ImageSet:
    # So that an image's id is no other row's id: confusing them must not pass.
    image_set(administrator, diagnoses=["melanoma"] * 7).images.all().delete()
    return image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 2 + ["melanoma"])


@pytest.fixture
def images(image_set_of_five: ImageSet) -> list[Image]:
    return list(image_set_of_five.images.order_by("pk"))


@pytest.fixture
def run(model: ModelVersion, image_set_of_five: ImageSet, researcher: User, settings: Any) -> ScoringRun:
    settings.SCORING_CHUNK_SIZE = 2
    return jobs.request_run(
        model_version=model, images=image_set_of_five.images.all(), label="Five images", requested_by=researcher
    )


@pytest.fixture
def chunks(run: ScoringRun) -> list[Chunk]:
    return list(run.chunks.order_by("number"))
