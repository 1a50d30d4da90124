"""Blur and distance: against formulas, on drawn pictures, and on planted defects in real ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from model_core.quality import SMOOTHED, Quality, Screening, assess, lesion_fraction, sharpness


def edge(blur: float, *, low: int = 60, high: int = 200, side: int = 256) -> Image.Image:
    """A vertical edge blurred by a Gaussian of `blur` pixels, computed from the error function."""
    x = np.arange(side) - side / 2 + 0.5
    profile = np.array([0.5 * (1 + math.erf(v / (blur * math.sqrt(2)))) for v in x])
    row = np.rint(low + (high - low) * profile).astype(np.uint8)
    return Image.fromarray(np.tile(row, (side, 1)))


@pytest.mark.parametrize("blur", [1.5, 2.0, 3.0, 4.0])
def test_sharpness_is_the_inverse_width_of_an_edge(blur: float) -> None:
    """On an edge of Gaussian width s, the gradient is g(x) and the second derivative |x| / s^2 g(x). The strongest 5 %
    of 256 columns are the 13 within 6.5 pixels of the edge, so that the ratio is the sum of |x| g / s^2 over the sum of
    g for x = -6 ... 6; s^2 is the blur's square and that of the measure's own smoothing."""
    variance = blur**2 + SMOOTHED**2
    x = np.arange(-6, 7)
    weight = np.exp(-(x**2) / (2 * variance))
    expected = (np.abs(x) / variance * weight).sum() / weight.sum()
    assert sharpness(edge(blur)) == pytest.approx(expected, rel=0.12)


def test_contrast_and_brightness_cancel() -> None:
    assert sharpness(edge(2, low=100, high=140)) == pytest.approx(sharpness(edge(2)), rel=0.05)


def test_resolution_cancels() -> None:
    """The same scene at twice the size: an edge twice as wide in its own pixels."""
    assert sharpness(edge(4, side=512)) == pytest.approx(sharpness(edge(2, side=256)), rel=0.1)


def test_a_picture_without_structure_is_not_sharp() -> None:
    assert sharpness(Image.new("RGB", (300, 300), (200, 170, 150))) == 0.0


def skin_with_lesion(diameter: int, *, side: int = 400, off: int = 0) -> Image.Image:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 3, (side, side, 1))
    image = Image.fromarray((np.array([215, 175, 155]) + noise).clip(0, 255).astype(np.uint8))
    corner = (side - diameter) // 2 + off
    ImageDraw.Draw(image).ellipse((corner, corner, corner + diameter, corner + diameter), fill=(110, 70, 55))
    return image


@pytest.mark.parametrize("diameter", [40, 80, 160, 240])
@pytest.mark.parametrize("off", [0, 30])
def test_the_fraction_of_a_round_lesion(diameter: int, off: int) -> None:
    assert lesion_fraction(skin_with_lesion(diameter, off=off)) == pytest.approx(
        math.pi * diameter**2 / 4 / 400**2, rel=0.2
    )


def test_skin_alone_has_no_lesion() -> None:
    assert lesion_fraction(skin_with_lesion(1)) < 0.001


def test_screening_asks_distance_of_photographs_only() -> None:
    good = Quality(sharpness=0.4, lesion_fraction=0.2, blue_over_red=-50)
    far = Quality(sharpness=0.4, lesion_fraction=0.002, blue_over_red=-50)
    both = Quality(sharpness=0.1, lesion_fraction=0.0, blue_over_red=-50)
    screening = Screening()
    assert screening.reasons(good, "clinical") == ()
    assert screening.reasons(far, "clinical") == screening.reasons(far) == ("far away",)
    assert screening.reasons(far, "dermoscopy") == ()
    assert screening.reasons(both, "clinical") == ("blurred", "far away")
    assert Screening(min_sharpness=0, min_lesion_fraction=0).reasons(both, "clinical") == ()


def test_swapped_channels_are_bluer_than_red() -> None:
    image = skin_with_lesion(100)
    red, green, blue = image.split()
    assert assess(image).blue_over_red < 0 < assess(Image.merge("RGB", (blue, green, red))).blue_over_red


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_is_assessed(mode: str) -> None:
    quality = assess(skin_with_lesion(100, side=120).convert(mode))
    assert quality.sharpness > 0


def real_pictures(shared_data: Path) -> list[Image.Image]:
    files = sorted((shared_data / "pad_ufes_20" / "images").iterdir())[::10]
    assert len(files) == 39
    return [Image.open(file).convert("RGB") for file in files]


def test_planted_blur_in_real_photographs_is_found(shared_data: Path) -> None:
    """At 256 pixels: none of 39 photographs counts as blurred, nine tenths do after a Gaussian blur of 2 pixels."""
    pictures = real_pictures(shared_data)
    least = Screening().min_sharpness
    assert sum(sharpness(picture) < least for picture in pictures) <= 1
    blurred = [p.filter(ImageFilter.GaussianBlur(2 * min(p.size) / 256)) for p in pictures]
    assert sum(sharpness(picture) < least for picture in blurred) >= 0.85 * len(pictures)


def test_planted_distance_in_real_photographs_is_found(shared_data: Path) -> None:
    """Faded 8 times smaller into skin of its own border's colour, nearly every photograph counts as far away."""
    rng = np.random.default_rng(5)
    pictures = real_pictures(shared_data)
    least = Screening().min_lesion_fraction
    assert sum(lesion_fraction(picture) < least for picture in pictures) <= 3
    y, x = np.mgrid[:48, :48] / 47 - 0.5
    faded = np.exp(-((np.hypot(x, y) / 0.4) ** 4))[..., None]
    far = []
    for picture in pictures:
        small = np.asarray(picture.resize((48, 48)), float)
        frame = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
        ground = np.median(frame, axis=0) + rng.normal(0, 4, (384, 384, 1))
        middle = ground[168:216, 168:216]
        middle += faded * (small - middle)
        far.append(Image.fromarray(ground.clip(0, 255).astype(np.uint8)))
    assert sum(lesion_fraction(picture) < least for picture in far) >= 0.9 * len(far)
