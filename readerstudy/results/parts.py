"""The parts of a page's numbers, computed side by side, with a word after each."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

Step = Callable[[int, int], None]  # parts done, parts in all
AT_ONCE = 2


def side_by_side(parts: Mapping[str, Callable[[], Any]], step: Step | None = None) -> dict[str, Any]:
    """What each of the parts gives, two at a time: nearly all of their time is numpy's, which runs on two cores.

    ``step`` is called in this thread, before the first part and after each, and may stop it all by raising. What a part
    raises is raised here.
    """
    told = step or (lambda done, total: None)
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
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
