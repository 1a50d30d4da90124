"""How long readers took and how often they were right, from their first case to their last."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readerstudy.results.arrays import AnswerTable, QuestionTable, TestTable
from readerstudy.results.stats import Proportion, proportion

BINS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PaceBin:
    """Positions ``first`` to ``last`` in the readers' own orders: seconds (quartiles; NaN where no browser sent its
    times) over ``n_timed`` answers, and the share of right last answers, readers pooled."""

    first: int
    last: int
    n_timed: int
    lower_quartile: float
    median: float
    upper_quartile: float
    right: Proportion


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from the showing of a case to its first answer, by the readers' own browsers' clocks, and accuracy, over
    ten runs of positions. ``n_timed`` of ``n_answers`` first answers have both times and a difference that is not
    negative."""

    bins: tuple[PaceBin, ...]
    median: float
    n_timed: int
    n_answers: int


def pace(table: TestTable, question: QuestionTable) -> Pace | None:
    """The pace over every answer given; None where there is none, or where the tables lack the answers."""
    answered = ~np.isnan(question.decisions)
    if table.answers is None or not answered.any():
        return None
    position, seconds, n_answers = first_times(table.answers, question.position)
    right = question.decisions == table.cases.truth
    edges = np.unique(np.linspace(0, table.cases.n, min(BINS, table.cases.n) + 1).round().astype(int)).tolist()
    bins = []
    for before, last in itertools.pairwise(edges):
        took = seconds[(position > before) & (position <= last)]
        here = answered & (table.positions > before) & (table.positions <= last)
        low, middle, high = np.percentile(took, [25, 50, 75]).tolist() if took.size else [np.nan] * 3
        share = proportion(int((right & here).sum()), int(here.sum()))
        bins.append(PaceBin(before + 1, last, int(took.size), low, middle, high, share))
    median = float(np.median(seconds)) if seconds.size else np.nan
    return Pace(tuple(bins), median, int(seconds.size), n_answers)


def first_times(answers: AnswerTable, question: int) -> tuple[NDArray[np.int64], Floats, int]:
    """(positions, seconds) of the first answers to a question that have both browser times, and how many there are."""
    rows = np.flatnonzero(answers.question == question)
    keys = answers.reader[rows] * (answers.position.max(initial=0) + 1) + answers.position[rows]
    # rows are in the order of their revisions: the first of a key is the first
    first = rows[np.append(True, keys[1:] != keys[:-1])] if rows.size else rows
    took = (answers.given[first] - answers.shown[first]) / np.timedelta64(1, "s")
    known = took >= 0  # false where a time is missing
    return answers.position[first][known], took[known], first.size
