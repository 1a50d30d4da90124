"""The model at each reader's own operating point: same specificity, which sensitivity? Same sensitivity, which
specificity? And how many readers lie below the model's curve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Bools,
    Floats,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.bootstrap import SCOPES
from readerstudy.results.stats.bootstrap_roc import CurveSteps
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.mcnemar import adjust_p
from readerstudy.results.stats.resampling import CaseSampler, cluster_codes, draw_counts
from readerstudy.results.stats.roc import on_curve

# columns of what is drawn for each reader
SENSITIVITY, SPECIFICITY, MODEL_SENSITIVITY, MODEL_SPECIFICITY = range(4)


@dataclass(frozen=True, slots=True)
class MatchedPoint:
    """A reader's point and the model's curve beside it.

    ``model_sensitivity`` is the model's at this specificity, ``model_specificity`` the model's at this sensitivity;
    the differences are model minus reader. ``position``: "below" the model's curve, "above", "on" it, or "undefined".
    ``p`` tests the sensitivity difference (bootstrap z), ``adjusted_p`` after Holm over the readers.
    """

    sensitivity: float
    specificity: float
    model_sensitivity: Estimate
    model_specificity: Estimate
    sensitivity_difference: Estimate
    specificity_difference: Estimate
    position: str
    p: float
    adjusted_p: float = NAN


@dataclass(frozen=True, slots=True)
class Matched:
    """The model at every reader's point and at the average reader's.

    ``n_below``, ``n_above``, ``n_on`` count readers; ``below`` is the share below the curve (of those off it) with its
    bootstrap interval over cases. ``n_below_beyond_chance`` and ``n_above_beyond_chance``: readers whose difference has
    an adjusted p below 1 - level. ``sign_test``: below against above, readers as the units and these cases fixed.
    """

    readers: tuple[MatchedPoint, ...]
    average: MatchedPoint
    n_below: int
    n_above: int
    n_on: int
    n_undefined: int
    below: Estimate
    n_below_beyond_chance: int
    n_above_beyond_chance: int
    sign_test: Test
    note: str = ""


def at_matched(
    truth: ArrayLike,
    model: ArrayLike,
    decisions: ArrayLike,
    *,
    over: str = "cases",
    stratified: bool = True,
    clusters: ArrayLike | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Matched:
    """The model's sensitivity at each reader's own specificity, and the reverse, with bootstrap intervals.

    ``truth`` (n,), ``model`` (n,) scores, ``decisions`` (r, n) or (n,) of 0, 1 and NaN. Each resample moves the
    reader's point and the curve together, so the intervals include the uncertainty of the match. The curve is linear
    between points. A reader who did not answer every case is matched on the model's curve over the cases that he or she
    answered. ``over``: what is drawn anew for the average reader, "cases" or "readers and cases"; for one reader it is
    always cases (``clusters``: lesions or patients).
    """
    check_level(level)
    if over not in ("cases", "readers and cases"):
        raise StatsError(f"over is {over!r}; allowed are 'cases' and 'readers and cases' (of {', '.join(SCOPES)})")
    actual, scores = binary_truth(truth), as_floats("model", model)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    if scores.shape != actual.shape:
        raise StatsError(f"model has shape {scores.shape}; one score a case is needed, shape {actual.shape}")
    scored = ~np.isnan(scores)
    codes = None if clusters is None else cluster_codes(np.asarray(clusters)[scored], int(scored.sum()))
    actual, scores, said = actual[scored], scores[scored], said[:, scored]
    match = _Match.of(actual, scores, said)
    rng = np.random.default_rng(seed)
    ones = np.ones((1, actual.size), np.int64)
    observed, observed_average = match.drawn(ones[:, actual], ones[:, ~actual], np.ones((1, len(said))))
    drawn, averages = [], []
    for pos, neg in CaseSampler(actual, stratified, codes).chunks(replicates, rng):
        weights = np.ones((len(pos), len(said)))
        if over == "readers and cases":
            weights = draw_counts(len(said), len(said), len(pos), rng).astype(float)
        each, mean = match.drawn(pos, neg, weights)
        drawn.append(each)
        averages.append(mean)
    replicated, averaged = np.concatenate(drawn), np.concatenate(averages)
    notes = [*class_size_notes(int(actual.sum()), int((~actual).sum()))]
    if not scored.all():
        notes.append(f"{int((~scored).sum())} cases without a model score left out")
    if np.isnan(said).any():
        notes.append("answers are missing: each reader is matched on the cases that he or she answered")
    if over == "readers and cases" and len(said) < FEW_READERS:
        notes.append(f"only {len(said)} readers (fewer than {FEW_READERS}): no sound inference to other readers")
    answered = (~np.isnan(said)).sum(axis=1)
    method = f"bootstrap, percentile, {replicates} replicates over"
    points = [
        _point(observed[0, i], replicated[:, i], level, f"{method} cases", int(answered[i])) for i in range(len(said))
    ]
    adjusted = adjust_p([point.p for point in points], "holm") if points else np.empty(0)
    average = _point(observed_average[0], averaged, level, f"{method} {over}", actual.size)
    return _summary(points, adjusted, average, replicated, level, f"{method} cases", join_notes(notes))


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """What is needed to redo the match on counts of cases: readers grouped by the cases that they answered."""

    truth: Bools
    said: Floats
    whole: CurveSteps
    groups: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, CurveSteps], ...]

    @classmethod
    def of(cls, truth: Bools, scores: Floats, said: Floats) -> _Match:
        groups = []
        patterns, which = np.unique(~np.isnan(said), axis=0, return_inverse=True)
        for k, answered in enumerate(patterns):
            readers = np.flatnonzero(which.ravel() == k)
            steps = CurveSteps.of(truth[answered], scores[answered])
            groups.append((readers, np.flatnonzero(answered[truth]), np.flatnonzero(answered[~truth]), steps))
        return cls(truth, said, CurveSteps.of(truth, scores), tuple(groups))

    def drawn(self, pos: np.ndarray, neg: np.ndarray, weights: Floats) -> tuple[Floats, Floats]:
        """Readers (b, r, 4) and the average (b, 4): sensitivity, specificity, and the model's at the match."""
        out = np.full((len(pos), len(self.said), 4), NAN)
        for readers, answered_pos, answered_neg, steps in self.groups:
            one, other = pos[:, answered_pos], neg[:, answered_neg]
            yes = self.said[readers][:, self.truth][:, answered_pos]
            no = 1 - self.said[readers][:, ~self.truth][:, answered_neg]
            points = np.stack([_share(one, yes), _share(other, no)], axis=2)
            out[:, readers] = np.concatenate([points, _model_at(points, *steps.curves(one, other))], axis=2)
        defined = ~np.isnan(out[:, :, :2]).any(axis=2)
        used = np.where(defined, weights, 0.0)[:, :, np.newaxis]
        total = used.sum(axis=1)
        sums = (used * np.where(defined[:, :, np.newaxis], out[:, :, :2], 0.0)).sum(axis=1)
        mean = np.divide(sums, total, out=np.full(sums.shape, NAN), where=total > 0)[:, np.newaxis]
        average = np.concatenate([mean, _model_at(mean, *self.whole.curves(pos, neg))], axis=2)[:, 0]
        return out, average


def _share(counts: np.ndarray, right: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    hits = counts @ right.T
    return np.divide(hits, total, out=np.full(hits.shape, NAN), where=total > 0)


def _model_at(points: Floats, fpr: Floats, tpr: Floats) -> Floats:
    """The model's sensitivity and specificity at points (b, r, 2) on the curves (b, k): (b, r, 2)."""
    out = np.full(points.shape, NAN)
    for b, (x, y) in enumerate(zip(fpr, tpr, strict=True)):
        defined = ~np.isnan(points[b]).any(axis=1)
        if defined.any() and x.size and not np.isnan(x[-1] + y[-1]):
            sensitivity, specificity = points[b, defined].T
            out[b, defined, 0] = on_curve(1 - specificity, x, y)
            out[b, defined, 1] = on_curve(1 - sensitivity, (1 - y)[::-1], (1 - x)[::-1])
    return out


def _point(observed: Floats, drawn: Floats, level: float, method: str, n: int) -> MatchedPoint:
    sensitivity, specificity = float(observed[SENSITIVITY]), float(observed[SPECIFICITY])
    gain = observed[MODEL_SENSITIVITY] - sensitivity
    gains = drawn[:, MODEL_SENSITIVITY] - drawn[:, SENSITIVITY]
    spread = float(np.nanstd(gains, ddof=1)) if (~np.isnan(gains)).sum() > 1 else NAN
    p = 2 * float(distributions.norm.sf(abs(gain) / spread)) if spread > 1e-12 else NAN
    position = "undefined" if np.isnan(gain) else "on" if abs(gain) < 1e-12 else "below" if gain > 0 else "above"
    return MatchedPoint(
        sensitivity,
        specificity,
        _estimate(float(observed[MODEL_SENSITIVITY]), drawn[:, MODEL_SENSITIVITY], level, method, n),
        _estimate(float(observed[MODEL_SPECIFICITY]), drawn[:, MODEL_SPECIFICITY], level, method, n),
        _estimate(float(gain), gains, level, method, n),
        _estimate(
            float(observed[MODEL_SPECIFICITY] - specificity),
            drawn[:, MODEL_SPECIFICITY] - drawn[:, SPECIFICITY], level, method, n,
        ),
        position,
        p,
    )  # fmt: skip


def _estimate(value: float, drawn: Floats, level: float, method: str, n: int) -> Estimate:
    kept = drawn[~np.isnan(drawn)]
    if np.isnan(value) or kept.size == 0:
        return Estimate.undefined("the reader answered no case of a class", level=level, method=method, n=n)
    if np.ptp(kept) < 1e-12:
        return Estimate(value, NAN, NAN, level, method, n, "no interval: every replicate gave the same value")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    lost = drawn.size - kept.size
    note = f"{lost} replicates were undefined and left out" if lost else ""
    return Estimate(value, float(low), float(high), level, method, n, note)


def _summary(
    points: list[MatchedPoint],
    adjusted: Floats,
    average: MatchedPoint,
    drawn: Floats,
    level: float,
    method: str,
    note: str,
) -> Matched:
    readers = tuple(replace(point, adjusted_p=p) for point, p in zip(points, adjusted.tolist(), strict=True))
    count = {word: sum(point.position == word for point in points) for word in ("below", "above", "on", "undefined")}
    gains = drawn[:, :, MODEL_SENSITIVITY] - drawn[:, :, SENSITIVITY]
    under, over = (gains > 1e-12).sum(axis=1), (gains < -1e-12).sum(axis=1)
    off = count["below"] + count["above"]
    shares = np.divide(under, under + over, out=np.full(under.shape, NAN), where=under + over > 0)
    share = count["below"] / off if off else NAN
    alpha = 1 - level
    sign = Test("sign test", NAN, NAN, n=off, note="no reader lies off the curve")
    if off:
        p = float(distributions.binomtest(count["below"], off, 0.5).pvalue)
        sign = Test("sign test", float(count["below"]), p, n=off, note="readers as the units, these cases fixed")
    return Matched(
        readers, average, count["below"], count["above"], count["on"], count["undefined"],
        _estimate(share, shares, level, method, off),
        sum(point.position == "below" and point.adjusted_p < alpha for point in readers),
        sum(point.position == "above" and point.adjusted_p < alpha for point in readers),
        sign, note,
    )  # fmt: skip
