"""Local features on drawn textures: the mirror, agreement under turning and cropping, strangers, and nothing to see."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from model_core.split.components import Similarity
from model_core.split.keypoints import MAX_KEYPOINTS, Keypoints, common_points, describe, mirrored

ENOUGH = Similarity().points


def texture(seed: int, side: int = 320) -> Image.Image:
    """Blobs of several sizes on skin."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side))
    for size in (3, 6, 12):
        layer = gaussian_filter(rng.normal(size=(side, side)), size)
        total += layer / layer.std()
    values = np.array([190, 150, 130]) + 18 * total[..., None]
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


ORIGINAL = describe(texture(1))


def test_points_are_ordered_bounded_and_of_the_stated_types() -> None:
    assert ENOUGH < len(ORIGINAL) <= MAX_KEYPOINTS
    assert ORIGINAL.geometry.dtype == np.float32
    assert ORIGINAL.descriptors.dtype == np.uint8
    assert ORIGINAL.descriptors.shape == (len(ORIGINAL), 128)
    norms = np.linalg.norm(ORIGINAL.descriptors / 512, axis=1)
    assert np.allclose(norms, 1, atol=0.02)  # the root of a histogram that sums to 1 has unit length
    assert len(describe(texture(1), 10)) == 10


def test_the_mirrored_descriptor_is_that_of_the_mirror_image() -> None:
    """In a mirror image each point lies opposite, with the angle pi - a, and has the permuted descriptor.

    201 pixels wide, so that every second, fourth and eighth column is the same one from either side.
    """
    image = texture(1).crop((0, 0, 201, 199))
    points, mirror = describe(image), describe(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    expected = mirrored(points.descriptors) / 512
    same = 0
    for (x, y, scale, angle), descriptor in zip(points.geometry, expected, strict=True):
        turn = np.abs((mirror.geometry[:, 3] - (np.pi - angle) + np.pi) % (2 * np.pi) - np.pi)
        place = np.hypot(mirror.geometry[:, 0] - (200 - x), mirror.geometry[:, 1] - y)
        match = np.flatnonzero((place < 0.01) & (turn < 0.05) & (mirror.geometry[:, 2] == scale))
        same += any(float(mirror.descriptors[m] / 512 @ descriptor) > 0.98 for m in match)
    assert len(points) > 50
    assert same >= 0.95 * len(points)
    assert (mirrored(mirrored(points.descriptors)) == points.descriptors).all()


def crop(image: Image.Image, share: float) -> Image.Image:
    w, h = image.size
    return image.crop((int(w * (1 - share)), int(h * (1 - share)), w, h))


CHANGES = {
    "smaller": lambda i: i.resize((150, 150)),
    "a quarter turn": lambda i: i.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "turned by 10 degrees": lambda i: i.rotate(10, Image.Resampling.BICUBIC),
    "turned by 37 degrees": lambda i: i.rotate(37, Image.Resampling.BICUBIC),
    "cropped to 80 %": lambda i: crop(i, 0.8),
    "cropped to 60 %": lambda i: crop(i, 0.6),
    "brighter": lambda i: ImageEnhance.Brightness(i).enhance(1.25),
    "paler": lambda i: ImageEnhance.Contrast(i).enhance(0.7),
    "mirrored, cropped, darker": lambda i: ImageEnhance.Brightness(
        crop(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.8)
    ).enhance(0.8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_has_points_in_common(change: str) -> None:
    changed = describe(CHANGES[change](texture(1)))
    assert common_points(ORIGINAL, changed) >= 2 * ENOUGH
    assert common_points(changed, ORIGINAL) >= 2 * ENOUGH


def test_strangers_have_fewer_points_in_common_than_join() -> None:
    others = [describe(texture(seed)) for seed in range(2, 32)]
    counts = [common_points(ORIGINAL, other) for other in others]
    assert len(counts) == 30
    assert max(counts) < ENOUGH


def test_nothing_to_see_is_nothing_in_common() -> None:
    empty = describe(Image.new("RGB", (200, 200), (180, 140, 120)))
    assert len(empty) == 0
    assert common_points(empty, ORIGINAL) == common_points(ORIGINAL, empty) == common_points(empty, empty) == 0


def test_tiny_and_narrow_pictures_do_not_fail() -> None:
    for size in ((1, 1), (3, 900), (9, 9)):
        assert isinstance(describe(Image.effect_noise(size, 60)), Keypoints)
