"""Extended Data Table 2: mean per-class accuracy at levels of the taxonomy, of readers and of ways to train a network.

Source: Esteva et al., Nature 542:115-118 (2017), Extended Data Table 2: two dermatologists on 180 images at each level
(60 and 20 of a class), the network over nine folds, mean and standard deviation.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from readerstudy.results.supplement.confusions import reader_confusion
from readerstudy.results.tables.class_answers import ClassAnswers
from readerstudy.scoring.validation import Row

READERS_SHOWN = 5  # each with a row of his or her own; more are one row
PAPER, HERE, STUDY = "paper", "model", "study"
IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share, its standard deviation (NaN: there is none) and what that is over: ``n`` of ``unit`` (images, folds or
    readers)."""

    value: float
    sd: float
    n: int
    unit: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table. ``source``: the paper, this model's cross-validation, or this study's readers. ``cells``:
    level -> accuracy, where there is one."""

    source: str
    who: str
    cells: dict[int, Accuracy]


@dataclass(frozen=True, slots=True)
class Validation:
    """``levels``: level -> numbers of classes at it, by what was tested (the paper's: 3 and 9)."""

    levels: tuple[int, ...]
    classes: dict[int, tuple[int, ...]]
    lines: tuple[Line, ...]


_PAPER = (
    ("dermatologist 1", (0.656, math.nan, 180, "images"), (0.533, math.nan, 180, "images")),
    ("dermatologist 2", (0.660, math.nan, 180, "images"), (0.550, math.nan, 180, "images")),
    ("direct", (0.694, 0.008, 9, "folds"), (0.489, 0.019, 9, "folds")),
    ("partition", (0.721, 0.009, 9, "folds"), (0.554, 0.017, 9, "folds")),
)
PAPERS_CLASSES = {1: 3, 2: 9}
PAPERS = tuple(Line(PAPER, who, {1: Accuracy(*three), 2: Accuracy(*nine)}) for who, three, nine in _PAPER)


def table(rows: Sequence[Row], answers: Iterable[ClassAnswers]) -> Validation:
    """The paper's rows, the model's (``rows``: of its cross-validation) and the readers' of a study."""
    answers = list(answers)
    classes: dict[int, set[int]] = {level: {n} for level, n in PAPERS_CLASSES.items()}
    for row in rows:
        classes.setdefault(row.level, set()).add(row.classes)
    for one in answers:
        classes.setdefault(one.level, set()).add(len(one.nodes))
    lines = (*PAPERS, *_of_model(rows), *(line for one in answers for line in of_readers(one)))
    return Validation(tuple(sorted(classes)), {k: tuple(sorted(v)) for k, v in sorted(classes.items())}, lines)


def _of_model(rows: Sequence[Row]) -> list[Line]:
    """The networks trained on a level directly share a row, as in the paper: each answers its own level."""
    found: dict[str, dict[int, Accuracy]] = {}
    for row in rows:
        who = "direct" if row.arm.startswith("direct, ") else row.arm
        sd = math.nan if row.sd is None else row.sd
        found.setdefault(who, {})[row.level] = Accuracy(row.mean_accuracy, sd, row.folds, "folds")
    return [Line(HERE, who, cells) for who, cells in sorted(found.items(), key=lambda line: line[0] != "direct")]


def of_readers(answers: ClassAnswers) -> list[Line]:
    """Each reader who answered every case that is of one of the classes; where they are many, their mean and SD."""
    kept = answers.truth != np.array(None)
    truth, said = answers.truth[kept], answers.said[:, kept]
    if not truth.size:
        return []
    complete = [i for i, row in enumerate(said) if all(node is not None for node in row)]
    if not complete:
        return []
    found = reader_confusion(truth, said[complete], answers.nodes)
    if len(complete) > READERS_SHOWN:
        mean = Accuracy(float(np.mean(found.per_reader)), found.sd, len(complete), "readers")
        return [Line(STUDY, answers.test, {answers.level: mean})]
    cells = [{answers.level: Accuracy(value, math.nan, truth.size, IMAGES)} for value in found.per_reader]
    names = [f"{answers.codes[i]}, {answers.test}" for i in complete]
    return [Line(STUDY, name, cell) for name, cell in zip(names, cells, strict=True)]
