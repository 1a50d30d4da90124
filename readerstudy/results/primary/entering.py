"""Who enters the planned analysis, as far as it is the same for the model and for conditions."""

import numpy as np

from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.table import Bools
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Plan

CERTIFIED = "board-certified"  # as tables.attributes writes it


def eligible(plan: Plan, table: TestTable) -> Bools:
    """(readers,): over whom the plan averages. ValueError where their certification was not read and is asked for."""
    if plan.average != planned.CERTIFIED_READERS:
        return np.ones(len(table.readers), dtype=bool)
    if table.attributes is None:
        raise ValueError("the plan averages board-certified readers: the readers' attributes were not read")
    return np.array([label == CERTIFIED for label in table.attributes.certification], dtype=bool)
