"""The nearest known cases: images of another set, the diagnoses of which readers are told.

The only file of this room that looks at a reference standard. Of the known set it takes the diagnoses; of the study's
own images only what joins them to others (lesion, patient, picture), so that no neighbour is one of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray
from PIL import Image as Pillow

from model_core.taxonomy import TaxonomyError
from readerstudy.advice.errors import AdviceError
from readerstudy.images.models import Image, Reference
from readerstudy.images.truth import taxonomy
from readerstudy.scoring.models import ModelVersion
from readerstudy.scoring.scores import DTYPE, batches
from readerstudy.studies.models import Arm, CaseImage, Study, Test

if TYPE_CHECKING:
    from model_core.split.keypoints import Keypoints

SHOWN = 6  # neighbours of a case
MOST_KNOWN = 20_000  # images of a known set: 2,048 half-precision numbers of each stay in memory
# Points in common that prove the same skin, however compressed, cut, turned or lit: as `model_core.split` has it,
# measured there. (The cosine of features does not tell a copy from the nearest stranger.)
SAME_SKIN = 7
ROWS_AT_ONCE = 2_000

Features = NDArray[np.float32]


class Key(NamedTuple):
    """What the known images of an arm depend on. All of it is frozen while the study is open."""

    study: int
    opened_at: datetime | None
    test: int
    model: int
    image_set: int
    set_sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """(n,) images, (n, d) their features at length 1, (n,) the side of the test: 1, 0, or -1 for neither.

    own: (m,) pictures of all cases of the study, (m, d) their features.
    """

    images: NDArray[np.int64]
    features: NDArray[np.float16]
    sides: NDArray[np.int8]
    own: NDArray[np.int64]
    own_features: Features


def nearest(arm: Arm, model: ModelVersion, pictures: Sequence[int], *, side: bool | None) -> list[list[Any]]:
    """[uuid of the image, its diagnosis, cosine] of the known images nearest to any of the case's pictures, in order.

    side: only images of this side of the test; None: any. Raises AdviceError without the features of the case.
    """
    key = _key(arm, model)
    own = unit(features_of(model, pictures))
    if len(own) < len(pictures):
        raise AdviceError(f"“{model}” has no features of a picture of the case.")
    found = _known(key)
    cosine = np.concatenate([block @ own.T for block in _blocks(found.features)] or [np.empty((0, 1))]).max(axis=1)
    if side is not None:
        cosine = np.where(found.sides == int(side), cosine, -np.inf)
    order: list[int] = []
    for index in np.argsort(-cosine, kind="stable").tolist():
        if len(order) == SHOWN or not np.isfinite(cosine[index]):
            break
        if not _is_a_copy(found, index, pictures):
            order.append(index)
    rows = {
        image: (str(uuid), diagnosis)
        for image, uuid, diagnosis in Reference.objects.filter(
            image__in=found.images[order].tolist(), image__image_set=key.image_set
        ).values_list("image", "image__uuid", "diagnosis")
    }
    return [[*rows[int(found.images[index])], round(float(cosine[index]), 4)] for index in order]


def _is_a_copy(found: Known, index: int, pictures: Sequence[int]) -> bool:
    """Whether a known image shows the skin of this case, or of the study's case that is most alike to it."""
    alike = found.own_features @ found.features[index].astype(np.float32)
    compared = sorted({*pictures, *found.own[np.argsort(-alike, kind="stable")[:1]].tolist()})
    image = int(found.images[index])
    rows = Image.objects.filter(pk__in=[image, *compared]).values_list("pk", "sha256")
    stored = {pk: (pk, sha256) for pk, sha256 in rows}
    return any(_is_same_skin(stored[image], stored[picture]) for picture in compared)


Stored = tuple[int, str]  # a picture's id and the SHA-256 of its bytes


@lru_cache(maxsize=20_000)
def _is_same_skin(one: Stored, other: Stored) -> bool:
    from model_core.split.keypoints import common_points  # loading it takes a while

    return common_points(_points(one), _points(other)) >= SAME_SKIN


@lru_cache(maxsize=1_000)  # 15 kB each
def _points(stored: Stored) -> "Keypoints":
    from model_core.split.keypoints import describe

    try:
        with Image.objects.only("file").get(pk=stored[0]).file.open("rb") as file, Pillow.open(file) as picture:
            picture.draft("RGB", (1024, 1024))
            return describe(picture.convert("RGB"))
    except OSError as error:
        raise AdviceError(f"The picture of image {stored[0]} cannot be read: {error}.") from error


def usable(test: Test, arm: Arm) -> dict[int, int]:
    """Image id -> side of the test (1, 0, -1: neither) of the known set's images that none of the study's is joined to.

    Joined: the same picture, lesion or patient, by what their publishers say.
    """
    own_sets = _own_sets(test.study)
    joined = Reference.objects.filter(image__image_set__in=own_sets)
    pixels = set(joined.values_list("image__pixels_sha256", flat=True))
    lesions = set(joined.exclude(lesion_id="").values_list("patient_id", "lesion_id"))
    patients = set(joined.exclude(patient_id="").values_list("patient_id", flat=True))
    positive, negative = _under(test.positive_nodes), _under(test.negative_nodes)
    rows = Reference.objects.filter(image__image_set=arm.neighbours_set_id).order_by("image__pixels_sha256")
    return {
        image: 1 if diagnosis in positive else 0 if diagnosis in negative else -1
        for image, picture, patient, lesion, diagnosis in rows.values_list(
            "image", "image__pixels_sha256", "patient_id", "lesion_id", "diagnosis"
        )
        if picture not in pixels and (patient, lesion) not in lesions and patient not in patients
    }


def features_of(model: ModelVersion, images: Iterable[int]) -> Features:
    """(m, d) of those of the images that the model has features of, in the order given."""
    wanted, rows = list(images), dict[int, Features]()
    for some in batches(wanted):
        found = model.features.filter(image__in=some).values_list("image", "values")
        rows.update((image, np.frombuffer(bytes(values), DTYPE)) for image, values in found)
    return np.array([rows[image] for image in wanted if image in rows], np.float32)


def unit(features: Features) -> Features:
    """Each row at length 1; a row of zeros stays."""
    if not features.size:
        return features.reshape(len(features), -1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _key(arm: Arm, model: ModelVersion) -> Key:
    test = Test.objects.select_related("study").get(pk=arm.test_id)
    known_set = arm.neighbours_set
    if known_set is None:
        raise AdviceError(f"The arm “{arm}” names no image set for its neighbours.")
    return Key(test.study_id, test.study.opened_at, test.pk, model.pk, known_set.pk, known_set.sha256)


@lru_cache(maxsize=2)
def _known(key: Key) -> Known:
    """What an open study's cases have their neighbours among: without what is joined to one of them."""
    test = Test.objects.select_related("study").get(pk=key.test)
    arm = test.arms.filter(neighbours_set=key.image_set).first()
    assert arm is not None
    sides = usable(test, arm)
    model = ModelVersion.objects.get(pk=key.model)
    drawn = sorted(set(CaseImage.objects.filter(case__test__study=key.study).values_list("image", flat=True)))
    own = _having(model, drawn)
    images, kept = [], []
    for some in batches(list(sides)[:MOST_KNOWN]):
        there = _having(model, some)
        images += there
        kept.append(unit(features_of(model, there)).astype(np.float16))
    features = np.concatenate([rows for rows in kept if rows.size] or [np.empty((0, 0), np.float16)])
    side = np.array([sides[image] for image in images], np.int8)
    return Known(np.array(images, np.int64), features, side, np.array(own, np.int64), unit(features_of(model, own)))


def _having(model: ModelVersion, images: Sequence[int]) -> list[int]:
    """Those of the images that the model has features of, in the order given."""
    there: set[int] = set()
    for some in batches(images):
        there.update(model.features.filter(image__in=some).values_list("image", flat=True))
    return [image for image in images if image in there]


def _blocks(features: NDArray[np.float16]) -> Iterator[Features]:
    for start in range(0, len(features), ROWS_AT_ONCE):
        yield features[start : start + ROWS_AT_ONCE].astype(np.float32)


def _own_sets(study: Study) -> set[int]:
    tests = study.tests.values_list("image_set", "practice_set", "attention_set")
    return {image_set for row in tests for image_set in row if image_set is not None}


def _under(nodes: Iterable[str]) -> set[str]:
    try:
        return {below for node in nodes for below in taxonomy().descendants(node)}
    except TaxonomyError as error:
        raise AdviceError(str(error)) from error


def image_of(uuid: str, arm: Arm) -> Image | None:
    """A neighbour's picture: of the arm's known set, and of no other."""
    return Image.objects.filter(Q(uuid=uuid), image_set=arm.neighbours_set_id).only("file").first()
