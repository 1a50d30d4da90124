"""Whether a faster arithmetic says what float32 says of a model, tried on a few drawn pictures when it is loaded."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PICTURES = 8
PROBABILITY_LIMIT = 0.02  # by which a probability may differ from float32's


def drawn_pictures(size: int) -> NDArray[np.uint8]:
    """(8, size, size, 3): a spot on skin, with grain of several scales; always the same."""
    rng = np.random.default_rng(0)
    found = np.empty((PICTURES, size, size, 3), np.uint8)
    for picture in found:
        skin = int(rng.integers(130, 220))
        image = Image.new("RGB", (size, size), (skin, skin - 40, skin - 60))
        x, y, width, height = (int(size * part) for part in rng.uniform(0.15, 0.45, 4))
        shade = int(rng.integers(20, 110))
        ImageDraw.Draw(image).ellipse((x, y, x + width, y + height), fill=(shade + 40, shade + 10, shade))
        grain = np.zeros((size, size, 3), np.float32)
        for cell in (2, 8, 32):
            coarse = rng.integers(0, 256, (size // cell + 1, size // cell + 1, 3), dtype=np.uint8)
            grain += np.asarray(Image.fromarray(coarse).resize((size, size)), np.float32) - 127.5
        picture[:] = np.clip(np.asarray(image, np.float32) + grain / 12, 0, 255).astype(np.uint8)
    return found


def too_far(found: torch.Tensor, expected: torch.Tensor, precision: str) -> str:
    """Why `precision` is not to be used, or "". found, expected: (n, k) logits of the same pictures, k at least 1.

    A drawn picture may get 0 or 1, where no error shows. So what counts is the change of the difference between the
    logits of the two most probable classes: how far the probability of one would move if both were as probable.
    """
    if expected.shape[1] < 2:
        return ""
    top = expected.topk(2, dim=1).indices
    margins = [values.gather(1, top).diff(dim=1) for values in (found, expected)]
    difference = math.tanh(float((margins[0] - margins[1]).abs().max()) / 4)
    if difference <= PROBABILITY_LIMIT:
        return ""
    return (
        f"In {precision} this model's probabilities differ by up to {difference:.2g} from those in float32 on drawn "
        f"pictures (allowed: {PROBABILITY_LIMIT}), so it calculates in float32."
    )
