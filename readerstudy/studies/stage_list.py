"""Adding, copying, moving and removing stages and questions, on values: see `drafts`."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

from django.utils.translation import gettext as _

from readerstudy.studies.drafts import QuestionDraft, StageDraft
from readerstudy.studies.errors import StudiesError

T = TypeVar("T", StageDraft, QuestionDraft)


def changed(
    stages: Sequence[StageDraft], *, act: str, stage: int | None, question: int | None = None
) -> list[StageDraft]:
    """The stages after `act` (add, copy, up, remove) on a stage, or on one of its questions, by position from 1.

    Raises StudiesError where there is no such stage or question: it was removed meanwhile.
    """
    made = list(stages)
    if act == "add":
        return [*made, StageDraft()]
    if stage is None or not 1 <= stage <= len(made):
        raise _gone()
    if question is None:
        return _act(made, act, stage)
    one = made[stage - 1]
    if question > len(one.questions):
        raise _gone()
    questions: list[QuestionDraft] = _act(list(one.questions), act, question)
    made[stage - 1] = replace(one, questions=tuple(questions))
    return made


def with_stage(stages: Sequence[StageDraft], *, stage: int, shown: StageDraft) -> list[StageDraft]:
    """The stages with what one of them shows changed; its questions stay."""
    made = list(stages)
    if not 1 <= stage <= len(made):
        raise _gone()
    made[stage - 1] = replace(shown, questions=made[stage - 1].questions)
    return made


def with_question(stages: Sequence[StageDraft], *, stage: int, question: int, asked: QuestionDraft) -> list[StageDraft]:
    """The stages with one question of a stage changed, or with one more (question 0)."""
    made = list(stages)
    if not 1 <= stage <= len(made) or question > len(made[stage - 1].questions):
        raise _gone()
    questions = list(made[stage - 1].questions)
    questions[question - 1 if question else len(questions) : question or None] = [asked]
    made[stage - 1] = replace(made[stage - 1], questions=tuple(questions))
    return made


def _act(items: list[T], act: str, position: int) -> list[T]:
    index = position - 1
    if act == "copy":
        items.append(items[index])
    elif act == "remove":
        del items[index]
    elif act == "up" and index:
        items[index - 1], items[index] = items[index], items[index - 1]
    return items


def _gone() -> StudiesError:
    return StudiesError(
        _("There is no such stage or question any more: the test was changed meanwhile."), status=HTTPStatus.NOT_FOUND
    )
