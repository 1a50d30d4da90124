"""What a worker has made of the cases' pictures beside their scores: features, saliency maps; and the pictures."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from readerstudy.images.models import Image
from readerstudy.results.arrays import CaseTable
from readerstudy.scoring.models import ModelVersion
from readerstudy.scoring.scores import DTYPE, batches

THUMBNAIL = 184  # px of an inset's side: twice what it has in the figure


@dataclass(frozen=True, slots=True)
class MapRow:
    """A case's saliency map: a grey PNG, the training class that it explains, and the model's probability of it."""

    target: str
    probability: float
    png: bytes
    brightest: float


def shown_images(cases: CaseTable) -> list[int]:
    """The ids of the cases' first pictures, in the cases' order."""
    first: dict[int, int] = {}
    for case, image in zip(cases.picture_case.tolist(), cases.picture_image.tolist(), strict=True):
        first.setdefault(case, image)
    return [first[case] for case in range(cases.n)]


def features_of(model_version: ModelVersion, cases: CaseTable) -> NDArray[np.float32]:
    """(n, d) of the cases' first pictures, a row of NaN where the model has none; (n, 0) where it has none at all."""
    images = shown_images(cases)
    known: dict[int, NDArray[np.float32]] = {}
    for some in batches(images):
        rows = model_version.features.filter(image_id__in=some).values_list("image_id", "values")
        known.update((image, np.frombuffer(bytes(values), DTYPE)) for image, values in rows)
    length = max((len(values) for values in known.values()), default=0)
    nothing = np.full(length, np.nan, np.float32)
    return np.array([known.get(image, nothing) for image in images], np.float32).reshape(len(images), length)


def maps_of(model_version: ModelVersion, cases: CaseTable) -> dict[int, MapRow]:
    """Index of the case -> the map of its first picture, of those that have one."""
    index = {image: i for i, image in enumerate(shown_images(cases))}
    found: dict[int, MapRow] = {}
    for some in batches(list(index)):
        rows = model_version.saliency_maps.filter(image_id__in=some)
        for image, target, probability, png, brightest in rows.values_list(
            "image_id", "target", "probability", "png", "brightest"
        ):
            found[index[image]] = MapRow(target, probability, bytes(png), brightest)
    return dict(sorted(found.items()))


def pictures_of(cases: CaseTable, wanted: list[int]) -> dict[int, str]:
    """Index of the case -> its first picture's square middle as a data URI, small. Unreadable ones are left out."""
    images = shown_images(cases)
    files = {image.pk: image.file for image in Image.objects.filter(pk__in=[images[i] for i in wanted]).only("file")}
    found = {}
    for i in wanted:
        try:
            with files[images[i]].open("rb") as file:
                found[i] = inset(file.read())
        except OSError:
            continue
    return found


def inset(content: bytes) -> str:
    """The square middle of a picture as a small JPEG in a data URI."""
    buffer = io.BytesIO()
    _middle(content, "RGB").save(buffer, "JPEG", quality=85)
    return data_uri(buffer.getvalue(), "image/jpeg")


def square(png: bytes) -> str:
    """The square middle of a map, as `inset` cuts its picture, as a data URI."""
    buffer = io.BytesIO()
    _middle(png, "L").save(buffer, "PNG")
    return data_uri(buffer.getvalue(), "image/png")


def _middle(content: bytes, mode: str) -> Picture.Image:
    with Picture.open(io.BytesIO(content)) as picture:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        cut = picture.convert(mode).crop((left, top, left + side, top + side))
    return cut.resize((THUMBNAIL, THUMBNAIL))


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
