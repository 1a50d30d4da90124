"""Readers' points and a model's curve at the match, redone on counts of cases: what a bootstrap of the match draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from readerstudy.results.stats.arrays import Bools, Floats, Ints
from readerstudy.results.stats.bootstrap_roc import CurveSteps
from readerstudy.results.stats.estimate import NAN
from readerstudy.results.stats.resampling import Counts, draw_counts
from readerstudy.results.stats.roc import on_curves

# columns of what is drawn for each reader
SENSITIVITY, SPECIFICITY, MODEL_SENSITIVITY, MODEL_SPECIFICITY = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Readers who answered the same cases: where these stand among the positives and the negatives, who said yes to
    which positive (readers, m) and no to which negative (readers, n), and the model's scores on these cases."""

    readers: Ints
    positives: Ints
    negatives: Ints
    yes: Floats
    no: Floats
    steps: CurveSteps

    def drawn(self, pos: Counts, neg: Counts, each: bool) -> Floats:
        """Their points, for counts of all cases, and if ``each`` the model's at their match: (2 or 4, b, readers)."""
        one = pos if self.positives.size == pos.shape[1] else np.take(pos, self.positives, axis=1)
        other = neg if self.negatives.size == neg.shape[1] else np.take(neg, self.negatives, axis=1)
        found = one.astype(float) @ self.yes.T
        spared = other.astype(float) @ self.no.T
        n_pos, n_neg = one.sum(axis=1, keepdims=True), other.sum(axis=1, keepdims=True)
        columns = [_share(found, n_pos), _share(spared, n_neg)]
        if each:
            fp, tp = self.steps.running(one, other)
            # in counts: at as many false positives as the reader, how many true ones has the model, and the reverse
            columns.append(_share(_curve_at(n_neg - spared, fp, tp), n_pos))
            missed, right = (n_pos - tp)[:, ::-1], (n_neg - fp)[:, ::-1]
            columns.append(_share(_curve_at(n_pos - found, missed, right), n_neg))
        out = np.stack(columns)
        out[:, ((n_pos == 0) | (n_neg == 0))[:, 0]] = NAN
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What is needed to redo the match on counts of cases."""

    truth: Bools
    n_readers: int
    whole: CurveSteps
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, truth: Bools, scores: Floats, said: Floats) -> Match:
        groups = []
        known: dict[bytes, list[int]] = {}
        for reader, pattern in enumerate(np.packbits(~np.isnan(said), axis=1)):
            known.setdefault(pattern.tobytes(), []).append(reader)
        for members in known.values():
            readers = np.array(members, np.intp)
            answered = ~np.isnan(said[readers[0]])
            own = said[readers][:, answered]
            positive = truth[answered]
            groups.append(
                Group(
                    readers, np.flatnonzero(answered[truth]), np.flatnonzero(answered[~truth]),
                    own[:, positive], 1 - own[:, ~positive], CurveSteps.of(positive, scores[answered]),
                )
            )  # fmt: skip
        return cls(truth, len(said), CurveSteps.of(truth, scores), tuple(groups))

    def observed(self) -> tuple[Floats, Floats]:
        """Readers (4, 1, r) and their average (4, 1) on the cases as they are."""
        ones = np.ones((1, self.truth.size), np.int64)
        return self.drawn(ones[:, self.truth], ones[:, ~self.truth], None)

    def weights(self, over: str, replicates: int, rng: np.random.Generator) -> Floats | None:
        """How often each reader is drawn (replicates, r); None where readers are not drawn."""
        if over != "readers and cases":
            return None
        return draw_counts(self.n_readers, self.n_readers, replicates, rng).astype(float)

    def drawn(self, pos: Counts, neg: Counts, weights: Floats | None, each: bool = True) -> tuple[Floats, Floats]:
        """Readers (4, b, r), or (2, b, r) without the model at ``each`` of them, and their average (4, b), weighted by
        how often each reader was drawn (b, r)."""
        out = np.empty((4 if each else 2, len(pos), self.n_readers))
        for group in self.groups:
            out[:, :, group.readers] = group.drawn(pos, neg, each)
        points = out[:2]
        defined = ~np.isnan(points[0] + points[1])
        used = defined.astype(float) if weights is None else np.where(defined, weights, 0.0)
        total = used.sum(axis=1)
        sums = np.stack([np.vecdot(used, np.where(defined, point, 0.0)) for point in points])
        mean = np.divide(sums, total, out=np.full(sums.shape, NAN), where=total > 0)
        return out, np.concatenate([mean, _model_at(mean, *self.whole.curves(pos, neg))])


def _share(count: Floats, total: Floats) -> Floats:
    return np.divide(count, total, out=np.full(count.shape, NAN), where=total > 0)


def _curve_at(wanted: Floats, x: Floats, y: Floats) -> Floats:
    """Where curves of counts (b, k), x rising, stand at whole numbers ``wanted`` (b, r) of x: the largest y there, or
    linear between points. By a table of every x, so that its cost does not depend on the readers."""
    b, k = x.shape
    size = int(x[:, -1].max()) + 1
    steps = (np.arange(b)[:, np.newaxis] * size + x.astype(np.intp)).ravel()
    last = np.cumsum(np.bincount(steps, minlength=b * size).reshape(b, size), axis=1) - 1
    after = np.minimum(last + 1, k - 1)
    x0, x1, y0, y1 = (np.take_along_axis(array, at, axis=1) for array in (x, y) for at in (last, after))
    width = x1 - x0
    share = np.divide(np.arange(size) - x0, width, out=np.zeros(width.shape), where=width > 0)
    table = y0 + np.clip(share, 0.0, 1.0) * (y1 - y0)
    return np.take_along_axis(table, np.clip(wanted, 0, size - 1).astype(np.intp), axis=1)


def _model_at(points: Floats, fpr: Floats, tpr: Floats) -> Floats:
    """The model's sensitivity and specificity at one point of each curve: (2, b) of (2, b), curves (b, k)."""
    sensitivity, specificity = points
    return np.stack([
        on_curves(1 - specificity, fpr, tpr), on_curves(1 - sensitivity, (1 - tpr)[:, ::-1], (1 - fpr)[:, ::-1])
    ])  # fmt: skip
