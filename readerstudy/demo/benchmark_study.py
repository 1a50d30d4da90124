"""The study that `benchmark_reading` measures: drawn pictures of a photograph's size, one question, two readers."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.test import Client
from PIL import Image as PillowImage

from readerstudy.accounts.models import User
from readerstudy.demo import drawing
from readerstudy.demo.plan import CHOICES, CONSENT, DESCRIPTION, DRAWN_NOTICE, QUESTION, SEED
from readerstudy.images.models import ImageSet
from readerstudy.images.upload import import_archive
from readerstudy.readers import invitations
from readerstudy.readers.consent import consent_sha256
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Reading
from readerstudy.studies import drafting, presets, protocol
from readerstudy.studies.drafts import StageDraft, decision
from readerstudy.studies.models import AnalysisPlan, Study, Test

DIAGNOSES = {True: "melanoma", False: "melanocytic-naevus"}


def build(folder: Path, *, n_cases: int, width: int, progress: Callable[[int, int], None]) -> tuple[Reading, Reading]:
    """An open study of so many pictures, `width` pixels wide, and the readings of its two readers."""
    administrator = User.objects.create_user("benchmark@demo.example", None, is_administrator=True)
    pictures = _pictures(folder, n_cases, width, administrator, progress)
    with transaction.atomic():
        study = Study.objects.create(
            title="Benchmark", description=DESCRIPTION, consent_text=CONSENT, seed=SEED,
            contact="benchmark@demo.example", created_by=administrator,
        )  # fmt: skip
        AnalysisPlan.objects.create(study=study, **presets.PLAN)
        test = Test(
            study=study, title="Melanoma or nevus", image_set=pictures, positive_nodes=[DIAGNOSES[True]],
            negative_nodes=[DIAGNOSES[False]],
        )  # fmt: skip
        drafting.save_test(test, stages=[StageDraft([decision(QUESTION, CHOICES)])], actor=administrator)
    protocol.open_study(study, actor=administrator)
    study.refresh_from_db()
    first, second = (_reading(study, name, administrator) for name in ("one", "two"))
    return first, second


def _pictures(
    folder: Path, n_cases: int, width: int, administrator: User, progress: Callable[[int, int], None]
) -> ImageSet:
    archive, manifest = folder / "pictures.zip", folder / "pictures.csv"
    lines = ["file,diagnosis,confirmation,modality,lesion_id"]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as zipped:
        for number in range(n_cases):
            malignant = number % 3 == 0
            name = f"{number:04d}.jpg"
            zipped.writestr(name, _picture(number, malignant, width))
            lines.append(f"{name},{DIAGNOSES[malignant]},synthetic,clinical,{number}")
            progress(number + 1, n_cases)
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return import_archive(
        archive=archive, manifest=manifest, name="Benchmark", notice=DRAWN_NOTICE, created_by=administrator
    )


def _picture(number: int, malignant: bool, width: int) -> bytes:
    """A JPEG of 4:3, with a camera's grain, so that its size in bytes is a photograph's."""
    drawn = drawing.draw(drawing.Look.PIGMENTED, malignant=malignant, seed=SEED + number)
    enlarged = np.asarray(drawn.resize((width, width * 3 // 4), PillowImage.Resampling.BICUBIC), np.float32)
    grain = np.random.default_rng(number).normal(0, 4, enlarged.shape).astype(np.float32)
    content = BytesIO()
    PillowImage.fromarray(np.clip(enlarged + grain, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def _reading(study: Study, name: str, administrator: User) -> Reading:
    reader, token = invitations.invite(
        study=study, email=f"{name}@demo.example", tests=list(study.tests.all()), actor=administrator
    )
    profile = {"specialty": "dermatology", "board_certified": True, "years_of_practice": 10}
    invitation = invitations.find(token)
    user = invitations.accept(invitation, profile=profile, text_sha256=consent_sha256(study))
    ensure_readings(user)
    return Reading.objects.select_related("reader__user").get(reader=reader)


def cookie_of(reading: Reading) -> tuple[str, str]:
    """The session's cookie of this reader, signed in."""
    client = Client()
    assert reading.reader.user is not None
    client.force_login(reading.reader.user)
    name = settings.SESSION_COOKIE_NAME
    return name, client.cookies[name].value
