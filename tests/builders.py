"""Rows for tests, made the short way; what a test is about goes through the rooms' own functions instead."""

import hashlib
import io
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from PIL import Image as PillowImage

from model_core.checkpoint import CheckpointMetadata
from model_core.taxonomy import Taxonomy
from model_core.transforms import Preprocessing
from readerstudy.accounts.models import User
from readerstudy.images.models import Confirmation, Image, ImageSet, Modality, Reference
from readerstudy.readers import invitations
from readerstudy.readers.models import Profile, Reader
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies import presets, protocol
from readerstudy.studies.models import AnalysisPlan, Choice, Question, Stage, Study, Test

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
        image = Image(
            image_set=made, sha256=digest, pixels_sha256=digest, media_type="image/png", width=64, height=48,
            modality=modality,
        )  # fmt: skip
        image.file.save("picture.png", ContentFile(content), save=False)
        image.save()
        Reference.objects.create(
            image=image, diagnosis=diagnosis, confirmation=Confirmation.HISTOPATHOLOGY,
            original_name=f"{diagnosis}_{number}.png", source_sha256=digest,
            lesion_id=f"lesion-{serial}-{number}", patient_id=f"patient-{serial}-{number}",
        )  # fmt: skip
    return made


def checkpoint_metadata(
    *nodes: str, groups: dict[str, list[str]] | None = None, card: str = "Made for a test."
) -> CheckpointMetadata:
    """What a checkpoint with a training class for each node (melanoma and naevus, unless given) says of itself."""
    taxonomy = Taxonomy.default()
    training: dict[str, Any] = {"card": card}
    return CheckpointMetadata(
        architecture="inception_v3", network={"pool_excludes_padding": False, "auxiliary_head": False},
        classes=tuple(taxonomy.whole_class(node, 10) for node in nodes or ("melanoma", "melanocytic-naevus")),
        taxonomy_sha256=taxonomy.sha256, taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing=Preprocessing().to_json(), training=training | ({"groups": groups} if groups else {}),
    )  # fmt: skip


def model_version(user: User, *nodes: str, name: str = "", groups: dict[str, list[str]] | None = None) -> ModelVersion:
    """A registered model, of whose weights only a few bytes exist: enough where none is loaded."""
    serial = next(_serial)
    content = f"weights {serial}".encode()
    version = ModelVersion(
        name=name or f"model {serial}", sha256=hashlib.sha256(content).hexdigest(), created_by=user,
        metadata=checkpoint_metadata(*nodes, groups=groups).to_json(),
    )  # fmt: skip
    version.file.save("weights.safetensors", ContentFile(content), save=False)
    version.save()
    return version


def draft_study(
    user: User,
    *,
    image_sets: Sequence[ImageSet] = (),
    diagnoses: Sequence[str] = ("melanoma",) * 3 + ("melanocytic-naevus",) * 4,
    positive: Sequence[str] = ("melanoma",),
    negative: Sequence[str] = ("melanocytic-naevus",),
    sample_size: int | None = None,
    sample_positives: int | None = None,
    title: str = "Melanoma against naevus",
    seed: int = 2017,
    plan: dict[str, Any] | None = None,
) -> Study:
    """A study that can be opened, with one test for each image set; without sets, one of `diagnoses` is made.

    `plan`: what its analysis plan says other than the preset's.
    """
    study = Study.objects.create(
        title=title, description="Which lesions would you biopsy?", contact="Dr. Example, study@example.org",
        consent_text="I agree to take part.", seed=seed, created_by=user,
    )  # fmt: skip
    AnalysisPlan.objects.create(study=study, **presets.PLAN | (plan or {}))
    for position, images in enumerate(image_sets or [image_set(user, diagnoses=list(diagnoses))], start=1):
        test = Test.objects.create(
            study=study, position=position, title=f"Test {position}", image_set=images, positive_nodes=list(positive),
            negative_nodes=list(negative), sample_size=sample_size, sample_positives=sample_positives,
        )  # fmt: skip
        add_question(test)
    return study


def add_question(
    test: Test,
    *,
    text: str = "What would you do?",
    answers: Sequence[str] = ("Biopsy or treat", "Reassure the patient"),
    stage: Stage | None = None,
    **columns: Any,
) -> Question:
    """A decision of two, the first answer positive, after the test's last question, at its first stage unless given."""
    stage = stage or test.stages.first() or Stage.objects.create(test=test)
    made = Question.objects.create(
        test=test, stage=stage, position=test.questions.count() + 1, text=text, **columns
    )  # fmt: skip
    for position, label in enumerate(answers, start=1):
        Choice.objects.create(question=made, position=position, label=label, is_positive=position == 1)
    return made


def open_study(user: User, **as_for_a_draft: Any) -> Study:
    """`draft_study`, opened by the room's own function: its cases are drawn."""
    study = draft_study(user, **as_for_a_draft)
    protocol.open_study(study, actor=user)
    return study


def accepted_reader(study: Study, *, email: str = "", tests: Sequence[Test] | None = None) -> Reader:
    """A reader who was invited to the tests (all of the study, unless given) and has joined; `.user` is the person."""
    reader, token = invitations.invite(
        study=study, email=email or f"reader{next(_serial)}@example.org",
        tests=study.tests.all() if tests is None else tests, actor=study.created_by,
    )  # fmt: skip
    invitations.accept(
        invitations.find(token),
        profile={"specialty": Profile.Specialty.DERMATOLOGY, "board_certified": True, "years_of_practice": 12},
        text_sha256=protocol.text_sha256(study.consent_text),
    )
    reader.refresh_from_db()
    return reader
