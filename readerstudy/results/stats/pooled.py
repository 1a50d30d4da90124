"""Readers pooled: by vote, by mean confidence, and together with the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from readerstudy.results.stats.arrays import Floats, as_floats, binary_decisions, binary_truth, rows_of_cases
from readerstudy.results.stats.estimate import NAN, StatsError
from readerstudy.results.stats.operating_points import OperatingPoint, operating_point, operating_points
from readerstudy.results.stats.roc import RocCurve, roc

TIES = {"positive": 1.0, "negative": 0.0, "missing": NAN}


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """The readers' majority. ``decisions`` (n,): 1, 0, NaN where nobody answered; ``share`` (n,): of yes among answers.

    ``point``: the majority's accuracy; ``curve``: that of the share, one point for each number of votes. ``n_ties``
    cases were split evenly and counted as ``ties`` says.
    """

    point: OperatingPoint
    curve: RocCurve
    decisions: Floats
    share: Floats
    n_readers: int
    n_ties: int
    ties: str


@dataclass(frozen=True, slots=True, eq=False)
class WithModel:
    """Readers together with the model.

    ``either``: positive where the reader or the model says so; ``both``: where the two do; one OperatingPoint a reader.
    ``fused``: the curve of the mean of two mid-rank percentiles, the readers' (share of votes, or mean confidence) and
    the model's.
    """

    either: tuple[OperatingPoint, ...]
    both: tuple[OperatingPoint, ...]
    fused: RocCurve


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Readers as one: by majority ``vote``, by ``mean_rating`` (None where no confidence was given), and together with
    the model (None where no model was given)."""

    vote: Vote
    mean_rating: RocCurve | None
    with_model: WithModel | None


def pooled(
    truth: ArrayLike,
    decisions: ArrayLike,
    *,
    ratings: ArrayLike | None = None,
    model: ArrayLike | None = None,
    threshold: float | None = None,
    ties: str = "positive",
    level: float = 0.95,
) -> Pooled:
    """All of ``majority_vote``, ``mean_rating`` and ``with_model`` that the data allow; see there for shapes.

    ``threshold`` is needed with ``model``: its score from which a case counts as positive.
    """
    if model is not None and threshold is None:
        raise StatsError("threshold is missing: the model needs a score from which a case counts as positive")
    return Pooled(
        majority_vote(truth, decisions, ties=ties, level=level),
        None if ratings is None else mean_rating(truth, ratings, level=level),
        None
        if model is None or threshold is None
        else with_model(truth, decisions, model, threshold, ratings=ratings, level=level),
    )


def majority_vote(truth: ArrayLike, decisions: ArrayLike, *, ties: str = "positive", level: float = 0.95) -> Vote:
    """The majority of the readers who answered each case.

    ``truth`` (n,), ``decisions`` (r, n) of 0, 1 and NaN. ``ties``: an even split counts as "positive" (when in doubt,
    biopsy), "negative", or "missing".
    """
    if ties not in TIES:
        raise StatsError(f"ties is {ties!r}; allowed are {', '.join(map(repr, TIES))}")
    actual = binary_truth(truth)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    share = _mean_of_answers(said)
    tied = share == 0.5
    voted = np.where(tied, TIES[ties], np.where(np.isnan(share), NAN, (share > 0.5).astype(float)))
    point, curve = operating_point(actual, voted, level=level), roc(actual, share, level=level)
    return Vote(point, curve, voted, share, len(said), int(tied.sum()), ties)


def mean_rating(truth: ArrayLike, ratings: ArrayLike, *, level: float = 0.95) -> RocCurve:
    """The ROC curve of the readers' mean confidence: ``ratings`` (r, n), NaN left out case by case."""
    actual = binary_truth(truth)
    return roc(actual, _mean_of_answers(rows_of_cases("ratings", ratings, actual.size)), level=level)


def with_model(
    truth: ArrayLike,
    decisions: ArrayLike,
    model: ArrayLike,
    threshold: float,
    *,
    ratings: ArrayLike | None = None,
    level: float = 0.95,
) -> WithModel:
    """Readers' ``decisions`` (r, n) together with the model's scores (n,), positive where >= ``threshold``.

    ``ratings`` (r, n), where readers gave a confidence, take the place of votes in the fused curve. A case counts for a
    reader who answered it and for which the model has a score.
    """
    actual, scores = binary_truth(truth), as_floats("model", model)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    if scores.shape != actual.shape:
        raise StatsError(f"model has shape {scores.shape}; one score a case is needed, shape {actual.shape}")
    called = np.where(np.isnan(scores), NAN, (scores >= threshold).astype(float))
    missing = np.isnan(said) | np.isnan(called)
    either, both = (np.where(missing, NAN, choose(said, called)) for choose in (np.maximum, np.minimum))
    readers = _mean_of_answers(said if ratings is None else rows_of_cases("ratings", ratings, actual.size))
    fused = (_percentile(readers) + _percentile(scores)) / 2
    return WithModel(
        operating_points(actual, either, level=level), operating_points(actual, both, level=level),
        roc(actual, fused, level=level),
    )  # fmt: skip


def _mean_of_answers(rows: Floats) -> Floats:
    answered = ~np.isnan(rows)
    count = answered.sum(axis=0)
    return np.divide(np.where(answered, rows, 0.0).sum(axis=0), count, out=np.full(count.shape, NAN), where=count > 0)


def _percentile(values: Floats) -> Floats:
    """Mid-rank share of cases at or below each value, NaN kept."""
    seen = ~np.isnan(values)
    out = np.full(values.shape, NAN)
    if seen.any():
        out[seen] = (rankdata(values[seen]) - 0.5) / seen.sum()
    return out
