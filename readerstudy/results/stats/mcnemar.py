"""Paired yes-or-no decisions on the same cases: McNemar's tests, each named, and corrections for many of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, chi2, false_discovery_control
from statsmodels.stats.contingency_tables import cochrans_q

from readerstudy.results.stats.arrays import (
    FEW_DISCORDANT,
    Bools,
    Floats,
    as_counts,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    rows_of_cases,
)
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.intervals import clipped, z_value

ENDPOINTS = ("sensitivity", "specificity", "accuracy")
TESTS = ("exact", "mid-p", "chi-square", "chi-square, continuity-corrected")


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two sets of decisions on the same cases.

    ``b``: first right and second wrong; ``c``: first wrong and second right; ``n`` cases that both answered.
    ``difference`` = (b - c) / n, first minus second. p values are two-sided, and NaN where b + c is 0. ``chi_square``
    is uncorrected. ``adjusted_p`` is the chosen test's p after the correction named in ``correction`` ("" for none).
    """

    endpoint: str
    b: int
    c: int
    n: int
    difference: Estimate
    exact_p: float
    mid_p: float
    chi_square: float
    chi_square_p: float
    corrected_p: float
    adjusted_p: float = NAN
    correction: str = ""
    note: str = ""


def mcnemar_from_counts(
    b: ArrayLike, c: ArrayLike, n: ArrayLike, *, endpoint: str = "", level: float = 0.95
) -> list[McNemar]:
    """McNemar's tests of discordant counts ``b`` and ``c`` among ``n`` pairs, elementwise.

    Exact: binomial(b + c, 1/2), twice the smaller tail. Mid-p: that less the probability of what was seen (Fagerland,
    Lydersen and Laake, BMC Med Res Methodol 2013; 13:91). Chi-square with and without Edwards' continuity correction.
    Interval of the difference: Bonett and Price (J Educ Behav Stat 2012; 37:479-488), clipped to -1..1.
    """
    check_level(level)
    one, other, total = as_counts(b=b, c=c, n=n)
    if (one + other > total).any():
        raise StatsError("b and c count discordant pairs: neither is negative, and together they do not exceed n")
    discordant = one + other
    tested = discordant > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        tail = binom.cdf(np.minimum(one, other), discordant, 0.5)
        exact = np.minimum(2 * tail, 1.0)
        seen = binom.pmf(np.minimum(one, other), discordant, 0.5)
        mid = np.where(one == other, 1 - seen / 2, 2 * tail - seen)
        square = (one - other) ** 2 / discordant
        # held at 0, as R does: the correction does not make a difference out of none
        corrected = np.maximum(np.abs(one - other) - 1, 0) ** 2 / discordant
        value = (one - other) / total
        plus_b, plus_c = (one + 1) / (total + 2), (other + 1) / (total + 2)
        half = z_value(level) * np.sqrt((plus_b + plus_c - (plus_b - plus_c) ** 2) / (total + 2))
    columns = (one, other, total, value, plus_b - plus_c - half, plus_b - plus_c + half, exact, mid, square,
               chi2.sf(square, 1), chi2.sf(corrected, 1), tested)  # fmt: skip
    return [_mcnemar(endpoint, level, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def mcnemar_reader_vs_model(
    truth: ArrayLike,
    readers: ArrayLike,
    model: ArrayLike,
    *,
    endpoint: str = "sensitivity",
    test: str = "exact",
    correction: str | None = "holm",
    level: float = 0.95,
) -> tuple[McNemar, ...]:
    """Each reader's decisions against the model's on the same cases: one McNemar a reader, reader first.

    ``truth`` (n,), ``readers`` (r, n) or (n,), ``model`` (n,), or (r, n) where it decides by another threshold for each
    reader: decisions 0/1, NaN for no answer; a case counts for a reader who answered it. ``endpoint``: "sensitivity"
    (positives), "specificity" (negatives) or "accuracy" (all). ``test`` is the one whose p values are corrected for the
    number of readers, by ``correction``: "holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "hochberg"
    or None.
    """
    actual = binary_truth(truth)
    said = binary_decisions(rows_of_cases("readers", readers, actual.size), "readers")
    scored = binary_decisions(as_floats("model", model), "model")
    if scored.shape not in (actual.shape, said.shape):
        raise StatsError(
            f"model has shape {scored.shape}; one decision a case is needed, shape {actual.shape}, or one for each "
            f"reader and case, shape {said.shape}"
        )
    if test not in TESTS:
        raise StatsError(f"test is {test!r}; allowed are {', '.join(map(repr, TESTS))}")
    among = _cases_of(endpoint, actual)
    both = among & ~np.isnan(said) & ~np.isnan(scored)
    reader_right, model_right = said == actual, scored == actual
    b, c = (both & reader_right & ~model_right).sum(axis=1), (both & ~reader_right & model_right).sum(axis=1)
    results = mcnemar_from_counts(b, c, both.sum(axis=1), endpoint=endpoint, level=level)
    if correction is None:
        return tuple(results)
    raw = [_p_of(result, test) for result in results]
    adjusted = adjust_p(raw, correction).tolist()
    return tuple(
        replace(result, adjusted_p=p, correction=f"{correction} over {len(results)} readers, {test} p")
        for result, p in zip(results, adjusted, strict=True)
    )


def adjust_p(p: ArrayLike, correction: str = "holm") -> Floats:
    """p values (k,) corrected for being many; a NaN (no test) stays NaN and does not count."""
    values = as_floats("p", p)
    if correction not in CORRECTIONS:
        raise StatsError(f"correction is {correction!r}; allowed are {', '.join(map(repr, CORRECTIONS))}")
    defined = ~np.isnan(values)
    if ((values[defined] < 0) | (values[defined] > 1)).any():
        raise StatsError("p holds a value outside 0..1")
    adjusted = np.full(values.shape, np.nan)
    if defined.any():
        adjusted[defined] = CORRECTIONS[correction](values[defined])
    return adjusted


def _bonferroni(p: Floats) -> Floats:
    return np.minimum(p * p.size, 1.0)


def _holm(p: Floats) -> Floats:
    """Holm S, Scand J Stat 1979; 6:65-70: stepping down."""
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted


def _hochberg(p: Floats) -> Floats:
    """Hochberg Y, Biometrika 1988; 75:800-802: stepping up."""
    order = np.argsort(p)[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(p[order] * np.arange(1, p.size + 1)), 1.0)
    return adjusted


def _benjamini_hochberg(p: Floats) -> Floats:
    return np.asarray(false_discovery_control(p, method="bh"), float)


def _benjamini_yekutieli(p: Floats) -> Floats:
    return np.asarray(false_discovery_control(p, method="by"), float)


# statsmodels' multipletests gives the same, but collects all garbage of the process at every call: 50 ms and more
CORRECTIONS = {
    "holm": _holm,
    "benjamini-hochberg": _benjamini_hochberg,
    "benjamini-yekutieli": _benjamini_yekutieli,
    "bonferroni": _bonferroni,
    "hochberg": _hochberg,
}


def cochran_q(truth: ArrayLike, decisions: ArrayLike, *, endpoint: str = "accuracy") -> Test:
    """Cochran's Q: are all rows of ``decisions`` (k, n) right equally often? Incomplete cases are left out."""
    actual = binary_truth(truth)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    used = _cases_of(endpoint, actual) & ~np.isnan(said).any(axis=0)
    right = (said == actual)[:, used]
    mixed = int((right.any(axis=0) & ~right.all(axis=0)).sum())
    if len(right) < 2 or mixed == 0:
        return Test("Cochran's Q", NAN, NAN, len(right) - 1.0, int(used.sum()), "no test: no case divides the rows")
    found = cochrans_q(right.T.astype(int))
    note = (
        "" if mixed >= FEW_DISCORDANT else f"only {mixed} cases divide the rows (fewer than {FEW_DISCORDANT}): fragile"
    )
    return Test("Cochran's Q", float(found.statistic), float(found.pvalue), float(found.df), int(used.sum()), note)


def _mcnemar(
    endpoint: str, level: float, b: float, c: float, n: float, value: float, low: float, high: float, exact: float,
    mid: float, square: float, square_p: float, corrected_p: float, tested: bool,
) -> McNemar:  # fmt: skip
    notes = []
    if n and not tested:
        notes.append("no discordant pair: there is nothing to test")
    elif 0 < b + c < FEW_DISCORDANT:
        notes.append(f"only {b + c:.0f} discordant pairs (fewer than {FEW_DISCORDANT}): fragile")
    if not n:
        notes.append("no case was answered by both")
        low = high = NAN
    low, high, clip_note = clipped(low, high, (-1.0, 1.0))
    note = join_notes(notes)
    difference = Estimate(value, low, high, level, "Bonett-Price", int(n), join_notes([note, clip_note]))
    if not tested:
        exact = mid = square = square_p = corrected_p = NAN
    return McNemar(endpoint, int(b), int(c), int(n), difference, exact, mid, square, square_p, corrected_p, note=note)


def _cases_of(endpoint: str, truth: Bools) -> Bools:
    if endpoint not in ENDPOINTS:
        raise StatsError(f"endpoint is {endpoint!r}; allowed are {', '.join(map(repr, ENDPOINTS))}")
    return truth if endpoint == "sensitivity" else ~truth if endpoint == "specificity" else np.ones_like(truth)


def _p_of(result: McNemar, test: str) -> float:
    values = (result.exact_p, result.mid_p, result.chi_square_p, result.corrected_p)
    return dict(zip(TESTS, values, strict=True))[test]
