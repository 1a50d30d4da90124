"""Chance, drawn once from a recorded seed: pure functions, no Django, no database.

Each element gets a key from `random.Random(seed).random()`, in the order in which it is given, and elements are taken
by increasing key. Python promises the same sequence of `random()` for the same seed in every later version ("Notes on
reproducibility", documentation of the module `random`); it promises that of no other method, so no other is used.
The order of what is given counts: give it in an order that follows from the content, not from database ids.
"""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from readerstudy.studies.errors import StudiesError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a sample cannot be drawn for: `there` are fewer than `asked`."""

    what: Literal["images", "positive images", "negative images"]
    there: int
    asked: int

    def __str__(self) -> str:
        return f"{self.there} {self.what}, {self.asked} were asked for"


def shortage(n_positives: int, n_negatives: int, *, size: int | None, n_positive: int | None) -> Shortage | None:
    """What is too few for a sample of `size` with `n_positive` positives, or None where it can be drawn.

    Raises StudiesError where the two numbers contradict one another, whatever there is to draw from.
    """
    if size is None:
        if n_positive is not None:
            raise StudiesError(f"{n_positive} positive images were asked for, but not how many images in all.")
        return None
    if size < 1 or not 0 <= (n_positive or 0) <= size:
        raise StudiesError(f"{n_positive or 0} positive images cannot be in a sample of {size}.")
    if n_positives + n_negatives < size:
        return Shortage("images", n_positives + n_negatives, size)
    if n_positive is None:
        return None
    if n_positives < n_positive:
        return Shortage("positive images", n_positives, n_positive)
    if n_negatives < size - n_positive:
        return Shortage("negative images", n_negatives, size - n_positive)
    return None


def draw_sample(
    positives: Sequence[int], negatives: Sequence[int], *, size: int | None, n_positive: int | None, seed: str
) -> list[int]:
    """A simple random sample of `size` (None: all), with exactly `n_positive` positives (None: as chance has it).

    Returns ids in random order, the classes mixed. Raises StudiesError, saying what is too few, or that an id was given
    twice.
    """
    everything = [*positives, *negatives]
    if len(set(everything)) != len(everything):
        raise StudiesError("An image was offered to the draw twice.")
    if too_few := shortage(len(positives), len(negatives), size=size, n_positive=n_positive):
        raise StudiesError(f"There are {too_few}.")
    order = _by_chance(everything, seed)
    if size is None:
        return order
    if n_positive is None:
        return order[:size]
    is_positive = set(positives)
    left = {True: n_positive, False: size - n_positive}
    sample = []
    for item in order:
        if left[item in is_positive]:
            left[item in is_positive] -= 1
            sample.append(item)
    return sample


def draw_order(items: Sequence[int], *, seed: str) -> list[int]:
    """A random permutation of `items`."""
    return _by_chance(items, seed)


def of_each_lesion(
    images: Sequence[tuple[int, Hashable | None, str]], *, at_most: int, seed: str
) -> list[tuple[int, ...]]:
    """Of (image, lesion, kind of picture) triples, up to `at_most` images of each lesion, drawn at random.

    Two pictures of one lesion are not two independent cases. A kind of which the lesion has no picture yet comes before
    a second picture of a kind. Lesion None: a lesion of its own. Returns the ids lesion by lesion; lesions in the order
    of their first chosen image, and images within a lesion, in the order given.
    """
    chosen: dict[Hashable, set[int]] = {}
    kinds: set[tuple[Hashable, str]] = set()
    by_chance = _by_chance(images, seed)
    for only_new_kinds in (True, False):
        for image, lesion, kind in by_chance:
            key = _lesion_key(image, lesion)
            taken = chosen.setdefault(key, set())
            if len(taken) < at_most and not (only_new_kinds and (key, kind) in kinds):
                taken.add(image)
                kinds.add((key, kind))
    grouped: dict[Hashable, list[int]] = {}
    for image, lesion, _kind in images:
        key = _lesion_key(image, lesion)
        if image in chosen[key]:
            grouped.setdefault(key, []).append(image)
    return [tuple(group) for group in grouped.values()]


def most_repeats(n_cases: int, *, distance: int) -> int:
    """How many of the cases of a reading can be shown again with at least `distance` other cases in between.

    A case can be repeated if it is among the first `n_cases - distance`: then `distance` others follow it, after which
    its repeat may stand anywhere.
    """
    return max(0, n_cases - distance)


def _lesion_key(image: int, lesion: Hashable | None) -> Hashable:
    return ("image", image) if lesion is None else ("lesion", lesion)


def _by_chance(items: Sequence[T], seed: str) -> list[T]:
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose; nothing is kept secret by it
    keys = [chance.random() for _item in items]
    return [items[index] for index in sorted(range(len(items)), key=lambda index: (keys[index], index))]
