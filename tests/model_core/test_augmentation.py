"""The largest upright inscribed rectangle against its definition, and the warp against Pillow step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_core.augmentation import Views, affine_maps, crop_of, draw_views, inscribed_rectangle, rotated_crop, warp

SIDES = st.floats(1, 5000)
ANGLES = st.floats(-720, 720)


def corners_inside(w: float, h: float, width: float, height: float, angle: float) -> bool:
    """Whether the corners of an upright w x h lie in a concentric width x height rotated by `angle` degrees: turn them
    back and compare with the sides."""
    radians = np.deg2rad(angle)
    back = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    corners = np.array([[w, h], [w, -h], [-w, h], [-w, -h]]) / 2
    turned = np.abs(corners @ back.T)
    slack = 1e-9 * (width + height)
    return bool((turned[:, 0] <= width / 2 + slack).all() and (turned[:, 1] <= height / 2 + slack).all())


@settings(max_examples=300, deadline=None)
@given(width=SIDES, height=SIDES, angle=ANGLES)
def test_crop_never_reaches_outside_the_image(width: float, height: float, angle: float) -> None:
    w, h = inscribed_rectangle(width, height, angle)
    assert w > 0
    assert h > 0
    assert corners_inside(w, h, width, height, angle)
    square = crop_of(width, height, angle, square=True)
    assert square[0] == square[1]
    assert corners_inside(*square, width, height, angle)


@settings(max_examples=100, deadline=None)
@given(width=SIDES, height=SIDES, angle=ANGLES)
def test_crop_is_the_largest_box_in_the_polyhedron(width: float, height: float, angle: float) -> None:
    """Boyd and Vandenberghe, Convex Optimization (2004), exercise 8.16: the largest box in {x : Ax <= b} maximises the
    product of its sides subject to A+ u - A- l <= b. Here by a search over one side: the other is then the largest that
    both constraints allow."""
    cos, sin = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
    w = np.linspace(0, width + height, 40_001)[1:]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        by_width = np.where(sin > 0, (width - cos * w) / sin, np.where(cos * w <= width, np.inf, -1))
        by_height = np.where(cos > 0, (height - sin * w) / cos, np.where(sin * w <= height, np.inf, -1))
        found = np.nanmax(w * np.minimum(by_width, by_height))
    area = float(np.prod(inscribed_rectangle(width, height, angle)))
    assert area >= found * (1 - 1e-9)
    thin = min(width, height) / (width + height) < 0.01  # where the search's grid is too coarse to come close
    assert thin or area == pytest.approx(found, rel=0.02)


def test_worked_angles() -> None:
    """A square of side a keeps a / (|sin| + |cos|): half its area at 45 degrees. 3 x 1 at 45: by the short side alone,
    w = h = 1 / (2 cos 45) = 0.7071."""
    assert inscribed_rectangle(300, 200, 0) == pytest.approx([300, 200])
    assert inscribed_rectangle(300, 200, 90) == pytest.approx([200, 300])
    assert inscribed_rectangle(300, 200, 180) == pytest.approx([300, 200])
    angles = np.arange(360)
    radians = np.deg2rad(angles)
    expected = 299 / (np.abs(np.sin(radians)) + np.abs(np.cos(radians)))
    assert inscribed_rectangle(299, 299, angles) == pytest.approx(np.stack([expected, expected], 1))
    assert inscribed_rectangle(3, 1, 45) == pytest.approx([0.5**0.5, 0.5**0.5])


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("size", [(299, 299), (400, 300), (300, 400), (1200, 200)])
def test_white_picture_on_black_shows_no_black(size: tuple[int, int], square: bool) -> None:
    """Outside the picture the warp sees zeros, so one black pixel anywhere would darken the output."""
    views = Views(np.arange(360.0), np.arange(360) % 2 == 0)
    maps = affine_maps(np.tile(np.array(size, float), (360, 1)), views, (40, 40), square=square)
    shown = warp(torch.full((360, 1, 40, 40), 255.0), maps, 48)
    assert shown.shape == (360, 1, 48, 48)
    assert shown.min() == pytest.approx(255, abs=0.01)


def picture(width: int, height: int) -> Image.Image:
    """Smooth, and different in every corner."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(300, 300), (400, 300), (240, 400)])
def test_warp_is_rotation_crop_and_flip_as_pillow_does_them(size: tuple[int, int]) -> None:
    image = picture(*size)
    stored = torch.from_numpy(np.array(image.resize((320, 320), Image.Resampling.BILINEAR)))
    planes = stored.permute(2, 0, 1)[None].float()
    checked = 0
    for angle in (0, 30, 90, 133, 200, 271, 359):
        for flip in (False, True):
            for square in (False, True):
                maps = affine_maps(
                    np.array([size], float),
                    Views(np.array([float(angle)]), np.array([flip])),
                    (320, 320),
                    square=square,
                )
                ours = warp(planes, maps, 200)[0].permute(1, 2, 0).numpy()
                reference = np.asarray(rotated_crop(image, angle, flip, 200, square=square), np.float32)
                assert np.abs(ours - reference).mean() < 3, (angle, flip, square)
                # it tells the view: the other flip is far away
                assert np.abs(ours[::-1] - reference).mean() > 15, (angle, flip, square)
                checked += 1
    assert checked == 28


def test_views_depend_on_seed_and_epoch_alone() -> None:
    one, again, other, later = (draw_views(5000, seed=s, epoch=e) for s, e in ((3, 1), (3, 1), (4, 1), (3, 2)))
    assert (one.angles == again.angles).all()
    assert (one.flips == again.flips).all()
    assert (one.angles != other.angles).mean() > 0.9
    assert (one.angles != later.angles).mean() > 0.9
    assert set(one.angles) <= set(range(360))
    assert len(set(one.angles)) > 355
    assert one.flips.mean() == pytest.approx(0.5, abs=0.03)
