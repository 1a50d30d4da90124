"""Tests of a study as arrays, the short way, and plans for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from readerstudy.results.arrays import Attributes, CaseTable, ModelTable, QuestionTable, TestTable
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Plan

DEFAULT = Plan(
    endpoint=planned.SENSITIVITY, method=planned.OR_RANDOM, hypothesis=planned.SUPERIORITY, margin=0.0, alpha=0.05,
    reference=None, threshold_origin=planned.STATED, threshold=0.5, threshold_data="", multiplicity=planned.HOLM,
    missing=planned.COMPLETE_READERS, average=planned.EVERY_READER, secondary=(), seed=7,
)  # fmt: skip
MATCHED = {"threshold_origin": planned.TEST_SET, "threshold": None}
OF_AUC = {"endpoint": planned.AUC, "method": planned.DELONG, "threshold_origin": "", "threshold": None}


def plan(**values: Any) -> Plan:
    """The default plan with other values."""
    return replace(DEFAULT, **values)


def table(
    truth: Any, scores: Any, said: Any, *, position: int = 1, certified: Sequence[bool] | None = None,
    leaked: tuple[int, ...] = (), problem: str = "",
) -> TestTable:  # fmt: skip
    """A test with these cases (truth, the model's scores or None) and readers' decisions (r, n); all cases were asked
    of every reader who answered any."""
    actual, decisions = np.asarray(truth, np.int64), np.asarray(said, np.float64).reshape(-1, len(truth))
    n, r = actual.size, len(decisions)
    begun = ~np.isnan(decisions).all(axis=1)
    model = None
    if scores is not None:
        model = ModelTable(
            np.asarray(scores, np.float64), actual, np.asarray(scores, np.float64), (), np.zeros(n, bool), True,
            leaked, problem,
        )  # fmt: skip
    nothing = (None,) * n
    attributes = None
    if certified is not None:
        labels = tuple("board-certified" if yes else "not certified" for yes in certified)
        unsaid = (None,) * r
        attributes = Attributes(nothing, nothing, nothing, nothing, unsaid, labels, unsaid, unsaid, unsaid, unsaid)
    return TestTable(
        id=position, position=position, title=f"Test {position}", positive_nodes=("melanoma",),
        negative_nodes=("melanocytic-naevus",), notice="",
        cases=CaseTable(
            np.arange(n), np.arange(1, n + 1), actual, ("",) * n, ("histopathology",) * n, ("clinical",) * n,
            np.arange(n), np.arange(n), tuple(map(str, range(n))),
        ),
        readers=tuple(f"R{i + 1:02d}" for i in range(r)), finished=begun, n_withdrawn=0,
        positions=np.where(begun[:, np.newaxis], np.arange(1, n + 1), np.nan),
        questions=(QuestionTable(1, 1, "Biopsy?", ("Biopsy",), ("Reassure",), decisions),),
        model=model, answers=None, attributes=attributes,
    )  # fmt: skip
