"""Simulated readers obey the signal-detection model they are drawn from."""

from statistics import NormalDist

import numpy as np
import pytest

from readerstudy.demo.simulation import SimulatedReader, decide, follow, readers, trust


def reader(skill: float, criterion: float) -> SimulatedReader:
    return SimulatedReader(skill, criterion, "dermatology", True, 10)


def test_sensitivity_and_specificity_follow_from_skill_and_criterion() -> None:
    # Green and Swets 1966: sensitivity = Phi(d' - c), specificity = Phi(c).
    truth = np.repeat([True, False], 20_000)
    decisions = decide(truth, [reader(2.0, 0.5), reader(1.0, 1.0)], seed=1)
    phi = NormalDist().cdf
    assert decisions[0][truth].mean() == pytest.approx(phi(1.5), abs=0.01)
    assert (~decisions[0][~truth]).mean() == pytest.approx(phi(0.5), abs=0.01)
    assert decisions[1][truth].mean() == pytest.approx(phi(0.0), abs=0.015)
    assert (~decisions[1][~truth]).mean() == pytest.approx(phi(1.0), abs=0.01)


def test_readers_share_their_mistakes() -> None:
    truth = np.ones(20_000, dtype=bool)
    one, other = decide(truth, [reader(1.0, 1.0), reader(1.0, 1.0)], seed=3)
    # Equal readers at their criterion: correlation 0.4 of x, so P(agree) = 1/2 + arcsin(0.4) / pi (Sheppard 1899).
    assert (one == other).mean() == pytest.approx(0.5 + np.arcsin(0.4) / np.pi, abs=0.015)


def test_the_same_seed_gives_the_same_readers() -> None:
    assert readers(25, seed=1) == readers(25, seed=1)
    assert readers(25, seed=1) != readers(25, seed=2)
    assert readers(25, seed=1)[:22] == readers(22, seed=1)


def test_who_is_contradicted_follows_the_surer_the_model_is() -> None:
    chances = (np.arange(1000) + 0.5) / 1000
    for probability, share in ((0.5, 0.0), (0.7, 0.24), (0.1, 0.48), (1.0, 0.6)):
        before = probability <= 0.5
        after = [follow(before, probability, trust=0.6, chance=chance) for chance in chances]
        assert np.mean([one != before for one in after]) == pytest.approx(share)
        assert follow(not before, probability, trust=0.6, chance=0.0) != before  # whom it confirms stays
    drawn = trust(500, seed=1)
    assert (drawn.min() >= 0, drawn.max() <= 1, round(float(drawn.mean()), 1)) == (True, True, 0.6)
