"""Whether a diagnosis that a reader named agrees with the reference diagnosis, by the taxonomy."""

from collections.abc import Sequence

import numpy as np

from model_core.taxonomy import Taxonomy
from readerstudy.results.conditions.table import NOT_SAID, AskedTable, Floats, Ints

RULE = (
    "A diagnosis named agrees with the reference where it is the reference diagnosis, lies under it in the taxonomy, "
    "or lies above it and is no root of the taxonomy."
)


def agrees(taxonomy: Taxonomy, named: str, reference: str) -> bool:
    """By RULE. A node that the taxonomy does not know agrees only with itself."""
    if named == reference:
        return True
    if named not in taxonomy.nodes or reference not in taxonomy.nodes:
        return False
    above = taxonomy.ancestors(reference)
    return reference in taxonomy.ancestors(named) or (named in above and named not in taxonomy.roots)


def named_among_first(taxonomy: Taxonomy, asked: AskedTable, case: Ints, diagnoses: Sequence[str], n: int) -> Floats:
    """(m,) of a ranking's answers: 1 where one of the first ``n`` agrees with the case's diagnosis, 0 where none does,
    NaN where none was named. ``case`` (m,): index into ``diagnoses``."""
    known: dict[tuple[str, str], bool] = {}
    found = np.full(len(asked.nodes), np.nan)
    for item, (nodes, index) in enumerate(zip(asked.nodes, case.tolist(), strict=True)):
        if nodes:
            reference = diagnoses[index]
            for named in nodes[:n]:
                if (named, reference) not in known:
                    known[named, reference] = agrees(taxonomy, named, reference)
            found[item] = any(known[named, reference] for named in nodes[:n])
    return found


def class_of_cases(taxonomy: Taxonomy, asked: AskedTable, diagnoses: Sequence[str]) -> Ints:
    """(n,): index of the choice that a case's diagnosis is or lies under, the deepest of several; NOT_SAID: none."""
    nodes = {choice.node: index for index, choice in enumerate(asked.choices) if choice.node}
    known, found = set(taxonomy.nodes), []
    for diagnosis in diagnoses:
        path = [diagnosis, *(taxonomy.ancestors(diagnosis) if diagnosis in known else ())]
        found.append(next((nodes[node] for node in path if node in nodes), NOT_SAID))
    return np.array(found, dtype=np.int64)
