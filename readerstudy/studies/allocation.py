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


def _lesion_key(image: int, lesion: Hashable | None) -> Hashable:
    return ("image", image) if lesion is None else ("lesion", lesion)


def _by_chance(items: Sequence[T], seed: str) -> list[T]:
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose; nothing is kept secret by it
    keys = [chance.random() for _item in items]
    return [items[index] for index in sorted(range(len(items)), key=lambda index: (keys[index], index))]


# --- who reads what --------------------------------------------------------------------------------------------------


def shares(
    positives: Sequence[int], negatives: Sequence[int], *, size: int, n_positive: int | None, seed: str
) -> list[list[int]]:
    """Disjoint shares of `size`, as many as there are cases for, each with exactly `n_positive` positives (None: as
    chance has it). Each is a simple random sample of its classes; in each, the ids are in no order.

    Raises StudiesError where a share cannot have so many positives.
    """
    if size < 1 or not 0 <= (n_positive or 0) <= size:
        raise StudiesError(f"{n_positive or 0} positive cases cannot be in a share of {size}.")
    if n_positive is None:
        everything = _by_chance([*positives, *negatives], seed)
        return [everything[start : start + size] for start in range(0, len(everything) - size + 1, size)]
    yes, no = _by_chance(positives, f"{seed}/positive"), _by_chance(negatives, f"{seed}/negative")
    n_negative = size - n_positive
    return [
        yes[k * n_positive : (k + 1) * n_positive] + no[k * n_negative : (k + 1) * n_negative]
        for k in range(n_shares(len(yes), len(no), size=size, n_positive=n_positive))
    ]


def n_shares(n_positives: int, n_negatives: int, *, size: int, n_positive: int | None) -> int:
    """How many `shares` there are for so many cases. `size` is at least 1, and `n_positive` at most `size`."""
    if n_positive is None:
        return (n_positives + n_negatives) // size
    return min(there // n for there, n in ((n_positives, n_positive), (n_negatives, size - n_positive)) if n)


def williams(k: int) -> list[tuple[int, ...]]:
    """Orders of k arms in which each arm has each place equally often, and follows each other one equally often.

    k orders for an even k, 2k for an odd one. Source: Williams, Australian Journal of Scientific Research A 2:149-168
    (1949). Raises StudiesError for k < 1.
    """
    if k < 1:
        raise StudiesError(f"There are no orders of {k} arms.")
    first = [(step + 1) // 2 if step % 2 else (k - step // 2) % k for step in range(k)]  # 0, 1, k-1, 2, k-2, ...
    orders = [tuple((arm + shift) % k for arm in first) for shift in range(k)]
    if k % 2 and k > 1:
        orders += [tuple(reversed(order)) for order in orders]
    return orders


def arm_order(k: int, *, ordinal: int, seed: str) -> tuple[int, ...]:
    """In which order the `ordinal`-th reader (1, 2, ...) meets k arms: one of `williams`, drawn without replacement.

    Of each run of as many readers as there are orders, each reader gets another one: permuted blocks, so that after
    every complete run all orders were given equally often.
    """
    orders = williams(k)
    run, place = divmod(ordinal - 1, len(orders))
    return _by_chance(orders, f"{seed}/run {run + 1}")[place]


# --- in which order --------------------------------------------------------------------------------------------------


def spread_order(positives: Sequence[int], negatives: Sequence[int], *, seed: str) -> list[int]:
    """A random order with the classes spread evenly: blocks in which both are as they are in the whole, then shuffled.

    There is a block for every two cases of the rarer class (for the last one, if their number is odd), so that what
    comes next cannot be foretold. A class of n cases has in each of B blocks at most ceil(n / B): the longest run of
    one class is `longest_run`.
    """
    blocks = _n_blocks(len(positives), len(negatives))
    dealt: list[list[int]] = [[] for _block in range(blocks)]
    for name, pool in (("positive", positives), ("negative", negatives)):
        # Which blocks get one more is drawn too.
        order = _by_chance(range(blocks), f"{seed}/blocks/{name}")
        for index, case in enumerate(_by_chance(pool, f"{seed}/{name}")):
            dealt[order[index % blocks]].append(case)
    return [case for number, block in enumerate(dealt, start=1) for case in _by_chance(block, f"{seed}/block {number}")]


def longest_run(n: int, n_other: int) -> int:
    """How many cases of a class of n can come in a row in `spread_order`, with `n_other` of the other class."""
    blocks = _n_blocks(n, n_other)
    return n if blocks == 1 else min(n, 2 * -(-n // blocks))


def _n_blocks(n: int, n_other: int) -> int:
    return max(1, -(-min(n, n_other) // 2))


def place_repeats(arms: Sequence[Hashable], *, repeats: int, distance: int, seed: str) -> list[tuple[int, int]]:
    """Which cases of an order are shown again, and where: (gap, index) for each, by gap.

    A repeat comes before the case at index `gap` (after the last one for gap n), among cases of its own arm, with at
    least `distance` cases between it and its first showing. Raises StudiesError, saying how many are possible.
    """
    gaps = _gaps_for_repeats(arms, distance)
    able = [index for index in range(len(arms)) if gaps[index]]
    if repeats > len(able):
        raise StudiesError(
            f"Of {len(arms)} cases {len(able)} can be shown again after {distance} others, not {repeats}."
        )
    chosen = _by_chance(able, seed)[:repeats]
    return sorted((_by_chance(gaps[index], f"{seed}/{index}")[0], index) for index in chosen)


def most_repeats(arms: Sequence[Hashable], *, distance: int) -> int:
    """How many cases of an order can be shown again by `place_repeats`."""
    return sum(bool(gaps) for gaps in _gaps_for_repeats(arms, distance).values())


def _gaps_for_repeats(arms: Sequence[Hashable], distance: int) -> dict[int, list[int]]:
    n = len(arms)
    return {
        index: [gap for gap in range(index + distance + 1, n + 1) if arms[min(gap, n - 1)] == arms[index]]
        for index in range(n)
    }


def intersperse(n: int, k: int, *, seed: str) -> list[int]:
    """Gaps for k further cases among n: one at a random place of each of k equal stretches, never before the first."""
    gaps = []
    for number in range(k):
        stretch = range(number * n // k + 1, (number + 1) * n // k + 1) or range(n, n + 1)
        gaps.append(_by_chance(stretch, f"{seed}/{number + 1}")[0])
    return gaps


def draw_some(items: Sequence[T], *, per_cent: int, seed: str) -> list[T]:
    """As many of the items as `per_cent` of them are, rounded half up, by chance."""
    return _by_chance(items, seed)[: (len(items) * per_cent + 50) // 100]
