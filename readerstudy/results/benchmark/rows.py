"""The drawn study as rows of a database, as the rooms themselves would have left them: for a private database only."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
from django.db.models import Model
from django.utils import timezone

from model_core.taxonomy import Taxonomy
from readerstudy.accounts.models import User
from readerstudy.images.models import Confirmation, Image, ImageSet, Modality, Reference
from readerstudy.readers.models import Profile, Reader
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.results.arrays import Ints
from readerstudy.results.benchmark.drawn import BEGIN, PREVALENCE, SITES, Size, decisions, scores
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import StageDraft, decision
from readerstudy.studies.models import Case, CaseImage, Study, Test

AT_ONCE = 10_000
DIAGNOSES = {0: ("melanocytic-naevus", "seborrhoeic-keratosis"), 1: ("melanoma", "basal-cell-carcinoma")}
SPECIALTIES = (Profile.Specialty.DERMATOLOGY, Profile.Specialty.GENERAL_PRACTICE, Profile.Specialty.OTHER)
CONSENT = "Nobody reads in this study: it is drawn by a program."


def make_study(size: Size, *, seed: int, say: Callable[[str], None]) -> tuple[Study, ModelVersion]:
    """An unblinded study of this size and the model that scored its full set. ``say`` is told what is being made."""
    rng = np.random.default_rng(seed)
    user = User.objects.create_user("benchmark@example.org", uuid.uuid4().hex, is_administrator=True)
    truth = (np.arange(size.images) < PREVALENCE * size.images).astype(np.int64)
    say(f"{size.images:,} images")
    images = _images(user, truth, rng)
    study = _opened(user, images, size)
    test = study.tests.get()
    say(f"{size.images:,} scores")
    version = _scored(user, test, truth, rng)
    say(f"{size.readers:,} readers, {size.readers * size.cases:,} answers")
    _read(study, test, size, rng)
    protocol.close_study(study, actor=user)
    protocol.unblind_study(study, actor=user)
    return study, version


def _images(user: User, truth: Ints, rng: np.random.Generator) -> ImageSet:
    made = ImageSet.objects.create(
        name="Drawn for a benchmark", sha256=hashlib.sha256(truth.tobytes()).hexdigest(),
        taxonomy_sha256=Taxonomy.default().sha256, n_images=truth.size, notice="Drawn by a program", created_by=user,
    )  # fmt: skip
    digests = [hashlib.sha256(f"picture {i}".encode()).hexdigest() for i in range(truth.size)]
    chosen = rng.integers(0, 60, truth.size).tolist()
    _store(Image, (
        Image(
            pk=i + 1, image_set=made, file=f"images/{digest[:2]}/{digest}.png", sha256=digest, pixels_sha256=digest,
            media_type="image/png", width=600, height=450, modality=Modality.values[k % 2], age=20 + k,
            sex=("female", "male")[k % 2], site=SITES[k % 5] or "", skin_type=1 + k % 6,
        )
        for i, (digest, k) in enumerate(zip(digests, chosen, strict=True))
    ))  # fmt: skip
    _store(Reference, (
        Reference(
            image_id=i + 1, diagnosis=DIAGNOSES[positive][k % 2], confirmation=Confirmation.HISTOPATHOLOGY,
            original_name=f"{i}.png", source_sha256=digest, lesion_id=f"lesion {i}", patient_id=f"patient {i // 2}",
        )
        for i, (digest, k, positive) in enumerate(zip(digests, chosen, truth.tolist(), strict=True))
    ))  # fmt: skip
    return made


def _opened(user: User, images: ImageSet, size: Size) -> Study:
    study = drafting.create_study(title="Drawn for a benchmark", actor=user)
    values = {"description": CONSENT, "contact": "nobody@example.org", "consent_text": CONSENT, "seed": 2017}
    drafting.update_study(study, values=values, actor=user)
    test = Test(
        study=study, title="A drawn test", image_set=images, positive_nodes=list(DIAGNOSES[1]),
        negative_nodes=list(DIAGNOSES[0]), sample_size=size.cases,
    )  # fmt: skip
    asked = StageDraft(questions=(decision("Biopsy or reassure?", (("Biopsy", True), ("Reassure", False))),))
    drafting.save_test(test, stages=[asked], actor=user, from_preset=True)
    study.refresh_from_db()
    protocol.open_study(study, actor=user)
    return study


def _scored(user: User, test: Test, truth: Ints, rng: np.random.Generator) -> ModelVersion:
    """A model of one class a diagnosis, whose checkpoint names 20,000 pictures, lesions and patients: none of these."""
    taxonomy = Taxonomy.default()
    seen = {
        kind: [hashlib.sha256(f"{kind} seen {i}".encode()).hexdigest() for i in range(20_000)]
        for kind in ("files", "pixels", "lesions", "patients")
    }
    classes = [taxonomy.whole_class(node) for node in (*DIAGNOSES[1], *DIAGNOSES[0])]
    version = ModelVersion.objects.create(
        name="Drawn scores", sha256=hashlib.sha256(b"drawn scores").hexdigest(), created_by=user, file="models/none",
        metadata={
            "format_version": 1, "architecture": "inception_v3", "network": {}, "preprocessing": {}, "created": "",
            "classes": [c.to_json() for c in classes], "taxonomy_sha256": taxonomy.sha256,
            "taxonomy_nodes": [list(node) for node in taxonomy.to_json()], "training": {"card": "", "groups": seen},
        },
    )  # fmt: skip
    shares = scores(truth, rng)[:, np.newaxis]
    rows = (np.concatenate([shares, shares, 1 - shares, 1 - shares], axis=1) / 2).astype("<f4")
    _store(Score, (
        Score(image_id=i + 1, model_version=version, probabilities=row.tobytes()) for i, row in enumerate(rows)
    ))  # fmt: skip
    return version


def _read(study: Study, test: Test, size: Size, rng: np.random.Generator) -> None:
    cases = list(Case.objects.filter(test=test).order_by("number").values_list("pk", flat=True))
    malignant = CaseImage.objects.filter(case__test=test, image__reference__diagnosis__in=DIAGNOSES[1])
    positive = set(malignant.values_list("case_id", flat=True))
    said = decisions(np.array([case in positive for case in cases], dtype=np.int64), size.readers, rng)
    order = np.argsort(rng.random((size.readers, size.cases)), axis=1)
    numbers = range(1, size.readers + 1)
    _store(Reader, (Reader(pk=r, study=study, code=f"R{r:04d}", email=f"r{r}@example.org") for r in numbers))
    _store(Reader.tests.through, (Reader.tests.through(reader_id=r, test_id=test.pk) for r in numbers))
    _store(Profile, (
        Profile(reader_id=r, specialty=SPECIALTIES[r % 3], board_certified=r % 2 == 0, years_of_practice=r % 40)
        for r in numbers
    ))  # fmt: skip
    now = timezone.now()
    _store(Reading, (Reading(pk=r, reader_id=r, test=test, seed=f"drawn {r}", finished_at=now) for r in numbers))
    _store(Item, (
        Item(pk=(r - 1) * size.cases + position + 1, reading_id=r, position=position + 1, case_id=cases[case])
        for r in numbers
        for position, case in enumerate(order[r - 1].tolist())
    ))  # fmt: skip
    _store(Submission, _submissions(test, order, rng))
    _store(Answer, _answers(test, said, order))


def _submission(item: int) -> uuid.UUID:
    return uuid.UUID(int=item)


def _submissions(test: Test, order: Ints, rng: np.random.Generator) -> Iterator[Submission]:
    stage = test.stages.get()
    item = 0
    for cases in order:
        took = rng.gamma(4, 2, len(cases)).tolist()
        for position in range(len(cases)):
            item += 1
            shown = BEGIN + timedelta(seconds=10 * position)
            yield Submission(
                id=_submission(item), item_id=item, stage=stage, completes=True, shown_at=shown,
                answered_at=shown + timedelta(seconds=took[position]),
            )  # fmt: skip


def _answers(test: Test, said: Any, order: Ints) -> Iterator[Answer]:
    question = test.questions.get()
    choices = {choice.is_positive: choice.pk for choice in question.choices.all()}
    item = 0
    for decided, cases in zip(said, order.tolist(), strict=True):
        for case in cases:
            item += 1
            yield Answer(
                submission_id=_submission(item), question_id=question.pk, choice_id=choices[bool(decided[case])]
            )


def _store(model: type[Model], rows: Iterator[Any]) -> None:
    """As many rows at once as fit, so that a million of them are never all in memory."""
    while some := [row for _n, row in zip(range(AT_ONCE), rows, strict=False)]:
        model._default_manager.bulk_create(some, batch_size=AT_ONCE)
