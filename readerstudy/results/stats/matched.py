"""The model at each reader's own operating point: same specificity, which sensitivity? Same sensitivity, which
specificity? And how many readers lie below the model's curve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from readerstudy.results.stats.arrays import (
    FEW_READERS,
    Floats,
    Ints,
    as_floats,
    binary_decisions,
    binary_truth,
    check_level,
    class_size_notes,
    rows_of_cases,
)
from readerstudy.results.stats.bootstrap import NO_WIDTH, SAME_VALUE
from readerstudy.results.stats.estimate import NAN, Estimate, StatsError, Test, join_notes
from readerstudy.results.stats.matched_draws import (
    MODEL_SENSITIVITY,
    MODEL_SPECIFICITY,
    SENSITIVITY,
    SPECIFICITY,
    Match,
)
from readerstudy.results.stats.mcnemar import adjust_p
from readerstudy.results.stats.resampling import CaseSampler, drawing, kept_cluster_codes

OFF_NONE = "no reader lies off the curve"


@dataclass(frozen=True, slots=True)
class MatchedPoint:
    """A reader's point and the model's curve beside it.

    ``model_sensitivity`` is the model's at this specificity, ``model_specificity`` the model's at this sensitivity;
    the differences are model minus reader. ``position``: "below" the model's curve, "above", "on" it, or "undefined".
    ``p`` tests the sensitivity difference (bootstrap z), ``adjusted_p`` after Holm over the readers.
    ``sensitivity_se`` and ``specificity_se`` are the standard deviations of the differences over the replicates.
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
    sensitivity_se: float = NAN
    specificity_se: float = NAN


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
    always cases (``clusters``: lesions or patients). Drawing both anew counts the chance of single answers twice, so
    that its interval is somewhat too wide (as Gallas et al., Commun Stat A 2009; 38:2586-2603, of the MRMC bootstrap).
    """
    match, sampler, answered, notes = _prepared(truth, model, decisions, over, stratified, clusters, level)
    observed, observed_average = match.observed()
    rng, start = drawing(seed, replicates), 0
    replicated, averaged = np.empty((4, match.n_readers, replicates)), np.empty((4, 1, replicates))
    for pos, neg in sampler.chunks(replicates, rng):
        each, mean = match.drawn(pos, neg, match.weights(over, len(pos), rng))
        replicated[:, :, start : start + len(pos)] = each.transpose(0, 2, 1)
        averaged[:, 0, start : start + len(pos)] = mean
        start += len(pos)
    method = f"bootstrap, percentile, {replicates} replicates over"
    points = _points(observed[:, 0], replicated, level, f"{method} {sampler.scheme}", answered)
    adjusted = adjust_p([point.p for point in points], "holm") if points else np.empty(0)
    average = _average(observed_average, averaged, level, f"{method} {_drawn_over(over, sampler)}", match)
    return _summary(points, adjusted, average, replicated, level, f"{method} {sampler.scheme}", join_notes(notes))


def average_matched(
    truth: ArrayLike,
    model: ArrayLike,
    decisions: ArrayLike,
    *,
    over: str = "readers and cases",
    stratified: bool = True,
    clusters: ArrayLike | None = None,
    replicates: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[MatchedPoint, str]:
    """``at_matched(...).average`` and its note, the same draws and numbers, without a match for each reader."""
    match, sampler, _answered, notes = _prepared(truth, model, decisions, over, stratified, clusters, level)
    _each, observed = match.observed()
    rng, start = drawing(seed, replicates), 0
    averaged = np.empty((4, 1, replicates))
    for pos, neg in sampler.chunks(replicates, rng):
        _each, mean = match.drawn(pos, neg, match.weights(over, len(pos), rng), each=False)
        averaged[:, 0, start : start + len(pos)] = mean
        start += len(pos)
    method = f"bootstrap, percentile, {replicates} replicates over {_drawn_over(over, sampler)}"
    return _average(observed, averaged, level, method, match), join_notes(notes)


def _prepared(
    truth: ArrayLike,
    model: ArrayLike,
    decisions: ArrayLike,
    over: str,
    stratified: bool,
    clusters: ArrayLike | None,
    level: float,
) -> tuple[Match, CaseSampler, Ints, list[str]]:
    """What is matched, how cases are drawn, how many each reader answered, and what is to be said of it."""
    check_level(level)
    if over not in ("cases", "readers and cases"):
        raise StatsError(f"over is {over!r}; allowed are 'cases' and 'readers and cases'")
    actual, scores = binary_truth(truth), as_floats("model", model)
    said = binary_decisions(rows_of_cases("decisions", decisions, actual.size))
    if scores.shape != actual.shape:
        raise StatsError(f"model has shape {scores.shape}; one score a case is needed, shape {actual.shape}")
    scored = ~np.isnan(scores)
    codes = kept_cluster_codes(clusters, scored, actual.size)
    actual, scores, said = actual[scored], scores[scored], said[:, scored]
    notes = [*class_size_notes(int(actual.sum()), int((~actual).sum()))]
    if not scored.all():
        notes.append(f"{int((~scored).sum())} cases without a model score left out")
    if np.isnan(said).any():
        notes.append("answers are missing: each reader is matched on the cases that he or she answered")
    if over == "readers and cases" and len(said) < FEW_READERS:
        notes.append(f"only {len(said)} readers (fewer than {FEW_READERS}): no sound inference to other readers")
    sampler = CaseSampler(actual, stratified, codes)
    return Match.of(actual, scores, said), sampler, (~np.isnan(said)).sum(axis=1), notes  # fmt: skip


def _drawn_over(over: str, sampler: CaseSampler) -> str:
    return f"{over.removesuffix('cases')}{sampler.scheme}"


def _average(observed: Floats, drawn: Floats, level: float, method: str, match: Match) -> MatchedPoint:
    (average,) = _points(observed, drawn, level, method, np.array([match.truth.size]))
    return average


def _points(observed: Floats, drawn: Floats, level: float, method: str, answered: Ints) -> list[MatchedPoint]:
    """A MatchedPoint for each column of ``observed`` (4, r) from its replicates ``drawn`` (4, r, b)."""
    gain = observed[MODEL_SENSITIVITY] - observed[SENSITIVITY]
    gains = drawn[MODEL_SENSITIVITY] - drawn[SENSITIVITY]
    at_specificity = _estimates(observed[MODEL_SENSITIVITY], drawn[MODEL_SENSITIVITY], level, method, answered)
    at_sensitivity = _estimates(observed[MODEL_SPECIFICITY], drawn[MODEL_SPECIFICITY], level, method, answered)
    gained = _estimates(gain, gains, level, method, answered)
    spares = drawn[MODEL_SPECIFICITY] - drawn[SPECIFICITY]
    spared = _estimates(observed[MODEL_SPECIFICITY] - observed[SPECIFICITY], spares, level, method, answered)
    spread, spread_spared = _spread(gains), _spread(spares)
    z = np.abs(np.divide(gain, spread, out=np.full(gain.shape, NAN), where=spread > 1e-12))
    p = 2 * distributions.norm.sf(z)
    return [
        MatchedPoint(
            float(observed[SENSITIVITY, i]), float(observed[SPECIFICITY, i]),
            at_specificity[i], at_sensitivity[i], gained[i], spared[i],
            position=_position(float(gain[i])), p=float(p[i]),
            sensitivity_se=float(spread[i]), specificity_se=float(spread_spared[i]),
        )
        for i in range(observed.shape[1])
    ]  # fmt: skip


def _position(gain: float) -> str:
    if np.isnan(gain):
        return "undefined"
    return "on" if abs(gain) < 1e-12 else "below" if gain > 0 else "above"


def _spread(drawn: Floats) -> Floats:
    """Standard deviation of each row (r, b) over its defined replicates; NaN where there are fewer than two."""
    lost = np.isnan(drawn.sum(axis=1))
    out = np.full(len(drawn), NAN)
    if drawn.shape[1] > 1:
        out[~lost] = drawn[~lost].std(axis=1, ddof=1)
    for i in np.flatnonzero(lost):
        kept = drawn[i][~np.isnan(drawn[i])]
        out[i] = kept.std(ddof=1) if kept.size > 1 else NAN
    return out


def _estimates(
    values: Floats,
    drawn: Floats,
    level: float,
    method: str,
    n: Ints,
    undefined: str = "the reader answered no case of a class",
) -> list[Estimate]:
    """Percentile intervals of each row of ``drawn`` (r, b); ``undefined`` is why a value may be NaN."""
    shares = [(1 - level) / 2, (1 + level) / 2]
    whole = ~np.isnan(drawn.sum(axis=1))
    limits, width = np.full((2, len(drawn)), NAN), np.zeros(len(drawn))
    if whole.any():
        limits[:, whole] = np.quantile(drawn[whole], shares, axis=1)
        width[whole] = np.ptp(drawn[whole], axis=1)
    lost = np.zeros(len(drawn), np.intp)
    for i in np.flatnonzero(~whole):
        kept = drawn[i][~np.isnan(drawn[i])]
        lost[i] = drawn.shape[1] - kept.size
        if kept.size:
            limits[:, i], width[i] = np.quantile(kept, shares), np.ptp(kept)
    flat = (width < NO_WIDTH) | (limits[1] - limits[0] < NO_WIDTH)
    found = []
    for value, low, high, missing, same, size in zip(values.tolist(), *limits.tolist(), lost, flat, n, strict=True):
        note = f"{missing} replicates were undefined and left out" if missing else ""
        if np.isnan(value):
            low, high, note = NAN, NAN, undefined
        elif same:
            low, high, note = NAN, NAN, join_notes([note, SAME_VALUE])
        found.append(Estimate(value, low, high, level, method, int(size), note))
    return found


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
    gains = drawn[MODEL_SENSITIVITY] - drawn[SENSITIVITY]
    under, over = (gains > 1e-12).sum(axis=0), (gains < -1e-12).sum(axis=0)
    off = count["below"] + count["above"]
    shares = np.divide(under, under + over, out=np.full(under.shape, NAN), where=under + over > 0)
    share = count["below"] / off if off else NAN
    alpha = 1 - level
    sign = Test("sign test", NAN, NAN, n=off, note=OFF_NONE)
    if off:
        p = float(distributions.binomtest(count["below"], off, 0.5).pvalue)
        sign = Test("sign test", float(count["below"]), p, n=off, note="readers as the units, these cases fixed")
    return Matched(
        readers, average, count["below"], count["above"], count["on"], count["undefined"],
        _estimates(np.array([share]), shares[np.newaxis], level, method, np.array([off]), OFF_NONE)[0],
        sum(point.position == "below" and point.adjusted_p < alpha for point in readers),
        sum(point.position == "above" and point.adjusted_p < alpha for point in readers),
        sign, note,
    )  # fmt: skip
