"""How far readers agree: with one another, beyond chance, and with themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from statsmodels.stats.inter_rater import cohens_kappa

from readerstudy.results.stats.arrays import (
    FEW_CASES,
    Bools,
    Floats,
    as_floats,
    check_level,
    complete_cases,
    rating_rows,
)
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.icc import icc_agreement
from readerstudy.results.stats.intervals import normal_interval, proportion
from readerstudy.results.stats.krippendorff import MEASUREMENTS, krippendorff_alpha

ZERO_VARIANCE = 1e-13  # a kappa's variance below this is what rounding leaves of zero
KAPPA_WEIGHTS = {None: None, "linear": "linear", "quadratic": "quadratic"}


@dataclass(frozen=True, slots=True)
class Kappa:
    """An agreement coefficient with its interval, and its test against no agreement beyond chance."""

    estimate: Estimate
    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Agreement of r readers on n cases.

    ``all_agree``: the share of cases on which every reader says the same; ``pairwise``: the mean share over pairs of
    readers (NaN-free cases of each pair). ``fleiss``, ``conger`` (Cohen's kappa for more than two readers) and, for
    two readers, Cohen's kappa are on the cases that every reader answered; ``krippendorff`` uses all answers.
    ``pairs`` (r, r): Cohen's kappa of each pair of readers, 1 on the diagonal, NaN where undefined. ``icc``: ICC(2,1),
    for measurements on a scale, else undefined.
    """

    n_readers: int
    n_cases: int
    n_complete: int
    all_agree: Estimate
    pairwise: float
    fleiss: Kappa
    conger: Estimate
    krippendorff: Estimate
    pairs: Floats
    icc: Estimate
    measurement: str
    note: str = ""


def agreement(
    ratings: ArrayLike, *, measurement: str = "nominal", level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> Agreement:
    """Agreement of readers: ``ratings`` (r, n), a reader a row, NaN for no answer.

    ``measurement``: "nominal", "ordinal", "interval" or "ratio"; pairs are then weighted not at all, linearly (ordinal)
    or quadratically (interval, ratio). The interval of alpha is a bootstrap over cases (``replicates``, ``seed``).
    """
    rows = rating_rows(ratings)
    if measurement not in MEASUREMENTS:
        raise StatsError(f"measurement is {measurement!r}; allowed are {', '.join(map(repr, MEASUREMENTS))}")
    r, n = rows.shape
    complete = rows[:, ~np.isnan(rows).any(axis=0)]
    n_complete = complete.shape[1]
    same = int((complete == complete[0]).all(axis=0).sum()) if r else 0
    notes = []
    if n_complete < n:
        notes.append(f"{n - n_complete} cases without every answer: used by alpha and by pairs only")
    if 0 < n_complete < FEW_CASES:
        notes.append(f"only {n_complete} complete cases (fewer than {FEW_CASES}): fragile")
    weights = {"nominal": None, "ordinal": "linear"}.get(measurement, "quadratic")
    pairs, raw = _pairs(rows, weights)
    scale = measurement in ("interval", "ratio")
    icc = icc_agreement(complete, level=level) if scale else Estimate.undefined(
        "ICC needs ratings on a scale (interval or ratio)", level=level, method="ICC(2,1)", n=n_complete
    )  # fmt: skip
    return Agreement(
        r, n, n_complete, proportion(same, n_complete, level, empty="no case was answered by every reader"), raw,
        fleiss_kappa(complete, level=level), conger_kappa(complete, level=level),
        krippendorff_alpha(rows, measurement, level=level, replicates=replicates, seed=seed),
        pairs, icc, measurement, join_notes(notes),
    )  # fmt: skip


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: str | None = None,
    categories: ArrayLike | None = None,
    level: float = 0.95,
) -> Kappa:
    """Cohen's kappa of two readers' ratings (n,), NaN pairs left out; by statsmodels.

    ``weights``: None, "linear" (1 - |i - j| / (k - 1)) or "quadratic", over the categories in order: those that occur
    (as irr and scikit-learn), or all k of the scale in ``categories``, which matters to weights where a step of the
    scale was not used. Interval: Fleiss, Cohen and Everitt (Psychol Bull 1969; 72:323-327); test: z with the variance
    under no agreement beyond chance.
    """
    check_level(level)
    if weights not in KAPPA_WEIGHTS:
        raise StatsError(f"weights is {weights!r}; allowed are None, 'linear' and 'quadratic'")
    one, other = as_floats("first", first), as_floats("second", second)
    if one.shape != other.shape or one.ndim != 1:
        raise StatsError(f"first and second have shapes {one.shape} and {other.shape}; both must be (n,)")
    both = ~(np.isnan(one) | np.isnan(other))
    method = f"Cohen's kappa{f', {weights} weights' if weights else ''}"
    n, left_out = int(both.sum()), int((~both).sum())
    note = f"{left_out} cases without both answers left out" if left_out else ""
    used, codes = np.unique(np.concatenate([one[both], other[both]]), return_inverse=True)
    size = used.size
    if categories is not None:
        codes, size = _codes_on_scale(used, categories)[codes], np.unique(as_floats("categories", categories)).size
    if used.size < 2:
        why = join_notes(
            [note, "undefined: only one category was used" if n else "undefined: no case has both answers"]
        )
        return Kappa(Estimate.undefined(why, level=level, method=method, n=n), Test(method, NAN, NAN, n=n, note=why))
    table = np.zeros((size, size))
    np.add.at(table, (codes[:n], codes[n:]), 1)
    chance = table.sum(axis=0) @ table.sum(axis=1) / n**2
    if chance > 1 - 1e-12:
        why = join_notes([note, "undefined: chance agreement is complete"])
        return Kappa(Estimate.undefined(why, level=level, method=method, n=n), Test(method, NAN, NAN, n=n, note=why))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = cohens_kappa(table, wt=KAPPA_WEIGHTS[weights])
    value, variance, variance0 = float(found.kappa), float(found.var_kappa), float(found.var_kappa0)
    if variance < ZERO_VARIANCE:
        why = "complete agreement" if value > 1 - 1e-12 else "a reader whose answers vary too little"
        why = join_notes([note, f"no interval: its estimated variance is zero ({why})"])
        estimate = Estimate(value, NAN, NAN, level, method, n, why)
    else:
        se = math.sqrt(variance)
        estimate = normal_interval(value, se, level=level, method=method, n=n, bounds=(-1.0, 1.0), note=note)
    if variance0 < ZERO_VARIANCE:
        why = join_notes([note, "no test: its variance under no agreement beyond chance is zero"])
        return Kappa(estimate, Test(f"{method}, z", NAN, NAN, n=n, note=why))
    z = value / math.sqrt(variance0)
    return Kappa(estimate, Test(f"{method}, z", z, 2 * float(distributions.norm.sf(abs(z))), n=n, note=note))


def fleiss_kappa(ratings: ArrayLike, *, level: float = 0.95) -> Kappa:
    """Fleiss' kappa of ratings (r, n); cases without every answer are left out.

    Fleiss JL, Psychol Bull 1971; 76:378-382; z with the null variance of Fleiss, Nee and Landis (1979; 86:974-977).
    Interval: jackknife over cases.
    """
    rows, note = complete_cases(ratings)
    r, n = rows.shape
    method = "Fleiss' kappa, jackknife over cases"
    why = _too_little(rows)
    if why:
        return Kappa(
            Estimate.undefined(why, level=level, method=method, n=n), Test("Fleiss' z", NAN, NAN, n=n, note=why)
        )
    counts = category_counts(rows)
    agree = (counts**2).sum(axis=1)

    def kappa(total_agree: Floats, totals: Floats, cases: float) -> Floats:
        observed = (total_agree / cases - r) / (r * (r - 1))
        chance = ((totals / (r * cases)) ** 2).sum(axis=-1)
        return np.divide(observed - chance, 1 - chance, out=np.full(np.shape(chance), NAN), where=chance < 1 - 1e-12)

    value = float(kappa(agree.sum(), counts.sum(axis=0), n))
    deleted = kappa(agree.sum() - agree, counts.sum(axis=0) - counts, n - 1)
    p = counts.sum(axis=0) / (r * n)
    q = p * (1 - p)
    spread = float(q.sum() ** 2 - (q * (1 - 2 * p)).sum())
    se0 = math.sqrt(2 * spread / (n * r * (r - 1))) / float(q.sum()) if spread > 0 else NAN
    z = value / se0
    test = Test("Fleiss' z", z, 2 * float(distributions.norm.sf(abs(z))), n=n, note=note)
    return Kappa(_jackknifed(value, deleted, level, method, n, note), test)


def conger_kappa(ratings: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Conger's kappa of ratings (r, n): Cohen's chance agreement, averaged over pairs of readers.

    Conger AJ, Psychol Bull 1980; 88:322-328. Cases without every answer are left out. Interval: jackknife over cases.
    """
    rows, note = complete_cases(ratings)
    r, n = rows.shape
    method = "Conger's kappa, jackknife over cases"
    why = _too_little(rows)
    if why:
        return Estimate.undefined(why, level=level, method=method, n=n)
    categories, codes = np.unique(rows, return_inverse=True)
    codes = codes.reshape(rows.shape)
    totals = np.stack([np.bincount(row, minlength=categories.size) for row in codes])
    counts = category_counts(rows)
    agree = (counts**2).sum(axis=1)
    squares = totals.sum(axis=0), (totals**2).sum()

    def kappa(total_agree: Floats, together: Floats, apart: Floats, cases: float) -> Floats:
        """From the sums over readers of their counts (..., k), and of the squares of these."""
        observed = (total_agree / cases - r) / (r * (r - 1))
        chance = ((together / cases) ** 2).sum(axis=-1) - apart / cases**2
        chance = chance / (r * (r - 1))
        return np.divide(observed - chance, 1 - chance, out=np.full(np.shape(chance), NAN), where=chance < 1 - 1e-12)

    value = float(kappa(agree.sum(), squares[0], squares[1], n))
    # without a case, each reader's count of one category is one less
    lost = (2 * totals[np.arange(r)[:, np.newaxis], codes] - 1).sum(axis=0)
    deleted = kappa(agree.sum() - agree, squares[0] - counts, squares[1] - lost, n - 1)
    return _jackknifed(value, deleted, level, method, n, note)


def intra_reader(
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: str | None = None,
    categories: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[Kappa, ...]:
    """Each reader with him- or herself on hidden repeats: Cohen's kappa of ``first`` and ``second`` (r, n), NaN where
    a case was not repeated; options as in ``cohen_kappa``. The repeats belong here and in no accuracy."""
    one, other = rating_rows(first), rating_rows(second)
    if one.shape != other.shape:
        raise StatsError(f"first and second have shapes {one.shape} and {other.shape}; they must be equal, (r, n)")
    return tuple(
        cohen_kappa(a, b, weights=weights, categories=categories, level=level) for a, b in zip(one, other, strict=True)
    )


def _codes_on_scale(used: Floats, categories: ArrayLike) -> NDArray[np.intp]:
    """Where each rating that occurs stands on the scale ``categories`` (k,)."""
    scale = np.unique(as_floats("categories", categories))
    unknown = used[~np.isin(used, scale)]
    if unknown.size:
        raise StatsError(f"{unknown[0]:g} is none of the categories {', '.join(f'{step:g}' for step in scale)}")
    return np.searchsorted(scale, used)


def category_counts(rows: Floats) -> Floats:
    """How many readers put each case in each category: (n, k)."""
    categories = np.unique(rows)
    return np.stack([(rows == category).sum(axis=0) for category in categories], axis=1).astype(float)


def _jackknifed(value: float, deleted: Floats, level: float, method: str, n: int, note: str) -> Estimate:
    if math.isnan(value) or np.isnan(deleted).any():
        why = join_notes([note, "no interval: undefined without some case"])
        return Estimate(value, NAN, NAN, level, method, n, why)
    se = math.sqrt((n - 1) / n * float(((deleted - deleted.mean()) ** 2).sum()))
    if se < 1e-12:
        return Estimate(
            value, NAN, NAN, level, method, n, join_notes([note, "no interval: no case makes a difference"])
        )
    return normal_interval(value, se, level=level, df=n - 1, method=method, n=n, bounds=(-1.0, 1.0), note=note)


def _pairs(rows: Floats, weights: str | None) -> tuple[Floats, float]:
    """Cohen's kappa of each pair (r, r), and the mean share of cases on which a pair says the same."""
    r, n = rows.shape
    seen = ~np.isnan(rows)
    categories = np.unique(rows[seen])
    # whole numbers below 2**24 are exact in single precision, where a product takes half the time
    kind = np.float32 if n < 2**24 else np.float64
    marked = [(rows == category).astype(kind) for category in categories]
    n_both = np.full((r, r), float(n)) if seen.all() else _product(seen.astype(kind), seen.astype(kind))
    # of each reader over the cases that both answered
    margins = [_margins(mark, seen) for mark in marked]
    if len(marked) == 2:  # what both called the second: all, less what either called the first
        same = n_both - margins[0] - margins[0].T + 2 * _product(marked[0], marked[0])
    else:
        same = sum((_product(mark, mark) for mark in marked), np.zeros((r, r)))
    disagree = n_both - same
    costs = {(i, j): _cost(i, j, weights) for i in range(len(marked)) for j in range(i + 1, len(marked))}
    chance = np.zeros((r, r))
    for (i, j), cost in costs.items():
        chance += cost * (margins[i] * margins[j].T + margins[j] * margins[i].T)
    if set(costs.values()) <= {1.0}:
        apart = disagree
    else:
        apart = np.zeros((r, r))
        for (i, j), cost in costs.items():
            product = _product(marked[i], marked[j])
            apart += cost * (product + product.T)
    kappa = 1 - np.divide(apart * n_both, chance, out=np.full((r, r), NAN), where=chance > 0)
    upper = np.triu_indices(r, 1)
    shares = np.divide(disagree, n_both, out=np.full((r, r), NAN), where=n_both > 0)[upper]
    return kappa, float(1 - np.nanmean(shares)) if (~np.isnan(shares)).any() else NAN


def _cost(i: int, j: int, weights: str | None) -> float:
    """How far two categories, by their place in their order, lie apart."""
    return {None: float(i != j), "linear": float(abs(i - j))}.get(weights, float((i - j) ** 2))


def _product(one: NDArray[np.floating], other: NDArray[np.floating]) -> Floats:
    return (one @ other.T).astype(float)


def _margins(mark: NDArray[np.floating], seen: Bools) -> Floats:
    if seen.all():
        return np.broadcast_to(mark.sum(axis=1, dtype=float)[:, np.newaxis], (len(mark), len(mark)))
    return _product(mark, seen.astype(mark.dtype))


def _too_little(rows: Floats) -> str:
    if len(rows) < 2:
        return "undefined: agreement needs two readers"
    if rows.shape[1] < 2:
        return "undefined: fewer than two cases were answered by every reader"
    return "undefined: only one category was used" if np.unique(rows).size < 2 else ""
