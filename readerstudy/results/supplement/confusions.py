"""Confusion matrices of model and readers: of the decision asked for, and of the taxonomy's levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_core.taxonomy import Taxonomy, TaxonomyError
from readerstudy.results.arrays import ClassTable, QuestionTable, TestTable
from readerstudy.results.stats import Confusion, Estimate, StatsError, confusion, confusion_from_counts, mean_interval

Floats = NDArray[np.float64]
FEWEST, MOST = 3, 12  # classes of a level that is shown: two are the decision, more than twelve cannot be read
POSITIVE, NEGATIVE = "positive", "negative"


@dataclass(frozen=True, slots=True, eq=False)
class ReaderConfusion:
    """Readers over the same classes. ``counts`` and ``shares`` (k, k): their matrices added up, and each row of that
    divided by its sum, which is the mean of the readers' own rows where all answered every case. ``per_reader``: each
    reader's mean per-class accuracy, in their order; ``mean`` of them with the interval over readers; ``sd`` between
    them."""

    counts: NDArray[np.int64]
    shares: Floats
    per_reader: tuple[float, ...]
    mean: Estimate
    sd: float


@dataclass(frozen=True, slots=True, eq=False)
class Confusions:
    """Model and readers side by side over k classes. ``of`` is "decision" or "level N"; ``labels`` are their keys
    (nodes of the taxonomy, or positive and negative) and ``names`` what a person reads. ``n_left_out`` cases have a
    diagnosis above the level. Either side is None where it said nothing of these classes."""

    of: str
    labels: tuple[str, ...]
    names: tuple[str, ...]
    model: Confusion | None
    readers: ReaderConfusion | None
    n_left_out: int = 0


def reader_confusion(truth: ArrayLike, said: ArrayLike, labels: Sequence[str]) -> ReaderConfusion:
    """The readers' matrices over ``labels``. ``truth`` (n,) and ``said`` (readers, n) of labels, None no answer.

    Raises: StatsError for a label that is none of ``labels``, or shapes that do not fit.
    """
    rows = np.asarray(said, object)
    if rows.ndim != 2:
        raise StatsError(f"said has shape {rows.shape}; it must be (readers, n)")
    return _of_codes(_coded(np.asarray(truth, object), labels), _coded(rows, labels), labels)


def _of_codes(actual: NDArray[np.int64], codes: NDArray[np.int64], labels: Sequence[str]) -> ReaderConfusion:
    """The same of the places of the classes among ``labels``, -1 for no answer."""
    k, rows = len(labels), codes
    cells = (np.arange(len(rows))[:, np.newaxis] * k + actual) * k + codes
    each = np.bincount(cells[codes >= 0], minlength=len(rows) * k * k).reshape(len(rows), k, k)
    counts, totals = each.sum(axis=0), each.sum(axis=2)
    right = np.diagonal(each, axis1=1, axis2=2)
    shares = np.divide(right, totals, out=np.zeros(right.shape), where=totals > 0)
    classes = (totals > 0).sum(axis=1)
    per_reader = tuple(
        np.divide(shares.sum(axis=1), classes, out=np.full(len(rows), math.nan), where=classes > 0).tolist()
    )
    known = np.array([value for value in per_reader if not math.isnan(value)])
    sd = float(known.std(ddof=1)) if known.size > 1 else math.nan
    return ReaderConfusion(counts, confusion_from_counts(counts, labels).shares, per_reader, mean_interval(known), sd)


def _coded(values: NDArray[np.object_], labels: Sequence[str]) -> NDArray[np.int64]:
    """The place of each value among ``labels``, -1 for None. Raises: StatsError for any other."""
    codes = np.full(values.shape, -2)
    codes[values == np.array(None)] = -1
    for i, label in enumerate(labels):
        codes[values == label] = i
    if (codes == -2).any():
        raise StatsError(f"{values[codes == -2][0]!r} is none of the classes {', '.join(map(repr, labels))}")
    return codes


def confusions(table: TestTable, asked: QuestionTable, said: Floats, called: Floats | None) -> tuple[Confusions, ...]:
    """Every matrix of a test. ``said`` (readers, n) are the decisions of the readers that enter, ``called`` (n,) those
    of the model at the threshold that is used, None without a model."""
    found = []
    if len(said) or called is not None:
        found.append(_of_decision(table.cases.truth, asked, said, called))
    classes = table.model.by_class if table.model is not None and not table.model.problem else None
    if classes is not None:
        found += _of_levels(table, classes)
    return tuple(found)


def _of_decision(truth: NDArray[np.int64], asked: QuestionTable, said: Floats, called: Floats | None) -> Confusions:
    labels = (POSITIVE, NEGATIVE)
    actual = _words(truth.astype(float))
    return Confusions(
        of="decision",
        labels=labels,
        names=("/".join(asked.positive_labels), "/".join(asked.negative_labels)),
        model=confusion(actual, _words(called), labels) if called is not None else None,
        # By their codes: a million words are slow to compare.
        readers=_of_codes(1 - truth, np.where(np.isnan(said), -1, said != 1).astype(np.int64), labels)
        if len(said)
        else None,
    )


def _words(decisions: Floats) -> NDArray[np.object_]:
    """1 positive, 0 negative, NaN None."""
    words = np.where(decisions == 1, POSITIVE, NEGATIVE).astype(object)
    words[np.isnan(decisions)] = None
    return words


def _of_levels(table: TestTable, classes: ClassTable) -> list[Confusions]:
    """A matrix for each level at which the cases are of three classes or more."""
    taxonomy = classes.taxonomy
    deepest = max((taxonomy.depth(node) for node in set(table.cases.diagnoses) & set(taxonomy.nodes)), default=0)
    found = [level_confusion(table, classes, depth) for depth in range(1, deepest + 1)]
    return [one for one in found if one is not None]


def level_confusion(table: TestTable, classes: ClassTable, depth: int) -> Confusions | None:
    """The model against the cases' diagnoses at a level of the taxonomy, by summation and the largest sum.

    Every node of the level under which the model has a class may be its answer, also where no case is of it. None where
    the cases are of fewer than three classes, where there are more than twelve, or where a training class lies half
    under a node, so that its probability cannot be divided.
    """
    taxonomy = classes.taxonomy
    truth = [_above(taxonomy, diagnosis, depth) for diagnosis in table.cases.diagnoses]
    there = {node for node in truth if node is not None}
    reached = {_above(taxonomy, one.node, depth) for one in classes.classes}
    nodes = [node for node in taxonomy.level(depth) if node in there | reached]
    if len(there) < FEWEST or len(nodes) > MOST:
        return None
    try:
        sums = taxonomy.sum_probabilities(classes.classes, classes.probabilities, nodes)
    except TaxonomyError:
        return None
    by_case = mean_of_pictures(sums, table.cases.picture_case, table.cases.n)
    scored = [not math.isnan(row.sum()) for row in by_case]
    best_of: list[int] = np.nan_to_num(by_case).argmax(axis=1).tolist()
    predicted = [nodes[best] if known else None for best, known in zip(best_of, scored, strict=True)]
    kept = [i for i, node in enumerate(truth) if node is not None]
    return Confusions(
        of=f"level {depth}",
        labels=tuple(nodes),
        names=tuple(taxonomy.name(node) for node in nodes),
        model=confusion(_objects([truth[i] for i in kept]), _objects([predicted[i] for i in kept]), nodes),
        readers=None,
        n_left_out=len(truth) - len(kept),
    )


def mean_of_pictures(values: Floats, picture_case: NDArray[np.int64], n_cases: int) -> Floats:
    """(p, m) -> (cases, m): the mean over the pictures of each case; one without a score makes it NaN."""
    sums = np.zeros((n_cases, values.shape[1]))
    np.add.at(sums, picture_case, values)
    counts = np.bincount(picture_case, minlength=n_cases)[:, np.newaxis]
    return np.divide(sums, counts, out=np.full(sums.shape, math.nan), where=counts > 0)


def _above(taxonomy: Taxonomy, node: str, depth: int) -> str | None:
    """The node of this depth that ``node`` is or lies under; None where it lies above, or is unknown."""
    if node not in taxonomy.nodes:
        return None
    path = [node, *taxonomy.ancestors(node)]
    return path[-depth] if len(path) >= depth else None


def _objects(values: Sequence[str | None]) -> NDArray[np.object_]:
    return np.array(values, object)
