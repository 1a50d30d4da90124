"""The arrays of stages and arms in an export: their facts as JSON beside `stage-answers.csv`, and read back."""

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from model_core.taxonomy import Taxonomy
from readerstudy.results.conditions.table import (
    NOT_SAID,
    ArmFacts,
    AskedTable,
    ChoiceFacts,
    ConditionTable,
    Ints,
    StageFacts,
)
from readerstudy.results.errors import ResultsError

ARRAYS = ("choice", "number", "nodes")  # of a question: these are in the CSV


def facts_of(table: ConditionTable | None) -> dict[str, Any] | None:
    """Everything but the answers."""
    if table is None:
        return None
    kept = [one.name for one in fields(AskedTable) if one.name not in ARRAYS]
    return {
        "arms_design": table.arms_design,
        "stages": [asdict(stage) for stage in table.stages],
        "arms": [asdict(arm) for arm in table.arms],
        "asked": [
            {name: getattr(asked, name) for name in kept} | {"choices": [asdict(choice) for choice in asked.choices]}
            for asked in table.asked
        ],
    }


def table_of(
    facts: dict[str, Any], rows: list[dict[str, str]], name: str, readers: dict[str, int], cases: dict[int, int],
    taxonomy: Taxonomy,
) -> ConditionTable:  # fmt: skip
    """``rows`` of the file ``name``; ``readers`` and ``cases``: code and number -> index.

    Raises: ResultsError, naming row and column; KeyError, TypeError, ValueError for facts that are none.
    """
    n_asked = len(facts["asked"])
    if n_asked == 0 or len(rows) % n_asked:
        raise ResultsError(f"{name}: {len(rows)} rows are no multiple of {n_asked} questions.")
    items = rows[::n_asked]
    _expect_questions(facts, rows, name)
    return ConditionTable(
        arms_design=facts["arms_design"],
        stages=tuple(StageFacts(**{**one, "modalities": tuple(one["modalities"])}) for one in facts["stages"]),
        arms=tuple(ArmFacts(**{**one, "stages": tuple(one["stages"])}) for one in facts["arms"]),
        asked=tuple(_asked(one, rows[i::n_asked], f"{name}", i, n_asked) for i, one in enumerate(facts["asked"])),
        reader=_known(items, "reader", readers, name, n_asked),
        case=_known(items, "case", {str(number): index for number, index in cases.items()}, name, n_asked),
        arm=np.array([int(row["arm"]) for row in items], dtype=np.int64),
        turned=np.array([row["advice_turned"] == "1" for row in items], dtype=bool),
        advised=np.array([float(row["advised_positive"] or "nan") for row in items], dtype=np.float64),
        taxonomy=taxonomy,
    )


def _expect_questions(facts: dict[str, Any], rows: list[dict[str, str]], name: str) -> None:
    """Item by item, question by question."""
    wanted = [str(one["position"]) for one in facts["asked"]]
    for line, row in enumerate(rows):
        if row["question"] != wanted[line % len(wanted)]:
            raise ResultsError(
                f"{name}, row {line + 2}, column question: {row['question']!r} is not {wanted[line % len(wanted)]}."
            )


def _known(rows: list[dict[str, str]], column: str, known: dict[str, int], name: str, step: int) -> Ints:
    found = []
    for number, row in enumerate(rows):
        if row[column] not in known:
            there = "order.csv" if column == "reader" else "cases.csv"
            raise ResultsError(f"{name}, row {number * step + 2}, column {column}: {row[column]!r} is not in {there}.")
        found.append(known[row[column]])
    return np.array(found, dtype=np.int64)


def _asked(facts: dict[str, Any], rows: list[dict[str, str]], name: str, first: int, step: int) -> AskedTable:
    choices = tuple(ChoiceFacts(**one) for one in facts["choices"])
    said = []
    for number, row in enumerate(rows):
        choice = int(row["choice"]) - 1 if row["choice"] else NOT_SAID
        if row["choice"] and not 0 <= choice < len(choices):
            raise ResultsError(
                f"{name}, row {number * step + first + 2}, column choice: {row['choice']} is not 1 to {len(choices)}."
            )
        said.append(choice)
    is_ranking = facts["kind"] == "ranking"
    return AskedTable(
        **{**facts, "choices": choices},
        choice=np.array(said, dtype=np.int64),
        number=np.array([float(row["number"] or "nan") for row in rows], dtype=np.float64),
        nodes=tuple(tuple(row["nodes"].split()) for row in rows) if is_ranking else (),
    )
