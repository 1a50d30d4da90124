"""Advice that is wrong on purpose: turned against the model's own answer. Pure functions, no chance, no truth.

Wrong with respect to what? Not to the diagnosis. Were the truth asked, the bytes that a reader receives would depend on
the label of the case before him, and whoever knew or guessed which cases are turned could read the label off them. So
nothing but the model's output enters: on a turned case the reader is told the opposite of what the model says. How
often that is false of the lesion is the model's accuracy on these cases, which the export lets anyone compute: it has
the model's scores, which cases were turned, and the truth.

A turned piece has the same form, rows and number of pictures as any other.
"""

from collections.abc import Sequence


def turned_probability(probability: float | None) -> float | None:
    """1 - P: as sure as the model is, of the other side."""
    return None if probability is None else 1 - probability


def turned_classes(probabilities: Sequence[float | None], sides: Sequence[bool | None]) -> list[float | None]:
    """The probabilities with the likeliest class and the likeliest one of another side changed round.

    sides: of each class, whether it counts as positive; None: neither. Where no class is of another side, the second
    likeliest takes part. None among the probabilities: the model does not know that class. The numbers stay the same,
    so that their sum, their spread and their length do.
    """
    turned = list(probabilities)
    order = sorted(
        (index for index, value in enumerate(turned) if value is not None),
        key=lambda index: (-(turned[index] or 0.0), index),
    )
    if len(order) < 2:
        return turned
    top = order[0]
    other = next((index for index in order[1:] if sides[index] is not sides[top]), order[1])
    turned[top], turned[other] = turned[other], turned[top]
    return turned
