"""Fill in the demonstration study, step by step. Each step looks whether it was done: running it again resumes.

Everything goes through the functions that the pages use; only the readers' decisions are simulated.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.test.utils import override_settings

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.demo import advised, material, simulation
from readerstudy.demo.plan import (
    CHOICES,
    CONSENT,
    DESCRIPTION,
    MODEL_NAME,
    QUESTION,
    SEED,
    STUDY_TITLE,
    PlannedTest,
)
from readerstudy.demo.readers import simulated_reader, truth_of
from readerstudy.images.models import Image, ImageSet
from readerstudy.images.upload import import_archive
from readerstudy.readers import invitations
from readerstudy.readers.models import Reader
from readerstudy.readings.answering import Given
from readerstudy.readings.models import Reading
from readerstudy.readings.recording import Sent, record
from readerstudy.scoring import jobs
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.studies import drafting, presets, protocol
from readerstudy.studies.drafts import StageDraft, decision
from readerstudy.studies.models import AnalysisPlan, Study, Test


class DemoError(Exception):
    """The demonstration cannot be filled in; the message says why and what to do."""


class Bar(Protocol):
    """What a progress bar must do (tqdm does)."""

    def __call__(
        self, description: str, total: int | None = None
    ) -> AbstractContextManager[Callable[[int, int], None]]: ...


@dataclass
class Notes:
    """What the demonstration remembers between runs: passwords, the invited reader's link (in VAR, owner-readable)."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Notes":
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def keep(self, **values: Any) -> None:
        self.values |= values
        part = self.path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(self.values, indent=1))
        part.replace(self.path)


@dataclass(frozen=True)
class Demonstration:
    study: Study
    model: ModelVersion
    notes: Notes


def populate(*, images: Path | None, weights: Path | None, bar: Bar, alive: Callable[[], None]) -> Demonstration:
    """Do every step that is not done yet. `alive` raises when a service has ended."""
    folder = settings.VAR / "demo"
    folder.mkdir(exist_ok=True)
    notes = Notes.read(folder / "notes.json")
    made_from = [material.fingerprint(images), str(weights.resolve()) if weights else ""]
    if notes.values.setdefault("made_from", made_from) != made_from:
        raise DemoError(
            f"{settings.VAR} holds a demonstration made from other images or weights. Delete that folder for a new "
            "one, or set READERSTUDY_VAR to another folder."
        )
    administrator, researcher = _people(notes)
    with bar("Pictures" if images else "Drawing the pictures") as progress:
        given = material.given(images, folder) if images else material.drawn(folder, progress)
    sets = {test.key: _image_set(test, given, administrator, bar) for test in given.tests}
    model = _model(given, weights, folder, researcher, bar)
    study = _study(given.tests, sets, administrator)
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"):
        _simulated_readers(study, given.tests, administrator, bar)
    _invited_reader(study, administrator, notes)
    _scores(study, model, researcher, bar, alive)
    _interim_look(study, researcher)
    with (
        override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"),
        bar("Advised readers") as done,
    ):
        advised.study(given.tests[-1], sets[given.tests[-1].key], model, administrator, done)
    return Demonstration(study, model, notes)


def _people(notes: Notes) -> tuple[User, User]:
    people = []
    for role in ("administrator", "researcher"):
        email = f"{role}@demo.example"
        user = User.objects.filter(email=email).first()
        if user is None:
            password = secrets.token_urlsafe(9)
            notes.keep(**{role: password})
            user = User.objects.create_user(email, password, name=f"Demo {role}", **{f"is_{role}": True})
        people.append(user)
    return people[0], people[1]


def _image_set(test: PlannedTest, given: material.Material, administrator: User, bar: Bar) -> ImageSet:
    name = f"{test.title} ({given.source})"
    if found := ImageSet.objects.filter(name=name).first():
        return found
    archive, manifest = given.archives[test.key]
    with bar(f"Image set: {test.key}") as progress:
        return import_archive(
            archive=archive, manifest=manifest, name=name, notice=given.notice,
            description="Made by manage.py demo.", created_by=administrator, progress=progress,
        )  # fmt: skip


def _model(given: material.Material, weights: Path | None, folder: Path, researcher: User, bar: Bar) -> ModelVersion:
    """Fit the last layer of an Inception v3 in a process of its own (this one never loads torch)."""
    if found := ModelVersion.objects.filter(name=MODEL_NAME).first():
        return found
    checkpoint = folder / "model.safetensors"
    if not checkpoint.exists():
        command = [
            sys.executable, "-m", "model_core", "fit-head", "--manifest", str(given.fitting_manifest),
            "--images", str(given.fitting_images), "--weights", str(weights) if weights else "random",
            "--out", str(checkpoint), "--seed", str(SEED),
            "--subject", "drawn by code" if given.notice else f"from the folder {given.source}",
        ]  # fmt: skip
        result = subprocess.run(command, cwd=settings.BASE_DIR, check=False)  # noqa: S603
        if result.returncode:
            raise DemoError(f"Fitting the model ended with status {result.returncode}; see the lines above.")
    return jobs.register_model(path=checkpoint, name=MODEL_NAME, created_by=researcher)


def _study(tests: tuple[PlannedTest, ...], sets: dict[str, ImageSet], administrator: User) -> Study:
    study = Study.objects.filter(title=STUDY_TITLE).first()
    if study is None:
        with transaction.atomic():
            study = Study.objects.create(
                title=STUDY_TITLE, description=DESCRIPTION, consent_text=CONSENT, seed=SEED,
                contact="administrator@demo.example", created_by=administrator,
            )  # fmt: skip
            AnalysisPlan.objects.create(study=study, **presets.PLAN)
            for planned in tests:
                test = Test(
                    study=study, title=planned.title, image_set=sets[planned.key],
                    positive_nodes=list(planned.positive_nodes), negative_nodes=list(planned.negative_nodes),
                    sample_size=planned.n_cases, sample_positives=planned.n_positive,
                )  # fmt: skip
                asked = StageDraft([decision(QUESTION, CHOICES)])
                drafting.save_test(test, stages=[asked], actor=administrator)
            audit.record("study.created", actor=administrator, target=study)
    if study.state == Study.State.DRAFT:
        protocol.open_study(study, actor=administrator)
        study.refresh_from_db()
    return study


def _simulated_readers(study: Study, tests: tuple[PlannedTest, ...], administrator: User, bar: Bar) -> None:
    """The paper's 25, 22 and 21 readers; the groups of the second and third test are readers of the first as well."""
    n_readers = max(test.n_readers for test in tests)
    people = simulation.readers(n_readers, seed=SEED)
    rows = list(study.tests.order_by("position"))
    total = sum(test.n_readers for test in tests)
    with bar("Simulated readers") as progress:
        done = 0
        readers = []
        for number, person in enumerate(people):
            assigned = [row for row, test in zip(rows, tests, strict=True) if number < test.n_readers]
            email = f"simulated-{number + 1:02d}@demo.example"
            readers.append(simulated_reader(study, email, person, assigned, administrator))
        for row, planned in zip(rows, tests, strict=True):
            decisions = _decisions(row, people[: planned.n_readers])
            for reader, positive in zip(readers[: planned.n_readers], decisions, strict=True):
                _read(reader.readings.get(test=row), positive)
                done += 1
                progress(done, total)


def _decisions(test: Test, by: list[simulation.SimulatedReader]) -> list[dict[int, bool]]:
    """For each reader: case -> whether it is called positive. The demonstration knows the truth; the pages do not."""
    cases, truth = truth_of(test)
    decided = simulation.decide(truth, by, seed=SEED + test.position)
    return [{pk: bool(row[i]) for i, pk in enumerate(cases)} for row in decided]


def _read(reading: Reading, positive: dict[int, bool]) -> None:
    """Answer what is not answered yet, in the stored order."""
    if reading.finished_at:
        return
    question = reading.test.questions.get()
    reader = reading.reader.user
    assert reader is not None, "a reading is made for a reader who has accepted"
    choices = {choice.is_positive: choice.pk for choice in question.choices.all()}
    with transaction.atomic():
        for item in reading.items.unanswered().order_by("position"):
            answers = {question.pk: Given(choice=choices[positive[item.case_id]])}
            sent = Sent(item=item.uuid, stage=question.stage.position, submission=uuid4(), answers=answers)
            record(reading=reading, sent=sent, actor=reader)


def _invited_reader(study: Study, administrator: User, notes: Notes) -> None:
    """The reader who has not started: the user of the demonstration."""
    email = "reader@demo.example"
    reader = Reader.objects.filter(study=study, email=email).first()
    if reader is None:
        _, token = invitations.invite(study=study, email=email, tests=list(study.tests.all()), actor=administrator)
    elif reader.user is None and "reader_link" not in notes.values:
        token = invitations.renew(reader, actor=administrator)
    else:
        return
    notes.keep(reader_link=f"/join/{token}/")


def _scores(study: Study, model: ModelVersion, researcher: User, bar: Bar, alive: Callable[[], None]) -> None:
    images = Image.objects.none()
    for test in study.tests.all():
        images |= Image.objects.filter(image_set=test.image_set).diagnosed_under(
            [*test.positive_nodes, *test.negative_nodes]
        )
    run = jobs.request_run(
        model_version=model, images=images.distinct(), label=f"All images of “{study}”", requested_by=researcher
    )
    with bar("Scoring by the worker") as progress:
        while True:
            alive()
            state = jobs.progress(run)
            progress(state.done + state.failed, state.total)
            run.refresh_from_db()
            if run.state not in (ScoringRun.State.QUEUED, ScoringRun.State.RUNNING):
                break
            time.sleep(0.5)
    if run.state != ScoringRun.State.DONE:
        raise DemoError(f"The scoring run is {run.get_state_display()}: {run.error or 'see the worker log'}.")


def _interim_look(study: Study, researcher: User) -> None:
    """The study stays open for its invited reader; looking at results before that is a recorded act."""
    from readerstudy.results.access import record_interim_look

    record_interim_look(
        study, user=researcher, reason="The demonstration shows results while a reader is still reading."
    )
