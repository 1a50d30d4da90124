"""A penalised multinomial logistic regression that becomes the last layer of a network. Scikit-learn, no torch.

The penalty is chosen by cross-validation in which no group (lesion or patient) is on both sides; the features'
standardisation is folded into the weights, so that the layer takes features as the network gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-not-found,import-untyped,unused-ignore]

PENALTIES = tuple(float(c) for c in np.logspace(-5, 0, 6))  # scikit-learn's C, the inverse of the penalty
DEFAULT_PENALTY = 1e-3  # where there are too few groups to choose
MAX_ITERATIONS = 300


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
    possible = min(folds, *(len(np.unique(groups[targets == k])) for k in range(n_classes)))
    if possible < 2:
        c, losses = DEFAULT_PENALTY, {}
        chosen = "the default, because a class has a single group and cross-validation needs two"
    else:
        losses = _held_out_losses(scaled, targets, groups, n_classes, possible, seed)
        c = min(losses, key=losses.__getitem__)
        chosen = f"chosen by {possible}-fold cross-validation, no lesion or patient on both sides"
    weight, bias = _fit(scaled, targets, n_classes, c)
    weight = weight / spread
    return LastLayer(
        np.ascontiguousarray(weight, np.float32),
        np.ascontiguousarray(bias - weight @ centre, np.float32),
        c,
        chosen,
        {f"{c:g}": round(loss, 6) for c, loss in losses.items()},
    )


def _held_out_losses(
    scaled: NDArray[np.float32],
    targets: NDArray[np.intp],
    groups: NDArray[np.intp],
    n_classes: int,
    folds: int,
    seed: int,
) -> dict[float, float]:
    """Mean over all pictures of the log loss when their fold was left out, for each penalty."""
    total = dict.fromkeys(PENALTIES, 0.0)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(scaled, targets, groups):
        for c in PENALTIES:
            weight, bias = _fit(scaled[train], targets[train], n_classes, c)
            logits = scaled[test, 0] @ weight.T + bias
            logits -= logits.max(1, keepdims=True)
            log_probability = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            total[c] -= float(log_probability[np.arange(len(test)), targets[test]].sum())
    return {c: loss / len(targets) for c, loss in total.items()}


def _fit(
    scaled: NDArray[np.float32], targets: NDArray[np.intp], n_classes: int, c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k, d) and (k,). A class absent from these targets keeps a large negative bias: it is never the answer."""
    n, views, d = scaled.shape
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS, tol=1e-4)
    weights = np.full(n * views, 1 / views, np.float32)
    with threadpool_limits(1):  # small products: on a busy machine more threads wait minutes for each other
        model.fit(scaled.reshape(-1, d), np.repeat(targets, views), sample_weight=weights)
    weight, bias = np.zeros((n_classes, d)), np.full(n_classes, -30.0)
    if len(model.classes_) == 2:  # scikit-learn then gives the log odds of the second class alone
        weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2
        bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weight, bias
