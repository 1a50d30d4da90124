"""What a model has said of which images, and which of them it had seen before."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from model_core.checkpoint import group_digest
from readerstudy.images.models import Image, Reference
from readerstudy.scoring.models import ModelVersion

DTYPE = np.dtype("<f4")  # of Score.probabilities
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
    return sum(model_version.scores.filter(image_id__in=some).count() for some in batches(asked)), len(asked)


def can_check_leaks(model_version: ModelVersion) -> bool:
    """Whether the checkpoint says what it was trained on."""
    groups = model_version.metadata["training"].get("groups") or {}
    return any(groups.get(kind) for kind in _GROUPS)


def leaks(model_version: ModelVersion, images: QuerySet[Image] | Iterable[int]) -> list[Image]:
    """The images whose lesion, patient or picture the model was fitted on, by id.

    A checkpoint carries SHA-256 digests of what it was trained on (`model_core.dataset.leak_digests`): a picture is
    known again by the uploaded bytes or by its pixels, lesion and patient by the ids that their publishers gave them.
    A checkpoint without digests (see `can_check_leaks`) finds nothing.
    """
    groups = model_version.checkpoint.training.get("groups") or {}
    files, pixels, lesions, patients = (set(groups.get(kind, ())) for kind in _GROUPS)

    def seen(reference: Reference) -> bool:
        return (
            reference.source_sha256 in files
            or reference.image.pixels_sha256 in pixels
            or not lesions.isdisjoint(_lesion_digests(reference))
            or bool(reference.patient_id and group_digest("patient", reference.patient_id) in patients)
        )

    found: list[Image] = []
    for some in batches(image_ids(images)):
        references = Reference.objects.filter(image_id__in=some).select_related("image").order_by("image_id")
        found.extend(reference.image for reference in references if seen(reference))
    return found


def _lesion_digests(reference: Reference) -> set[str]:
    """A checkpoint knows a lesion by "patient/lesion" where it knew the patient, because some publishers number
    lesions within a patient; else by its id alone."""
    if not reference.lesion_id:
        return set()
    names = {reference.lesion_id, f"{reference.patient_id}/{reference.lesion_id}"}
    return {group_digest("lesion", name) for name in names}
