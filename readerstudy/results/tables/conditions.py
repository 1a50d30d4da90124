"""What was answered at each stage and in each arm of a test that has more than one of them: rows to arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db.models import Count, IntegerField, Max, prefetch_related_objects
from django.db.models.functions import Coalesce
from numpy.typing import NDArray

from readerstudy.images.truth import taxonomy
from readerstudy.readings.models import Answer, Item, SessionEvent, Submission
from readerstudy.readings.progress import stages_of
from readerstudy.results.arrays import CaseTable
from readerstudy.results.conditions.table import (
    NOT_SAID,
    ArmFacts,
    AskedTable,
    ChoiceFacts,
    ConditionTable,
    Ints,
    StageFacts,
)
from readerstudy.results.tables.advised import advised_sides
from readerstudy.studies.models import Arm, Case, Question, Stage, Test

_ITEM = np.dtype([("id", "i8"), ("reader", "i8"), ("case", "i8"), ("arm", "i8"), ("turned", "?")])
_ANSWER = np.dtype([("item", "i8"), ("question", "i8"), ("revision", "i8"), ("choice", "i8"), ("number", "i8")])
_NO_NUMBER = -100_000  # what no small integer is
_KINDS = (Question.Kind.DECISION, Question.Kind.CLASSES, Question.Kind.RANKING, Question.Kind.SCALE)


def condition_table(test: Test, readers: Sequence[int], cases: CaseTable) -> ConditionTable | None:
    """None for a test of one stage and one arm: it has nothing to compare. ``readers``: ids, in the test's order."""
    stages, arms = list(test.stages.order_by("position")), list(test.arms.order_by("position"))
    if len(stages) < 2 and len(arms) < 2:
        return None
    questions = list(
        test.questions.filter(kind__in=_KINDS).order_by("position").select_related("stage").prefetch_related("choices")
    )
    if not questions:
        return None
    prefetch_related_objects(stages, "questions__choices")  # what tells at which stages an arm is read
    items, reader, case = _items(test, readers, cases)
    said = _last_said(test, questions)
    return ConditionTable(
        arms_design=test.arms_design,
        stages=tuple(StageFacts(s.position, tuple(s.modalities), s.shows_facts, s.shows_advice) for s in stages),
        arms=tuple(_arm(arm, stages) for arm in arms) or (_arm(None, stages),),
        asked=tuple(_asked(question, said[said["question"] == question.pk], items["id"]) for question in questions),
        reader=reader, case=case, arm=items["arm"].copy(), turned=items["turned"].copy(),
        advised=advised_sides(test, items["id"]), taxonomy=taxonomy(),
    )  # fmt: skip


def design_rows(test: Test) -> list[list[Any]]:
    """Everything of a test's design that these arrays depend on and that is in no other part of a result's inputs.

    A change of an answer that leaves every question out has no answer of its own: such submissions are counted; so is
    what was shown as advice.
    """
    shown = SessionEvent.objects.filter(kind=SessionEvent.Kind.ADVICE_SHOWN, reading__test=test)
    changes = 0
    if test.changes != Test.Changes.NEVER:
        changes = Submission.objects.filter(item__reading__test=test, revision__gt=1).aggregate(n=Count("pk"))["n"]
    questions = ("pk", "stage_id", "kind", "least", "most", "least_label", "most_label")
    return [
        list(test.stages.order_by("pk").values_list("pk", "position", "modalities", "shows_facts", "shows_advice")),
        list(test.arms.order_by("pk").values_list("pk", "position", "title", "advice", "wrong_per_cent")),
        list(test.questions.order_by("pk", "choices__pk").values_list(*questions, "choices__pk", "choices__node")),
        [changes, shown.aggregate(n=Count("pk"))["n"]],
    ]


def _arm(arm: Arm | None, stages: Sequence[Stage]) -> ArmFacts:
    read = tuple(stage.position for stage in stages_of(Item(arm=arm), stages))
    if arm is None:
        return ArmFacts(0, "", str(Arm.Advice.NONE), 0, read)
    return ArmFacts(arm.position, arm.title, arm.advice, arm.wrong_per_cent, read)


def _items(test: Test, readers: Sequence[int], cases: CaseTable) -> tuple[NDArray, Ints, Ints]:
    """The counted items of these readers by id, and the index of each one's reader and case."""
    rows = (
        Item.objects.filter(reading__test=test, case__kind=Case.Kind.SCORED, is_repeat=False)
        .order_by()
        .values_list("id", "reading__reader_id", "case_id", Coalesce("arm__position", 0), "advice_is_wrong")
    )
    items = np.fromiter(rows.iterator(chunk_size=20_000), dtype=_ITEM)
    items = np.sort(items[np.isin(items["reader"], np.array(readers, dtype=np.int64))], order="id")
    return items, _index(items["reader"], readers), _index(items["case"], cases.ids.tolist())


def _index(values: Ints, among: Sequence[int]) -> Ints:
    """The index of each value in ``among``, where it is."""
    keys = np.array(among, dtype=np.int64)
    order = np.argsort(keys)
    return order[np.searchsorted(keys, values, sorter=order)] if keys.size else np.zeros(0, dtype=np.int64)


def _last_said(test: Test, questions: Sequence[Question]) -> NDArray:
    """The answers of the last revision of each item's stage; what an earlier one said is taken back by it."""
    given = (
        Answer.objects.filter(question__in=questions)
        .order_by()
        .values_list(
            "submission__item_id", "question_id", "submission__revision", Coalesce("choice_id", 0),
            Coalesce("number", _NO_NUMBER, output_field=IntegerField()),
        )
    )  # fmt: skip
    rows = np.fromiter(given.iterator(chunk_size=20_000), dtype=_ANSWER)
    if test.changes == Test.Changes.NEVER and not (rows["revision"] > 1).any():
        return rows
    stage_of = {question.pk: question.stage_id for question in questions}
    changed = Submission.objects.filter(item__reading__test=test, revision__gt=1).order_by()
    last = {
        (item, stage): revision
        for item, stage, revision in changed.values_list("item_id", "stage_id").annotate(last=Max("revision"))
    }
    current = [
        last.get((item, stage_of[question]), 1)
        for item, question in zip(rows["item"].tolist(), rows["question"].tolist(), strict=True)
    ]
    return rows[rows["revision"] == np.array(current, dtype=np.int64)]


def _asked(question: Question, rows: NDArray, items: Ints) -> AskedTable:
    """``rows``: the answers that count on this question; ``items`` (m,): ids, rising."""
    choices = list(question.choices.all())
    place = np.minimum(np.searchsorted(items, rows["item"]), max(items.size - 1, 0))
    rows, place = (rows[:0], place[:0]) if not items.size else (rows, place)
    here = items[place] == rows["item"]  # not of who has left, of practice, of a check or of a repeat
    rows, place = rows[here], place[here]
    index = {choice.pk: number for number, choice in enumerate(choices)}
    choice = np.full(items.size, NOT_SAID, dtype=np.int64)
    choice[place] = [index.get(pk, NOT_SAID) for pk in rows["choice"].tolist()]
    number = np.full(items.size, np.nan)
    number[place] = np.where(rows["number"] == _NO_NUMBER, np.nan, rows["number"])
    return AskedTable(
        position=question.position, stage=question.stage.position, kind=question.kind, text=question.text,
        choices=tuple(ChoiceFacts(choice.label, choice.is_positive, choice.node) for choice in choices),
        least=question.least, most=question.most, least_label=question.least_label, most_label=question.most_label,
        choice=choice, number=number, nodes=_nodes(question, rows, place, items.size),
    )  # fmt: skip


def _nodes(question: Question, rows: NDArray, place: Ints, n: int) -> tuple[tuple[str, ...], ...]:
    """The diagnoses named for each of n items, of a ranking; else nothing."""
    if question.kind != Question.Kind.RANKING:
        return ()
    said = Answer.objects.filter(question=question, nodes__isnull=False).order_by()
    named = {
        (item, revision): tuple(nodes or ())
        for item, revision, nodes in said.values_list("submission__item_id", "submission__revision", "nodes")
    }
    found: list[tuple[str, ...]] = [()] * n
    for at, item, revision in zip(place.tolist(), rows["item"].tolist(), rows["revision"].tolist(), strict=True):
        found[at] = named.get((item, revision), ())
    return tuple(found)
