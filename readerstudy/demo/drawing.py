"""Lesions drawn by code: asymmetry, border, colours and diameter overlap between benign and malignant.

Each picture has a latent severity z, normal with mean -SEPARATION / 2 for benign and +SEPARATION / 2 for malignant and
standard deviation 1. Every visible feature (the A, B, C and D of Nachbar et al., J Am Acad Dermatol 30:551, 1994)
follows z only in part, the rest is noise of its own. So neither a model nor a reader can be perfect: with every feature
known exactly the best attainable AUC is Phi(SEPARATION / sqrt(2)), 0.96 for the value here.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SEPARATION = 2.5
WIDTH, HEIGHT = 480, 360

Field = NDArray[np.float32]


class Look(StrEnum):
    """What is drawn: a photograph of a keratotic or pigmented lesion, or the latter through a dermatoscope."""

    KERATOTIC = "keratotic"
    PIGMENTED = "pigmented"
    DERMOSCOPIC = "dermoscopic"


@dataclass(frozen=True)
class Features:
    """What the pencil follows, each in 0 to 1."""

    asymmetry: float
    border: float
    colours: float
    diameter: float
    redness: float


SKIN = np.array([[244, 214, 192], [233, 194, 165], [214, 168, 132], [178, 126, 92], [128, 85, 60]], np.float32)
BROWN = np.array([146, 98, 62], np.float32)
DARK = np.array([66, 42, 32], np.float32)
BLUE_GREY = np.array([92, 100, 116], np.float32)
RED = np.array([196, 82, 76], np.float32)
WHITE = np.array([226, 208, 200], np.float32)
TAN = np.array([176, 132, 92], np.float32)


def draw(look: Look, *, malignant: bool, seed: int) -> Image.Image:
    """One lesion of WIDTH x HEIGHT pixels, RGB. The same arguments give the same pixels."""
    rng = np.random.default_rng([seed, list(Look).index(look), int(malignant)])
    features = _features(rng, malignant)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    canvas = _skin(rng, look)
    inside, depth = _outline(rng, features, x, y)
    lesion = _keratotic(rng, features, depth, x, y) if look is Look.KERATOTIC else _pigmented(rng, features, look, x, y)
    canvas += inside[..., None] * (lesion - canvas)
    _hairs(rng, canvas, count=int(rng.integers(0, 5)), x=x, y=y)
    if look is Look.DERMOSCOPIC:
        radius = np.hypot((x - WIDTH / 2) / (WIDTH * 0.56), (y - HEIGHT / 2) / (HEIGHT * 0.72))
        canvas *= _sigmoid((1 - radius) * 30)[..., None]
    else:
        light = 1 + 0.12 * (x / WIDTH - 0.5) * rng.normal() + 0.12 * (y / HEIGHT - 0.5) * rng.normal()
        canvas *= light[..., None]
    canvas += rng.normal(0, 3.0, canvas.shape).astype(np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _features(rng: np.random.Generator, malignant: bool) -> Features:
    z = rng.normal(SEPARATION / 2 if malignant else -SEPARATION / 2, 1)
    # Each feature takes half its variance from z; the scale keeps most draws off the ends of 0 to 1.
    values = 0.5 + 0.16 * (np.sqrt(0.5) * z + np.sqrt(0.5) * rng.normal(size=5))
    return Features(*(float(v) for v in np.clip(values, 0.02, 0.98)))


def _noise(rng: np.random.Generator, cells: int) -> Field:
    """Smooth noise, about `cells` bumps across; mean 0, standard deviation about 1. Shape (HEIGHT, WIDTH)."""
    coarse = rng.normal(size=(max(2, cells * HEIGHT // WIDTH), cells)).astype(np.float32)
    picture = Image.fromarray(coarse, mode=None).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32)


def _sigmoid(value: Field) -> Field:
    return (1 / (1 + np.exp(-np.clip(value, -30, 30)))).astype(np.float32)


def _skin(rng: np.random.Generator, look: Look) -> Field:
    place = rng.beta(1.6, 3.0) * (len(SKIN) - 1)
    low = int(place)
    tone = SKIN[low] + (place - low) * (SKIN[min(low + 1, len(SKIN) - 1)] - SKIN[low])
    texture = 4 * _noise(rng, 8) + 3 * _noise(rng, 40) + (0 if look is Look.DERMOSCOPIC else 4) * _noise(rng, 110)
    return (tone[None, None, :] + texture[..., None] * np.array([1.0, 0.95, 0.9], np.float32)).astype(np.float32)


def _outline(rng: np.random.Generator, features: Features, x: Field, y: Field) -> tuple[Field, Field]:
    """How far inside the lesion each pixel is: (0 to 1 with a soft edge, relative depth from edge 0 to centre 1)."""
    centre_x = WIDTH / 2 + rng.normal(0, WIDTH * 0.04)
    centre_y = HEIGHT / 2 + rng.normal(0, HEIGHT * 0.04)
    dx, dy = x - centre_x, y - centre_y
    angle = np.arctan2(dy, dx)
    radius = HEIGHT * (0.14 + 0.26 * features.diameter)
    edge = np.ones_like(angle)
    edge += 0.10 * rng.uniform(0.5, 1.5) * np.cos(2 * angle + rng.uniform(0, 2 * np.pi))
    edge += 0.26 * features.asymmetry**1.5 * np.cos(angle * rng.choice([1, 3]) + rng.uniform(0, 2 * np.pi))
    for frequency in range(4, 17):
        amplitude = 0.10 * features.border**1.5 * rng.normal() / np.sqrt(frequency)
        edge += amplitude * np.cos(frequency * angle + rng.uniform(0, 2 * np.pi))
    depth = 1 - np.hypot(dx, dy) / (radius * np.clip(edge, 0.25, None))
    softness = rng.uniform(9, 30)
    return _sigmoid(depth * softness), depth.astype(np.float32)


def _mix(base: Field, colour: NDArray[np.float32], amount: Field) -> Field:
    return base + np.clip(amount, 0, 1)[..., None] * (colour - base)


def _pigmented(rng: np.random.Generator, features: Features, look: Look, x: Field, y: Field) -> Field:
    base = np.broadcast_to(TAN + rng.uniform(0.2, 1) * (BROWN - TAN), (HEIGHT, WIDTH, 3)).astype(np.float32)
    base = _mix(base, DARK, 0.30 + 0.35 * rng.random() + 0.22 * _noise(rng, 9))
    spread = features.colours**1.5
    base = _mix(base, DARK, 1.5 * spread * (_noise(rng, 6) - 0.3))
    base = _mix(base, BLUE_GREY, np.minimum(0.7, 1.0 * spread * (_noise(rng, 5) - 0.4)))
    base = _mix(base, RED, np.minimum(0.55, 0.9 * features.redness**1.5 * (_noise(rng, 5) - 0.2)))
    base = _mix(base, WHITE, 0.9 * spread * (_noise(rng, 5) - 1.1))
    if look is Look.DERMOSCOPIC:
        # A pigment network: regular lines in a nevus, broken and of uneven width with growing irregularity.
        warp = 14 * features.border * _noise(rng, 10)
        period = rng.uniform(11, 17)
        turn = rng.uniform(0, np.pi)
        u = (x * np.cos(turn) + y * np.sin(turn) + warp) * 2 * np.pi / period
        v = (y * np.cos(turn) - x * np.sin(turn) + warp) * 2 * np.pi / period
        lines = np.maximum(np.cos(u), np.cos(v)) ** 6
        base = _mix(base, DARK, 0.5 * lines * (1 - features.asymmetry * (_noise(rng, 4) > 0)))
    return base


def _keratotic(rng: np.random.Generator, features: Features, depth: Field, x: Field, y: Field) -> Field:
    """From waxy, tan and studded (seborrhoeic keratosis) to pink, pearly at the edge, crusted (carcinoma)."""
    base = np.broadcast_to(TAN + rng.uniform(0, 0.7) * (BROWN - TAN), (HEIGHT, WIDTH, 3)).astype(np.float32)
    base = _mix(base, BROWN * 0.8, 0.25 + 0.25 * _noise(rng, 14))
    pink = RED + 0.55 * (WHITE - RED)
    base = _mix(base, pink, features.redness * 1.25 - 0.12 + 0.25 * _noise(rng, 6))
    ring = np.exp(-(((depth - 0.18) / 0.12) ** 2)).astype(np.float32)
    base = _mix(base, WHITE, 0.7 * features.colours * ring)
    crust = _sigmoid((depth - 0.55 + 0.15 * _noise(rng, 12)) * 12)
    base = _mix(base, RED * 0.6, 1.1 * features.colours**1.5 * crust)
    for _ in range(int(30 * (1 - features.colours) * rng.random())):
        dot = np.hypot(x - rng.uniform(0.25, 0.75) * WIDTH, y - rng.uniform(0.25, 0.75) * HEIGHT)
        base = _mix(base, WHITE, 0.8 * _sigmoid((rng.uniform(2, 5) - dot) * 2))
    return base


def _hairs(rng: np.random.Generator, canvas: Field, *, count: int, x: Field, y: Field) -> None:
    """Dark curved hairs over skin and lesion, in place."""
    for _ in range(count):
        turn, offset = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5) * WIDTH
        along = (x - WIDTH / 2) * np.cos(turn) + (y - HEIGHT / 2) * np.sin(turn)
        across = (y - HEIGHT / 2) * np.cos(turn) - (x - WIDTH / 2) * np.sin(turn)
        bend = rng.normal(0, 0.0008)
        distance = np.abs(across - offset - bend * along**2)
        canvas *= (1 - 0.55 * np.exp(-((distance / 1.1) ** 2)))[..., None]
