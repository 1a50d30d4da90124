"""Subgroups of cases and of readers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from readerstudy.results.arrays import Labels, TestTable
from readerstudy.results.stats import Subgroups, adjust_p, operating_points, reader_subgroups, subgroups

Floats = NDArray[np.float64]
BY_CASE, BY_READER = "cases", "readers"
UNKNOWN_VALUES = ("", "unknown")


@dataclass(frozen=True, slots=True)
class Stratum:
    """One attribute and one metric: ``of`` is "readers" (their average) or "model" (AUC); ``over`` is "cases" or
    "readers", whichever is divided. ``interaction_p`` is the interaction's p after Holm over all strata of the page."""

    attribute: str
    over: str
    of: str
    found: Subgroups
    interaction_p: float


def strata(table: TestTable, said: Floats, chosen: Sequence[int], scores: Floats | None) -> tuple[Stratum, ...]:
    """Every attribute with at least two known groups. ``said`` (r, n): decisions of the readers ``chosen``."""
    known, truth = table.attributes, table.cases.truth
    of_cases: list[tuple[str, Labels]] = [("diagnosis", table.cases.diagnoses), ("modality", table.cases.modalities)]
    of_readers: list[tuple[str, Labels]] = []
    if known is not None:
        of_cases += [("sex", known.sexes), ("age", known.ages), ("site", known.sites), ("skin type", known.skin_types)]
        of_readers = [
            ("years of practice", known.practice),
            ("board certification", known.certification),
            ("specialty", known.specialties),
            ("training in dermoscopy", known.training),
            ("country", known.countries),
            ("device", known.devices),
        ]
    found = []
    for attribute, labels in of_cases:
        found += _by_case(attribute, labels, truth, said, scores)
    if len(said):
        points = operating_points(truth, said)
        for attribute, labels in of_readers:
            own = [labels[i] for i in chosen]
            for metric in ("sensitivity", "specificity"):
                values = [getattr(point, metric).value for point in points]
                if len(set(own) - {None}) > 1:
                    result = reader_subgroups(values, np.array(own, dtype=object), metric=metric)
                    found.append(Stratum(attribute, BY_READER, "readers", _sorted(result), np.nan))
    if not found:
        return ()
    adjusted = adjust_p([stratum.found.interaction.p for stratum in found], "holm").tolist()
    return tuple(replace(stratum, interaction_p=p) for stratum, p in zip(found, adjusted, strict=True))


def _by_case(
    attribute: str, labels: Labels, truth: NDArray[np.int64], said: Floats, scores: Floats | None
) -> list[Stratum]:
    groups = np.array([None if label in UNKNOWN_VALUES else label for label in labels], dtype=object)
    found = []
    for metric, side in (("sensitivity", truth == 1), ("specificity", truth == 0)):
        if len(said) and _n_groups(groups[side]) > 1:
            result = subgroups(truth[side], said[:, side], groups[side], metric=metric)
            found.append(Stratum(attribute, BY_CASE, "readers", _sorted(result), np.nan))
    known = {group for group in groups.tolist() if group is not None}
    both = {group for group in known if np.ptp(truth[groups == group]) == 1}
    if scores is not None and len(both) > 1:
        kept = np.array([group if group in both else None for group in groups], dtype=object)
        result = subgroups(truth, scores, kept, metric="auc")
        found.append(Stratum(attribute, BY_CASE, "model", _sorted(result), np.nan))
    return found


def _n_groups(groups: NDArray[np.object_]) -> int:
    return len({group for group in groups.tolist() if group is not None})


def _sorted(found: Subgroups) -> Subgroups:
    """By name, numbers by their value: the same order on every page."""

    def key(name: str) -> tuple[int, str]:
        digits = "".join(c for c in name.split("-")[0] if c.isdigit())
        return (-1 if name.startswith("under") else int(digits or 0), name)

    return replace(found, rows=tuple(sorted(found.rows, key=lambda row: key(row.name))))
