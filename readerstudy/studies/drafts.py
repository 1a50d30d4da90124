"""A whole test as plain values: what is shown, asked and compared. Written by `drafting`, read from rows here."""

from collections.abc import Sequence
from dataclasses import dataclass

from readerstudy.images.models import ImageSet
from readerstudy.studies.models import Arm, Question, Test


@dataclass(frozen=True, slots=True)
class ChoiceDraft:
    """One answer of a question, in the order of its key. `node` is a diagnosis of the taxonomy, of a class."""

    label: str
    is_positive: bool | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class QuestionDraft:
    """What is asked; the fields are those of `models.Question`."""

    text: str
    kind: str = Question.Kind.DECISION
    choices: Sequence[ChoiceDraft] = ()
    is_required: bool = True
    allows_cannot_assess: bool = False
    least: int | None = None
    most: int | None = None
    least_label: str = ""
    most_label: str = ""
    nodes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StageDraft:
    """What is shown at once and asked about it; the fields are those of `models.Stage`."""

    questions: Sequence[QuestionDraft] = ()
    instruction: str = ""
    modalities: Sequence[str] = ()
    shows_facts: bool = False
    shows_advice: bool = False


@dataclass(frozen=True, slots=True)
class ArmDraft:
    """A condition of reading; the fields are those of `models.Arm`."""

    title: str
    advice: str = Arm.Advice.NONE
    model_sha256: str = ""
    wrong_per_cent: int = 0
    neighbours_set: ImageSet | None = None


def decision(text: str, choices: Sequence[tuple[str, bool]]) -> QuestionDraft:
    """A decision between answers, each a label and whether it counts as positive."""
    return QuestionDraft(text, choices=tuple(ChoiceDraft(label, is_positive) for label, is_positive in choices))


def stages_of(test: Test) -> list[StageDraft]:
    """The stages of a stored test, in their order."""
    return [
        StageDraft(
            questions=tuple(_question(question) for question in stage.questions.all()),
            instruction=stage.instruction, modalities=tuple(stage.modalities), shows_facts=stage.shows_facts,
            shows_advice=stage.shows_advice,
        )
        for stage in test.stages.prefetch_related("questions__choices")
    ]  # fmt: skip


def _question(question: Question) -> QuestionDraft:
    return QuestionDraft(
        text=question.text, kind=question.kind, is_required=question.is_required,
        allows_cannot_assess=question.allows_cannot_assess, least=question.least, most=question.most,
        least_label=question.least_label, most_label=question.most_label, nodes=tuple(question.nodes),
        choices=tuple(
            ChoiceDraft(choice.label, choice.is_positive, choice.node) for choice in question.choices.all()
        ),
    )  # fmt: skip


def arms_of(test: Test) -> list[ArmDraft]:
    """The arms of a stored test, in their order."""
    return [
        ArmDraft(arm.title, arm.advice, arm.model_sha256, arm.wrong_per_cent, arm.neighbours_set)
        for arm in test.arms.select_related("neighbours_set")
    ]
