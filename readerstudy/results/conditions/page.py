"""What the page of a test's stages and arms shows: for each comparison its figures with their words, and its tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from readerstudy.results.conditions import words
from readerstudy.results.conditions.comparing import SENSITIVITY, SPECIFICITY
from readerstudy.results.conditions.figures import change, differences
from readerstudy.results.conditions.numbers import Comparison, ConditionResult, Conditions, ThreadResult
from readerstudy.results.conditions.switching import Switches
from readerstudy.results.conditions.words import CHANGE, DIFFERENCES
from readerstudy.results.figures import Convention
from readerstudy.results.plates import Plate
from readerstudy.results.stats import Estimate


@dataclass(frozen=True, slots=True)
class Panel:
    """A comparison on the page."""

    comparison: Comparison
    title: str
    plates: tuple[Plate, ...]
    rows: tuple[tuple[str, Any, str], ...]  # measure in words, its difference, its role where the plan names it
    switches: tuple[tuple[str, Switches], ...]  # what makes an answer right, in words


@dataclass(frozen=True, slots=True)
class Section:
    """A question on the page; ``conditions``: (name, numbers, the averages of the ``measures``)."""

    thread: ThreadResult
    note: str
    measures: tuple[str, ...]
    conditions: tuple[tuple[str, ConditionResult, tuple[Estimate, ...]], ...]
    panels: tuple[Panel, ...]


def sections(found: Conditions, convention: Convention) -> tuple[Section, ...]:
    """The questions of the page in their order."""
    return tuple(
        Section(
            thread, words.note(thread.note),
            tuple(words.measure(name) for name in _averages(thread.conditions[0])),
            tuple(
                (words.condition_name(one.condition), one, tuple(_averages(one).values()))
                for one in thread.conditions
            ),
            tuple(_panel(thread, one, found.role, convention) for one in thread.comparisons),
        )
        for thread in found.threads
    )  # fmt: skip


def _averages(found: ConditionResult) -> dict[str, Estimate]:
    """By measure; of every condition of a question the same ones."""
    average = found.average
    sides = {} if average is None else {SENSITIVITY: average.sensitivity, SPECIFICITY: average.specificity}
    return {**sides, **found.means}


def _panel(thread: ThreadResult, comparison: Comparison, role: str, convention: Convention) -> Panel:
    return Panel(
        comparison, words.title(thread, comparison),
        tuple(_plates(thread, comparison, role, convention)),
        tuple(
            (words.measure(one.measure), one, comparison.roles.get(one.measure, ""))
            for one in comparison.differences
        ),
        tuple((words.aspect(one.aspect), one) for one in (*comparison.switches, *comparison.reliance)),
    )  # fmt: skip


def plates(found: Conditions, convention: Convention = "paper") -> Iterator[Plate]:
    """Every figure, comparison by comparison."""
    for thread, comparison in found.comparisons():
        yield from _plates(thread, comparison, found.role, convention)


def _plates(thread: ThreadResult, comparison: Comparison, role: str, convention: Convention) -> Iterator[Plate]:
    drawn = {
        CHANGE: change(thread, comparison, convention=convention),
        DIFFERENCES: differences(thread, comparison),
    }
    for name, figure in drawn.items():
        if figure is not None:
            yield Plate(
                f"{name}-{comparison.number}", words.title(thread, comparison),
                words.caption(name, thread, comparison, role),
                words.alternative_text(name, thread, comparison, role), figure,
            )  # fmt: skip
