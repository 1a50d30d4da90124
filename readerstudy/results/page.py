"""What the results page shows of the finished numbers: figures, tables, and how far the scoring is."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from readerstudy.results.analysis import QuestionResult, StudyResults, TestResult
from readerstudy.results.captions import alternative_text, caption
from readerstudy.results.figures import Convention, roc_with_readers
from readerstudy.results.rendering import figure_data
from readerstudy.results.tables import images_to_score
from readerstudy.scoring.jobs import coverage
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.studies.models import Study


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of the page with its table. ``query`` are the parameters that its downloads need."""

    number: int
    test: TestResult
    question: QuestionResult
    caption: str
    alternative_text: str
    figure: dict[str, Any]
    query: str

    @property
    def key(self) -> str:
        """The id of the figure's data within the page."""
        return f"figure-{self.test.id}-{self.question.position}"


@dataclass(frozen=True, slots=True)
class Section:
    """One test of the page."""

    test: TestResult
    panels: tuple[Panel, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Scoring:
    """How much of the study a model has scored, and the run that is under way."""

    n_scored: int
    n_images: int
    run: ScoringRun | None

    @property
    def n_left(self) -> int:
        return self.n_images - self.n_scored


def sections(results: StudyResults, convention: Convention) -> tuple[Section, ...]:
    """The tests of the page in their order, figures numbered through."""
    model = results.provenance.model
    chosen = {"model": model.id} if model else {}
    made, number = [], 0
    for test in results.tests:
        panels = []
        for question in test.questions:
            number += 1
            asked = {**chosen, "convention": convention, "question": question.position}
            panels.append(
                Panel(
                    number=number,
                    test=test,
                    question=question,
                    caption=caption(test, question, results.provenance),
                    alternative_text=alternative_text(test, question),
                    figure=figure_data(roc_with_readers(test, question, convention=convention, titled=False)),
                    query=urlencode(asked),
                )
            )
        made.append(Section(test, tuple(panels), urlencode(chosen)))
    return tuple(made)


def scoring(study: Study, model_version: ModelVersion) -> Scoring:
    """Where the scoring of the study's images by this model stands."""
    n_scored, n_images = coverage(model_version, images_to_score(study))
    active = model_version.runs.filter(state__in=[ScoringRun.State.QUEUED, ScoringRun.State.RUNNING])
    return Scoring(n_scored, n_images, active.order_by("-created_at").first())
