"""Open studies whose second stage shows advice, and what a model has said of their pictures."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Item, Reading, SessionEvent
from readerstudy.scoring import outcomes
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.studies.models import Arm, CaseImage, Test
from tests.builders import accepted_reader, image_set, model_version
from tests.readings.designed import designed, second_stage

Kind = ScoringRun.Kind
NAEVUS, MELANOMA = "melanocytic-naevus", "melanoma"


def advised(user: User, advice: str, *, wrong: int = 0, cases: int = 4, known: bool = True, **columns: Any) -> Test:
    """Cases read at two stages, the second with advice of a registered model that has looked at everything.

    Its P(melanoma) of the n-th case, by number, is `certainty(n)`. Neighbours come from a set of eight of each class.
    """
    test = designed(user, diagnoses=cases, **columns)
    second_stage(test, shows_advice=True, shows_facts=False)
    model = model_version(user)
    others = image_set(user, diagnoses=[MELANOMA, NAEVUS] * 8) if advice == "neighbours" and known else None
    Arm.objects.create(
        test=test, title="advised", advice=advice, model_sha256=model.sha256, wrong_per_cent=wrong,
        neighbours_set=others,
    )  # fmt: skip
    look(model, pictures_of(test), others)
    return test


def certainty(n: int) -> float:
    """0.9, 0.2, 0.75, 0.35, 0.9, ..."""
    return (0.9, 0.2, 0.75, 0.35)[(n - 1) % 4]


def pictures_of(test: Test) -> list[int]:
    """The ids of the cases' pictures, by the number of their case."""
    shown = CaseImage.objects.filter(case__test=test).order_by("case__number", "position")
    return list(shown.values_list("image", flat=True))


def look(model: ModelVersion, pictures: Sequence[int], known: ImageSet | None = None) -> None:
    """What a worker would have made of the pictures: scores, features, maps; of the known set the features."""
    sure = {image: certainty(n) for n, image in enumerate(pictures, start=1)}
    rows = {image: np.array([p, 1 - p], np.float32) for image, p in sure.items()}
    outcomes.store(Kind.SCORES, outcomes.score_rows(model, rows, "float32"))
    outcomes.store(Kind.FEATURES, outcomes.feature_rows(model, {i: direction(p) for i, p in sure.items()}, "float32"))
    if known is not None:
        images = known.images.order_by("pk").values_list("pk", flat=True)
        spread = {image: direction(0.04 + 0.06 * n, off=0.3) for n, image in enumerate(images)}
        outcomes.store(Kind.FEATURES, outcomes.feature_rows(model, spread, "float32"))
    maps = {image: SimpleNamespace(map=ramp(), target=MELANOMA, probability=p) for image, p in sure.items()}
    outcomes.store(Kind.SALIENCY, outcomes.saliency_rows(model, maps))


def direction(share: float, *, off: float = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Features at an angle of so much of 90 degrees: the nearer the share, the larger the cosine.

    off: out of that plane, so that no cosine with what lies in it is near 1.
    """
    return np.array([np.cos(share * np.pi / 2), np.sin(share * np.pi / 2), off], np.float32)


def ramp() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.tile(np.linspace(0, 2, 64, dtype=np.float32), (48, 1))


def reading_of(test: Test, **of_reader: Any) -> Reading:
    reader = accepted_reader(test.study, **of_reader)
    assert reader.user is not None
    return ensure_readings(reader.user)[0]


def ask(client: Client, item: Item, number: int | None = None) -> HttpResponse:
    """For the advice on an item, or for a picture of it."""
    if number is None:
        return client.get(reverse("read-advice", args=[item.reading.uuid, item.uuid]))
    return client.get(reverse("read-advice-picture", args=[item.reading.uuid, item.uuid, number]))


def refusals(reading: Reading) -> list[tuple[int | None, str]]:
    """(position of the item, code) of each recorded refusal."""
    rows = reading.events.filter(kind=SessionEvent.Kind.ADVICE_REFUSED)
    return [(event.item.position if event.item else None, event.detail["code"]) for event in rows]


def shown_events(reading: Reading) -> list[SessionEvent]:
    return list(reading.events.filter(kind=SessionEvent.Kind.ADVICE_SHOWN))


def truths(images: Iterable[str]) -> list[str]:
    """The diagnoses of images by their uuids, in order."""
    found = dict(Image.objects.filter(uuid__in=list(images)).values_list("uuid", "reference__diagnosis"))
    return [found[key] for image in images for key in found if str(key) == image]
