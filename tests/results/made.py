"""Readings, answers and scores written the short way, for the tests of results."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.studies.models import CaseImage, Question, Study, Test

SHOWN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def case_truth(test: Test) -> dict[int, bool]:
    """Case number -> whether its image's diagnosis is melanoma, read from the rows one by one."""
    rows = CaseImage.objects.filter(case__test=test).select_related("case", "image__reference")
    return {row.case.number: row.image.reference.diagnosis == "melanoma" for row in rows}


def read(
    reader: Reader, test: Test, decisions: Mapping[int, bool | None], *, question: Question | None = None
) -> Reading:
    """Answer the cases (by number) of a test: True by the positive choice, False by the negative, None not at all."""
    assert reader.user is not None
    ensure_readings(reader.user)
    reading = Reading.objects.get(reader=reader, test=test)
    asked = question or test.questions.get()
    items = {item.case.number: item for item in reading.items.select_related("case")}
    answered = [(items[number], said) for number, said in decisions.items() if said is not None]
    choices = {choice.is_positive: choice for choice in asked.choices.all()}
    known = (
        {} if question is None else {sent.item_id: sent for sent in Submission.objects.filter(item__in=items.values())}
    )
    submissions = [known.get(item.pk) or submission(item, asked) for item, _said in answered]
    Submission.objects.bulk_create([sent for sent in submissions if sent.item_id not in known])
    Answer.objects.bulk_create(
        Answer(submission=sent, question=asked, choice=choices[said])
        for sent, (_item, said) in zip(submissions, answered, strict=True)
    )
    if len(answered) == len(items):
        Reading.objects.filter(pk=reading.pk).update(finished_at=SHOWN + timedelta(hours=1))
    return reading


def submission(item: Item, question: Question, *, revision: int = 1) -> Submission:
    """An unsaved submission to the question's stage, shown and given at times that follow from the item's position."""
    shown = SHOWN + timedelta(seconds=10 * item.position)
    return Submission(
        id=uuid.uuid4(), item=item, stage=question.stage, completes=True, revision=revision, shown_at=shown,
        answered_at=shown + timedelta(seconds=3),
    )  # fmt: skip


def answer(item: Item, question: Question, said: bool, *, revision: int = 1) -> Answer:
    """A stored answer with a submission of its own."""
    sent = submission(item, question, revision=revision)
    sent.save(force_insert=True)
    return Answer.objects.create(submission=sent, question=question, choice=question.choices.get(is_positive=said))


def score(model: ModelVersion, shares: Mapping[int, float], *, of_all: float = 1.0) -> None:
    """Scores by a model of two classes (positive, negative): image id -> positive share of the sum ``of_all``."""
    Score.objects.bulk_create(
        Score(
            image_id=image,
            model_version=model,
            probabilities=np.array([of_all * share, of_all * (1 - share)], dtype="<f4").tobytes(),
        )
        for image, share in shares.items()
    )


def score_by_case(model: ModelVersion, test: Test, shares: Mapping[int, float]) -> None:
    """The same by case number."""
    images = dict(CaseImage.objects.filter(case__test=test).values_list("case__number", "image_id"))
    score(model, {images[number]: share for number, share in shares.items()})


def unblind(study: Study) -> Study:
    """As if closed and unblinded, without the rooms' checks."""
    moment = SHOWN + timedelta(days=1)
    Study.objects.filter(pk=study.pk).update(state="closed", closed_at=moment, unblinded_at=moment)
    study.refresh_from_db()
    return study


def simulate(test: Test, readers: Sequence[Reader], *, seed: int = 1) -> None:
    """Answers of readers of differing skill to every case of a test."""
    chance = np.random.default_rng(seed)
    truth = case_truth(test)
    for reader in readers:
        skill, caution = 1.8 + chance.normal(0, 0.4), 0.8 + chance.normal(0, 0.4)
        read(
            reader, test,
            {number: bool(skill * positive + chance.normal() > caution) for number, positive in truth.items()},
        )  # fmt: skip
