"""The numbers of a reader study: arrays in, frozen dataclasses out; numpy, scipy, statsmodels, scikit-learn, no Django.

Conventions. Truth is 1 for positive (malignant) and 0 for negative; a higher score or rating means more likely
positive; NaN is a missing score, rating or answer. Readers are rows, cases are columns. Every estimate names its
interval's method, its n, and in ``note`` whatever is undefined, clipped, left out or fragile. Undefined is NaN.
"""

from readerstudy.results.stats.delong import AucComparison, DeLong, delong, delong_unpaired
from readerstudy.results.stats.estimate import Estimate, Proportion, StatsError, Test
from readerstudy.results.stats.intervals import proportion, proportion_limits
from readerstudy.results.stats.operating_points import (
    AverageReader,
    OperatingPoint,
    average_reader,
    operating_point,
    operating_points,
    points_from_counts,
)
from readerstudy.results.stats.roc import CurvePoint, PartialAuc, RocCurve, roc

__all__ = [
    "AucComparison",
    "AverageReader",
    "CurvePoint",
    "DeLong",
    "Estimate",
    "OperatingPoint",
    "PartialAuc",
    "Proportion",
    "RocCurve",
    "StatsError",
    "Test",
    "average_reader",
    "delong",
    "delong_unpaired",
    "operating_point",
    "operating_points",
    "points_from_counts",
    "proportion",
    "proportion_limits",
    "roc",
]
