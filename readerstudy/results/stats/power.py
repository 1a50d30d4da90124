"""Readers and cases for a multi-reader study, from the variance components of a pilot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats as distributions

from readerstudy.results.stats.estimate import NAN, StatsError, join_notes
from readerstudy.results.stats.mrmc import EFFECTS, Mrmc
from readerstudy.results.stats.mrmc_anova import OrComponents

MOST_CASES = 100_000
STEPS = 50  # of the ladder of numbers of cases on which the power asked for is first sought


@dataclass(frozen=True, slots=True)
class Power:
    """The power to find ``effect`` between two modalities with ``n_readers`` and ``n_cases``.

    ``n_cases`` is None where no number of cases reaches the power asked for. ``noncentrality`` and ``df`` are those of
    the F test with 1 and ``df`` degrees of freedom (chi-square where infinite).
    """

    power: float
    n_readers: int
    n_cases: int | None
    effect: float
    alpha: float
    readers: str
    cases: str
    noncentrality: float
    df: float
    note: str = ""


def power(
    pilot: Mrmc | OrComponents,
    *,
    n_readers: int,
    n_cases: int,
    effect: float | None = None,
    pilot_cases: int | None = None,
    readers: str = "random",
    cases: str = "random",
    alpha: float = 0.05,
) -> Power:
    """Power of a fully crossed two-modality study.

    ``pilot``: an ``mrmc`` result, or its components with ``pilot_cases``, the cases they come from. ``effect``: the
    difference of the average accuracies (default: the pilot's own, which flatters). Case covariances shrink with the
    number of cases, the share of positives being the pilot's.

    Hillis SL, Obuchowski NA, Berbaum KS, Acad Radiol 2011; 18:129-142; Hillis SL, Acad Radiol 2018; 25:1436-1448.
    """
    components, size, difference, note = _pilot(pilot, pilot_cases, effect)
    for name, value in (("readers", readers), ("cases", cases)):
        if value not in EFFECTS:
            raise StatsError(f"{name} is {value!r}; allowed are 'random' and 'fixed'")
    if readers == cases == "fixed":
        raise StatsError("readers and cases are both fixed: then nothing is random and there is nothing to plan")
    if not 0 < alpha < 1:
        raise StatsError(f"alpha is {alpha!r}; it lies between 0 and 1, for example 0.05")
    for name, number in (("n_readers", n_readers), ("n_cases", n_cases)):
        if not isinstance(number, int | np.integer):
            raise StatsError(f"{name} is {number!r}; a whole number is needed")
    if not math.isfinite(difference):
        raise StatsError(f"effect is {difference!r}; it is the difference of two average accuracies, for example 0.05")
    if n_readers < (1 if readers == "fixed" else 2) or n_cases < 2:
        raise StatsError(f"{n_readers} readers and {n_cases} cases are too few to plan with")
    scale = size / n_cases
    apart = max(components.cov2 - components.cov3, 0.0)
    between = max(components.modality_reader, 0.0) if readers == "random" else 0.0
    if components.modality_reader < 0 and readers == "random":
        note = join_notes([note, "the pilot's modality x reader component is negative and taken as 0"])
    alone = components.error - components.cov1 - apart
    if alone < 0 and readers == "random":
        # else a pilot whose covariances exceed its variance would need next to no cases
        alone = 0.0
        note = join_notes([note, "the pilot's error variance is below its covariances: the difference is taken as 0"])
    own = between + scale * alone
    whole = own + (scale * n_readers * apart if cases == "random" else 0.0)
    if not whole > 0:
        why = join_notes([note, "undefined: the pilot's variance is not positive"])
        return Power(NAN, n_readers, n_cases, difference, alpha, readers, cases, NAN, NAN, why)
    df = math.inf
    if readers == "random":
        df = n_readers - 1 if cases == "fixed" else whole**2 / (own**2 / (n_readers - 1)) if own > 0 else math.inf
    noncentrality = n_readers * difference**2 / 2 / whole
    if math.isinf(df):
        found = distributions.ncx2.sf(distributions.chi2.isf(alpha, 1), 1, noncentrality)
    else:
        found = distributions.ncf.sf(distributions.f.isf(alpha, 1, df), 1, df, noncentrality)
    return Power(float(found), n_readers, n_cases, difference, alpha, readers, cases, noncentrality, df, note)


def sample_size(
    pilot: Mrmc | OrComponents,
    *,
    n_readers: int | Sequence[int],
    target: float = 0.8,
    effect: float | None = None,
    pilot_cases: int | None = None,
    readers: str = "random",
    cases: str = "random",
    alpha: float = 0.05,
) -> tuple[Power, ...]:
    """The fewest cases that reach the power ``target``, for each number of readers; arguments as in ``power``.

    Where even 100,000 cases do not reach it, ``n_cases`` is None and ``power`` is what they reach.
    """
    if not 0 < target < 1:
        raise StatsError(f"target is {target!r}; a power lies between 0 and 1, for example 0.8")
    counts = np.atleast_1d(np.asarray(n_readers)).tolist()

    def at(count: int, n: int) -> Power:
        return power(
            pilot, n_readers=count, n_cases=n, effect=effect, pilot_cases=pilot_cases, readers=readers, cases=cases,
            alpha=alpha,
        )  # fmt: skip

    return tuple(_fewest(count, at, target) for count in counts)


def _fewest(count: int, at: Callable[[int, int], Power], target: float) -> Power:
    # with few readers more cases can cost more degrees of freedom than they bring: the first rise is sought on a ladder
    rungs = sorted({*(int(2 * (MOST_CASES / 2) ** (k / STEPS)) for k in range(STEPS)), MOST_CASES})
    reached = next((k for k, n in enumerate(rungs) if at(count, n).power >= target), None)
    if reached is None:
        best = at(count, MOST_CASES)
        note = join_notes([best.note, f"not reached with {MOST_CASES} cases: more readers are needed"])
        return replace(best, n_cases=None, note=note)
    low, high = rungs[max(reached - 1, 0)], rungs[reached]
    while low < high:
        middle = (low + high) // 2
        if at(count, middle).power >= target:
            high = middle
        else:
            low = middle + 1
    return at(count, high)


def _pilot(
    pilot: Mrmc | OrComponents, pilot_cases: int | None, effect: float | None
) -> tuple[OrComponents, int, float, str]:
    if isinstance(pilot, Mrmc):
        if len(pilot.modalities) < 2:
            raise StatsError("the pilot has one modality; its modality x reader component cannot be estimated")
        if effect is None:
            own = pilot.differences[0].estimate.value
            return pilot.components, pilot.n_cases, own, "the effect is the pilot's own estimate: optimistic"
        return pilot.components, pilot.n_cases, float(effect), ""
    if pilot_cases is None or effect is None:
        raise StatsError("variance components alone need pilot_cases (the cases they come from) and effect")
    return pilot, pilot_cases, float(effect), ""
