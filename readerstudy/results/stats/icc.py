"""The intraclass correlation: agreement of readers who measure on a scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import check_level, complete_cases
from readerstudy.results.stats.estimate import NAN, Estimate, join_notes


def icc_agreement(ratings: ArrayLike, *, level: float = 0.95) -> Estimate:
    """ICC(2,1): absolute agreement of single readers drawn at random; ratings (r, n), complete cases.

    Shrout PE, Fleiss JL, Psychol Bull 1979; 86:420-428; interval by McGraw and Wong (Psychol Methods 1996; 1:30-46).
    """
    check_level(level)
    rows, note = complete_cases(ratings)
    r, n = rows.shape
    if r < 2 or n < 2:
        return Estimate.undefined(
            "undefined: two readers and two cases are needed", level=level, method="ICC(2,1)", n=n
        )
    whole, cases, readers = rows.mean(), rows.mean(axis=0), rows.mean(axis=1)
    ms_case = r * float(((cases - whole) ** 2).sum()) / (n - 1)
    ms_reader = n * float(((readers - whole) ** 2).sum()) / (r - 1)
    ms_error = float(((rows - cases - readers[:, np.newaxis] + whole) ** 2).sum()) / ((n - 1) * (r - 1))
    below = ms_case + (r - 1) * ms_error + r * (ms_reader - ms_error) / n
    if below < 1e-15:
        return Estimate.undefined("undefined: the ratings do not vary", level=level, method="ICC(2,1)", n=n)
    value = (ms_case - ms_error) / below
    low, high = _icc_limits(value, ms_case, ms_reader, ms_error, r, n, level)
    if math.isnan(low) or high - low < 1e-12:
        low = high = NAN
        note = join_notes([note, "no interval: the readers do not differ at all"])
    return Estimate(value, low, high, level, "ICC(2,1), McGraw-Wong", n, note)


def _icc_limits(
    value: float, ms_case: float, ms_reader: float, ms_error: float, r: int, n: int, level: float
) -> tuple[float, float]:
    if ms_error <= 0 and ms_reader <= 0:
        return NAN, NAN
    a = r * value / (n * (1 - value)) if value < 1 else NAN
    b = 1 + r * value * (n - 1) / (n * (1 - value)) if value < 1 else NAN
    df = (a * ms_reader + b * ms_error) ** 2 / (
        (a * ms_reader) ** 2 / (r - 1) + (b * ms_error) ** 2 / ((n - 1) * (r - 1))
    )
    share = (1 + level) / 2
    upper, lower = distributions.f.ppf(share, n - 1, df), distributions.f.ppf(share, df, n - 1)
    rest = r * ms_reader + (r * n - r - n) * ms_error
    low = n * (ms_case - upper * ms_error) / (upper * rest + n * ms_case)
    high = n * (lower * ms_case - ms_error) / (rest + n * lower * ms_case)
    return float(low), float(high)
