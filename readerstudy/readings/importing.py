"""Readings that took place elsewhere: whole readings of published data, written once and audited as imported."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.studies.models import Study, Test


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """A choice (pk) on a question (pk), in its revision, with the source's own times."""

    question: int
    choice: int
    revision: int = 1
    shown_at: datetime | None = None
    answered_at: datetime | None = None


def import_reading(
    *,
    reader: Reader,
    test: Test,
    places: Mapping[int, int],
    answers: Mapping[int, Sequence[GivenAnswer]],
    actor: User,
    source: str,
    sha256: str,
) -> Reading:
    """One whole reading: ``places`` maps each position to a case (pk), ``answers`` a case to what was answered.

    A case without an answer stays one that was asked and not answered. The server's clock stamps when the answers came
    in; the source's times are kept beside it, as a browser's are. ``source`` names the format and ``sha256`` the file.
    Call it in a transaction. Raises ReadingsError where the study is not open, or the reading is there already.
    """
    study = Study.objects.select_for_update().get(pk=test.study_id)
    if study.state != Study.State.OPEN:
        raise ReadingsError("closed", _("The study “%(title)s” is not open: no readings are taken.") % {"title": study})
    if Reading.objects.filter(reader=reader, test=test).exists():
        raise ReadingsError("conflict", _("The reader %(code)s has read this test already.") % {"code": reader.code})
    complete = all(answers.get(case) for case in places.values())
    reading = Reading.objects.create(
        reader=reader, test=test, seed=f"imported, SHA-256 {sha256[:16]}",
        finished_at=timezone.now() if complete and places else None,
    )  # fmt: skip
    items = Item.objects.bulk_create(
        Item(reading=reading, position=position, case_id=case) for position, case in sorted(places.items())
    )
    stages = {pk: (stage, place) for pk, stage, place in _stages(test)}
    last = max(place for _stage, place in stages.values())
    submissions: list[Submission] = []
    rows: list[Answer] = []
    for item in items:
        for of_stage in _by_stage(answers.get(item.case_id, ()), {pk: stage for pk, (stage, _p) in stages.items()}):
            stage, place = stages[of_stage[0].question]
            submissions.append(_submission(item, stage, of_stage[0], completes=place == last))
            rows += [_answer(submissions[-1], given) for given in of_stage]
    Submission.objects.bulk_create(submissions)
    Answer.objects.bulk_create(rows)
    audit.record(
        "reading.imported", actor=actor, target=reading, code=reader.code, test=test.position, items=len(items),
        answers=len(rows), source=source, sha256=sha256,
    )  # fmt: skip
    return reading


def _stages(test: Test) -> list[tuple[int, int, int]]:
    """(question, its stage, the stage's position) of a test."""
    return list(test.questions.values_list("pk", "stage_id", "stage__position"))


def _by_stage(given: Sequence[GivenAnswer], stages: Mapping[int, int]) -> list[list[GivenAnswer]]:
    """The answers to one case that were given at once: those of one stage and revision."""
    together: dict[tuple[int, int], list[GivenAnswer]] = {}
    for answer in sorted(given, key=lambda answer: answer.revision):
        together.setdefault((stages[answer.question], answer.revision), []).append(answer)
    return list(together.values())


def _submission(item: Item, stage: int, first: GivenAnswer, *, completes: bool) -> Submission:
    return Submission(
        id=uuid.uuid4(), item=item, stage_id=stage, completes=completes, revision=first.revision,
        shown_at=first.shown_at, answered_at=first.answered_at,
    )  # fmt: skip


def _answer(submission: Submission, given: GivenAnswer) -> Answer:
    return Answer(submission=submission, question_id=given.question, choice_id=given.choice)
