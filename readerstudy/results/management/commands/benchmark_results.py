"""`manage.py benchmark_results`: what the statistics cost, as ratios against named baselines run side by side."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandParser
from sklearn.metrics import roc_auc_score

from readerstudy.results import stats


class Command(BaseCommand):
    help = (
        "Time the bootstrap of an AUC against a loop over sklearn.metrics.roc_auc_score, interleaved, and DeLong's "
        "interval against one call of it. Prints the median of the rounds and the ratio; judges nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *, rounds: int, seed: int, **_: Any) -> None:
        self.stdout.write(f"medians of {rounds} interleaved rounds")
        for n, loops, replicates in ((1_000, 20, 2_000), (100_000, 3, 200)):
            rng = np.random.default_rng(seed)
            truth = rng.random(n) < 0.3
            score = rng.normal(size=n) + truth

            def one_call(truth: Any = truth, score: Any = score) -> None:
                roc_auc_score(truth, score)

            def loop(truth: Any = truth, score: Any = score, n: int = n, loops: int = loops, rng: Any = rng) -> None:
                for _ in range(loops):
                    drawn = rng.integers(0, n, n)
                    roc_auc_score(truth[drawn], score[drawn])

            def bootstrap(truth: Any = truth, score: Any = score, replicates: int = replicates) -> None:
                stats.bootstrap_auc(truth, score, replicates=replicates, seed=seed)

            def delong(truth: Any = truth, score: Any = score) -> None:
                stats.delong(truth, score)

            self._compare(f"bootstrap AUC, {n:,} cases, a replicate", loop, loops, bootstrap, replicates, rounds)
            self._compare(f"DeLong interval, {n:,} cases", one_call, 1, delong, 1, rounds)

    def _compare(
        self, what: str, baseline: Callable[[], Any], n_baseline: int, ours: Callable[[], Any], n_ours: int, rounds: int
    ) -> None:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for kept, run, count in ((times[0], baseline, n_baseline), (times[1], ours, n_ours)):
                start = perf_counter()
                run()
                kept.append((perf_counter() - start) / count)
        theirs, mine = median(times[0]), median(times[1])
        self.stdout.write(
            f"{what}: roc_auc_score {theirs * 1e3:.3f} ms, ours {mine * 1e3:.3f} ms, ratio {theirs / mine:.1f}"
        )
