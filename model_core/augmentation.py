"""The paper's augmentation by a factor of 720: rotate, crop the largest upright inscribed rectangle, flip.

Source: Esteva et al., Nature 542:115-118 (2017), Methods, "Training algorithm": each image is rotated by 0 to 359
degrees, the largest upright inscribed rectangle is cropped from it, and it is flipped vertically with probability 0.5.

It is one affine map from the network's input to the picture, so a whole batch is warped by one `grid_sample`, on CPU or
GPU, without a rotated picture in between. `rotated_crop` does the same step by step with Pillow, as the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

ANGLES = 360  # whole degrees; times two for the flip is the paper's factor of 720


@dataclass(frozen=True, slots=True)
class Views:
    """How each of n pictures is shown. angles: (n,) degrees, counter-clockwise; flips: (n,) upside down after it."""

    angles: NDArray[np.float64]
    flips: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.intp] | slice) -> Views:
        return Views(self.angles[chosen], self.flips[chosen])

    def __len__(self) -> int:
        return len(self.angles)


def draw_views(n: int, *, seed: int, epoch: int) -> Views:
    """The views of n pictures in an epoch. They depend on seed and epoch alone: not on order, batches or processes."""
    rng = np.random.default_rng([seed, epoch, 720])
    return Views(rng.integers(0, ANGLES, n).astype(np.float64), rng.random(n) < 0.5)


def inscribed_rectangle(width: ArrayLike, height: ArrayLike, angle: ArrayLike) -> NDArray[np.float64]:
    """Sides of the largest upright rectangle within a `width` x `height` rectangle rotated by `angle` degrees.

    A concentric upright w x h lies within the rotated rectangle where, with c = |cos|, s = |sin|,
        c w + s h <= width   and   s w + c h <= height
    (its corners against the four edges; Boyd and Vandenberghe, Convex Optimization, 2004, exercise 8.16: the largest
    box within a polyhedron). Of one constraint alone, w h is largest where its two terms are equal; that holds if the
    other constraint allows it, else both are equalities. Broadcasts; returns (..., 2): w, h.
    """
    width, height, angle = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (width, height, angle)))
    radians = np.deg2rad(angle % 180)
    cos, sin = np.abs(np.cos(radians)), np.abs(np.sin(radians))
    short = np.minimum(width, height)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # the shorter side's constraint alone: its terms are half the side each
        along, across = short / (2 * cos), short / (2 * sin)
        landscape = width >= height
        w_one = np.where(landscape, across, along)
        h_one = np.where(landscape, along, across)
        # both constraints: a 2 x 2 linear system
        determinant = cos**2 - sin**2
        w_both = (width * cos - height * sin) / determinant
        h_both = (height * cos - width * sin) / determinant
    one_suffices = short <= 2 * cos * sin * np.maximum(width, height) + 1e-12
    return np.stack([np.where(one_suffices, w_one, w_both), np.where(one_suffices, h_one, h_both)], axis=-1)


def crop_of(width: ArrayLike, height: ArrayLike, angle: ArrayLike, *, square: bool) -> NDArray[np.float64]:
    """(..., 2) the crop that is shown, in pixels: `inscribed_rectangle`, or with `square` the square in its middle."""
    sides = inscribed_rectangle(width, height, angle)
    return np.repeat(sides.min(axis=-1, keepdims=True), 2, axis=-1) if square else sides


def affine_maps(
    sizes: NDArray[np.float64], views: Views, stored: tuple[int, int], *, square: bool = False
) -> NDArray[np.float32]:
    """(n, 2, 3) for torch's `affine_grid`: from the output to a picture stored at another size, both [-1, 1].

    sizes: (n, 2) width and height of the pictures as taken, or anything of the same aspect: a picture that was squashed
    to be stored is turned as if it had not been. stored: (width, height) of the tensors. The crop is inscribed in the
    rectangle of pixel centres, so that interpolation never reaches past the outermost pixels.
    """
    size = np.asarray(sizes, np.float64)
    margin = (np.asarray(stored, np.float64) - 1) / np.asarray(stored, np.float64)
    inner = size * margin
    crop = crop_of(inner[:, 0], inner[:, 1], views.angles, square=square)
    radians = np.deg2rad(views.angles)
    cos, sin = np.cos(radians), np.sin(radians)
    # y points down: content that turns counter-clockwise is looked up with this matrix
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    crop = crop * np.stack([np.ones(len(views)), np.where(views.flips, -1.0, 1.0)], -1)
    maps = np.zeros((len(views), 2, 3), np.float32)
    maps[:, :, :2] = turn * crop[:, None, :] / size[:, :, None]
    return maps


def warp(pictures: Tensor, maps: NDArray[np.float32], size: int) -> Tensor:
    """(n, 3, h, w) float -> (n, 3, size, size): each picture through its map, bilinear. On the tensor's device."""
    import torch
    from torch.nn import functional

    theta = torch.from_numpy(np.ascontiguousarray(maps)).to(pictures.device, pictures.dtype)
    grid = functional.affine_grid(theta, [len(pictures), pictures.shape[1], size, size], align_corners=False)
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def rotated_crop(image: Image.Image, angle: float, flip: bool, size: int, *, square: bool = False) -> Image.Image:
    """The reference, step by step with Pillow: rotate, crop, flip, resize to `size` x `size`."""
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    width, height = crop_of(image.width - 1, image.height - 1, angle, square=square)
    x, y = turned.width / 2, turned.height / 2
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    shown = turned.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if flip else shown
