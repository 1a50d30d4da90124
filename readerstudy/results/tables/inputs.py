"""What a result is computed from, as one hash: equal hashes give equal numbers. A few counts, not the rows themselves.

Answers, scores, items, cases, consents and profiles are in tables that only grow, and an image set cannot change from
the moment it exists: of these a count (with the newest id) says it all. What can change is hashed in full.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from readerstudy.images.models import Image
from readerstudy.images.truth import taxonomy
from readerstudy.readers.models import Consent, Profile, Reader
from readerstudy.readings.models import Answer, Reading
from readerstudy.results.encoding import encode
from readerstudy.results.tables.conditions import design_rows
from readerstudy.results.tables.provenance import provenance, software
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.studies.models import CaseImage, Study, Test

ROOM = Path(__file__).resolve().parent.parent
PLAN = ROOM.parent / "studies" / "plan.py"


@dataclass(frozen=True, slots=True)
class Inputs:
    """``sha256`` of everything that the numbers depend on; how many answers and how many images of the full sets."""

    sha256: str
    n_answers: int
    n_images: int


def inputs(
    study: Study, model_version: ModelVersion | None, *, what: str, test: Test | None = None, question: int = 0,
    also: Sequence[Any] = (),
) -> Inputs:  # fmt: skip
    """Those of ``what`` is computed of a study, or of one of its tests and questions. ``also``: plain values that it
    depends on beside these."""
    tests = [test] if test is not None else list(study.tests.order_by("position"))
    described = [_of_test(one, model_version) for one in tests]
    content: dict[str, Any] = {
        "what": what,
        "test": test.pk if test is not None else None,
        "question": question,
        "also": list(also),
        "code": code_sha256(),
        "provenance": encode(provenance(study, model_version)),
        "taxonomy": taxonomy().sha256,
        "readers": _sha256(
            study.readers.order_by("pk").values_list("pk", "code", "withdrawn_at"),
            Reader.tests.through.objects.filter(reader__study=study).order_by("pk").values_list("reader_id", "test_id"),
        ),
        "consents": _grown(Consent.objects.filter(reader__study=study)),
        "profiles": _grown(Profile.objects.filter(reader__study=study)),
        "tests": described,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return Inputs(
        digest, sum(one["answers"][0] for one in described), sum(one["n_images"] for one in described)
    )  # fmt: skip


def seen_by(model_version: ModelVersion | None, study: Study) -> list[Any]:
    """How many features and saliency maps the model has made of the study's images, and the newest of its tables of
    accuracy over folds: all only grow."""
    if model_version is None:
        return []
    images = Image.objects.filter(image_set__in=study.tests.values("image_set"))
    made = (model_version.features, model_version.saliency_maps)
    validated = _grown(model_version.validations.all())
    return [*(_grown(rows.filter(image__in=images)) for rows in made), validated]


def _of_test(test: Test, model_version: ModelVersion | None) -> dict[str, Any]:
    images = Image.objects.filter(image_set=test.image_set_id)
    cases = CaseImage.objects.filter(case__test=test).order_by("case__number", "position")
    questions = test.questions.order_by("pk", "choices__pk")
    readings = Reading.objects.filter(test=test).order_by("pk")
    scores = Score.objects.filter(model_version=model_version, image__image_set=test.image_set_id)
    return {
        "test": [getattr(test, field.attname) for field in Test._meta.concrete_fields],
        "questions": _sha256(
            questions.values_list("pk", "position", "text", "choices__pk", "choices__label", "choices__is_positive")
        ),
        "cases": _sha256(
            cases.values_list(
                "case_id", "case__number", "image_id", "image__reference__diagnosis", "image__reference__confirmation",
                "image__age", "image__sex", "image__site", "image__skin_type", "image__modality",
            )
        ),
        "readings": _sha256(readings.values_list("pk", "reader_id", "finished_at")),
        "design": _sha256(design_rows(test)),
        "answers": _grown(Answer.objects.filter(question__test=test)),
        "n_images": images.count(),
        "scores": None if model_version is None else _grown(scores),
    }  # fmt: skip


@cache
def code_sha256() -> str:
    """Of the versions of what computes, and of this room's own code: other code may give other numbers."""
    digest = hashlib.sha256(repr(software()).encode())
    for path in [*sorted(ROOM.rglob("*.py")), PLAN]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _grown(rows: QuerySet[Any]) -> tuple[int, int | None]:
    """How many rows of a table that only grows, and the newest. Asked apart, as an index alone answers each: of a
    million rows both at once take three times as long."""
    return rows.order_by().count(), rows.order_by("-pk").values_list("pk", flat=True).first()


def _sha256(*several: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for rows in several:
        digest.update(repr(list(rows)).encode())
    return digest.hexdigest()
