"""Two conditions against each other: the difference within readers, for other readers and other cases.

Statistics are those of the room: Obuchowski-Rockette where readers read under both conditions, U-statistics where
other readers read under each, McNemar's test and Bonett and Price's interval for one reader's own cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats as distributions

from readerstudy.results.conditions.table import Bools, Floats, Ints
from readerstudy.results.stats import (
    Estimate,
    Mrmc,
    adjust_p,
    mcnemar_reader_vs_model,
    mean_interval,
    mrmc,
    mrmc_ustat,
)
from readerstudy.results.stats.estimate import join_notes
from readerstudy.results.supplement.confusions import reader_confusion

SENSITIVITY, SPECIFICITY, ACCURACY, AUC = "sensitivity", "specificity", "accuracy", "auc"
CLASS_ACCURACY, PER_CLASS = "class accuracy", "mean per-class accuracy"
NOBODY = "no reader has answered every case under either condition"
NOBODY_IN_BOTH = "no reader has answered every case under both conditions"
NO_CELLS = "nothing was answered that counts here"
NO_POSITIVE = "no positive case was read under these conditions"
NO_NEGATIVE = "no negative case was read under these conditions"
NEEDS = {1: (SENSITIVITY, AUC), 0: (SPECIFICITY, AUC)}  # a case of this side
OTHER_READERS = "other readers under each condition: the readers' differences are part of the difference"
TOO_SPARSE = "some readers share a single case: every answer counts alike, so readers with more cases count more"
FEW_DISCORDANT = 10
BY_DESIGN = ("missing rating", "missing reading", "variance component is negative", "Cov2 - Cov3", "covariance between")
BEFORE, AFTER = "first", "second"


@dataclass(frozen=True, slots=True)
class ReaderDifference:
    """One reader: second condition minus first; ``holm_p`` is corrected over the readers. NaN: no test."""

    code: str
    first: float
    second: float
    difference: Estimate
    p: float
    holm_p: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure under two conditions: the readers' averages, and second minus first with its test.

    ``statistic`` is t, or z where ``df`` is infinite. ``readers`` are those with a value under both conditions, empty
    where other readers read under each.
    """

    measure: str
    first: Estimate
    second: Estimate
    difference: Estimate
    statistic: float
    df: float
    p: float
    n_readers: int
    readers: tuple[ReaderDifference, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Who and what enters a comparison: the ``rows`` (indices of readers), and which (rows, cases) of each condition.

    ``paired``: the same readers answered the same cases under both, and only these cells count. Else each condition has
    its own. ``same_readers``: whether they at least are the same.
    """

    rows: Ints
    first: Bools
    second: Bools
    paired: bool
    same_readers: bool


def complete(answered: Bools, assigned: Bools) -> Bools:
    """(readers,): who has answered every case that was to be read under a condition, and at least one."""
    return np.asarray((answered | ~assigned).all(axis=1) & assigned.any(axis=1))


def cells_of(answered: Sequence[Bools], assigned: Sequence[Bools], *, same_readers: bool) -> Cells:
    """Only complete readers enter: of both conditions, or, where each has its own readers, of theirs.

    ``answered`` and ``assigned``: (readers, cases) of the first and of the second condition.
    """
    done = [complete(a, b) for a, b in zip(answered, assigned, strict=True)]
    rows = np.flatnonzero(done[0] & done[1] if same_readers else done[0] | done[1])
    one, other = (a[rows] & own[rows, np.newaxis] for a, own in zip(answered, done, strict=True))
    if same_readers and (one & other).any():
        return Cells(rows, one & other, one & other, True, True)
    return Cells(rows, one, other, False, same_readers)


def compare(measure: str, truth: Ints, first: Floats, second: Floats, cells: Cells, codes: Sequence[str]) -> Difference:
    """``first`` and ``second`` (readers, cases): decisions of a sensitivity or specificity, ratings of an AUC, else 1
    for a right answer and 0 for a wrong one. ``codes``: of all readers."""
    before, after = _kept(first, cells, cells.first), _kept(second, cells, cells.second)
    who = [codes[row] for row in cells.rows.tolist()]
    if not len(cells.rows):
        return _undefined(measure, NOBODY_IN_BOTH if cells.same_readers else NOBODY)
    for side, why in ((1, NO_POSITIVE), (0, NO_NEGATIVE)):
        if measure in NEEDS[side] and np.isnan(np.stack([before, after])[..., truth == side]).all():
            return _undefined(measure, why)
    if np.isnan(before).all() or np.isnan(after).all():
        return _undefined(measure, NO_CELLS)
    if measure not in (SENSITIVITY, SPECIFICITY, AUC):
        truth = np.ones(before.shape[1], dtype=np.int64)  # a share of right answers is a sensitivity to all cases
    if not cells.same_readers:
        return _by_ustatistics(measure, truth, before, after, OTHER_READERS)
    metric = measure if measure in (SPECIFICITY, AUC) else SENSITIVITY
    found = mrmc(truth, np.stack([after, before]), metric=metric, modalities=(AFTER, BEFORE), reader_names=who)
    readers = _readers(metric, truth, before, after, who, found, paired=cells.paired)
    if np.isnan(found.covariance).any():  # two readers share a single case: their covariance is not known
        return replace(_by_ustatistics(measure, truth, before, after, TOO_SPARSE), readers=readers)
    pooled, (mean_after, mean_before) = found.differences[0], found.means
    one, other, change = (_plain(measure, each.estimate) for each in (mean_before, mean_after, pooled))
    note = _said(measure, found.note, pooled.estimate.note)
    return Difference(
        measure, one, other, change, pooled.statistic, pooled.df, pooled.p, found.n_readers, readers, note
    )


def _kept(values: Floats, cells: Cells, which: Bools) -> Floats:
    return np.where(which, values[cells.rows], np.nan)


def _said(measure: str, *notes: str) -> str:
    """The notes without what is so by design: only complete readers enter, so that nothing is missing, and a component
    of the variance may well be negative. A share of right answers was given as a sensitivity to all cases, which are
    not "positive cases"."""
    parts = [part for note in notes for part in note.split("; ") if not any(word in part for word in BY_DESIGN)]
    note = join_notes(parts)
    return note if measure in (SENSITIVITY, SPECIFICITY, AUC) else note.replace(" positive case", " case")


def _plain(measure: str, estimate: Estimate) -> Estimate:
    return replace(estimate, note=_said(measure, estimate.note))


def _undefined(measure: str, why: str) -> Difference:
    nothing = Estimate.undefined(why)
    return Difference(measure, nothing, nothing, nothing, math.nan, math.nan, math.nan, 0, (), why)


def _readers(
    metric: str, truth: Ints, before: Floats, after: Floats, who: Sequence[str], found: Mrmc,
    *, paired: bool,
) -> tuple[ReaderDifference, ...]:  # fmt: skip
    """Each reader alone. A share over the same cases is McNemar's; else z from the reader's own variances."""
    theta = {code: tuple(found.per_reader[:, i].tolist()) for i, code in enumerate(found.reader_names)}
    if paired and metric != AUC:
        tests = mcnemar_reader_vs_model(truth, after, before, endpoint=metric, correction=None)
        rows = [
            (code, one.difference.noted(one.note, _few(one.b + one.c)), one.exact_p)
            for code, one in zip(who, tests, strict=True)
            if code in theta
        ]
    else:
        rows = [(str(one.reader), one.estimate, one.p) for one in found.reader_differences]
    adjusted = adjust_p([p for _code, _estimate, p in rows]).tolist() if rows else []
    return tuple(
        ReaderDifference(code, theta[code][1], theta[code][0], estimate, p, holm)
        for (code, estimate, p), holm in zip(rows, adjusted, strict=True)
    )


def _few(discordant: int) -> str:
    return (
        f"only {discordant} answers differ (fewer than {FEW_DISCORDANT}): fragile"
        if 0 < discordant < FEW_DISCORDANT
        else ""
    )


def _by_ustatistics(measure: str, truth: Ints, before: Floats, after: Floats, why: str) -> Difference:
    """Where Obuchowski-Rockette cannot be had: U-statistics take any design. They weigh every answer alike."""
    metric = measure if measure in (SENSITIVITY, SPECIFICITY, AUC) else AUC
    ratings = np.stack([after, before])
    if measure not in (SENSITIVITY, SPECIFICITY, AUC):
        truth, after, before = half_way(after, before)
        ratings = np.stack([after, before])
    found = mrmc_ustat(truth, ratings, metric=metric, modalities=(AFTER, BEFORE))
    pooled, (mean_after, mean_before) = found.differences[0], found.means
    one, other, change = (_plain(measure, each.estimate) for each in (mean_before, mean_after, pooled))
    note = _said(measure, why, found.note, pooled.estimate.note)
    test = pooled.test
    return Difference(measure, one, other, change, test.statistic, pooled.df, test.p, found.n_readers, (), note)


def half_way(*right: Floats) -> tuple[Any, ...]:
    """Shares of right answers (readers, cases) as AUCs against as many cases that lie half way, as iMRMC's roc2binary
    has it: their truth, and each with these cases."""
    found: list[Floats] = []
    for one in right:
        read = ~np.isnan(one).all(axis=1, keepdims=True)
        half = np.where(np.broadcast_to(read, one.shape), 0.5, np.nan)
        found.append(np.concatenate([one, half], axis=1))
    return np.repeat([1, 0], right[0].shape[1]), *found


def compare_per_class(
    labels: Sequence[str], wanted: Ints, first: Floats, second: Floats, cells: Cells, codes: Sequence[str]
) -> Difference:
    """The mean per-class accuracy: each reader's share of right answers in each class, averaged over the classes.

    ``wanted`` (n,): index of the right label, negative where none is; ``first``, ``second`` (readers, cases): of the
    label said. t over readers: these cases are taken as they are.
    """
    if not len(cells.rows) or not cells.same_readers:
        return _undefined(PER_CLASS, NOBODY_IN_BOTH)
    counted = wanted >= 0
    truth = np.array([labels[i] for i in wanted[counted].tolist()], dtype=object)
    values = []
    for said, which in ((first, cells.first), (second, cells.second)):
        kept = _kept(said, cells, which)[:, counted]
        named = np.array([None, *labels], dtype=object)[np.where(np.isnan(kept), 0, kept + 1).astype(int)]
        values.append(reader_confusion(truth, named, list(labels)).per_reader)
    before, after = (np.array(one) for one in values)
    defined = ~np.isnan(before) & ~np.isnan(after)
    change = mean_interval((after - before)[defined], bounds=None)
    mean = [mean_interval(one[defined]) for one in (before, after)]
    readers = tuple(
        ReaderDifference(
            codes[row], one, other, Estimate(other - one, math.nan, math.nan, n=int(counted.sum()), note="no interval"),
            math.nan, math.nan,
        )
        for row, one, other, known in zip(cells.rows.tolist(), before.tolist(), after.tolist(), defined, strict=True)
        if known
    )  # fmt: skip
    n_out = int((~counted).sum())
    note = join_notes([
        "cases fixed", f"{n_out} cases are of none of the classes and left out" if n_out else "", change.note,
    ])  # fmt: skip
    return Difference(
        PER_CLASS, mean[0], mean[1], change, *_t_test((after - before)[defined]), int(defined.sum()), readers, note
    )


def _t_test(values: Floats) -> tuple[float, float, float]:
    """One-sample t against 0: statistic, degrees of freedom, p; NaN where there is none."""
    if values.size < 2 or values.std(ddof=1) < 1e-12:
        return math.nan, math.nan, math.nan
    found = distributions.ttest_1samp(values, 0.0)
    return float(found.statistic), float(values.size - 1), float(found.pvalue)
