"""A question as the plain form asks it: what its fields hold already, where an answer is to be changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from readerstudy.images.truth import name_of
from readerstudy.readings.answering import Given, stored
from readerstudy.readings.diagnoses import choosable
from readerstudy.readings.models import Reading, Submission
from readerstudy.studies.models import Question, Stage, Test

FEW_CHOICES = 4  # that stand in one row
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


@dataclass(frozen=True, slots=True)
class AskedStage:
    """The questions of a stage, and what was answered to them before."""

    stage: Stage
    asked: list[Asked]

    @classmethod
    def of(cls, stage: Stage, submission: Submission | None = None) -> "AskedStage":
        return cls(stage, [Asked.of(question, submission) for question in stage.questions.all()])

    @property
    def is_one_press(self) -> bool:
        """Whether one press of a button answers all that is asked."""
        return len(self.asked) == 1 and self.asked[0].is_by_buttons and self.asked[0].question.is_required

    @property
    def is_rich(self) -> bool:
        """Whether there is more to it than a row of buttons: then it stands beside the picture, where there is room."""
        many = any(len(one.question.choices.all()) > FEW_CHOICES for one in self.asked)
        return many or not self.is_one_press or self.stage.shows_advice


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a test that a reader may change: those of the answers, by number, and (name, what it does)."""

    answers: range
    others: list[tuple[str, str]]


def keys_of(reading: Reading, stages: Sequence[Stage]) -> Keys:
    """The keys that do something in this test."""
    questions = [question for stage in stages for question in stage.questions.all()]
    most = max((_last_key(question) for question in questions), default=0)
    test = reading.test
    others = [
        ("cannot", _("Cannot be assessed"), any(question.allows_cannot_assess for question in questions)),
        ("undo", _("Change the answer before"), test.changes != Test.Changes.NEVER),
        ("larger", _("Larger"), test.zoom_allowed),
        ("smaller", _("Smaller"), test.zoom_allowed),
        ("fit", _("The whole picture"), test.zoom_allowed),
        ("full", _("Full size"), test.zoom_allowed),
        ("picture", _("The next picture of the case"), True),
        ("layout", _("One picture at a time, or side by side"), True),
        ("time", _("More time"), test.time_limit == Test.Limit.HARD),
        ("help", _("This help"), True),
    ]
    return Keys(range(1, most + 1), [(name, text) for name, text, is_used in others if is_used])


def _last_key(question: Question) -> int:
    """The highest digit that answers a question; 0: none does."""
    points = Asked(question, Given()).points
    return min(9, points[-1] if points else len(question.choices.all()))
