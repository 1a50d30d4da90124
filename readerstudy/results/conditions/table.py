"""What was answered at each stage and in each arm of a test, as arrays. No database, no Django."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.taxonomy import Taxonomy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DECISION, CLASSES, RANKING, SCALE = "decision", "classes", "ranking", "scale"  # kinds of question
NO_ADVICE = "none"
NOT_SAID = -1


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What a stage shows; ``modalities`` is empty where it shows every picture of the case."""

    position: int
    modalities: tuple[str, ...]
    shows_facts: bool
    shows_advice: bool


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """An arm and the ``stages`` at which its cases are read. ``position`` 0: the test has no arms."""

    position: int
    title: str
    advice: str
    wrong_per_cent: int
    stages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChoiceFacts:
    label: str
    is_positive: bool | None
    node: str


@dataclass(frozen=True, slots=True, eq=False)
class AskedTable:
    """A question and the answer that counts for each of the m items, which is that of the last revision of its stage.

    ``choice`` (m,): index into ``choices``; ``number`` (m,): of a scale; ``nodes``: the diagnoses of a ranking, the
    likeliest first, of each item (empty for other kinds). NOT_SAID, NaN, (): no answer, or the case cannot be assessed.
    """

    position: int
    stage: int
    kind: str
    text: str
    choices: tuple[ChoiceFacts, ...]
    least: int | None
    most: int | None
    least_label: str
    most_label: str
    choice: Ints
    number: Floats
    nodes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ConditionTable:
    """Every counted item of a test: neither practice nor attention check nor hidden repeat, of every part and batch.

    ``reader`` and ``case`` (m,) are indices into the test's readers and cases, ``arm`` (m,) is the arm's position,
    ``turned`` (m,) whether its advice is turned against the model on purpose, ``advised`` (m,) the side that the advice
    named when it was shown: 1 positive, 0 negative, NaN none. A reader reads a case at most once in an arm.
    """

    arms_design: str
    stages: tuple[StageFacts, ...]
    arms: tuple[ArmFacts, ...]
    asked: tuple[AskedTable, ...]
    reader: Ints
    case: Ints
    arm: Ints
    turned: Bools
    advised: Floats
    taxonomy: Taxonomy
