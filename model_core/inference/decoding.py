"""Files to pixels, on threads, a bounded number ahead of what asks for them. Pillow and numpy, no torch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from model_core.transforms import ImageError, ImageSource, Preprocessing, open_image, refuse_single

BATCHES_AHEAD = 3  # taken from the source at a time: one to use next, and two that keep the threads busy
# A JPEG file may be decoded at a half, a quarter or an eighth of its size (its cosine transform leaves the fine detail
# out) as long as this many times the network's input is left: then what is left out is what the resizing averages away.
REDUCED_TO = 2


def decoded_batches(
    images: Iterable[ImageSource], preprocessing: Preprocessing, batch_size: int, *, reduced: bool = False
) -> Generator[list[NDArray[np.uint8] | str], None, None]:
    """Batches of pixels (size, size, 3), in order; a picture that cannot be decoded is the reason why, as text.

    At most `BATCHES_AHEAD` batches are taken from `images` and not yet handed out. reduced: decode large JPEG files at
    a smaller size, which changes the grey values of a photograph by some tenths on average, and by 1.3 in the noisiest
    of twelve of PAD-UFES-20 (see `REDUCED_TO`).
    Raises: ValueError for a batch size under 1; TypeError for a single picture.
    """
    refuse_single(images)
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, not {batch_size}.")
    at_least = REDUCED_TO * preprocessing.size if reduced else None

    def decode(source: ImageSource) -> NDArray[np.uint8] | str:
        try:
            return preprocessing.pixels(open_image(source, at_least))
        except ImageError as error:
            return str(error)

    remaining = iter(images)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
        waiting: deque[list[Future[NDArray[np.uint8] | str]]] = deque()
        try:
            while True:
                while len(waiting) < BATCHES_AHEAD and (sources := list(islice(remaining, batch_size))):
                    waiting.append([pool.submit(decode, source) for source in sources])
                if not waiting:
                    return
                yield [future.result() for future in waiting.popleft()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
