"""What each step sees, and the learning rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core.manifest import DataError
from model_core.train.config import TrainingConfig
from model_core.train.schedule import class_weights, epoch_order, epoch_steps, learning_rate

SMALL = {"auxiliary_weight": 0.0, "size": 75}


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 300), batch=st.integers(1, 50), processes=st.integers(1, 5), seed=st.integers(0, 9))
def test_every_image_exactly_once_whatever_the_processes(n: int, batch: int, processes: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(n)
    if n < processes or batch < processes:
        with pytest.raises(DataError, match="processes"):
            epoch_steps(order, batch, rank=0, processes=processes)
        return
    shares = [epoch_steps(order, batch, rank=rank, processes=processes) for rank in range(processes)]
    assert len({len(steps) for steps in shares}) == 1
    sizes = [step.total for step in shares[0]]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    rejoined = [np.concatenate([share[i].images for share in shares]) for i in range(len(sizes))]
    assert np.concatenate(rejoined).tolist() == order.tolist()
    assert [len(part) for part in rejoined] == sizes


def test_order_is_fixed_by_seed_and_epoch() -> None:
    targets = np.arange(50) % 3
    config = TrainingConfig(seed=5)
    first = epoch_order(targets, 3, config, 0)
    assert sorted(first) == list(range(50))
    assert (first == epoch_order(targets, 3, config, 0)).all()
    assert (first != epoch_order(targets, 3, config, 1)).any()
    assert (first != epoch_order(targets, 3, TrainingConfig(seed=6), 0)).any()


@pytest.mark.parametrize(("power", "expected"), [(1.0, (50.0, 50.0)), (0.5, (75.0, 25.0)), (0.0, (90.0, 10.0))])
def test_sampler_draws_classes_by_the_power_of_their_size(power: float, expected: tuple[float, float]) -> None:
    """90 and 10 images. By 1 / n: 50 and 50; by 1 / sqrt(n): sqrt(90) to sqrt(10) = 3 to 1, 75 and 25."""
    targets = np.array([0] * 90 + [1] * 10)
    config = TrainingConfig(balance="sampler", balance_power=power)
    drawn = [targets[epoch_order(targets, 2, config, epoch)] for epoch in range(200)]
    assert all(len(d) == 100 for d in drawn)
    means = np.mean([np.bincount(d, minlength=2) for d in drawn], axis=0)
    assert means == pytest.approx(expected, abs=0.5)


def test_sampler_spreads_its_draws_evenly() -> None:
    """10 images share 50 draws: each comes 5 times, not 3 or 8."""
    targets = np.array([0] * 90 + [1] * 10)
    order = epoch_order(targets, 2, TrainingConfig(balance="sampler"), 0)
    times = np.bincount(order, minlength=100)[90:]
    assert set(times) <= {4, 5, 6}
    assert times.sum() == pytest.approx(50, abs=1)


def test_loss_weights_by_hand() -> None:
    """Sizes 3 and 1, class 2 empty: proportional to 1/3 and 1; the mean over the 4 images is (3/3 + 1) / 4 = 1/2, so
    the weights are 2/3 and 2."""
    assert class_weights(np.array([0, 0, 0, 1]), 3, 1.0) == pytest.approx([2 / 3, 2, 0])


def test_papers_learning_rate_is_divided_by_16_every_30_epochs() -> None:
    config = TrainingConfig()
    assert learning_rate(config, 0) == 0.001
    assert learning_rate(config, 29.99) == 0.001
    assert learning_rate(config, 30) == pytest.approx(0.0000625)
    assert learning_rate(config, 60) == pytest.approx(0.00000390625)


def test_cosine_after_warm_up() -> None:
    config = TrainingConfig.modern(epochs=11, warmup_epochs=1.0, learning_rate=0.1)
    assert learning_rate(config, 0.5) == pytest.approx(0.05)
    assert learning_rate(config, 1) == pytest.approx(0.1)
    assert learning_rate(config, 6) == pytest.approx(0.05)  # half way of ten epochs
    assert learning_rate(config, 11) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sgd"}, "rmsprop, adamw"),
        ({"size": 224}, "auxiliary weight to 0"),
        ({"epochs": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"dropout": 1.0}, "under 1"),
        ({"cached_views": 2}, "block to train from"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"threads": -2}, "threads must be at least 0"),
        ({"balance_power": float("nan")}, "balance_power must be at least 0"),
        ({"size": 40, "auxiliary_weight": 0.0}, "75 to 2048 pixels"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrainingConfig(**change)  # type: ignore[arg-type]
