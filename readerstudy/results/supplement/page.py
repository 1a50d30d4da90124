"""What a test's own page shows: figures with their words, and the pictures on which readers and model disagree."""

import dataclasses
from dataclasses import dataclass

import plotly.graph_objects as go
from django.http import Http404

from readerstudy.images.truth import name_of
from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.arrays import CaseTable, ClassTable
from readerstudy.results.plates import Plate
from readerstudy.results.supplement.figures import FIGURES
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.summation import summed_up
from readerstudy.results.supplement.words import TITLES, alternative_text, caption

MOST_PICTURES = 24


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the gallery, by its number and its first picture's public name."""

    number: int
    uuid: str
    diagnosis: str


def with_case(cases: CaseTable, classes: ClassTable, test: TestResult, numbers: Supplement, asked: str) -> Supplement:
    """The same numbers with the taxonomy of the case asked for. Raises: Http404 for a case without a score."""
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    found = summed_up(cases, classes, test.positive_nodes, test.negative_nodes, number)
    if found is None:
        raise Http404
    return dataclasses.replace(numbers, summation=found)


def drawn(test: TestResult, question: QuestionResult, numbers: Supplement) -> dict[str, go.Figure]:
    """The figures that there are numbers for, in their order, by name."""
    made = {name: draw(test, question, numbers) for name, draw in FIGURES.items()}
    return {name: figure for name, figure in made.items() if figure is not None}


def plates(test: TestResult, question: QuestionResult, numbers: Supplement) -> dict[str, Plate]:
    """The figures of the page, numbered S1, S2, ..."""
    return {
        name: Plate(
            name, str(TITLES[name]), caption(name, test, numbers), alternative_text(name, test, numbers), figure,
            number,
        )
        for number, (name, figure) in enumerate(drawn(test, question, numbers).items(), start=1)
    }  # fmt: skip


def gallery(cases: CaseTable, numbers: tuple[int, ...]) -> list[Case]:
    """The first pictures of these cases, at most ``MOST_PICTURES``."""
    index = {number: i for i, number in enumerate(cases.numbers.tolist())}
    first: dict[int, str] = {}
    for case, uuid in zip(cases.picture_case.tolist(), cases.picture_uuids, strict=True):
        first.setdefault(case, uuid)
    return [Case(n, first[index[n]], name_of(cases.diagnoses[index[n]])) for n in numbers[:MOST_PICTURES]]
