"""The parts of a page's numbers, computed side by side, with a word after each."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Step = Callable[[int, int], None]  # parts done, parts in all
Watch = Callable[[str, float], Step]  # what begins now, and how much of the whole (0 to 1) is done when it ends
AT_ONCE = 2
PER_CENT = 100

_lock = threading.Lock()
_inside: list[Any] = []  # of those who are within `a_core_each`, the first with the limit that it has set


@contextmanager
def a_core_each() -> Iterator[None]:
    """Within it a matrix product runs in the thread that asks for it.

    The products here are small: spread over the cores they take longer, as their threads wait for each other and for
    those of the part beside. And the order of a sum no longer depends on how many cores there are, so that neither do
    a number's last digits. The limit is the process's own, so of several threads the last one to leave lifts it.
    """
    with _lock:
        _inside.append(threadpool_limits(1, user_api="blas") if not _inside else None)
    try:
        yield
    finally:
        with _lock:
            left = _inside.pop()
            if left is not None:
                left.restore_original_limits()


class OneBar:
    """A `Watch` that shows several pieces of work, one after the other, as one bar from 0 to 100 that never goes back.

    ``step`` is told at each step of any of them, in whole per cents, and may stop it all by raising.
    """

    def __init__(self, step: Step) -> None:
        self._step, self._reached, self._told = step, 0.0, 0

    def __call__(self, what: str, end: float) -> Step:
        first = self._reached

        def step(done: int, total: int) -> None:
            self._reached = max(self._reached, first + (end - first) * done / max(total, 1))
            self._told = max(self._told, int(PER_CENT * self._reached + 1e-9))
            self._step(self._told, PER_CENT)

        return step


def side_by_side(parts: Mapping[str, Callable[[], Any]], step: Step | None = None) -> dict[str, Any]:
    """What each of the parts gives, two at a time: nearly all of their time is numpy's, which runs on two cores.

    ``step`` is called in this thread, before the first part and after each, and may stop it all by raising. What a part
    raises is raised here.
    """
    told = step or (lambda done, total: None)
    found: dict[str, Any] = {}
    with a_core_each(), ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            told(0, len(parts))
            running = {pool.submit(part): name for name, part in parts.items()}
            for done, future in enumerate(as_completed(running), start=1):
                found[running[future]] = future.result()
                told(done, len(parts))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found
