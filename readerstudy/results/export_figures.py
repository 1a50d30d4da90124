"""Every figure of an export, each as a page, PNG, SVG and PDF, with its caption and alternative text."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import plotly.graph_objects as go
import plotly.offline

from readerstudy.results.analysis import QuestionResult, StudyResults, TestResult
from readerstudy.results.captions import alternative_text, caption
from readerstudy.results.conditions import page as conditions
from readerstudy.results.errors import ResultsError
from readerstudy.results.explained import exporting
from readerstudy.results.explained.page import Explained
from readerstudy.results.figures import roc_with_readers
from readerstudy.results.parts import Step
from readerstudy.results.plates import Plate
from readerstudy.results.rendering import DRAWN, as_page, draw
from readerstudy.results.supplement import words
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.page import drawn

Numbers = dict[str, dict[str, Supplement]]  # test -> question -> what stands behind its figure, both by position
Seen = dict[str, Explained]  # test (by position) -> what the model has made of its cases beside scores
SCRIPT = "plotly.min.js"  # once for every page: it is 60 times as large as a page


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that belongs into the export and could not be made."""

    name: str
    reason: str


def figure_name(test: TestResult, question: QuestionResult, figure: str = "roc") -> str:
    """Path of a figure without its ending: the first question's has no number."""
    first = test.questions[0].position == question.position
    return f"test-{test.position}/{figure}" + ("" if first else f"-question-{question.position}")


def figure_files(
    results: StudyResults, numbers: Numbers, seen: Seen, step: Step | None = None
) -> tuple[list[File], list[LeftOut]]:
    """Every figure as files; without a Chromium, what only that can draw is left out, with the reason. ``step`` is told
    how many pictures are drawn."""
    files = [File(SCRIPT, plotly.offline.get_plotlyjs().encode())]
    wanted: list[tuple[str, go.Figure, str]] = []
    for plate in _plates(results, numbers, seen):
        page = as_page(plate.figure, title=plate.title, text=plate.caption, script=f"../{SCRIPT}")
        files.append(File(f"{plate.name}.html", page))
        files.append(File(f"{plate.name}.txt", f"{plate.caption}\n\n{plate.alternative_text}\n".encode()))
        wanted += [(f"{plate.name}.{fmt}", plate.figure, fmt) for fmt in DRAWN]
    try:
        contents = draw([(figure, fmt) for _name, figure, fmt in wanted], step)
    except ResultsError as error:
        return files, [LeftOut(name, str(error)) for name, _figure, _fmt in wanted]
    return files + [File(entry[0], content) for entry, content in zip(wanted, contents, strict=True)], []


def _plates(results: StudyResults, numbers: Numbers, seen: Seen) -> Iterator[Plate]:
    """The main figure of each question of each test, those of the test's own page, and what the model sees."""
    for test in results.tests:
        for question in test.questions:
            yield Plate(
                figure_name(test, question), test.title, caption(test, question, results.provenance),
                alternative_text(test, question), roc_with_readers(test, question),
            )  # fmt: skip
            behind = numbers[str(test.position)][str(question.position)]
            for name, figure in drawn(test, question, behind).items():
                yield Plate(
                    figure_name(test, question, name), f"{test.title}: {words.TITLES[name]}",
                    words.caption(name, test, behind), words.alternative_text(name, test, behind), figure,
                )  # fmt: skip
        compared = conditions.plates(test.conditions) if test.conditions is not None else ()
        found = seen.get(str(test.position))
        for plate in (*compared, *(exporting.figures(found) if found is not None else ())):
            yield replace(plate, name=f"test-{test.position}/{plate.name}", title=f"{test.title}: {plate.title}")
