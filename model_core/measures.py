"""How well probabilities agree with the truth: AUC, accuracy by class, calibration. Numpy, no torch.

Undefined is NaN: an AUC with no positive case, the accuracy of a class without images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

BINS = 15  # of the calibration error, as in Guo et al. 2017
RESAMPLES = 1000

Floats = NDArray[np.float64]


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the Mann-Whitney probability that a positive case scores higher, ties counting half.

    positive: (n,) booleans; scores: (n,). Source: Hanley and McNeil, Radiology 143:29-36 (1982).
    """
    truth, values = np.asarray(positive, bool), np.asarray(scores, np.float64)
    n, m = int(truth.sum()), int((~truth).sum())
    if not n or not m or np.isnan(values).any():
        return float("nan")
    return float((rankdata(values)[truth].sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(
    positive: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of the AUC over bootstrap resamples of groups (lesions or patients), not of images.

    Resamples without a positive or a negative case are drawn again in effect: they are left out. NaN where the AUC is.
    """
    truth, values = np.asarray(positive, bool), np.asarray(scores, np.float64)
    if np.isnan(auc(truth, values)):
        return float("nan"), float("nan")
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        chosen = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        found.append(auc(truth[chosen], values[chosen]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Confusion:
    """counts: (k, k), rows the truth, columns the answer; names: of the k classes."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def sensitivities(self) -> Floats:
        """(k,) the part of each class's images that is answered rightly; NaN for a class without images."""
        totals = self.counts.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.where(totals > 0, np.diagonal(self.counts) / np.maximum(totals, 1), np.nan)

    @property
    def mean_accuracy(self) -> float:
        """The mean of the per-class accuracies over the classes that occur: the paper's overall accuracy."""
        found = self.sensitivities
        return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")

    @property
    def accuracy(self) -> float:
        """The part of all images that is answered rightly."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float("nan")


def confusion(names: tuple[str, ...], truth: ArrayLike, probabilities: ArrayLike) -> Confusion:
    """The answer is the most probable class, the first of several. truth: (n,) class numbers; probabilities: (n, k)."""
    counts = np.zeros((len(names), len(names)), np.int64)
    answers = np.asarray(probabilities, np.float64).argmax(axis=1)
    np.add.at(counts, (np.asarray(truth, np.intp), answers), 1)
    return Confusion(names, counts)


@dataclass(frozen=True)
class Calibration:
    """brier: mean over images of the summed squared differences from the truth, 0 to 2 (Brier 1950);
    expected_error: mean difference of confidence and accuracy in equal-width bins (Guo et al. 2017);
    bins: (lower edge, images, mean confidence, accuracy) of each bin that has images."""

    brier: float
    expected_error: float
    bins: tuple[tuple[float, int, float, float], ...]


def calibration(truth: ArrayLike, probabilities: ArrayLike, n_bins: int = BINS) -> Calibration:
    """Of the answers' probabilities. truth: (n,) class numbers; probabilities: (n, k), rows adding to 1."""
    target, values = np.asarray(truth, np.intp), np.asarray(probabilities, np.float64)
    if not len(target):
        return Calibration(float("nan"), float("nan"), ())
    brier = float(((values - np.eye(values.shape[1])[target]) ** 2).sum(axis=1).mean())
    confidence, right = values.max(axis=1), values.argmax(axis=1) == target
    which = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)  # a bin holds its upper edge
    bins, error = [], 0.0
    for b in range(n_bins):
        inside = which == b
        if n := int(inside.sum()):
            mean, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
            error += n / len(target) * abs(mean - accuracy)
            bins.append((b / n_bins, n, mean, accuracy))
    return Calibration(brier, error, tuple(bins))
