"""A perceptual hash of 255 bits: the signs of a picture's lowest frequencies.

Source: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), the DCT-based hash; signs
instead of a comparison with the median, so that turning or mirroring a picture only permutes and negates its bits, and
255 bits instead of 64, as dermoscopic pictures differ little in their coarsest shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

SIDE, LOW = 64, 16  # the picture is brought to SIDE x SIDE; LOW x LOW frequencies are kept
BYTES = LOW * LOW // 8
FLAT = 2.0  # grey levels: a picture with less contrast has no structure to compare
BUDGET = 4_000_000  # pairs compared at once: some 60 MB

Bits = NDArray[np.uint8]


def perceptual_hash(image: Image.Image) -> Bits:
    """(32,) uint8. All zero for a picture without structure, which `near_pairs` joins to nothing."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    values = np.asarray(grey, np.float32)
    if values.std() < FLAT:
        return np.zeros(BYTES, np.uint8)
    coefficients = np.asarray(dctn(values, norm="ortho"), np.float32)
    low = (coefficients[:LOW, :LOW] > 0).ravel()
    low[0] = False  # the mean brightness
    return np.packbits(low)


def orientations(hashes: Bits) -> NDArray[np.uint8]:
    """(8, n, 32): the hashes of the pictures turned by multiples of 90 degrees and mirrored; the first as they are.

    Mirroring negates the coefficients of odd frequency along its axis; transposing a picture transposes them.
    """
    low = np.unpackbits(hashes, axis=1).reshape(-1, LOW, LOW).astype(bool)
    odd = np.arange(LOW) % 2 == 1
    variants = []
    for transpose in (False, True):
        for down in (False, True):
            for across in (False, True):
                negate = np.logical_xor.outer(odd & down, odd & across)
                bits = np.logical_xor(low.transpose(0, 2, 1) if transpose else low, negate)
                bits[:, 0, 0] = False
                variants.append(np.packbits(bits.reshape(len(low), -1), axis=1))
    return np.stack(variants)


def near_pairs(
    hashes: Bits, max_distance: int, *, others: Bits | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """(first, second, distance) of the pairs whose hashes differ in at most `max_distance` bits in any orientation.

    hashes: (n, 32). Pairs are within `hashes` (first < second) or, with `others`, of `hashes` and `others`. Exact; time
    grows with the product of their numbers (130,000 images: 4 minutes of one processor), memory does not.
    """
    base = np.ascontiguousarray(hashes if others is None else others).view(np.uint64)
    real = np.asarray(base.any(axis=1))
    rows = max(1, BUDGET // max(1, len(base)))
    found: list[tuple[NDArray[np.intp], ...]] = []
    for start in range(0, len(hashes), rows):
        chunk = hashes[start : start + rows]
        skip = start if others is None else 0  # the pairs before it have been compared
        least = np.full((len(chunk), len(base) - skip), 8 * BYTES, np.uint16)
        for variant in orientations(chunk):
            np.minimum(least, _distances(variant.view(np.uint64), base[skip:]), out=least)
        near = (least <= max_distance) & np.logical_and.outer(chunk.any(axis=1), real[skip:])
        if others is None:
            near = np.triu(near, 1)
        first, second = np.nonzero(near)
        found.append((first + start, second + skip, least[first, second].astype(np.intp)))
    if not found:
        return (np.zeros(0, np.intp),) * 3
    first, second, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, distance


def _distances(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint16]:
    total = np.zeros((len(a), len(b)), np.uint16)
    for word in range(a.shape[1]):
        total += np.bitwise_count(np.bitwise_xor.outer(a[:, word], b[:, word]))
    return total
