"""A question as the plain form asks it: what its fields hold already, where an answer is to be changed."""

from dataclasses import dataclass

from readerstudy.images.truth import name_of
from readerstudy.readings.answering import Given, stored
from readerstudy.readings.diagnoses import choosable
from readerstudy.readings.models import Submission
from readerstudy.studies.models import Question

MOST_BUTTONS = 11  # a scale of more points than this is a field for a number


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what was answered to it before."""

    question: Question
    given: Given

    @classmethod
    def of(cls, question: Question, submission: Submission | None) -> "Asked":
        before = stored(submission.answers.all()) if submission is not None else {}
        return cls(question, before.get(question.pk, Given()))

    @property
    def is_by_buttons(self) -> bool:
        """Whether it is answered by pressing one button of a few."""
        return self.question.kind in (Question.Kind.DECISION, Question.Kind.CLASSES)

    @property
    def points(self) -> list[int]:
        """The points of a scale, where they are few enough for a button each."""
        least, most = self.question.least, self.question.most
        if self.question.kind != Question.Kind.SCALE or least is None or most is None:
            return []
        return list(range(least, most + 1)) if most - least < MOST_BUTTONS else []

    @property
    def places(self) -> list[tuple[int, str]]:
        """(place, what it holds) of a ranking."""
        names = [name_of(node) for node in self.given.nodes or ()]
        most = self.question.most or 0
        return [(place, names[place - 1] if place <= len(names) else "") for place in range(1, most + 1)]

    @property
    def choosable(self) -> list[str]:
        return choosable(self.question)
