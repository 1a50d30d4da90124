"""Rows for tests, made the short way; what a test is about goes through the rooms' own functions instead."""

import hashlib
import io
import itertools

import numpy as np
from django.core.files.base import ContentFile
from PIL import Image as PillowImage

from model_core.taxonomy import Taxonomy
from readerstudy.accounts.models import User
from readerstudy.images.models import Confirmation, Image, ImageSet, Modality, Reference

_serial = itertools.count(1)


def png(seed: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A small picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def image_set(
    user: User, *, diagnoses: list[str], name: str = "", modality: str = Modality.CLINICAL, notice: str = ""
) -> ImageSet:
    """An image set with one image for each diagnosis given, each of its own lesion and patient."""
    serial = next(_serial)
    made = ImageSet.objects.create(
        name=name or f"set {serial}", sha256=hashlib.sha256(f"set {serial}".encode()).hexdigest(), notice=notice,
        taxonomy_sha256=Taxonomy.default().sha256, n_images=len(diagnoses), created_by=user,
    )  # fmt: skip
    for number, diagnosis in enumerate(diagnoses):
        content = png(serial * 100_000 + number)
        digest = hashlib.sha256(content).hexdigest()
        image = Image(image_set=made, sha256=digest, media_type="image/png", width=64, height=48, modality=modality)
        image.file.save("picture.png", ContentFile(content), save=False)
        image.save()
        Reference.objects.create(
            image=image, diagnosis=diagnosis, confirmation=Confirmation.HISTOPATHOLOGY,
            original_name=f"{diagnosis}_{number}.png", source_sha256=digest,
            lesion_id=f"lesion-{serial}-{number}", patient_id=f"patient-{serial}-{number}",
        )  # fmt: skip
    return made
