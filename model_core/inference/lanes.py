"""Several threads that take a network through shares of a batch, each on its own cores.

A convolution spread over all cores ends when the slowest core has done its part. On a machine that does anything else
at the same time, decoding included, the cores wait for each other at every one of a hundred layers: two threads with a
share each were 1.0 to 2.5 times as fast here as two threads on each layer, the more the busier the machine was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-not-found,import-untyped,unused-ignore]

SMALLEST_SHARE = 4  # pictures; for fewer, bringing the weights into the cache costs more than a lane gains
GPU_LANES = 2  # one prepares and collects while the other's batch is calculated
BATCHES_AHEAD = 2  # in the lanes at a time: a lane that is done with its share goes on with the next batch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Lanes(Generic[Item, Result]):
    """A context in which `work` maps shares of items to as many results, on threads."""

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], device: torch.device, batch_size: int):
        self._work = work
        self.number, threads = lanes_and_threads(device, batch_size)
        self._splits = self.number if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.number, "lane", _prepare, (threads, device))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, items: Sequence[Item]) -> list[Future[Sequence[Result]]]:
        """Futures of the shares' results, in the order of the items."""
        size = max(1, -(-len(items) // self._splits))
        return [self._pool.submit(self._work, items[i : i + size]) for i in range(0, len(items), size)]

    def results(self, items: Sequence[Item]) -> list[Result]:
        return [result for future in self.submit(items) for result in future.result()]

    def stream(
        self, batches: Iterable[Any], items: Callable[[Any], Sequence[Item]]
    ) -> Iterator[tuple[Any, list[Result]]]:
        """(batch, results of its items), in order; `BATCHES_AHEAD` batches are under way at a time."""
        waiting: deque[tuple[Any, list[Future[Sequence[Result]]]]] = deque()

        def first() -> tuple[Any, list[Result]]:
            batch, futures = waiting.popleft()
            return batch, [result for future in futures for result in future.result()]

        for batch in batches:
            waiting.append((batch, self.submit(items(batch))))
            if len(waiting) == BATCHES_AHEAD:
                yield first()
        while waiting:
            yield first()


def lanes_and_threads(device: torch.device, batch_size: int) -> tuple[int, int]:
    """(lanes, threads that each calculates with). On a processor they share the threads that torch may use."""
    threads = torch.get_num_threads()
    if device.type != "cpu":
        return GPU_LANES, threads
    lanes = max(1, min(threads, batch_size // SMALLEST_SHARE))
    return lanes, max(1, threads // lanes)


def _prepare(threads: int, device: torch.device) -> None:
    limit_threads(threads)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # a new thread would pin memory by way of the first GPU, and take some of it


def limit_threads(threads: int) -> None:
    """Of the calling thread alone; `torch.set_num_threads` would change the number for the whole process."""
    torch.get_num_threads()  # torch sets a new thread's number when it is first asked; ours has to come after that
    threadpool_limits(threads, user_api="openmp")
