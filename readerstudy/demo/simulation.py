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


MEAN_TRUST, SD_TRUST = 0.6, 0.2


def trust(n: int, *, seed: int) -> NDArray[np.float64]:
    """(n,): how far each reader follows advice, between 0 (never) and 1."""
    rng = np.random.default_rng([seed, 3])
    return np.clip(rng.normal(MEAN_TRUST, SD_TRUST, n), 0, 1)


def follow(positive: bool, probability: float, *, trust: float, chance: float) -> bool:
    """The decision after a model's probability was shown: a reader whom it contradicts changes to its side with the
    probability trust * |2 p - 1|, so the more often the surer the model is; ``chance`` is uniform between 0 and 1."""
    advised = probability > 0.5
    follows = chance < trust * abs(2 * probability - 1)
    return advised if follows else positive
