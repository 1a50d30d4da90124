"""A study in which everything that a reader must not see is marked by a word that occurs nowhere else.

`plant()` builds it through the rooms' own functions; `swap_labels()` then turns every label round.
"""

import csv
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from django.core.files.base import ContentFile
from django.db import connection
from django.db import models as db
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Reference, Upload
from readerstudy.images.truth import taxonomy
from readerstudy.images.upload import import_archive
from readerstudy.readers import invitations
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer
from readerstudy.results.models import Computation
from readerstudy.scoring.models import ModelVersion, RunImage, Score, ScoringRun
from readerstudy.studies import protocol
from readerstudy.studies.models import Case, CaseImage, Choice, Study, Test
from tests.builders import accepted_reader, draft_study, model_version, open_study
from tests.readings.conftest import answer, answer_all

POSITIVE = ("superficial-spreading-melanoma", "nodular-melanoma", "lentigo-maligna")
NEGATIVE = ("blue-naevus", "junctional-naevus", "congenital-naevus")
NODES = ("melanoma", "melanocytic-naevus")
SEED = 918_273_645_546_372
PROBABILITY = 0.913725  # of the first training class, for every positive image
OWN_ADDRESS = "reader.own@example.org"  # the reader's own: he may see it


class Marks:
    """Words to hide, each remembered under what it marks."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self._serial = itertools.count(1)

    def __call__(self, what: str) -> str:
        """A new word for `what`, such as "qzxfile7"."""
        word = f"qzx{what.replace(' ', '')}{next(self._serial)}"
        self.words[f"{what} ({word})"] = word
        return word

    def add(self, what: str, *words: str) -> None:
        self.words.update({f"{what} ({word})": word for word in words})


@dataclass
class Planted:
    """The study, who is in it, and the words that no reader may ever receive (`hidden`: what it is -> the word)."""

    study: Study
    researcher: User
    token: str  # the link of the reader whose session is watched; not used yet
    other_reader: Reader
    foreign_study: Study  # he is not in it
    run: ScoringRun
    upload: Upload
    hidden: dict[str, str] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        """The reader who is watched."""
        return Reader.objects.get(email=OWN_ADDRESS)


def plant(administrator: User, researcher: User) -> Planted:
    """Build it all: two tests, two readers (one has answered), a model with scores, uploads, a study next door."""
    marks = Marks()
    sets = [_image_set(administrator, marks, size=8, first_seed=100 * number) for number in (1, 2)]
    study = open_study(
        administrator, image_sets=sets, positive=NODES[:1], negative=NODES[1:], seed=SEED, title="Skin lesions",
        sample_size=6, sample_positives=3,
    )  # fmt: skip
    other = accepted_reader(study, email=f"{marks('other reader')}@example.org")
    one, two = ensure_readings(other.user)
    answer_all(one)
    answer(two, 1)
    _reader, token = invitations.invite(study=study, email=OWN_ADDRESS, tests=study.tests.all(), actor=administrator)
    planted = Planted(
        study=study, researcher=researcher, token=token, other_reader=other,
        foreign_study=_foreign_study(administrator, marks), run=_scores(researcher, marks),
        upload=_upload(administrator, marks),
    )  # fmt: skip
    Computation.objects.create(
        what=Computation.What.RESULTS, study=study, model_version=planted.run.model_version, inputs_sha256="1" * 64,
        state=Computation.State.FAILED, error=marks("computing error"),
    )  # fmt: skip
    marks.add("seed", str(SEED))
    for node in {*NODES, *POSITIVE, *NEGATIVE}:
        marks.add("diagnosis", node, taxonomy().name(node))
    marks.add("hash of the uploaded bytes", *Reference.objects.values_list("source_sha256", flat=True))
    # The same picture has the same id for every reader; only addresses of his own reading may reach him.
    for row in (*Image.objects.all(), *Case.objects.all()):
        marks.add(f"uuid of {row._meta.model_name}", str(row.uuid), row.uuid.hex)
    marks.add("score", f"{PROBABILITY:.4f}", f"{100 * PROBABILITY:.2f}")
    planted.hidden = marks.words
    return planted


# --- pictures with everything that a file can give away --------------------------------------------------------------


def _jpeg(pixels: PillowImage.Image, marks: Marks) -> bytes:
    exif = PillowImage.Exif()
    exif[0x010E], exif[0x013B], exif[0x8298] = marks("exif title"), marks("exif artist"), marks("exif copyright")
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + marks("exif comment").encode()
    buffer = io.BytesIO()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{marks('xmp')}</x:xmpmeta>".encode()
    pixels.save(buffer, "JPEG", quality=90, exif=exif, comment=marks("jpeg comment").encode(), xmp=xmp)
    return buffer.getvalue() + marks("after the end").encode()


def _png(pixels: PillowImage.Image, marks: Marks) -> bytes:
    info = PngInfo()
    info.add_text("Comment", marks("png text"))
    info.add_text("Description", marks("png compressed text"), zip=True)
    info.add_itxt("Title", marks("png international text"))
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _archive(marks: Marks, size: int, first_seed: int) -> tuple[bytes, bytes]:
    """A ZIP and its manifest: half of the pictures positive, JPEG and PNG by turns."""
    archive, manifest = io.BytesIO(), io.StringIO()
    rows = csv.writer(manifest)
    rows.writerow(["file", "diagnosis", "confirmation", "modality", "lesion_id", "patient_id", "site", "age", "sex"])
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.comment = marks("zip comment").encode()
        for number in range(size):
            noise = np.random.default_rng(first_seed + number).integers(0, 256, (72, 96, 3), dtype=np.uint8)
            write, ending = ((_jpeg, "jpg"), (_png, "png"))[number % 2]
            diagnosis = (POSITIVE, NEGATIVE)[number % 4 // 2][number % 3]
            name = f"{marks('folder')}/{diagnosis}/{marks('file')}.{ending}"
            zipped.writestr(name, write(PillowImage.fromarray(noise), marks))
            source = [marks("lesion"), marks("patient"), marks("site")]
            rows.writerow([name, diagnosis, "histopathology", "clinical", *source, 50, "f"])
    return archive.getvalue(), manifest.getvalue().encode()


def _image_set(user: User, marks: Marks, *, size: int, first_seed: int) -> ImageSet:
    archive, manifest = _archive(marks, size, first_seed)
    return import_archive(
        archive=ContentFile(archive, name=marks("archive") + ".zip"),
        manifest=ContentFile(manifest, name=marks("manifest") + ".csv"),
        name=marks("image set"), description=marks("set description"), notice="A public notice.", created_by=user,
    )  # fmt: skip


# --- what the other rooms know ---------------------------------------------------------------------------------------


def _scores(researcher: User, marks: Marks) -> ScoringRun:
    """A model that is right about every image, a run of it with a failed image, and its scores."""
    model: ModelVersion = model_version(researcher, *NODES, name=marks("model"))
    images = list(Image.objects.order_by("pk").select_related("reference"))
    run = ScoringRun.objects.create(
        model_version=model, label=marks("run"), request_sha256="0" * 64, state=ScoringRun.State.DONE,
        n_images=len(images), requested_by=researcher,
    )  # fmt: skip
    chunk = run.chunks.create(number=1, state="done")
    RunImage.objects.create(run=run, chunk=chunk, image=images[0], error=marks("scoring error"))
    for image in images:
        positive = PROBABILITY if image.reference.diagnosis in POSITIVE else 1 - PROBABILITY
        probabilities = np.array([positive, 1 - positive], dtype="<f4").tobytes()
        Score.objects.create(image=image, model_version=model, probabilities=probabilities)
    return run


def _upload(user: User, marks: Marks) -> Upload:
    problem = {"file": marks("refused file"), "row": 2, "column": "diagnosis", "value": marks("refused value"),
               "message": marks("problem")}  # fmt: skip
    return Upload.objects.create(
        name=marks("upload"), archive_name=marks("uploaded zip"), manifest_name=marks("uploaded csv"),
        state=Upload.State.REFUSED, report={"problems": [problem], "n_problems": 1}, created_by=user,
    )  # fmt: skip


def _foreign_study(user: User, marks: Marks) -> Study:
    study = draft_study(user, diagnoses=[POSITIVE[0], NEGATIVE[0]], title=marks("foreign study"))
    changes = {name: marks(f"foreign {name}") for name in ("description", "contact", "consent_text")}
    Study.objects.filter(pk=study.pk).update(**changes)
    Test.objects.filter(study=study).update(title=marks("foreign test"))
    study.tests.get().questions.update(text=marks("foreign question"))
    Choice.objects.filter(question__test__study=study, position=1).update(label=marks("foreign choice"))
    study.refresh_from_db()
    protocol.open_study(study, actor=user)
    accepted_reader(study, email=f"{marks('foreign reader')}@example.org")
    return study


# --- every label turned round ----------------------------------------------------------------------------------------


def swap_labels(planted: Planted) -> None:
    """What is positive becomes negative: truth, the tests' diagnoses, every score, every other reader's answer.

    Tables that only grow are written behind their own back, as no part of the software could.
    """
    _swap_truth(Reference.objects.all())
    for test in Test.objects.all():
        Test.objects.filter(pk=test.pk).update(positive_nodes=test.negative_nodes, negative_nodes=test.positive_nodes)
    with _growing_unlocked("scoring_score", "readings_answer"):
        for score in Score.objects.all():
            turned = np.frombuffer(bytes(score.probabilities), dtype="<f4")[::-1].tobytes()
            Score.objects.filter(pk=score.pk).update(probabilities=turned)
        for given in Answer.objects.select_related("choice"):
            other = Choice.objects.filter(question=given.question).exclude(pk=given.choice_id).get()
            Answer.objects.filter(pk=given.pk).update(choice=other)


def swap_truth_of(test: Test) -> int:
    """Of the pictures of counted cases and attention checks, and of the cases themselves. How many cases.

    The protocol, scores, sets of other images, and practice cases, whose feedback tells their class, stay.
    """
    swapped = Case.objects.filter(test=test).exclude(kind=Case.Kind.PRACTICE)
    shown = CaseImage.objects.filter(case__in=swapped).values("image")
    _swap_truth(Reference.objects.filter(image__in=shown), ("melanoma",), ("melanocytic-naevus",))
    with _growing_unlocked("studies_case"):
        return swapped.update(
            is_positive=db.Case(db.When(is_positive=True, then=db.Value(False)), default=db.Value(True))
        )


def _swap_truth(
    references: db.QuerySet[Reference], positive: Sequence[str] = POSITIVE, negative: Sequence[str] = NEGATIVE
) -> None:
    """Each positive image gets everything that is recorded of some negative one, and the other way round."""
    every = list(references.order_by("pk"))
    groups = [[one for one in every if one.diagnosis in nodes] for nodes in (positive, negative)]
    assert sum(map(len, groups)) == len(every)
    assert all(groups)
    columns = ("diagnosis", "confirmation", "original_name", "source_sha256", "lesion_id", "patient_id")
    for group, others in (groups, groups[::-1]):
        for reference, other in zip(group, itertools.cycle(others)):
            Reference.objects.filter(pk=reference.pk).update(**{name: getattr(other, name) for name in columns})


@contextmanager
def _growing_unlocked(*tables: str) -> Iterator[None]:
    """Let these tables be changed for a moment, within the test's own transaction."""
    remove = "DROP TRIGGER {table}_no_update"
    restore = (
        "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} only grows: UPDATE is refused'); END"
    )
    if connection.vendor == "postgresql":  # triggers cannot be altered while deferred constraints wait to be checked
        remove, restore = (f"SET LOCAL session_replication_role = {role}" for role in ("replica", "origin"))
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(remove.format(table=table))
        yield
        for table in tables:
            cursor.execute(restore.format(table=table))


def truths() -> Iterator[tuple[int, bool]]:
    """(image, whether it is positive) as it is recorded now."""
    for image, diagnosis in Reference.objects.values_list("image", "diagnosis"):
        yield image, diagnosis in POSITIVE
