"""Folds and parts that keep components whole and classes even.

A greedy assignment after Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data" (ECML PKDD
2011), to groups of images: rarest class first, largest component first, to a part that lacks images of that class;
where several do, to the one that lacks most of all, so that the small parts are not starved of rare classes.
scikit-learn's StratifiedGroupKFold was measured and not taken: its `shuffle` lost the stratification up to 1.7
(scikit-learn issue 32478), it can leave a fold empty (34828), its time grows with folds squared times classes, and it
has no unequal parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_core.manifest import DataError

TRAIN = "train"
EXCLUDED = "excluded"


def grouped_folds(components: ArrayLike, labels: Sequence[Any], *, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold, 0 to folds - 1, of each image: no component in two folds, each class spread as evenly as that allows.

    components: (n,) component numbers; labels: n classes. The same arguments give the same folds.
    Raises: DataError for fewer than two folds or fewer components than folds.
    """
    component, labels = _checked(components, labels)
    n_components = len(np.unique(component))
    check_folds(folds, n_components)
    return _assign(component, labels, np.full(folds, 1 / folds), seed)


def grouped_parts(
    components: ArrayLike,
    labels: Sequence[Any],
    *,
    fractions: Mapping[str, float],
    seed: int,
    unfit: ArrayLike | None = None,
) -> NDArray[np.str_]:
    """The part of each image, for example of {"train": 0.8, "validation": 0.1, "test": 0.1}.

    unfit: (n,) true for images that may only be trained on. A component of such images alone goes to "train"; in a
    mixed one, those that come to lie elsewhere than in "train" get the part "excluded": their component is tested on,
    so they cannot be trained on, and they must not be tested on. Fractions are of the fit images.
    Raises: DataError for fractions that are not positive or do not add up to 1, or fewer components than parts.
    """
    component, labels = _checked(components, labels)
    names = list(fractions)
    check_fractions(fractions)
    shares = np.array([fractions[name] for name in names], float)
    bad = np.zeros(len(component), bool) if unfit is None else np.asarray(unfit, bool)
    if bad.any() and TRAIN not in names:
        raise DataError(f"Images that may only be trained on need a part named {TRAIN!r} among {', '.join(names)}.")
    fit = np.zeros(component.max() + 1, bool)
    np.logical_or.at(fit, component, ~bad)
    usable = fit[component]
    if len(np.unique(component[usable])) < len(names):
        raise DataError(f"{len(np.unique(component[usable]))} groups of images cannot fill {len(names)} parts.")
    part = np.array([TRAIN] * len(component), dtype=object)
    weights = np.where(bad, 0.0, 1.0)[usable]
    chosen = _assign(component[usable], [x for x, u in zip(labels, usable, strict=True) if u], shares, seed, weights)
    part[usable] = np.array(names, dtype=object)[chosen]
    part[bad & (part != TRAIN)] = EXCLUDED
    return part.astype(np.str_)


def check_folds(folds: int, groups: int) -> None:
    """Raises: DataError for fewer than two folds or fewer groups of images than folds."""
    if folds < 2:
        raise DataError(f"There must be at least 2 folds, not {folds}.")
    if groups < folds:
        raise DataError(f"{groups} groups of images that belong together cannot fill {folds} folds.")


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raises: DataError for fractions that are not positive or do not add up to 1."""
    if any(not share > 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise DataError(f"The fractions must be above 0 and add up to 1; they are {dict(fractions)}.")


def _checked(components: ArrayLike, labels: Sequence[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    given = np.asarray(components)
    if given.ndim != 1 or len(given) != len(labels) or not len(given):
        raise DataError(f"{given.shape} components and {len(labels)} labels: one of each is needed for every image.")
    _, component = np.unique(given, return_inverse=True)
    return component.astype(np.int64), list(labels)


def _assign(
    component: NDArray[np.int64],
    labels: Sequence[Any],
    shares: NDArray[np.float64],
    seed: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """The part (index into `shares`) of each image. Cost: components times parts, and a sort."""
    _, component = np.unique(component, return_inverse=True)
    names = {label: number for number, label in enumerate(sorted(set(labels), key=str))}
    label = np.array([names[x] for x in labels])
    weight = np.ones(len(label)) if weights is None else weights
    content: list[Counter[int]] = [Counter() for _ in range(int(component.max()) + 1)]
    for c, k, w in zip(component.tolist(), label.tolist(), weight.tolist(), strict=True):
        content[c][k] += w
    total = np.bincount(label, weight, len(names))
    wanted = total[:, None] * shares
    wanted_in_all = total.sum() * shares
    rng = np.random.default_rng(seed)
    rarity = np.argsort(np.argsort(total, kind="stable"), kind="stable")
    rarest = np.array([min(counts, key=lambda k: rarity[k]) for counts in content])
    size = np.array([counts[k] for counts, k in zip(content, rarest, strict=True)])
    order = np.lexsort((rng.random(len(content)), -size, rarity[rarest]))
    tie = rng.random((len(content), len(shares)))
    chosen = np.zeros(len(content), np.int64)
    for c in order.tolist():
        candidates = _candidates(wanted[rarest[c]], size[c])
        lacking = wanted_in_all[candidates] / shares[candidates]
        best = candidates[lacking >= lacking.max() - 1e-9]
        part = int(best[tie[c, best].argmax()])
        chosen[c] = part
        for k, w in content[c].items():
            wanted[k, part] -= w
            wanted_in_all[part] -= w
    if not np.bincount(chosen, minlength=len(shares)).all():
        raise DataError(f"{len(content)} groups of images are too few or too unequal for parts of {shares.round(3)}.")
    return chosen[component]


def _candidates(wanted: NDArray[np.float64], size: float) -> NDArray[np.intp]:
    """The parts that may take `size` more images of a class without another missing its whole share of it.

    wanted: images of the class that each part still lacks; their whole numbers are due to it, and what the fractions
    add up to may go to any of them, which is where all classes together decide. None fits: the one that lacks most.
    """
    due = np.floor(wanted + 1e-9).clip(0)
    spare = wanted.sum() - due.sum() >= size - 1e-9
    fits = wanted >= size - 1e-9
    if spare:
        fits |= (wanted > 1e-9) & (wanted + 1 > size)
    return np.flatnonzero(fits) if fits.any() else np.flatnonzero(wanted >= wanted.max() - 1e-9)
