"""What a reader may answer to a question of each kind, and whether what came is such an answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from readerstudy.images.truth import taxonomy
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer
from readerstudy.studies.models import Question

MOST_CHARACTERS = 2000  # of a free text


@dataclass(frozen=True, slots=True)
class Given:
    """The answer to one question: exactly one of a choice (pk), a number, diagnoses (the likeliest first), a text, or
    that the case cannot be assessed. None of these, an empty text and an empty list are no answer."""

    choice: int | None = None
    number: int | None = None
    nodes: tuple[str, ...] | None = None
    text: str | None = None
    cannot_assess: bool = False

    @property
    def is_none(self) -> bool:
        return (
            self.choice is None and self.number is None and not self.nodes and not self.text and not self.cannot_assess
        )

    @property
    def parts(self) -> set[str]:
        """Which of its fields say something."""
        said = {"choice": self.choice is not None, "number": self.number is not None, "nodes": bool(self.nodes),
                "text": bool(self.text), "cannot_assess": self.cannot_assess}  # fmt: skip
        return {name for name, is_said in said.items() if is_said}


_PART = {
    Question.Kind.DECISION: "choice",
    Question.Kind.CLASSES: "choice",
    Question.Kind.RANKING: "nodes",
    Question.Kind.SCALE: "number",
    Question.Kind.TEXT: "text",
}


def said(given: Mapping[int, Given]) -> dict[int, Given]:
    """What was answered, by question (pk), without what is no answer: the content of a submission."""
    return {question: answer for question, answer in given.items() if not answer.is_none}


def stored(answers: Iterable[Answer]) -> dict[int, Given]:
    """The same of a submission that is in the database."""
    return {
        answer.question_id: Given(
            answer.choice_id, answer.number, None if answer.nodes is None else tuple(answer.nodes), answer.text,
            answer.cannot_assess,
        )
        for answer in answers
    }  # fmt: skip


def check(questions: Sequence[Question], given: Mapping[int, Given], *, in_time: bool = True) -> None:
    """Raise ReadingsError "malformed", naming the question, unless `given` (see `said`) answers a stage's questions.

    `questions` come with their choices. Not `in_time`: what is missing was cut off by the clock, and is no error.
    """
    by_pk = {question.pk: question for question in questions}
    if not given.keys() <= by_pk.keys():
        raise _malformed(_("An answer came to a question that is not asked here. Nothing was stored."))
    for pk, question in by_pk.items():
        if pk in given:
            _check_one(question, given[pk])
        elif question.is_required and in_time:
            raise _malformed(_("“%(question)s” needs an answer. Nothing was stored.") % {"question": question.text})


def _check_one(question: Question, answer: Given) -> None:
    if answer.cannot_assess and question.allows_cannot_assess and answer.parts == {"cannot_assess"}:
        return
    if answer.parts != {_PART[Question.Kind(question.kind)]}:
        raise _malformed(
            _("What came is not an answer to “%(question)s”. Nothing was stored.") % {"question": question.text}
        )
    if answer.choice is not None and answer.choice not in {choice.pk for choice in question.choices.all()}:
        raise _malformed(_("This is not one of the answers to choose from. Nothing was stored."))
    if answer.number is not None:
        _check_number(question, answer.number)
    if answer.nodes is not None:
        _check_nodes(question, answer.nodes)
    if answer.text is not None:
        _check_text(question, answer.text)


def _check_number(question: Question, number: int) -> None:
    least, most = question.least or 0, question.most or 0
    if not least <= number <= most:
        raise _malformed(
            _("“%(question)s” is answered by a whole number from %(least)d to %(most)d, not by %(number)d.")
            % {"question": question.text, "least": least, "most": most, "number": number}
        )


def _check_nodes(question: Question, nodes: tuple[str, ...]) -> None:
    if len(nodes) > (question.most or 0):
        raise _malformed(
            _("“%(question)s” takes at most %(most)d diagnoses, not %(number)d.")
            % {"question": question.text, "most": question.most, "number": len(nodes)}
        )
    if len(set(nodes)) != len(nodes):
        raise _malformed(_("“%(question)s”: a diagnosis was named twice.") % {"question": question.text})
    allowed = diagnoses_of(question)
    if unknown := [node for node in nodes if node not in allowed]:
        raise _malformed(
            _("“%(question)s”: “%(node)s” is not one of the diagnoses to choose from.")
            % {"question": question.text, "node": unknown[0][:100]}
        )


def _check_text(question: Question, text: str) -> None:
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise _malformed(
            _("“%(question)s” takes a text of at most %(most)d characters; this one has %(number)d.")
            % {"question": question.text, "most": MOST_CHARACTERS, "number": len(text)}
        )


def diagnoses_of(question: Question) -> dict[str, None]:
    """The nodes of the taxonomy that a ranking may name, in the taxonomy's order."""
    known = taxonomy()
    if not question.nodes:
        return dict.fromkeys(known.nodes)
    wanted = {under for node in question.nodes for under in known.descendants(node)}
    return {node: None for node in known.nodes if node in wanted}


def _malformed(message: str) -> ReadingsError:
    return ReadingsError("malformed", message)
