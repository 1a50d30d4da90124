"""What of a test's readings is counted in its accuracy, and what is in the long form only (see `responses`).

Counted are the decisions of two sides (classes of which each has a side among them) on the cases of the test itself:
no practice case, no attention check, no hidden repeat. Of several batches of one reader all count. In a test of several
arms only what was asked before any advice is counted, as it is the same in every arm; of a crossover only its first
part, in which the cases are new to the reader. What was answered with advice, arm by arm, is in `conditions` and in the
long form. In a test of one arm the answers before and after advice are questions of their own, and both are counted.
"""

from collections.abc import Sequence

import numpy as np
from django.db.models import Max
from numpy.typing import NDArray

from readerstudy.readings.models import Reading, Submission
from readerstudy.studies.models import Question, Stage, Test


def counted_readings(test: Test) -> list[tuple[int, int, bool]]:
    """(reading, reader, whether it is finished) of those whose cases count, of readers who have not left."""
    readings = Reading.objects.filter(test=test, reader__tests=test, reader__withdrawn_at=None)
    if test.arms_design == Test.Arms.CROSSOVER:
        readings = readings.filter(number=1)
    rows = readings.order_by("reader_id", "number").values_list("pk", "reader_id", "finished_at")
    return [(pk, reader, finished_at is not None) for pk, reader, finished_at in rows]


def counted_questions(test: Test) -> list[Question]:
    """The questions whose answers are decisions of two sides, and are not mixed from arms."""
    first_advice = None
    if test.arms.count() > 1:
        first_advice = Stage.objects.filter(test=test, shows_advice=True).order_by("position").first()
    return [
        question
        for question in test.questions.select_related("stage").prefetch_related("choices")
        if question.kind in (Question.Kind.DECISION, Question.Kind.CLASSES)
        and all(choice.is_positive is not None for choice in question.choices.all())
        and (first_advice is None or question.stage.position < first_advice.position)
    ]


def asked_at(test: Test, questions: Sequence[Question]) -> dict[int, tuple[int, bool]]:
    """Of each question's id the stage (0 where there is one only), and whether advice had been shown by then."""
    stages = list(test.stages.order_by("position").values_list("position", "shows_advice"))
    advised = min((position for position, shows in stages if shows), default=None)
    return {
        question.pk: (
            question.stage.position if len(stages) > 1 else 0,
            advised is not None and question.stage.position >= advised,
        )
        for question in questions
    }


def still_said(test: Test, questions: Sequence[Question], rows: NDArray) -> NDArray:
    """The answers (fields item, question, revision, choice; choice 0: cannot be assessed) without what was taken back.

    Where the last revision of a stage leaves a question out or says that the case cannot be assessed, none of its
    earlier decisions counts.
    """
    of_sides = rows["choice"] != 0
    decided = rows if of_sides.all() else rows[of_sides]
    if not rows.size or (test.changes == Test.Changes.NEVER and decided.size == rows.size):
        return decided
    keys = np.stack([decided["item"], decided["question"]], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    newest = np.zeros(len(unique), dtype=np.int64)
    np.maximum.at(newest, inverse.ravel(), decided["revision"])
    stages = {question.pk: question.stage_id for question in questions}
    changed = Submission.objects.filter(item__reading__test=test, revision__gt=1).order_by()
    last = {
        (item, stage): revision
        for item, stage, revision in changed.values_list("item_id", "stage_id").annotate(last=Max("revision"))
    }
    current = [last.get((item, stages[question]), 1) for item, question in unique.tolist()]
    return decided[(newest == np.array(current, dtype=np.int64))[inverse.ravel()]]
