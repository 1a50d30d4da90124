"""Bootstraps of ROC curves: the AUC, what a curve reads at a point, and the difference between two curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import Bools, Floats, Ints, binary_truth, class_size_notes, rows_of_cases
from readerstudy.results.stats.bootstrap import Bootstrap, bootstrap, summarise
from readerstudy.results.stats.bootstrap_kernels import AucKernel
from readerstudy.results.stats.delong import delong
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.intervals import auc_interval_without_variance
from readerstudy.results.stats.resampling import CaseSampler, Counts, drawing, kept_cluster_codes
from readerstudy.results.stats.roc import area_between, mcclish, on_curve

# what is read from a curve (fpr, tpr; both rising, from 0 to 1): one number or several
CurveReading = Callable[[Floats, Floats], ArrayLike]


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapComparison:
    """First minus second on the same resamples; ``test`` is difference / bootstrap SE against the normal."""

    first: float
    second: float
    difference: Bootstrap
    test: Test


def bootstrap_auc(
    truth: ArrayLike,
    score: ArrayLike,
    *,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    interval: str = "percentile",
    stratified: bool = True,
    clusters: ArrayLike | None = None,
) -> Bootstrap:
    """The AUC of one score with a bootstrap interval; arguments as in ``bootstrap``.

    Scores are sorted once; a replicate costs one draw of n integers and one running sum. Where every replicate is the
    same (classes wholly apart, or all tied), Newcombe's interval (2006, method 5) is given in its place, and said.
    """
    result = bootstrap(
        "auc", truth, score, replicates=replicates, seed=seed, level=level, interval=interval, stratified=stratified,
        clusters=clusters,
    )  # fmt: skip
    if math.isnan(result.estimate.value) or np.ptp(result.distribution[~np.isnan(result.distribution)]) > 0:
        return result
    whole = delong(truth, score)
    value = result.estimate.value
    low, high = auc_interval_without_variance(value, whole.n_positive, whole.n_negative, level)
    note = join_notes([whole.note, "every bootstrap replicate gave the same value: Newcombe's interval in its place"])
    estimate = Estimate(value, low, high, level, "Newcombe 2006, method 5", result.estimate.n, note)
    return replace(result, estimate=estimate)


def reading_sensitivity(specificity: ArrayLike) -> CurveReading:
    """Sensitivity at the given specificities, linear between points."""
    wanted = 1 - np.atleast_1d(np.asarray(specificity, float))
    return lambda fpr, tpr: on_curve(wanted, fpr, tpr)


def reading_specificity(sensitivity: ArrayLike) -> CurveReading:
    """Specificity at the given sensitivities, linear between points."""
    wanted = 1 - np.atleast_1d(np.asarray(sensitivity, float))
    return lambda fpr, tpr: on_curve(wanted, (1 - tpr)[::-1], (1 - fpr)[::-1])


def reading_partial_auc(
    between: tuple[float, float] = (0.9, 1.0), focus: str = "specificity", corrected: bool = False
) -> CurveReading:
    """The area over a band of specificity (or sensitivity), raw or with McClish's correction."""
    low, high = sorted(between)
    if focus not in ("specificity", "sensitivity"):
        raise StatsError(f"focus is {focus!r}; allowed are 'specificity' and 'sensitivity'")

    def read(fpr: Floats, tpr: Floats) -> float:
        x, y = (fpr, tpr) if focus == "specificity" else ((1 - tpr)[::-1], (1 - fpr)[::-1])
        raw = area_between(x, y, 1 - high, 1 - low)
        return mcclish(raw, low, high)[0] if corrected else raw

    return read


def bootstrap_curve(
    truth: ArrayLike,
    score: ArrayLike,
    reading: CurveReading,
    *,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    stratified: bool = True,
    clusters: ArrayLike | None = None,
) -> tuple[Bootstrap, ...]:
    """What a ROC curve reads, with percentile intervals: one Bootstrap for each number that ``reading`` gives.

    ``reading``: ``reading_sensitivity``, ``reading_specificity``, ``reading_partial_auc`` or any function of the
    curve's fpr and tpr. ``truth`` (n,), ``score`` (n,); cases without a score are left out.
    """
    curves = _Curves.of(truth, score, 1)
    observed, drawn = curves.readings(reading, _sampler(curves, stratified, clusters), replicates, seed)
    return tuple(
        summarise(
            float(value), column, level=level, scheme=_sampler(curves, stratified, clusters).scheme,
            n=curves.truth.size, seed=seed, note=curves.note,
        )
        for value, column in zip(observed[0], drawn[:, 0].T, strict=True)
    )  # fmt: skip


def bootstrap_difference(
    truth: ArrayLike,
    scores: ArrayLike,
    reading: CurveReading | None = None,
    *,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    stratified: bool = True,
    clusters: ArrayLike | None = None,
) -> BootstrapComparison:
    """Row 0 minus row 1 of ``scores`` (2, n) on the same resampled cases: AUCs, or what ``reading`` reads.

    The test is Hanley and McNeil's as in pROC: D = difference / SD of the bootstrapped differences, against the normal.
    """
    curves = _Curves.of(truth, scores, 2)
    sampler = _sampler(curves, stratified, clusters)
    if reading is None:
        kernel = AucKernel()
        replicate = kernel.prepared(curves.truth, curves.rows)
        rng = drawing(seed, replicates)
        observed = np.array([kernel.value(curves.truth, row) for row in curves.rows])
        drawn = np.concatenate([replicate(pos, neg) for pos, neg in sampler.chunks(replicates, rng)])
    else:
        read, read_again = curves.readings(reading, sampler, replicates, seed)
        observed, drawn = read[:, 0], read_again[:, :, 0]
    difference = summarise(
        float(observed[0] - observed[1]), drawn[:, 0] - drawn[:, 1], level=level, scheme=sampler.scheme,
        n=curves.truth.size, seed=seed, note=curves.note,
    )  # fmt: skip
    z, p, note = NAN, NAN, "no test: the difference is undefined or does not vary"
    if difference.se > 1e-12:
        z = difference.estimate.value / difference.se
        p, note = float(2 * distributions.norm.sf(abs(z))), ""
    test = Test("bootstrap z", z, p, n=curves.truth.size, note=note)
    return BootstrapComparison(float(observed[0]), float(observed[1]), difference, test)


@dataclass(frozen=True, slots=True, eq=False)
class _Curves:
    """Rows of scores on the same cases, with what is needed to draw their curves from counts."""

    truth: Bools
    rows: Floats
    kept: Ints
    n_given: int  # with those that have no score
    note: str

    @classmethod
    def of(cls, truth: ArrayLike, scores: ArrayLike, k: int) -> _Curves:
        actual = binary_truth(truth)
        rows = rows_of_cases("scores", scores, actual.size)
        if len(rows) != k:
            raise StatsError(f"scores holds {len(rows)} rows; {k} {'is' if k == 1 else 'are'} needed")
        kept = np.flatnonzero(~np.isnan(rows).any(axis=0))
        left_out = actual.size - kept.size
        notes = class_size_notes(int(actual[kept].sum()), int((~actual[kept]).sum()))
        if left_out:
            notes.append(f"{left_out} cases without a score left out")
        return cls(actual[kept], rows[:, kept], kept, actual.size, join_notes(notes))

    def readings(
        self, reading: CurveReading, sampler: CaseSampler, replicates: int, seed: int
    ) -> tuple[Floats, Floats]:
        """The reading of each row (k, q), and of each resample (replicates, k, q); NaN where a class is empty."""
        steps = [CurveSteps.of(self.truth, row) for row in self.rows]
        ones = np.ones((1, self.truth.size), np.int64)
        observed = np.stack([s.read(reading, ones[:, self.truth], ones[:, ~self.truth]) for s in steps], axis=1)[0]
        rng = drawing(seed, replicates)
        drawn = [
            np.stack([s.read(reading, pos, neg) for s in steps], axis=1) for pos, neg in sampler.chunks(replicates, rng)
        ]
        return observed, np.concatenate(drawn)


@dataclass(frozen=True, slots=True, eq=False)
class CurveSteps:
    """One row of scores, sorted once from high to low, so that counts of cases become points of a ROC curve."""

    order_pos: Ints
    order_neg: Ints
    upto_pos: Ints  # for each distinct score, how many positives score at least that
    upto_neg: Ints

    @classmethod
    def of(cls, truth: Bools, row: Floats) -> CurveSteps:
        positive, negative = row[truth], row[~truth]
        order_pos, order_neg = np.argsort(-positive), np.argsort(-negative)
        levels = np.unique(-row)
        upto_pos = np.searchsorted(-positive[order_pos], levels, side="right")
        upto_neg = np.searchsorted(-negative[order_neg], levels, side="right")
        return cls(order_pos, order_neg, np.append(0, upto_pos), np.append(0, upto_neg))

    def running(self, pos: Counts, neg: Counts) -> tuple[Floats, Floats]:
        """False and true positives (b, points) of each resample, from none to all."""
        return self._upto(neg, self.order_neg, self.upto_neg), self._upto(pos, self.order_pos, self.upto_pos)

    def curves(self, pos: Counts, neg: Counts) -> tuple[Floats, Floats]:
        """fpr and tpr (b, points) of each resample; NaN where it holds no case of the class."""
        fp, tp = self.running(pos, neg)
        fpr, tpr = (
            np.divide(count, count[:, -1:], out=np.full(count.shape, NAN), where=count[:, -1:] > 0)
            for count in (fp, tp)
        )
        return fpr, tpr

    def read(self, reading: CurveReading, pos: Counts, neg: Counts) -> Floats:
        """The reading of each resample (b, q)."""
        fpr, tpr = self.curves(pos, neg)
        defined = ~(np.isnan(fpr[:, -1]) | np.isnan(tpr[:, -1]))
        read = [
            np.atleast_1d(np.asarray(reading(x, y), float)) for x, y in zip(fpr[defined], tpr[defined], strict=True)
        ]
        out = np.full((len(pos), read[0].size if read else 1), NAN)
        if read:
            out[defined] = read
        return out

    @staticmethod
    def _upto(counts: Counts, order: Ints, upto: Ints) -> Floats:
        running = np.zeros((len(counts), order.size + 1))
        np.cumsum(np.take(counts, order, axis=1), axis=1, out=running[:, 1:])
        return np.take(running, upto, axis=1)


def _sampler(curves: _Curves, stratified: bool, clusters: ArrayLike | None) -> CaseSampler:
    return CaseSampler(curves.truth, stratified, kept_cluster_codes(clusters, curves.kept, curves.n_given))
