"""What every function of this package returns: a number with its interval, its method, its n and its caveats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

NAN = float("nan")


class StatsError(ValueError):
    """Input that no estimate can be computed from; the message names the argument, the position and what is allowed."""


def join_notes(notes: Iterable[str]) -> str:
    """One sentence list out of several notes, without repeats and without empty ones."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with its confidence interval.

    ``value``, ``low`` and ``high`` share the unit of what is estimated; each is NaN where it is undefined, and then
    ``note`` says why. ``level`` is the confidence level (0.95), ``method`` names how the interval was made, ``n`` is
    the number of units it rests on (cases, readers or discordant pairs: the function that returns it says which).
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = ""
    n: int = 0
    note: str = ""

    @classmethod
    def undefined(cls, note: str, *, level: float = 0.95, method: str = "", n: int = 0) -> Estimate:
        """An estimate that does not exist, with the reason."""
        return cls(NAN, NAN, NAN, level, method, n, note)

    @property
    def is_defined(self) -> bool:
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))

    def noted(self, *notes: str) -> Estimate:
        """The same estimate with further notes."""
        return replace(self, note=join_notes([self.note, *notes]))


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """``count`` out of ``n``: ``low`` and ``high`` are Wilson's limits, ``exact_low`` and ``exact_high`` those of
    Clopper and Pearson."""

    count: int = 0
    exact_low: float = NAN
    exact_high: float = NAN

    @property
    def exact(self) -> Estimate:
        """The same proportion with its Clopper-Pearson interval."""
        return Estimate(self.value, self.exact_low, self.exact_high, self.level, "Clopper-Pearson", self.n, self.note)


@dataclass(frozen=True, slots=True)
class Test:
    """A hypothesis test: its statistic, the two-sided p value, and the degrees of freedom where it has them.

    ``statistic`` and ``p`` are NaN where the test is undefined, and ``note`` says why.
    """

    name: str
    statistic: float
    p: float
    df: float = NAN
    n: int = 0
    note: str = ""

    __test__ = False  # pytest: this is not a test class
