"""An estimate against a margin: superiority and non-inferiority by the same test, moved."""

from __future__ import annotations

import math

from scipy import stats as distributions

from readerstudy.results.stats.estimate import NAN, StatsError, Test, join_notes


def against_bound(
    value: float, se: float, *, bound: float = 0.0, df: float = math.inf, name: str = "", n: int = 0, note: str = ""
) -> Test:
    """Whether ``value`` differs from ``bound``: (value - bound) / se by t with ``df`` degrees of freedom (z: infinite).

    p is two-sided. Where it is below alpha and value > bound, the two-sided 1 - alpha interval of the same ``se`` and
    ``df`` lies above the bound: superiority by more than a margin d for bound = d, non-inferiority for bound = -d.
    """
    if not math.isfinite(bound):
        raise StatsError(f"bound is {bound!r}; it is a finite number, 0 for no margin")
    if math.isnan(value):
        return Test(name, NAN, NAN, df, n, join_notes([note, "no test: the estimate is undefined"]))
    if not se > 0:
        return Test(name, NAN, NAN, df, n, join_notes([note, "no test: the estimate has no positive variance"]))
    statistic = (value - bound) / se
    tail = distributions.norm.sf(abs(statistic)) if math.isinf(df) else distributions.t.sf(abs(statistic), df)
    return Test(name, statistic, 2 * float(tail), df, n, note)
