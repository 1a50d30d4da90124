"""The model as a yes-or-no reader: which threshold of its score matches a given specificity or sensitivity."""

import math

import numpy as np

from readerstudy.results.arrays import Floats, Ints

ON_ROUNDING = 1e-9  # shares this near to one another are the same


def called_at(scores: Floats, threshold: float) -> Floats:
    """Decisions 1 and 0 at a threshold, NaN where there is no score."""
    return np.where(np.isnan(scores), np.nan, (scores >= threshold).astype(float))


def threshold_for_specificity(truth: Ints, scores: Floats, wanted: float) -> float:
    """The lowest threshold of ``score >= threshold`` at which at least this share of the negatives is called negative.

    Infinite where no score of the cases is high enough. Cases without a score are left out.
    """
    return float(thresholds_for_specificity(truth, scores, np.array([wanted]))[0])


def thresholds_for_specificity(truth: Ints, scores: Floats, wanted: Floats) -> Floats:
    """``threshold_for_specificity`` of each of the shares ``wanted`` (r,)."""
    negatives = scores[(truth == 0) & ~np.isnan(scores)]
    candidates = np.append(np.unique(scores[~np.isnan(scores)]), math.inf)
    specificity = np.searchsorted(np.sort(negatives), candidates, side="left") / negatives.size
    return candidates[np.searchsorted(specificity, wanted - ON_ROUNDING)]  # it rises with the threshold, to 1


def threshold_for_sensitivity(truth: Ints, scores: Floats, wanted: float) -> float:
    """The highest threshold at which at least this share of the positives is called positive."""
    positives = np.sort(scores[(truth == 1) & ~np.isnan(scores)])
    needed = max(1, math.ceil(wanted * positives.size - ON_ROUNDING))
    return float(positives[-needed])
