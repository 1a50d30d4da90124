"""Simulated readers of differing skill and caution, by the equal-variance signal-detection model.

A reader's impression of a case is x = d' * truth + e, and he calls it positive when x > criterion (Green and Swets,
Signal Detection Theory and Psychophysics, 1966). A part of e is the case's own and common to all readers, so that
readers agree on hard cases more than chance would have it, as real ones do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEAN_SKILL, SD_SKILL = 2.0, 0.4  # d'
MEAN_CRITERION, SD_CRITERION = 0.75, 0.40  # below d' / 2 = 1: cautious, more sensitive than specific
SHARED = 0.4  # share of the variance of e that belongs to the case


@dataclass(frozen=True)
class SimulatedReader:
    skill: float
    criterion: float
    specialty: str
    board_certified: bool
    years_of_practice: int


def readers(n: int, *, seed: int) -> list[SimulatedReader]:
    """n readers, drawn from the population above."""
    rng = np.random.default_rng([seed, 1])
    return [
        SimulatedReader(
            skill=float(max(0.2, rng.normal(MEAN_SKILL, SD_SKILL))),
            criterion=float(rng.normal(MEAN_CRITERION, SD_CRITERION)),
            specialty="dermatology",
            board_certified=bool(rng.random() < 0.9),
            years_of_practice=int(rng.integers(1, 35)),
        )
        for _ in range(n)
    ]


def decide(truth: NDArray[np.bool_], by: list[SimulatedReader], *, seed: int) -> NDArray[np.bool_]:
    """Whether each reader calls each case positive: shape (len(by), len(truth))."""
    rng = np.random.default_rng([seed, 2])
    case = rng.normal(0, np.sqrt(SHARED), len(truth))
    own = rng.normal(0, np.sqrt(1 - SHARED), (len(by), len(truth)))
    skill = np.array([reader.skill for reader in by])[:, None]
    criterion = np.array([reader.criterion for reader in by])[:, None]
    return skill * truth[None, :] + case[None, :] + own > criterion
