"""The perceptual hash: turned and mirrored exactly, stored again nearly, strangers far; the search by brute force."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from model_core.split import hashing
from model_core.split.hashing import near_pairs, orientations, perceptual_hash


def texture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A random picture, smooth over some 8 pixels, in colour."""
    rng = np.random.default_rng(seed)
    values = gaussian_filter(rng.normal(size=(size[1], size[0], 3)), (8, 8, 0))
    return Image.fromarray((128 + 50 * values / values.std()).clip(0, 255).astype(np.uint8))


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum())


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_a_turned_or_mirrored_picture_has_a_turned_hash(turn: Image.Transpose) -> None:
    assert len(list(Image.Transpose)) == 7
    original, turned = perceptual_hash(texture(1)), perceptual_hash(texture(1).transpose(turn))
    variants = orientations(original[None])[:, 0]
    assert min(distance(turned, variant) for variant in variants) <= 2  # a coefficient of 0 may fall to either side
    assert distance(turned, variants[0]) > 60


def test_the_eight_orientations_of_a_hash_are_distinct_and_a_group() -> None:
    variants = orientations(perceptual_hash(texture(2))[None])[:, 0]
    assert len({variant.tobytes() for variant in variants}) == 8
    again = {variant.tobytes() for first in variants for variant in orientations(first[None])[:, 0]}
    assert again == {variant.tobytes() for variant in variants}


def stored(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_a_picture_stored_again_smaller_brighter_or_paler_keeps_its_hash() -> None:
    image = texture(3, (400, 300))
    changed = [
        stored(image, 30),
        stored(image.resize((200, 150)), 60),
        ImageEnhance.Brightness(image).enhance(0.7),
        ImageEnhance.Contrast(image).enhance(0.7),
        ImageEnhance.Color(image).enhance(0.5),
    ]
    distances = [distance(perceptual_hash(image), perceptual_hash(other)) for other in changed]
    assert len(distances) == 5
    assert max(distances) <= 16


def test_strangers_are_far_apart() -> None:
    """Independent signs differ in half of 255 bits; the least of 8 orientations of 190 pairs lies well above 32."""
    hashes = np.stack([perceptual_hash(texture(seed)) for seed in range(20)])
    assert len(near_pairs(hashes, 80)[0]) == 0


def test_pictures_without_structure_are_joined_to_nothing() -> None:
    grey = perceptual_hash(Image.new("RGB", (50, 50), (120, 120, 120)))
    assert not grey.any()
    assert len(near_pairs(np.stack([grey, grey, perceptual_hash(texture(1))]), 255)[0]) == 0


few_bits = st.lists(st.integers(0, 2**256 - 1), min_size=0, max_size=12)


@settings(deadline=None, max_examples=60)
@given(few_bits, st.lists(st.integers(0, 255), max_size=6), st.integers(0, 140), st.booleans())
def test_the_search_finds_what_brute_force_finds(numbers: list[int], flips: list[int], limit: int, split: bool) -> None:
    near = [n ^ (1 << bit) for n in numbers for bit in flips]
    rows = [np.frombuffer(n.to_bytes(32, "big"), np.uint8) for n in [*numbers, *near]]
    hashes = np.stack(rows) if rows else np.zeros((0, 32), np.uint8)
    hashes[:, 0] &= 127  # the first bit, the mean brightness, is never set
    half = len(hashes) // 2 if split else None
    first, others = (hashes[:half], hashes[half:]) if split else (hashes, None)
    base = hashes if others is None else others
    expected = {}
    for i, a in enumerate(first):
        for j, b in enumerate(base):
            if (others is None and i >= j) or not a.any() or not b.any():
                continue
            least = min(distance(variant, b) for variant in orientations(a[None])[:, 0])
            if least <= limit:
                expected[i, j] = least
    one, other, bits = (part.tolist() for part in near_pairs(first, limit, others=others))
    assert {(i, j): n for i, j, n in zip(one, other, bits, strict=True)} == expected


def test_the_search_in_pieces_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (50, 32), np.uint8)
    hashes[40:] = hashes[:10] ^ (rng.random((10, 32)) < 0.1)
    whole = near_pairs(hashes, 110)
    monkeypatch.setattr(hashing, "BUDGET", 150)  # three rows at once
    pieces = near_pairs(hashes, 110)
    assert len(whole[0]) >= 10
    assert [part.tolist() for part in pieces] == [part.tolist() for part in whole]
