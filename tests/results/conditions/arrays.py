"""Stages and arms as arrays, the short way: what each reader says of each case under each condition is given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from model_core.taxonomy import Taxonomy
from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.table import (
    NOT_SAID,
    ArmFacts,
    AskedTable,
    ChoiceFacts,
    ConditionTable,
    StageFacts,
)
from tests.results.primary.tables import table

BIOPSY = (ChoiceFacts("Biopsy", True, ""), ChoiceFacts("Reassure", False, ""))
NO_ARM = (ArmFacts(0, "", "none", 0, (1, 2)),)
ALONE, FACTS = StageFacts(1, (), False, False), StageFacts(2, (), True, False)


def two_stages(
    truth: Any, first: Any, second: Any, *, sure: Sequence[Any] = (), kind: str = "decision",
    choices: Sequence[ChoiceFacts] = BIOPSY, diagnoses: Sequence[str] = (),
) -> TestTable:  # fmt: skip
    """Image alone, then facts. ``first`` and ``second`` (readers, cases): the index of the choice (NaN: no answer), or
    of a ranking the nodes named; ``sure``: of both stages, on a scale from 1 to 5."""
    before, after = (np.asarray(said, dtype=object if kind == "ranking" else float) for said in (first, second))
    r, n = len(before), len(truth)
    asked = [said_at(i + 1, i + 1, said, kind, choices) for i, said in enumerate((before, after))]
    asked += [scale(i + 3, i + 1, level) for i, level in enumerate(sure)]
    return with_conditions(
        truth, r, (ALONE, FACTS), NO_ARM, asked, reader=np.repeat(np.arange(r), n), case=np.tile(np.arange(n), r),
        diagnoses=diagnoses,
    )  # fmt: skip


def two_arms(truth: Any, said: Mapping[int, Any], design: str, **facts: Any) -> TestTable:
    """One stage in two arms, the second with advice. ``said``: by the arm's number, (readers, cases) of choices, NaN
    where the reader did not read the case in it."""
    arms = (ArmFacts(1, "without", "none", 0, (1,)), ArmFacts(2, "with", "probability", 0, (1, 2)))
    stages = (ALONE, StageFacts(2, (), False, True))
    r, n = np.asarray(said[1]).shape
    values = {arm: np.asarray(one, dtype=float).ravel() for arm, one in said.items()}
    read = {arm: ~np.isnan(one) for arm, one in values.items()}
    place = np.concatenate([np.flatnonzero(read[arm]) for arm in (1, 2)])
    arm = np.repeat([1, 2], [read[1].sum(), read[2].sum()])
    choice = np.concatenate([values[one][read[one]] for one in (1, 2)])
    asked = [
        said_at(1, 1, choice, "decision", BIOPSY),
        said_at(2, 2, np.where(arm == 2, choice, np.nan), "decision", BIOPSY),
    ]
    return with_conditions(truth, r, stages, arms, asked, reader=place // n, case=place % n, arm=arm, design=design)


def said_at(position: int, stage: int, said: Any, kind: str, choices: Sequence[ChoiceFacts]) -> AskedTable:
    flat = np.asarray(said).ravel()
    number = np.full(flat.size, np.nan)
    if kind == "ranking":
        nodes = tuple(tuple(one.split()) for one in flat.tolist())
        choice = np.full(flat.size, NOT_SAID)
        return AskedTable(position, stage, kind, "Which?", (), None, 3, "", "", choice, number, nodes)
    choice = np.where(np.isnan(flat), NOT_SAID, flat).astype(np.int64)
    return AskedTable(position, stage, kind, "Which?", tuple(choices), None, None, "", "", choice, number, ())


def scale(position: int, stage: int, level: Any) -> AskedTable:
    flat = np.asarray(level, dtype=float).ravel()
    nothing = np.full(flat.size, NOT_SAID)
    return AskedTable(position, stage, "scale", "How sure?", (), 1, 5, "a guess", "certain", nothing, flat, ())


def with_conditions(
    truth: Any, r: int, stages: Any, arms: Any, asked: Any, *, reader: Any, case: Any, arm: Any = None,
    design: str = "single", advised: Any = None, diagnoses: Sequence[str] = (),
) -> TestTable:  # fmt: skip
    m = len(reader)
    conditions = ConditionTable(
        arms_design=design, stages=stages, arms=arms, asked=tuple(asked), reader=np.asarray(reader),
        case=np.asarray(case), arm=np.zeros(m, np.int64) if arm is None else np.asarray(arm),
        turned=np.zeros(m, bool), advised=np.full(m, np.nan) if advised is None else advised,
        taxonomy=Taxonomy.default(),
    )  # fmt: skip
    made = table(truth, None, np.zeros((r, len(truth))))
    names = tuple(diagnoses) or made.cases.diagnoses
    return replace(made, cases=replace(made.cases, diagnoses=names), conditions=conditions)
