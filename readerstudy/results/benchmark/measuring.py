"""Clocks: a part's seconds and the process's greatest memory; two ways side by side, their rounds interleaved."""

import resource
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any, TypeVar

T = TypeVar("T")
Say = Callable[[str], None]


def timed(say: Say, what: str, run: Callable[[], T]) -> tuple[T, float]:
    """What ``run`` gives, and its seconds by the wall's clock, said with the processor's and the peak of memory."""
    wall, cpu = perf_counter(), process_time()
    found = run()
    wall, cpu = perf_counter() - wall, process_time() - cpu
    say(f"  {what:<46} {wall:7.2f} s  {cpu:7.2f} s of processor time  peak {peak_megabytes():5.0f} MB")
    return found, wall


def peak_megabytes() -> float:
    """The most memory that this process has ever held (its resident set)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compared(
    say: Say, what: str, baseline: str, theirs: Callable[[], Any], n_theirs: int, ours: Callable[[], Any], n_ours: int,
    rounds: int,
) -> float:  # fmt: skip
    """How many times ours goes into the baseline's time, each a median of ``rounds`` turns that take turns.

    ``n_theirs`` and ``n_ours``: how often one turn does the thing.
    """
    return compared_by_clocks(say, what, baseline, clock(theirs, n_theirs), clock(ours, n_ours), rounds)


def compared_by_clocks(
    say: Say, what: str, baseline: str, theirs: Callable[[], float], ours: Callable[[], float], rounds: int
) -> float:
    """The same where each of the two says itself how many seconds it took."""
    times: tuple[list[float], list[float]] = ([], [])
    for _round in range(rounds):
        times[0].append(theirs())
        times[1].append(ours())
    one, other = median(times[0]), median(times[1])
    say(f"  {what:<46} ours {other * 1e3:9.3f} ms  {baseline} {one * 1e3:9.3f} ms  ratio {one / other:7.2f}")
    return one / other


def clock(run: Callable[[], Any], count: int) -> Callable[[], float]:
    """Seconds of one of the ``count`` times that ``run`` does it."""

    def seconds() -> float:
        start = perf_counter()
        run()
        return (perf_counter() - start) / count

    return seconds
