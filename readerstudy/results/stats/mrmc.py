"""Multi-reader multi-case analysis of variance: Obuchowski-Rockette with Hillis' degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from readerstudy.results.stats.arrays import FEW_READERS, Floats, check_level, class_size_notes
from readerstudy.results.stats.estimate import NAN, StatsError, join_notes
from readerstudy.results.stats.intervals import ZERO_VARIANCE
from readerstudy.results.stats.mrmc_anova import (
    Bounds,
    EqualityTest,
    MeanSquares,
    ModalityDifference,
    ModalityMean,
    OrComponents,
    difference,
    equality_test,
    modality_differences,
    modality_mean,
    variance_components,
)
from readerstudy.results.stats.mrmc_covariance import Accuracies, Metric, accuracies, left_out_notes

EFFECTS = ("random", "fixed")


@dataclass(frozen=True, slots=True)
class DbmComponents:
    """The same fit in the terms of Dorfman, Berbaum and Metz (1992), by Hillis et al. (Stat Med 2005; 24:1579-1607)."""

    reader: float
    case: float
    modality_reader: float
    modality_case: float
    reader_case: float
    modality_reader_case: float


@dataclass(frozen=True, slots=True, eq=False)
class Mrmc:
    """An Obuchowski-Rockette analysis; ``per_reader`` (t, r), ``covariance`` (t * r, t * r) modality-major."""

    metric: str
    covariance_method: str
    readers: str
    cases: str
    modalities: tuple[str, ...]
    reader_names: tuple[str, ...]
    n_positive: int
    n_negative: int
    per_reader: Floats
    covariance: Floats
    components: OrComponents
    mean_squares: MeanSquares
    equality: EqualityTest
    means: tuple[ModalityMean, ...]
    differences: tuple[ModalityDifference, ...]
    reader_differences: tuple[ModalityDifference, ...]
    note: str = ""

    @property
    def n_cases(self) -> int:
        return self.n_positive + self.n_negative

    @property
    def n_readers(self) -> int:
        return self.per_reader.shape[1]

    @property
    def dbm(self) -> DbmComponents:
        c, n = self.components, self.n_cases
        return DbmComponents(
            c.reader, n * c.cov3, c.modality_reader, n * (c.cov2 - c.cov3), n * (c.cov1 - c.cov3),
            n * (c.error - c.cov1 - c.cov2 + c.cov3),
        )  # fmt: skip


def mrmc(
    truth: ArrayLike,
    ratings: ArrayLike,
    *,
    readers: str = "random",
    cases: str = "random",
    covariance: str = "jackknife",
    metric: Metric = "auc",
    level: float = 0.95,
    modalities: Sequence[str] | None = None,
    reader_names: Sequence[str] | None = None,
) -> Mrmc:
    """Obuchowski-Rockette analysis of the readers' accuracies in one or several modalities.

    ``truth`` (n,); ``ratings`` (t, r, n): modality, reader, case, NaN where a reader did not read the case; (r, n) for
    one modality. Cases may be nested in readers or in modalities, or overlap in part: covariances of accuracies that
    share no case are 0. ``readers``, ``cases``: "random" or "fixed" (not both fixed). ``covariance``: "jackknife",
    "delong" or "unbiased"; ``metric``: "auc", "sensitivity", "specificity" (of decisions 0/1), or a function.

    Obuchowski NA, Rockette HE, Commun Stat B 1995; 24:285-308; degrees of freedom and single-modality intervals:
    Hillis SL, Statistics in Medicine 2007; 26:596-619 and 2014; 33:330-360. A reader whose accuracy in some modality is
    undefined, or rests on one case of a class and so has no variance, is left out, and counted.
    """
    check_level(level)
    for name, effect in (("readers", readers), ("cases", cases)):
        if effect not in EFFECTS:
            raise StatsError(f"{name} is {effect!r}; allowed are 'random' and 'fixed'")
    if readers == cases == "fixed":
        raise StatsError("readers and cases are both fixed: then nothing is random and nothing can be inferred")
    cells = accuracies(truth, ratings, metric, covariance)
    t, r = cells.theta.shape
    names = names_of("modalities", modalities, t)
    who = np.array(names_of("reader_names", reader_names, r))
    kept = cells.readers_with_variance()
    theta = cells.theta[:, kept]
    matrix = cells.covariance.reshape(t, r, t, r)[:, kept][:, :, :, kept]
    components, squares = variance_components(theta, matrix)
    note = join_notes(_notes(cells, components, theta.shape, readers))
    bounds = bounds_of(metric, theta)
    apart = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
    means = tuple(
        modality_mean(
            name,
            theta[i],
            matrix[i, :, i],
            readers=readers,
            cases=cases,
            level=level,
            n=cells.truth.size,
            bounds=bounds,
        )
        for i, name in enumerate(names)
    )
    equality = equality_test(components, squares, theta.shape, readers, cases)
    return Mrmc(
        metric if isinstance(metric, str) else getattr(metric, "__name__", "metric"),
        covariance, readers, cases, names, tuple(str(name) for name in who[kept]),
        int(cells.truth.sum()), int((~cells.truth).sum()), theta, matrix.reshape(theta.size, theta.size),
        components, squares, equality, means,
        modality_differences(theta, equality, names, cells.truth.size, level, readers, cases, apart),
        _reader_differences(theta, matrix, names, tuple(who[kept]), cells.truth.size, level, apart),
        note,
    )  # fmt: skip


def bounds_of(metric: Metric, theta: Floats) -> Bounds:
    """0..1, within which intervals are kept; None for a metric of the caller's own that leaves it."""
    return None if callable(metric) and ((theta < 0) | (theta > 1)).any() else (0.0, 1.0)


def _reader_differences(
    theta: Floats, matrix: Floats, names: Sequence[str], who: Sequence[str], n: int, level: float, bounds: Bounds
) -> tuple[ModalityDifference, ...]:
    """Each reader's own differences: z from that reader's own variance and Cov1, pooled over modalities."""
    found = []
    t = theta.shape[0]
    for k, reader in enumerate(who if t > 1 else ()):
        own = matrix[:, k, :, k]
        variance = 2 * float(np.diagonal(own).mean() - own[~np.eye(t, dtype=bool)].mean())
        se = math.sqrt(variance) if variance >= ZERO_VARIANCE else NAN
        note = "" if variance >= ZERO_VARIANCE else "no test: the difference has no positive variance"
        for i, j in combinations(range(t), 2):
            value = float(theta[i, k] - theta[j, k])
            found.append(
                difference(
                    names[i], names[j], value, se, math.inf, n, level, "z, reader fixed", note, bounds, str(reader)
                )
            )
    return tuple(found)


def _notes(cells: Accuracies, components: OrComponents, shape: tuple[int, ...], readers: str) -> list[str]:
    t, r = shape
    n_positive = int(cells.truth.sum())
    notes = class_size_notes(n_positive, cells.truth.size - n_positive)
    if readers == "random" and r < FEW_READERS:
        notes.append(f"only {r} reader{'s' if r != 1 else ''} (fewer than {FEW_READERS}): no sound inference to others")
    if cells.n_missing:
        notes.append(f"{cells.n_missing} missing ratings: each accuracy is over the cases its reader read")
    notes += left_out_notes(cells.theta, cells.readers_with_variance(), " in every modality")
    parts = {"reader": components.reader, "modality x reader": components.modality_reader} if t > 1 else {}
    notes += [f"the {part} variance component is negative ({value:.3g})" for part, value in parts.items() if value < 0]
    return notes


def names_of(argument: str, given: Sequence[str] | None, size: int) -> tuple[str, ...]:
    if given is None:
        return tuple(str(i + 1) for i in range(size))
    if len(given) != size:
        raise StatsError(f"{argument} names {len(given)}, but ratings holds {size}")
    names = tuple(str(name) for name in given)
    if len(set(names)) < size:
        raise StatsError(f"{argument} names one twice: {', '.join(names)}")
    return names
