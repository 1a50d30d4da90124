"""What readers did with their first answer: kept it, or changed it, to right or to wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from readerstudy.results.conditions.table import Bools, Floats
from readerstudy.results.stats import Estimate, Proportion, mean_interval, proportions

FEW_CHANGES = 10
NONE_WRONG, NONE_RIGHT = "no first answer was wrong", "no first answer was right"


@dataclass(frozen=True, slots=True)
class Switch:
    """One reader, or all together (``code`` empty), over the ``n`` cases answered both times.

    ``corrected``: of the answers that were wrong first, those that became right; ``spoiled``: of those that were right
    first, those that became wrong: where the advice named the wrong side, over-reliance. ``net``: (to right - to wrong)
    / n.
    """

    code: str
    n: int
    stayed_right: int
    to_wrong: int
    to_right: int
    stayed_wrong: int
    to_other_wrong: int
    corrected: Proportion
    spoiled: Proportion
    net: float

    @property
    def n_changed(self) -> int:
        return self.to_wrong + self.to_right + self.to_other_wrong

    @property
    def n_stayed_wrong(self) -> int:
        return self.stayed_wrong + self.to_other_wrong


@dataclass(frozen=True, slots=True)
class Switches:
    """By one ``aspect`` of the answers. ``corrected`` and ``spoiled`` are the means of the readers' own shares with a t
    interval over readers; ``whole`` takes all answers as independent."""

    aspect: str
    readers: tuple[Switch, ...]
    whole: Switch
    corrected: Estimate
    spoiled: Estimate
    note: str = ""


def switches(aspect: str, codes: Sequence[str], same: Bools, before: Floats, after: Floats) -> Switches:
    """``same`` (r, n): the answer is the same; ``before`` and ``after`` (r, n): it was right (1) or wrong (0), NaN: it
    does not count."""
    both = ~np.isnan(before) & ~np.isnan(after)
    right, now = both & (before == 1), both & (after == 1)
    wrong, then = both & (before == 0), both & (after == 0)
    cells = (right & now, right & then, wrong & now, wrong & then & same, wrong & then & ~same)
    counts = np.stack([cell.sum(axis=1) for cell in cells], axis=1).reshape(len(codes), len(cells))
    rows = _rows([*codes, ""], np.vstack([counts, counts.sum(axis=0, keepdims=True)]))
    whole = rows[-1]
    few = 0 < whole.n_changed < FEW_CHANGES
    return Switches(
        aspect, tuple(rows[:-1]), whole, _mean([one.corrected for one in rows[:-1]], NONE_WRONG),
        _mean([one.spoiled for one in rows[:-1]], NONE_RIGHT),
        f"only {whole.n_changed} answers changed (fewer than {FEW_CHANGES}): fragile" if few else "",
    )  # fmt: skip


def _rows(codes: Sequence[str], counts: np.ndarray) -> list[Switch]:
    stayed, to_wrong, to_right, stayed_wrong, other = counts.T
    wrong_first, right_first = to_right + stayed_wrong + other, stayed + to_wrong
    corrected = proportions(to_right, wrong_first, empty=NONE_WRONG)
    spoiled = proportions(to_wrong, right_first, empty=NONE_RIGHT)
    return [
        Switch(
            code, sum(row), row[0], row[1], row[2], row[3], row[4], corrected[i], spoiled[i],
            (row[2] - row[1]) / sum(row) if sum(row) else float("nan"),
        )
        for i, (code, row) in enumerate(zip(codes, counts.tolist(), strict=True))
    ]  # fmt: skip


def _mean(shares: Sequence[Proportion], none: str) -> Estimate:
    defined = [one.value for one in shares if one.is_defined]
    if not defined:
        return Estimate.undefined(none, method="t over readers")
    return mean_interval(defined)
