"""A penalised multinomial logistic regression that becomes the last layer of a network. Scikit-learn, no torch.

The penalty is chosen by cross-validation in which no group (lesion or patient) is on both sides; the features'
standardisation is folded into the weights, so that the layer takes features as the network gives them.
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-not-found,import-untyped,unused-ignore]

PENALTIES = tuple(float(f"{c:.3g}") for c in np.logspace(-5, 1, 13))  # scikit-learn's C, the inverse of the penalty
PATIENCE = 2  # weaker penalties tried after the best one: the held-out loss falls, then rises
DEFAULT_PENALTY = 1e-3  # where there are too few groups to choose
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class LastLayer:
    """weight: (k, d), bias: (k,), float32; c: the inverse penalty, and how it was chosen;
    log_losses: mean held-out log loss (nats) of each C tried."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    c: float
    how_chosen: str
    log_losses: dict[str, float]


def fit_last_layer(
    features: NDArray[np.float32],
    targets: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_classes: int,
    *,
    folds: int = 5,
    seed: int = 0,
) -> LastLayer:
    """Fit on every view of every picture; a picture counts once, however many views it has.

    features: (n, views, d), the first view being the picture itself, the only one that is held out and judged;
    targets: (n,) class numbers, each of 0 to n_classes - 1 at least once; groups: (n,).
    """
    centre, spread = features.mean((0, 1)), features.std((0, 1))
    spread[spread < 1e-6] = 1  # a feature that never changes tells nothing
    scaled = (features - centre) / spread
    with threadpool_limits(1), warnings.catch_warnings():  # a thread a fold; within one they would wait for each other
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit cut short loses the comparison or hardly differs
        c, chosen, losses = _choose_penalty(scaled, targets, groups, n_classes, folds, seed)
        weight, bias = _fit(scaled, targets, n_classes, LogisticRegression(C=c, max_iter=MAX_ITERATIONS))
    weight = weight / spread
    return LastLayer(
        np.ascontiguousarray(weight, np.float32),
        np.ascontiguousarray(bias - weight @ centre, np.float32),
        c,
        chosen,
        {f"{c:g}": round(loss, 6) for c, loss in losses.items()},
    )


def _choose_penalty(
    scaled: NDArray[np.float32],
    targets: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_classes: int,
    folds: int,
    seed: int,
) -> tuple[float, str, dict[float, float]]:
    """(C, how it was chosen, held-out losses)."""
    possible = min(folds, *(len(np.unique(groups[targets == k])) for k in range(n_classes)))
    if possible < 2:
        return DEFAULT_PENALTY, "the default, because a class has a single group and cross-validation needs two", {}
    losses = _held_out_losses(scaled, targets, groups, n_classes, possible, seed)
    how = f"chosen by {possible}-fold cross-validation, no known lesion or patient on both sides"
    return min(losses, key=losses.__getitem__), how, losses


def _held_out_losses(
    scaled: NDArray[np.float32],
    targets: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_classes: int,
    folds: int,
    seed: int,
) -> dict[float, float]:
    """Mean over all pictures of the log loss when their fold was left out, for each penalty tried.

    From strong to weak, each fit starting from the one before; weak penalties overfit and take longest.
    """
    splits = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(scaled, targets, groups))
    models = [LogisticRegression(warm_start=True, max_iter=MAX_ITERATIONS) for _ in splits]
    losses: dict[float, float] = {}

    def held_out(fold: int) -> float:
        train, test = splits[fold]
        weight, bias = _fit(scaled[train], targets[train], n_classes, models[fold])
        logits = scaled[test, 0] @ weight.T + bias
        logits -= logits.max(1, keepdims=True)
        log_probability = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -float(log_probability[np.arange(len(test)), targets[test]].sum())

    for c in PENALTIES:
        for model in models:
            model.set_params(C=c)
        with ThreadPoolExecutor(min(folds, os.cpu_count() or 1)) as pool:
            losses[c] = sum(pool.map(held_out, range(folds))) / len(targets)
        if len(losses) > PATIENCE and min(losses.values()) < min(list(losses.values())[-PATIENCE:]):
            break
    return losses


def _fit(
    scaled: NDArray[np.float32], targets: NDArray[np.intp], n_classes: int, model: LogisticRegression
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k, d) and (k,). A class absent from these targets keeps a large negative bias: it is never the answer."""
    n, views, d = scaled.shape
    weights = np.full(n * views, 1 / views, np.float32)
    model.fit(scaled.reshape(-1, d), np.repeat(targets, views), sample_weight=weights)
    weight, bias = np.zeros((n_classes, d)), np.full(n_classes, -30.0)
    if len(model.classes_) == 2:  # scikit-learn then gives the log odds of the second class alone
        weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2
        bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weight, bias
