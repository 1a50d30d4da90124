"""Accuracy of every reader in every modality, and the covariance matrix of those accuracies, readers held fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import Bools, Floats, as_floats, binary_decisions, binary_truth
from readerstudy.results.stats.delong import placements
from readerstudy.results.stats.estimate import StatsError

Metric = str | Callable[[Bools, Floats], float]
METRICS = ("auc", "sensitivity", "specificity")
METHODS = ("jackknife", "delong", "unbiased")
GRAM_BYTES = 2**25  # success scores held at a time by the unbiased covariance


def with_variance(theta: Floats, variances: Floats) -> Bools:
    """Columns of ``theta`` (t, r) without NaN and with a variance (t, r); where none has one, those without NaN."""
    defined = np.asarray(~np.isnan(theta).any(axis=0))
    measured = np.asarray(defined & ~np.isnan(variances).any(axis=0))
    return measured if measured.any() else defined


def left_out_notes(theta: Floats, kept: Bools, where: str = "") -> list[str]:
    """What is said of the readers of ``theta`` (t, r) who are not kept (r,): their accuracy is not defined, or has no
    variance."""
    defined = np.asarray(~np.isnan(theta).any(axis=0))
    notes = []
    for n, why in (
        (int((~defined).sum()), f"no defined accuracy{where}"),
        (int((defined & ~kept).sum()), f"an accuracy on one case of a class has no variance{where}"),
    ):
        if n:
            notes.append(f"{n} reader{'s' if n != 1 else ''} left out: {why}")
    return notes


@dataclass(frozen=True, slots=True, eq=False)
class Accuracies:
    """``theta`` (t, r): the accuracy of each reader in each modality, NaN where it is undefined.

    ``covariance`` (t * r, t * r), modality-major; exactly 0 between two cells that share no case. ``truth`` (n,) and
    ``ratings`` (t, r, n) hold the cases that any cell uses (of one class only, for sensitivity and specificity).
    """

    theta: Floats
    covariance: Floats
    truth: Bools
    ratings: Floats
    n_missing: int

    def readers_with_variance(self) -> Bools:
        """Readers (r,) whose accuracy is defined in every modality and has a variance, which takes two cases of a
        class; where nobody's has, those whose accuracy is defined."""
        return with_variance(self.theta, np.diagonal(self.covariance).reshape(self.theta.shape))


def accuracies(
    truth: ArrayLike, ratings: ArrayLike, metric: Metric = "auc", covariance: str = "jackknife"
) -> Accuracies:
    """Accuracies and their covariance.

    ``truth`` (n,), ``ratings`` (t, r, n) or (r, n): modality, reader, case; NaN where a reader did not read a case.
    ``metric``: "auc"; "sensitivity" or "specificity" of decisions 0/1; or a function (truth, ratings) -> float that
    does not depend on the order of the cases. ``covariance``: "jackknife" (any metric), "delong" (AUC) or "unbiased"
    (AUC; Gallas, Pennello and Myers, J Opt Soc Am A 2007; 24:B70-B80). For sensitivity and specificity the three are
    the same: the sample covariance over n.
    """
    actual, cells = binary_truth(truth), _three_axes(ratings)
    if cells.shape[2] != actual.size:
        raise StatsError(f"ratings has shape {cells.shape}, but truth names {actual.size} cases; (t, r, n) is needed")
    if covariance not in METHODS:
        raise StatsError(f"covariance is {covariance!r}; allowed are {', '.join(map(repr, METHODS))}")
    if isinstance(metric, str) and metric not in METRICS:
        raise StatsError(f"metric is {metric!r}; allowed are {', '.join(map(repr, METRICS))}, or a function")
    if callable(metric) and covariance != "jackknife":
        raise StatsError(f"covariance is {covariance!r}; a metric of your own has the 'jackknife' only")
    used = ~np.isnan(cells).all(axis=(0, 1))
    if metric in ("sensitivity", "specificity"):
        binary_decisions(cells, "ratings")
        used &= actual == (metric == "sensitivity")
    actual, cells = actual[used], cells[:, :, used]
    rows = cells.reshape(cells.shape[0] * cells.shape[1], actual.size)  # also where no case is left
    if callable(metric):
        theta, matrix = _by_deletion(actual, rows, metric)
    elif metric == "auc":
        theta, matrix = _auc(actual, rows, covariance)
    else:
        theta, matrix = _share(rows if metric == "sensitivity" else 1 - rows)
    seen = ~np.isnan(rows)
    if not seen.all():
        matrix = np.where((seen.astype(float) @ seen.T.astype(float)) > 0, matrix, 0.0)
    return Accuracies(theta.reshape(cells.shape[:2]), matrix, actual, cells, int((~seen).sum()))


def jackknife_covariance(deleted: Floats) -> Floats:
    """Covariance from leave-one-case-out values (N, c): (N - 1) / N times their centred cross-product; NaN of none."""
    n = len(deleted)
    if n == 0:
        return np.full((deleted.shape[1],) * 2, np.nan)
    centred = deleted - deleted.mean(axis=0)
    return (n - 1) / n * centred.T @ centred


def _auc(truth: Bools, rows: Floats, method: str) -> tuple[Floats, Floats]:
    v10, v01 = _placements(truth, rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        m, n = (~np.isnan(v10)).sum(axis=1), (~np.isnan(v01)).sum(axis=1)
        theta = np.where((m > 0) & (n > 0), np.nansum(v10, axis=1) / m, np.nan)
        if method == "jackknife":
            deleted = np.empty((truth.size, len(rows)))
            deleted[truth] = _without_one(theta, v10, m).T
            deleted[~truth] = _without_one(theta, v01, n).T
            return theta, jackknife_covariance(deleted)
        if method == "delong":
            return theta, _overlap_covariance(v10, theta, m) + _overlap_covariance(v01, theta, n)
        return theta, _unbiased(truth, rows, v10, v01, m, n)


def _without_one(theta: Floats, values: Floats, size: Floats) -> Floats:
    """The AUC of each cell without each case of a class; a case that the cell did not read changes nothing."""
    theta, size = theta[:, np.newaxis], size[:, np.newaxis]
    return np.where(np.isnan(values), theta, (size * theta - values) / (size - 1))


def _overlap_covariance(values: Floats, theta: Floats, size: Floats) -> Floats:
    """Covariance of the means of two cells, from the cases that both have.

    Of cells with m and n cases, s of them shared, the products of deviations from each cell's own mean sum to an
    expected s (1 - 1/m - 1/n + s / (m n)) covariances of one case, and the means' covariance is s / (m n) of one
    case's: the sum over m n - m - n + s is unbiased. Where all is shared that is the sample covariance over n.
    """
    seen = ~np.isnan(values)
    centred = np.where(seen, values - theta[:, np.newaxis], 0.0)
    product, n = centred @ centred.T, values.shape[1]
    if seen.all():
        return product / (n * (n - 1)) if n > 1 else np.full(product.shape, np.nan)
    shared = seen.astype(float) @ seen.T.astype(float)
    divisor = np.outer(size, size) - np.add.outer(size, size) + shared
    found = np.where((np.minimum.outer(size, size) > 1) & (divisor > 0), product / divisor, np.nan)
    return np.where(shared > 0, found, 0.0)


def mean_share(right: Floats) -> tuple[Floats, float, float]:
    """Shares of right decisions (r,) of ``right`` (r, n), 0 and 1 without NaN, the mean of their variances and that of
    their covariances: those of ``accuracies``, summed over the cases without the (r, r) matrix, in O(r n)."""
    r, n = right.shape
    theta = right.mean(axis=1)
    if n < 2:
        return theta, np.nan, np.nan if r > 1 else 0.0
    centred = right - theta[:, np.newaxis]
    variances = float(np.einsum("rn,rn->", centred, centred))
    everything = float((centred.sum(axis=0) ** 2).sum())
    cov2 = (everything - variances) / (n * (n - 1) * r * (r - 1)) if r > 1 else 0.0
    return theta, variances / (n * (n - 1) * r), cov2


def _unbiased(truth: Bools, rows: Floats, v10: Floats, v01: Floats, m: Floats, n: Floats) -> Floats:
    """The unbiased estimate from sums of success scores (Gallas 2006; equation for any overlap of cases)."""
    positive, negative = rows[:, truth], rows[:, ~truth]
    seen_pos, seen_neg = (~np.isnan(positive)).astype(float), (~np.isnan(negative)).astype(float)
    per_positive = np.nan_to_num(v10) * n[:, np.newaxis]
    per_negative = np.nan_to_num(v01) * m[:, np.newaxis]
    total = per_positive.sum(axis=1)
    gram = np.zeros((len(rows), len(rows)))
    step = max(1, GRAM_BYTES // (8 * max(negative.size, 1)))
    for start in range(0, positive.shape[1], step):
        scores = success_scores(positive[:, start : start + step], negative).reshape(len(rows), -1)
        gram += scores @ scores.T
    pairs = np.outer(m * n, m * n).astype(float)
    shared_pos, shared_neg = seen_pos @ seen_pos.T, seen_neg @ seen_neg.T
    apart = pairs - np.outer(m, m) * shared_neg - np.outer(n, n) * shared_pos + shared_pos * shared_neg
    delta = np.where(apart > 0, pairs / apart, np.nan)
    shared = per_positive @ per_positive.T + per_negative @ per_negative.T - gram
    return ((1 - delta) * np.outer(total, total) + delta * shared) / pairs


def success_scores(positive: Floats, negative: Floats) -> Floats:
    """1, 1/2 or 0 for each pair, (c, m) against (c, n) -> (c, m, n); 0 where either rating is missing."""
    difference = positive[:, :, np.newaxis] - negative[:, np.newaxis, :]
    return np.where(np.isnan(difference), 0.0, (np.sign(difference) + 1) / 2)


def _placements(truth: Bools, rows: Floats) -> tuple[Floats, Floats]:
    """v10 (c, m) and v01 (c, n), NaN where a cell did not read the case."""
    v10, v01 = np.full((len(rows), int(truth.sum())), np.nan), np.full((len(rows), int((~truth).sum())), np.nan)
    seen = ~np.isnan(rows)
    complete = seen.all(axis=1)
    if truth.any() and not truth.all() and complete.any():
        v10[complete], v01[complete] = placements(truth, rows[complete])
    for i in np.flatnonzero(~complete):
        here = seen[i]
        if truth[here].any() and not truth[here].all():
            one, other = placements(truth[here], rows[i : i + 1, here])
            v10[i, here[truth]], v01[i, here[~truth]] = one[0], other[0]
    return v10, v01


def _share(rows: Floats) -> tuple[Floats, Floats]:
    seen = ~np.isnan(rows)
    size = seen.sum(axis=1)
    theta = np.divide(np.nansum(rows, axis=1), size, out=np.full(len(rows), np.nan), where=size > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return theta, _overlap_covariance(rows, theta, size)


def _by_deletion(truth: Bools, rows: Floats, metric: Callable[[Bools, Floats], float]) -> tuple[Floats, Floats]:
    """A metric of the caller's own, recomputed without each case in turn.

    Cases of one class with one rating are interchangeable, so that leaving out either gives the same value.
    """

    def value(row: Floats, keep: Bools) -> float:
        return float(metric(truth[keep], row[keep]))

    seen = ~np.isnan(rows)
    theta = np.array([value(row, here) for row, here in zip(rows, seen, strict=True)])
    deleted = np.tile(theta, (truth.size, 1))
    for i, row in enumerate(rows):
        known: dict[tuple[bool, float], float] = {}
        for case in np.flatnonzero(seen[i]):
            kind = bool(truth[case]), float(row[case])
            if kind not in known:
                keep = seen[i].copy()
                keep[case] = False
                known[kind] = value(row, keep)
            deleted[case, i] = known[kind]
    return theta, jackknife_covariance(deleted)


def _three_axes(ratings: ArrayLike) -> Floats:
    cells = as_floats("ratings", ratings)
    if cells.ndim == 2:
        cells = cells[np.newaxis]
    if cells.ndim != 3 or not len(cells):
        raise StatsError(f"ratings has shape {cells.shape}; (t, r, n) is needed: modality, reader, case")
    return cells
