"""Images of one manifest that are, or show the same lesion or patient as, images of another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from model_core.split.components import Components


@dataclass(frozen=True, slots=True)
class Leak:
    """`image` of the first manifest (row index) and `other` of the second; reason "through others": no direct edge."""

    image: int
    other: int
    reason: str
    detail: str


def find_leaks(components: Components, n_first: int) -> tuple[Leak, ...]:
    """The leaks between images 0 to n_first - 1 and the rest, of components over both.

    Every edge across is a leak; an image that is joined to the other side only by way of others is listed once, with
    the first image of the other side in its component. In the order of the images.
    """
    leaks = [
        Leak(e.first, e.second - n_first, e.reason, e.detail) for e in components.edges if e.first < n_first <= e.second
    ]
    direct = {leak.image for leak in leaks}
    sides: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for image, component in enumerate(components.of.tolist()):
        sides[component][image >= n_first].append(image)
    for ours, theirs in sides.values():
        detail = f"{len(ours) + len(theirs)} images"
        alone = [image for image in ours if theirs and image not in direct]
        leaks += [Leak(image, theirs[0] - n_first, "through others", detail) for image in alone]
    return tuple(sorted(leaks, key=lambda leak: (leak.image, leak.other, leak.reason)))
