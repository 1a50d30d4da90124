"""One case's training-class probabilities, summed up the taxonomy (Esteva et al. 2017, Extended Data Fig. 1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.taxonomy import Taxonomy, TrainingClass
from readerstudy.results.arrays import CaseTable, ClassTable, TestTable
from readerstudy.results.supplement.confusions import mean_of_pictures

MOST_CLASSES = 10  # training classes that have a row of their own; the others of a branch share one


@dataclass(frozen=True, slots=True)
class NodeShare:
    """A node of the figure. ``parent`` is empty for a root; ``depth`` is 1 there. ``probability`` is the sum over the
    training classes at and under it. ``kind``: "training" an output of the model; "rest" several outputs of one branch
    that have no row of their own, ``n_classes`` of them; "inner" any other node. ``side``: positive or negative for a
    node that the test decides between, else empty."""

    key: str
    name: str
    parent: str
    depth: int
    probability: float
    kind: str
    side: str = ""
    n_classes: int = 1


@dataclass(frozen=True, slots=True)
class Summation:
    """The part of the taxonomy that a case's probabilities are summed up, parents before children. ``score`` is the
    positive share of the two sides, as in the ROC curve; ``diagnosis`` the case's own."""

    case: int
    uuid: str
    diagnosis: str
    positive: float
    negative: float
    score: float
    n_classes: int
    nodes: tuple[NodeShare, ...]


def summation(table: TestTable, number: int | None = None) -> Summation | None:
    """The case with this number (the first that the model has scored, unless given); None where it has no score, or
    there is no such case, or no model that can score the test."""
    model = table.model
    if model is None or model.problem or model.by_class is None:
        return None
    return summed_up(table.cases, model.by_class, table.positive_nodes, table.negative_nodes, number)


def summed_up(
    cases: CaseTable, said: ClassTable, positive_nodes: Sequence[str], negative_nodes: Sequence[str], number: int | None
) -> Summation | None:
    """The same from a model that can score the test."""
    if not cases.n:
        return None
    classes = said.classes
    by_case = mean_of_pictures(said.probabilities.astype(float), cases.picture_case, cases.n)
    scored = np.flatnonzero(~np.isnan(by_case).any(axis=1))
    wanted = [i for i in scored.tolist() if number is None or cases.numbers[i] == number]
    if not wanted:
        return None
    index = wanted[0]
    probabilities = by_case[index]
    taxonomy = said.taxonomy
    sides = [[*positive_nodes], [*negative_nodes]]
    positive, negative = (
        float(taxonomy.sum_probabilities(classes, probabilities[np.newaxis], nodes).sum()) for nodes in sides
    )
    both = positive + negative
    return Summation(
        case=int(cases.numbers[index]),
        uuid=cases.picture_uuids[cases.picture_case.tolist().index(index)],
        diagnosis=cases.diagnoses[index],
        positive=positive, negative=negative, score=positive / both if both else math.nan,
        n_classes=len(classes), nodes=tuple(_nodes(taxonomy, classes, probabilities, sides)),
    )  # fmt: skip


def _nodes(
    taxonomy: Taxonomy, classes: Sequence[TrainingClass], probabilities: NDArray[np.float64], sides: list[list[str]]
) -> list[NodeShare]:
    """Depth first. The most probable classes have their own rows, and at least one under each node of the test; the
    others of a parent are added up in one row under it."""
    side = {node: name for name, nodes in zip(("positive", "negative"), sides, strict=True) for node in nodes}
    shown = _shown(taxonomy, classes, probabilities, list(side))
    below: dict[str, list[int]] = {}
    for i, one in enumerate(classes):
        for node in (one.node, *taxonomy.ancestors(one.node)):
            below.setdefault(node, []).append(i)
    kept = {node for i in shown for node in (classes[i].node, *taxonomy.ancestors(classes[i].node))}
    own: dict[str, list[int]] = {}
    for i, one in enumerate(classes):
        own.setdefault(one.node, []).append(i)
    made: list[NodeShare] = []
    for node in taxonomy.nodes:
        if node not in kept:
            continue
        depth, mine = taxonomy.depth(node), own.get(node, [])
        whole = below[node] == mine and len(mine) == 1  # the node is a training class, and nothing lies under it
        kind, total = "training" if whole else "inner", float(probabilities[below[node]].sum())
        parent = taxonomy.parent(node) or ""
        made.append(NodeShare(node, taxonomy.name(node), parent, depth, total, kind, side.get(node, "")))
        if whole:
            continue
        for i in sorted(shown.intersection(mine)):
            name = taxonomy.class_name(classes[i])
            made.append(NodeShare(f"{node}:own", name, node, depth + 1, float(probabilities[i]), "training"))
        rest = [i for i in below[node] if i not in shown and _child(taxonomy, classes[i], node) not in kept]
        if rest:
            total = float(probabilities[rest].sum())
            made.append(NodeShare(f"{node}:rest", "", node, depth + 1, total, "rest", n_classes=len(rest)))
    return made


def _child(taxonomy: Taxonomy, one: TrainingClass, node: str) -> str:
    """The child of ``node`` that a class lies at or under; empty where it is of the node itself."""
    path = [one.node, *taxonomy.ancestors(one.node)]
    at = path.index(node)
    return path[at - 1] if at else ""


def _shown(
    taxonomy: Taxonomy, classes: Sequence[TrainingClass], probabilities: NDArray[np.float64], sides: list[str]
) -> set[int]:
    order = np.argsort(-probabilities, kind="stable").tolist()
    shown = set(order[:MOST_CLASSES])
    for node in sides:
        under = set(taxonomy.descendants(node))
        best = next((i for i in order if classes[i].node in under), None)
        if best is not None:
            shown.add(best)
    return shown
