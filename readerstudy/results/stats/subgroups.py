"""The same number in subgroups of cases or of readers: with n, a test of interaction, and p values corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from statsmodels.stats.oneway import anova_oneway

from readerstudy.results.stats.arrays import (
    FEW_CASES,
    FEW_READERS,
    Bools,
    Floats,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    rows_of_cases,
)
from readerstudy.results.stats.delong import compare_unpaired, delong
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.intervals import ZERO_VARIANCE, mean_interval, proportion
from readerstudy.results.stats.mcnemar import adjust_p
from readerstudy.results.stats.mrmc import mrmc
from readerstudy.results.stats.mrmc_anova import mean_of_readers
from readerstudy.results.stats.mrmc_covariance import mean_share

METRICS = ("auc", "sensitivity", "specificity", "accuracy")


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One subgroup. ``n``: its cases (of which ``n_positive`` are), or its readers. ``p`` compares it with all the
    others together, ``adjusted_p`` after the correction; ``se`` is NaN where the estimate has none."""

    name: str
    n: int
    n_positive: int
    estimate: Estimate
    se: float
    p: float = NAN
    adjusted_p: float = NAN


@dataclass(frozen=True, slots=True)
class Subgroups:
    """Subgroups in the order of their first case; ``interaction`` tests that all are equal."""

    metric: str
    rows: tuple[Subgroup, ...]
    interaction: Test
    correction: str
    note: str = ""


def subgroups(
    truth: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike,
    *,
    metric: str = "auc",
    correction: str = "holm",
    level: float = 0.95,
) -> Subgroups:
    """A metric in subgroups of cases: skin type, site, age band, modality, diagnosis, size.

    ``truth`` (n,); ``values``: scores, or decisions 0/1 for all but "auc": (n,) of one reader or model, (r, n) of
    readers (then the average over readers, readers and cases random); ``groups`` (n,) labels, None or NaN for unknown
    (a case left out, counted). ``metric``: "auc", "sensitivity", "specificity", "accuracy".

    One row of values: AUCs by DeLong, each against the rest by the unpaired test, interaction by Cochran's Q;
    proportions by Wilson, against the rest by Fisher's exact test, interaction by Pearson's chi-square. Readers: the
    estimates share readers, so against the rest and interaction are Wald tests that take them as independent, which is
    conservative.
    """
    check_level(level)
    actual = binary_truth(truth)
    rows = rows_of_cases("values", values, actual.size)
    if not len(rows):
        raise StatsError("values holds no row; one of scores or decisions is needed, or one a reader")
    if metric not in METRICS:
        raise StatsError(f"metric is {metric!r}; allowed are {', '.join(map(repr, METRICS))}")
    if metric != "auc":
        binary_decisions(rows, "values")
    labels, known = _labels(groups, actual.size)
    masks = {name: labels == name for name in dict.fromkeys(labels[known].tolist())}
    if len(rows) > 1:
        found, interaction = _averages(actual, rows, masks, known, metric, level)
    elif metric == "auc":
        found, interaction = _aucs(actual, rows[0], masks, known, level)
    else:
        found, interaction = _shares(actual, rows[0], masks, metric, level)
    notes = [f"{int((~known).sum())} cases of unknown group left out"] if not known.all() else []
    small = [group.name for group in found if group.n < FEW_CASES]
    if small:
        notes.append(f"fewer than {FEW_CASES} cases in {', '.join(small)}: fragile")
    return Subgroups(metric, _corrected(found, correction), interaction, correction, join_notes(notes))


def reader_subgroups(
    values: ArrayLike, groups: ArrayLike, *, metric: str = "", correction: str = "holm", level: float = 0.95
) -> Subgroups:
    """Readers' own numbers (r,), such as sensitivities, by experience or training: ``groups`` (r,) labels.

    Each group's mean with its t interval over readers, against the other readers by Welch's t; interaction by Welch's
    analysis of variance (statsmodels). Readers without a number or a group are left out, and counted.
    """
    check_level(level)
    numbers = as_floats("values", values)
    if numbers.ndim != 1:
        raise StatsError(f"values has shape {numbers.shape}; one number a reader is needed, shape (r,)")
    labels, known = _labels(groups, numbers.size)
    known &= ~np.isnan(numbers)
    found = []
    for name in dict.fromkeys(labels[known].tolist()):
        own, rest = numbers[known & (labels == name)], numbers[known & (labels != name)]
        estimate = mean_interval(own, level=level, bounds=(0.0, 1.0) if metric in METRICS else None)
        se = float(own.std(ddof=1) / math.sqrt(own.size)) if own.size > 1 else NAN
        p = NAN
        if own.size > 1 and rest.size > 1 and own.std() + rest.std() > 1e-12:
            p = _welch(own, rest)
        found.append(Subgroup(str(name), own.size, 0, estimate, se, p))
    large = [numbers[known & (labels == group.name)] for group in found if group.n > 1]
    interaction = Test("Welch's analysis of variance", NAN, NAN, note="no test: two groups of two readers are needed")
    if len(large) > 1 and all(group.std() > 1e-12 for group in large):
        result = anova_oneway(large, use_var="unequal")
        interaction = Test(
            "Welch's analysis of variance", float(result.statistic), float(result.pvalue), float(result.df_num),
            int(sum(group.size for group in large)),
        )  # fmt: skip
    notes = [f"{int((~known).sum())} readers without a number or a group left out"] if not known.all() else []
    small = [group.name for group in found if group.n < FEW_READERS]
    if small:
        notes.append(f"fewer than {FEW_READERS} readers in {', '.join(small)}: fragile")
    return Subgroups(metric, _corrected(found, correction), interaction, correction, join_notes(notes))


def _welch(one: Floats, other: Floats) -> float:
    """From means and deviations: one of two groups may not vary at all, which `ttest_ind` warns of."""
    described = (one.mean(), one.std(ddof=1), one.size, other.mean(), other.std(ddof=1), other.size)
    return float(distributions.ttest_ind_from_stats(*described, equal_var=False).pvalue)


def _aucs(
    truth: Bools, row: Floats, masks: dict[Any, Bools], known: Bools, level: float
) -> tuple[list[Subgroup], Test]:
    found = []
    for name, mask in masks.items():
        own = delong(truth[mask], row[mask])
        variance = float(own.covariance[0, 0])
        rest = known & ~mask
        estimate, p = own.ci(level)[0], NAN
        if rest.any():
            others = delong(truth[rest], row[rest])
            p = compare_unpaired(own, others, level=level).p
            if min(variance, float(others.covariance[0, 0])) < ZERO_VARIANCE and not math.isnan(p):
                p, estimate = NAN, estimate.noted("not compared with the others: one of the two has no variance")
        se = math.sqrt(variance) if variance >= ZERO_VARIANCE else NAN
        found.append(Subgroup(str(name), own.n_positive + own.n_negative, own.n_positive, estimate, se, p))
    return found, _cochran(found)


def _shares(
    truth: Bools, row: Floats, masks: dict[Any, Bools], metric: str, level: float
) -> tuple[list[Subgroup], Test]:
    among = truth if metric == "sensitivity" else ~truth if metric == "specificity" else np.ones_like(truth)
    among = among & ~np.isnan(row)
    right = row == truth
    counts = np.array([[(right & among & mask).sum(), (~right & among & mask).sum()] for mask in masks.values()])
    counts = counts.reshape(-1, 2)  # also where there is no group
    found = []
    for (name, mask), (hit, miss) in zip(masks.items(), counts, strict=True):
        n = int(hit + miss)
        estimate = proportion(int(hit), n, level, empty="no case of the class was answered")
        rest = counts.sum(axis=0) - (hit, miss)
        p = float(distributions.fisher_exact([[hit, miss], rest]).pvalue) if n and rest.sum() else NAN
        se = math.sqrt(estimate.value * (1 - estimate.value) / n) if n and 0 < hit < n else NAN
        found.append(Subgroup(str(name), n, int((truth & mask & ~np.isnan(row)).sum()), estimate, se, p))
    counts = counts[counts.sum(axis=1) > 0]
    name = "Pearson's chi-square"
    if len(counts) < 2 or not counts.sum(axis=0).all():
        return found, Test(name, NAN, NAN, n=int(counts.sum()), note="no test: nothing differs between the groups")
    result = distributions.chi2_contingency(counts, correction=False)
    low = int((result.expected_freq < 5).sum())
    note = f"{low} expected counts are below 5: approximate" if low else ""
    return found, Test(name, float(result.statistic), float(result.pvalue), float(result.dof), int(counts.sum()), note)


def _averages(
    truth: Bools, rows: Floats, masks: dict[Any, Bools], known: Bools, metric: str, level: float
) -> tuple[list[Subgroup], Test]:
    if metric == "accuracy":
        raise StatsError("accuracy of several readers: give sensitivity and specificity, each over one class")
    found = []
    for name, mask in masks.items():
        own, rest = (_average(truth[part], rows[:, part], metric, level) for part in (mask, known & ~mask))
        p = NAN
        if own[1] > 0 and rest[1] > 0:
            z = (own[0].value - rest[0].value) / math.hypot(own[1], rest[1])
            p = 2 * float(distributions.norm.sf(abs(z)))
        found.append(Subgroup(str(name), int(mask.sum()), int((truth & mask).sum()), own[0], own[1], p))
    return found, _cochran(found)


def _average(truth: Bools, rows: Floats, metric: str, level: float) -> tuple[Estimate, float]:
    if not truth.size:
        return Estimate.undefined("no case", level=level), NAN
    if metric != "auc":
        own = rows[:, truth == (metric == "sensitivity")]
        if own.size and not np.isnan(own).any():
            theta, error, cov2 = mean_share(own if metric == "sensitivity" else 1 - own)
            whole = mean_of_readers(
                metric, theta, error, cov2, readers="random", cases="random", level=level, n=own.shape[1]
            )
            return whole.estimate, whole.se
    found = mrmc(truth, rows, metric=metric, level=level)
    if found.n_readers == 0:
        return Estimate.undefined("no reader has a defined accuracy here", level=level), NAN
    return found.means[0].estimate, found.means[0].se


def _cochran(found: Sequence[Subgroup]) -> Test:
    """Cochran's Q over the groups that have a standard error."""
    kept = [group for group in found if group.se > 0 and group.estimate.is_defined]
    n = sum(group.n for group in kept)
    if len(kept) < 2:
        return Test(
            "Cochran's Q over groups", NAN, NAN, n=n, note="no test: two groups with a standard error are needed"
        )
    weights = np.array([1 / group.se**2 for group in kept])
    values = np.array([group.estimate.value for group in kept])
    q = float((weights * (values - weights @ values / weights.sum()) ** 2).sum())
    left_out = len(found) - len(kept)
    note = f"{left_out} groups without a standard error left out" if left_out else ""
    return Test("Cochran's Q over groups", q, float(distributions.chi2.sf(q, len(kept) - 1)), len(kept) - 1.0, n, note)


def _corrected(found: Sequence[Subgroup], correction: str) -> tuple[Subgroup, ...]:
    adjusted = adjust_p([group.p for group in found], correction).tolist()
    return tuple(replace(group, adjusted_p=p) for group, p in zip(found, adjusted, strict=True))


def _labels(groups: ArrayLike, size: int) -> tuple[NDArray[np.object_], Bools]:
    raw = np.asarray(groups, object)
    if raw.shape != (size,):
        raise StatsError(f"groups has shape {raw.shape}; one label each is needed, shape ({size},)")
    known = np.array([not (value is None or value != value) for value in raw], bool)  # NaN is not itself
    labels = np.array([str(value) if ok else "" for value, ok in zip(raw, known, strict=True)], object)
    return labels, known
