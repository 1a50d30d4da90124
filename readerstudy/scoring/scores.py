"""What a model has said of which images, and which of them it had seen before."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import cast

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from model_core.checkpoint import group_digest
from readerstudy.images.models import Image, Reference
from readerstudy.scoring.models import ModelVersion

DTYPE = np.dtype("<f4")  # of Score.probabilities
MANY_AT_ONCE = 20_000  # ids of one statement where no other value is in it
_GROUPS = ("files", "pixels", "lesions", "patients")  # of digests, in a checkpoint's training description


def image_ids(images: QuerySet[Image] | Iterable[int]) -> list[int]:
    """Ids, sorted, each once."""
    if isinstance(images, QuerySet) and images.model is Image:
        images = images.values_list("pk", flat=True)
    return sorted(set(cast(Iterable[int], images)))


def batches(items: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    """Pieces that stay below a database's limit on the values of one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def scores_of(model_version: ModelVersion, images: QuerySet[Image] | Iterable[int]) -> dict[int, NDArray[np.float32]]:
    """image id -> (k,) float32 training-class probabilities, of those images that the model has scored."""
    found: dict[int, NDArray[np.float32]] = {}
    for some in batches(image_ids(images)):
        rows = model_version.scores.filter(image_id__in=some).values_list("image_id", "probabilities")
        found.update((image_id, np.frombuffer(bytes(data), DTYPE)) for image_id, data in rows)
    return found


def coverage(model_version: ModelVersion, images: QuerySet[Image] | Iterable[int]) -> tuple[int, int]:
    """(how many of the images the model has scored, how many they are)."""
    asked = image_ids(images)
    found = (model_version.scores.filter(image_id__in=some).count() for some in batches(asked, MANY_AT_ONCE))
    return sum(found), len(asked)


def can_check_leaks(model_version: ModelVersion) -> bool:
    """Whether the checkpoint says what it was trained on."""
    groups = model_version.metadata["training"].get("groups") or {}
    return any(groups.get(kind) for kind in _GROUPS)


def leaks(model_version: ModelVersion, images: QuerySet[Image] | Iterable[int]) -> list[int]:
    """The ids, sorted, of the images whose lesion, patient or picture the model was fitted on.

    A checkpoint carries SHA-256 digests of what it was trained on (`model_core.dataset.leak_digests`): a picture is
    known again by the uploaded bytes or by its pixels, lesion and patient by the ids that their publishers gave them.
    A checkpoint without digests (see `can_check_leaks`) finds nothing.
    """
    groups = model_version.metadata["training"].get("groups") or {}
    files, pixels, lesions, patients = (frozenset(groups.get(kind, ())) for kind in _GROUPS)
    if not (files or pixels or lesions or patients):
        return []
    patient_seen = cache(lambda patient: bool(patients) and group_digest("patient", patient) in patients)
    found: list[int] = []
    for some in batches(image_ids(images), MANY_AT_ONCE):
        rows = Reference.objects.filter(image_id__in=some).order_by("image_id")
        columns = ("image_id", "source_sha256", "image__pixels_sha256", "lesion_id", "patient_id")
        found += [
            image
            for image, source, picture, lesion, patient in rows.values_list(*columns).iterator(chunk_size=MANY_AT_ONCE)
            if source in files
            or picture in pixels
            or (lesion and lesions and not lesions.isdisjoint(_lesion_digests(lesion, patient)))
            or (patient and patient_seen(patient))
        ]
    return found


def _lesion_digests(lesion: str, patient: str) -> tuple[str, str]:
    """A checkpoint knows a lesion by "patient/lesion" where it knew the patient, because some publishers number
    lesions within a patient; else by its id alone."""
    return group_digest("lesion", lesion), group_digest("lesion", f"{patient}/{lesion}")
