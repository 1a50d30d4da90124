"""Are predicted probabilities true ones, and is acting on them worth it?"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import brier_score_loss
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tools.sm_exceptions import PerfectSeparationError, PerfectSeparationWarning

from readerstudy.results.stats.arrays import (
    Bools,
    Floats,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
    same_length,
)
from readerstudy.results.stats.estimate import NAN, Estimate, Proportion, StatsError, join_notes
from readerstudy.results.stats.intervals import normal_interval, proportions

CLIP = 1e-12  # probabilities are kept this far from 0 and 1 before their logit is taken
_WARNINGS = threading.Lock()  # what is done with a warning is the whole process's
BINNINGS = ("equal width", "equal mass")


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin of the reliability diagram: predictions in [low, high), their mean, and what was observed."""

    low: float
    high: float
    mean_predicted: float
    observed: Proportion


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of probabilities.

    ``brier``: mean squared error (0 is perfect). ``slope`` and ``intercept`` of the logistic regression on the logit of
    the prediction (1 and 0 are perfect), ``slope_se`` its standard error; ``in_the_large``: the intercept with the
    slope held at 1. ``ece``: expected calibration error over ``bins``, binned as ``binning`` says.
    """

    brier: Estimate
    slope: Estimate
    slope_se: float
    intercept: Estimate
    in_the_large: Estimate
    ece: float
    binning: str
    bins: tuple[CalibrationBin, ...]
    n: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """Net benefit at one threshold probability: TP / n - FP / n * threshold / (1 - threshold).

    ``treat_all`` is that of treating everyone; of treating no one it is 0. ``excisions_per_melanoma``: how many lesions
    are excised for one positive found, 1 / PPV (inf where none is found, NaN where none is excised).
    """

    threshold: float
    net_benefit: Estimate
    treat_all: float
    treat_none: float
    tp: int
    fp: int
    n: int
    excisions_per_melanoma: Estimate


def calibration(
    truth: ArrayLike, probability: ArrayLike, *, n_bins: int = 10, binning: str = "equal width", level: float = 0.95
) -> Calibration:
    """Calibration of ``probability`` (n,), 0..1, against ``truth`` (n,); cases without a probability are left out.

    ``binning``: "equal width" (bin floor(n_bins * p), 1 in the last) or "equal mass" (equally many cases a bin). Slope
    and intercepts: Cox DR, Biometrika 1958; 45:562-565, by statsmodels; probabilities are kept 1e-12 off 0 and 1.
    """
    check_level(level)
    actual, predicted, notes = _probabilities(truth, probability)
    if binning not in BINNINGS:
        raise StatsError(f"binning is {binning!r}; allowed are {', '.join(map(repr, BINNINGS))}")
    if not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise StatsError(f"n_bins is {n_bins!r}; a whole number, at least 1 is needed")
    n = actual.size
    if n == 0:
        nothing = Estimate.undefined("no case has a probability", level=level)
        return Calibration(nothing, nothing, NAN, nothing, nothing, NAN, binning, (), 0, nothing.note)
    errors = (predicted - actual) ** 2
    spread = float(errors.std(ddof=1)) if n > 1 else 0.0
    brier = normal_interval(
        float(brier_score_loss(actual, predicted, pos_label=True)),
        spread / math.sqrt(n) if spread > 1e-15 else NAN,
        level=level, method="normal over cases", n=n,
        note="" if spread > 1e-15 else "no interval: the squared errors do not vary",
    )  # fmt: skip
    clipped_count = int(((predicted < CLIP) | (predicted > 1 - CLIP)).sum())
    if clipped_count:
        notes.append(f"{clipped_count} probabilities of 0 or 1 taken as 1e-12 off it for slope and intercept")
    slope, slope_se, intercept, in_the_large = _logistic(actual, predicted, level)
    bins, ece = _bins(actual, predicted, n_bins, binning, level)
    return Calibration(
        brier, slope, slope_se, intercept, in_the_large, ece, f"{n_bins} bins of {binning}", bins, n, join_notes(notes)
    )


def net_benefit(
    truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, *, level: float = 0.95
) -> tuple[NetBenefit, ...]:
    """The decision curve: net benefit of acting where ``probability`` (n,) >= threshold, at each of ``thresholds``.

    Vickers AJ, Elkin EB, Medical Decision Making 2006; 26:565-574. Interval: normal, from the multinomial variance of
    true and false positives.
    """
    actual, predicted, notes = _probabilities(truth, probability)
    cuts = _cuts(thresholds)
    return tuple(_net_benefit(actual, predicted >= cut, float(cut), level, notes) for cut in cuts)


def net_benefit_of_decisions(
    truth: ArrayLike, decisions: ArrayLike, thresholds: ArrayLike, *, level: float = 0.95
) -> tuple[NetBenefit, ...]:
    """The net benefit of a reader's decisions (n,) of 0 and 1, NaN left out, at each threshold probability."""
    actual, said = binary_truth(truth), binary_decisions(decisions)
    same_length(truth=actual, decisions=said)
    answered = ~np.isnan(said)
    notes = [] if answered.all() else [f"{int((~answered).sum())} cases without an answer left out"]
    cuts = _cuts(thresholds)
    return tuple(_net_benefit(actual[answered], said[answered] == 1, float(cut), level, notes) for cut in cuts)


def _cuts(thresholds: ArrayLike) -> Floats:
    cuts = np.atleast_1d(as_floats("thresholds", thresholds))
    if cuts.ndim != 1:
        raise StatsError(f"thresholds has shape {cuts.shape}; a row of threshold probabilities is needed")
    return cuts


def _net_benefit(truth: Bools, acted: Bools, threshold: float, level: float, notes: Sequence[str]) -> NetBenefit:
    check_level(level)
    if not 0 <= threshold < 1:
        raise StatsError(f"threshold is {threshold:g}; a threshold probability lies in 0..1, 1 excluded")
    n, tp, fp = truth.size, int((acted & truth).sum()), int((acted & ~truth).sum())
    weight = threshold / (1 - threshold)
    method = "normal, multinomial variance"
    note = join_notes(notes)
    if n == 0:
        nothing = Estimate.undefined("no case", level=level, method=method)
        return NetBenefit(threshold, nothing, NAN, NAN, 0, 0, 0, nothing)
    value = tp / n - fp / n * weight
    variance = (tp / n + weight**2 * fp / n - value**2) / n
    estimate = normal_interval(
        value, math.sqrt(max(variance, 0.0)) if variance > 1e-15 else NAN, level=level, method=method, n=n, bounds=None,
        note=join_notes([note, "" if variance > 1e-15 else "no interval: its estimated variance is zero"]),
    )  # fmt: skip
    prevalence = float(truth.mean())
    treat_all = prevalence - (1 - prevalence) * weight
    ppv = proportions([tp], [tp + fp], level, empty="no lesion is excised")[0]
    return NetBenefit(threshold, estimate, treat_all, 0.0, tp, fp, n, _reciprocal(ppv))


def _reciprocal(ppv: Proportion) -> Estimate:
    """1 / PPV with the reciprocals of its Wilson limits."""
    if not ppv.is_defined:
        return Estimate.undefined(ppv.note, level=ppv.level, method="1 / PPV, Wilson", n=ppv.n)
    value, high = (1 / x if x > 0 else math.inf for x in (ppv.value, ppv.low))
    note = "" if ppv.value > 0 else "no positive was found"
    return Estimate(value, 1 / ppv.high, high, ppv.level, "1 / PPV, Wilson", ppv.n, note)


def _probabilities(truth: ArrayLike, probability: ArrayLike) -> tuple[Bools, Floats, list[str]]:
    actual, predicted = binary_truth(truth), as_floats("probability", probability)
    same_length(truth=actual, probability=predicted)
    wrong = np.flatnonzero((predicted < 0) | (predicted > 1))
    if wrong.size:
        raise StatsError(f"probability[{int(wrong[0])}] is {predicted[wrong[0]]:g}; a probability lies in 0..1")
    seen = ~np.isnan(predicted)
    actual, predicted = actual[seen], predicted[seen]
    notes = class_size_notes(int(actual.sum()), int((~actual).sum()))
    if not seen.all():
        notes.append(f"{int((~seen).sum())} cases without a probability left out")
    return actual, predicted, notes


def _logistic(truth: Bools, predicted: Floats, level: float) -> tuple[Estimate, float, Estimate, Estimate]:
    method, n = "logistic regression, Wald", truth.size
    logit = np.log(np.clip(predicted, CLIP, 1 - CLIP) / (1 - np.clip(predicted, CLIP, 1 - CLIP)))

    def undefined(why: str) -> Estimate:
        return Estimate.undefined(why, level=level, method=method, n=n)

    if truth.all() or not truth.any():
        nothing = undefined("undefined: a class has no case")
        return nothing, NAN, nothing, nothing
    outcome = truth.astype(float)
    large = _fit(outcome, np.ones((n, 1)), logit)
    in_the_large = undefined("the regression does not converge")
    if large is not None:
        in_the_large = normal_interval(*_first(large, 0), level=level, method=method, n=n, bounds=None)
    if np.ptp(logit) < 1e-12:
        nothing = undefined("undefined: every probability is the same")
        return nothing, NAN, nothing, in_the_large
    # on a scale of their own, so that predictions which hardly differ are not taken for ones that separate the classes
    centre, scale = float(logit.mean()), float(logit.std())
    both = _fit(outcome, np.column_stack([np.ones(n), (logit - centre) / scale]), None)
    if both is None:
        nothing = undefined("undefined: the predictions separate the classes wholly")
        return nothing, NAN, nothing, in_the_large
    back = np.array([[1.0, -centre / scale], [0.0, 1 / scale]])
    both = back @ both[0], back @ both[1] @ back.T
    intercept = normal_interval(*_first(both, 0), level=level, method=method, n=n, bounds=None)
    slope = normal_interval(*_first(both, 1), level=level, method=method, n=n, bounds=None)
    return slope, math.sqrt(both[1][1, 1]), intercept, in_the_large


def _fit(outcome: Floats, design: Floats, offset: Floats | None) -> tuple[Floats, Floats] | None:
    """Coefficients and their covariance; None where the fit does not exist."""
    with _WARNINGS, warnings.catch_warnings(), np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        warnings.simplefilter("error", PerfectSeparationWarning)
        try:
            found = GLM(outcome, design, family=Binomial(), offset=offset).fit(tol=1e-12)
        except (PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
            return None
    if not found.converged or not np.isfinite(found.bse).all() or (found.bse > 1e3).any():
        return None
    return np.asarray(found.params), np.asarray(found.cov_params())


def _first(fit: tuple[Floats, Floats], index: int) -> tuple[float, float]:
    return float(fit[0][index]), math.sqrt(fit[1][index, index])


def _bins(
    truth: Bools, predicted: Floats, n_bins: int, binning: str, level: float
) -> tuple[tuple[CalibrationBin, ...], float]:
    if binning == "equal width":
        edges = np.arange(n_bins + 1) / n_bins
        which = np.minimum((predicted * n_bins).astype(int), n_bins - 1)
    else:
        ranks = np.argsort(np.argsort(predicted, kind="stable"), kind="stable")
        which = ranks * n_bins // predicted.size
        edges = np.quantile(predicted, np.arange(n_bins + 1) / n_bins)
    count = np.bincount(which, minlength=n_bins)
    positive = np.bincount(which, weights=truth, minlength=n_bins)
    total = np.bincount(which, weights=predicted, minlength=n_bins)
    mean = np.divide(total, count, out=np.full(n_bins, NAN), where=count > 0)
    observed = proportions(positive, count, level, empty="no case in this bin")
    bins = tuple(
        CalibrationBin(float(edges[i]), float(edges[i + 1]), float(mean[i]), observed[i]) for i in range(n_bins)
    )
    return bins, float(np.abs(positive - total).sum() / predicted.size)
