"""The last layer: equal to scikit-learn's own pipeline, folds without a shared group, what is done with too little."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_core import logistic
from model_core.logistic import fit_last_layer


def clouds(n: int, k: int, seed: int = 0, spread: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """n points in 6 dimensions (the fifth always 3), k classes about different centres."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % k
    points = rng.normal(0, spread, (n, 6)) + 1.5 * np.eye(6)[targets] + [0, 10, 0, 0, 0, -5]
    points[:, 4] = 3
    return points.astype(np.float32)[:, None], targets.astype(np.intp)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


@pytest.mark.parametrize("k", [2, 4])
def test_equal_to_scikit_learns_pipeline(k: int) -> None:
    features, targets = clouds(120, k)
    layer = fit_last_layer(features, targets, np.arange(120), k)
    assert layer.weight.shape == (k, 6)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=layer.c, max_iter=1000, tol=1e-6))
    expected = pipeline.fit(features[:, 0], targets).predict_proba(features[:, 0])
    np.testing.assert_allclose(softmax(features[:, 0] @ layer.weight.T + layer.bias), expected, atol=2e-3)


def test_two_equal_views_count_as_one() -> None:
    features, targets = clouds(60, 3)
    one = fit_last_layer(features, targets, np.arange(60), 3)
    two = fit_last_layer(np.repeat(features, 2, axis=1), targets, np.arange(60), 3)
    assert two.c == one.c
    np.testing.assert_allclose(two.weight, one.weight, atol=5e-3)


def test_no_group_is_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 lesions, each photographed three times almost alike, with labels that are pure chance: only a leak between
    folds would make a weak penalty look better than guessing, which costs log(2) a picture."""
    rng = np.random.default_rng(1)
    lesions = rng.normal(0, 1, (40, 1, 30)).repeat(3, axis=0) + rng.normal(0, 0.01, (120, 1, 30))
    targets = np.repeat(rng.permutation(np.arange(40) % 2), 3).astype(np.intp)
    features = lesions.astype(np.float32)
    kept = fit_last_layer(features, targets, np.repeat(np.arange(40), 3), 2)
    leaking = fit_last_layer(features, targets, np.arange(120), 2)
    assert min(kept.log_losses.values()) > 0.95 * np.log(2)
    assert min(leaking.log_losses.values()) < 0.5 * np.log(2)
    assert kept.c < leaking.c


def test_the_chosen_penalty_has_the_least_loss() -> None:
    features, targets = clouds(90, 3, spread=2.0)
    layer = fit_last_layer(features, targets, np.arange(90) // 2, 3, seed=5)
    assert 3 <= len(layer.log_losses) <= len(logistic.PENALTIES)
    assert layer.log_losses[f"{layer.c:g}"] == min(layer.log_losses.values())
    assert "5-fold cross-validation" in layer.how_chosen
    assert fit_last_layer(features, targets, np.arange(90) // 2, 3, seed=5).log_losses == layer.log_losses


def test_a_class_of_a_single_group_leaves_the_default() -> None:
    features, targets = clouds(20, 2)
    groups = np.where(targets == 0, 0, np.arange(20))
    layer = fit_last_layer(features, targets, groups, 2)
    assert layer.c == logistic.DEFAULT_PENALTY
    assert layer.log_losses == {}
    assert "single group" in layer.how_chosen
