"""The bootstrap of an AUC and DeLong's interval beside what else there is to do them with."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from readerstudy.results import stats
from readerstudy.results.benchmark.measuring import Say, clock, compared, compared_by_clocks
from readerstudy.results.benchmark.proc import Proc

SIZES = ((1_000, 20, 2_000), (100_000, 3, 200))  # cases, replicates of a turn of the loop and of ours


def statistics(say: Say, *, rounds: int, seed: int, with_proc: bool = False) -> None:
    """Per replicate: a loop over scikit-learn's ``roc_auc_score``. An interval: DeLong's by SciPy's ranks.

    ``with_proc``: both beside pROC's too.
    """
    say(f"Statistics, medians of {rounds} interleaved rounds")
    for n, loops, replicates in SIZES:
        rng = np.random.default_rng(seed)
        truth = rng.random(n) < 0.3
        score = rng.normal(size=n) + truth
        _bootstrap(say, truth, score, rng, loops, replicates, rounds, seed)
        _delong(say, truth, score, rounds)
        if with_proc:
            _beside_proc(say, truth, score, replicates, rounds, seed)


def _bootstrap(
    say: Say, truth: NDArray[np.bool_], score: NDArray[np.float64], rng: np.random.Generator, loops: int,
    replicates: int, rounds: int, seed: int,
) -> None:  # fmt: skip
    n = truth.size

    def loop() -> None:
        for _replicate in range(loops):
            drawn = rng.integers(0, n, n)
            roc_auc_score(truth[drawn], score[drawn])

    def ours() -> None:
        stats.bootstrap_auc(truth, score, replicates=replicates, seed=seed)

    compared(say, f"Bootstrap of an AUC, {n:,} cases, a replicate", "a loop over roc_auc_score", loop, loops, ours,
             replicates, rounds)  # fmt: skip


def _delong(say: Say, truth: NDArray[np.bool_], score: NDArray[np.float64], rounds: int) -> None:
    def theirs() -> None:
        by_ranks(truth, score)

    def one_auc() -> None:
        roc_auc_score(truth, score)

    def ours() -> None:
        stats.delong(truth, score).ci()

    what = f"DeLong's interval, {truth.size:,} cases"
    compared(say, what, "by scipy.stats.rankdata", theirs, 1, ours, 1, rounds)
    compared(say, what, "one roc_auc_score", one_auc, 1, ours, 1, rounds)


def _beside_proc(
    say: Say, truth: NDArray[np.bool_], score: NDArray[np.float64], replicates: int, rounds: int, seed: int
) -> None:
    n = truth.size
    times, theirs = (50, 100) if n < 10_000 else (3, 5)  # of a turn: intervals, and replicates of pROC's
    interval = clock(lambda: [stats.delong(truth, score).ci() for _time in range(times)], times)
    ours = clock(lambda: stats.bootstrap_auc(truth, score, replicates=replicates, seed=seed), replicates)
    with Proc(truth, score) as proc:
        say(f"  beside {proc.name}")
        for what, told in (("interval", "pROC, its curve included"), ("interval alone", "pROC, of a curve it has")):
            compared_by_clocks(
                say, f"DeLong's interval, {n:,} cases", told, partial(_seconds, proc, what, times), interval, rounds
            )
        compared_by_clocks(
            say, f"Bootstrap of an AUC, {n:,} cases, a replicate", "pROC's bootstrap",
            partial(_seconds, proc, "replicates", theirs), ours, rounds,
        )  # fmt: skip
        _seconds_once, (low, auc, high) = proc.timed("interval", 1)
    mine = stats.delong(truth, score).ci()[0]
    apart = max(abs(low - mine.low), abs(auc - mine.value), abs(high - mine.high))
    say(f"  DeLong's AUC and interval, {n:,} cases: ours and pROC's differ by at most {apart:.1e}")


def _seconds(proc: Proc, what: str, times: int) -> float:
    return proc.timed(what, times)[0]


def by_ranks(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, float]:
    """AUC and DeLong's variance as Sun and Xu (2014) write it down: three rankings. O(n log n), as ours."""
    positive, negative = score[truth], score[~truth]
    m, n = positive.size, negative.size
    together = rankdata(np.concatenate([positive, negative]))
    v10 = (together[:m] - rankdata(positive)) / n
    v01 = 1 - (together[m:] - rankdata(negative)) / m
    return float(v10.mean()), float(v10.var(ddof=1) / m + v01.var(ddof=1) / n)
