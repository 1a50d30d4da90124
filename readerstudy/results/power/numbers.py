"""How many readers and cases a planned comparison needs: from a pilot's variance components."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _

from readerstudy.results.arrays import TestTable
from readerstudy.results.errors import ResultsError
from readerstudy.results.stats import OrComponents, Power, average_reader, mrmc, operating_points, power, sample_size
from readerstudy.results.stats.estimate import join_notes
from readerstudy.results.thresholds import called_at, threshold_for_sensitivity, threshold_for_specificity
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Plan

METRICS = {planned.SENSITIVITY: "sensitivity", planned.SPECIFICITY: "specificity", planned.BALANCED: "auc"}
EFFECTS = {planned.OR_CASES_FIXED: ("random", "fixed"), planned.OR_READERS_FIXED: ("fixed", "random")}
CORRECTED = (planned.HOLM, planned.HOCHBERG, planned.BONFERRONI)


@dataclass(frozen=True, slots=True)
class Pilot:
    """Obuchowski-Rockette components of model and readers as two modalities, the model repeated once a reader.

    ``n_cases``: the cases that the endpoint rests on; ``n_readers`` and ``difference`` are 0 and NaN where the
    components were typed in.
    """

    components: OrComponents
    n_cases: int
    n_readers: int = 0
    difference: float = float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """One number of readers: the fewest cases that reach the power asked for (``needed.n_cases`` None: none does), and
    the power with a given number of cases, where one was given."""

    n_readers: int
    needed: Power
    given: Power | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """``effect``: the true difference minus the plan's bound; ``alpha``: of one test, two-sided."""

    rows: tuple[Row, ...]
    effect: float
    alpha: float
    target: float

    @property
    def note(self) -> str:
        """What is to be said of the numbers that there are."""
        return join_notes(row.needed.note for row in self.rows if row.needed.n_cases is not None)


def pilot_of(table: TestTable, plan: Plan) -> Pilot:
    """The components of a finished test, for the plan's endpoint, at its threshold or matched on these cases.

    Raises: ResultsError where the test has no model's scores or fewer than two readers who answered every case.
    """
    if table.model is None or table.model.problem or np.isnan(table.model.case_scores).any():
        why = _("“%(title)s” is no pilot: not every case has a score of the model.")
        raise ResultsError(why % {"title": table.title})
    said = table.questions[0].decisions if table.questions else np.empty((0, table.cases.n))
    said = said[~np.isnan(said).any(axis=1)]
    if len(said) < 2:
        why = _("“%(title)s” is no pilot: it needs 2 readers who answered every case, and has %(n)d.")
        raise ResultsError(why % {"title": table.title, "n": len(said)})
    truth, scores = table.cases.truth, table.model.case_scores
    threshold = plan.threshold
    if threshold is None:
        average = average_reader(operating_points(truth, said))
        if plan.endpoint == planned.SPECIFICITY:
            threshold = threshold_for_sensitivity(truth, scores, average.sensitivity.value)
        else:
            threshold = threshold_for_specificity(truth, scores, average.specificity.value)
    called = np.tile(called_at(scores, threshold), (len(said), 1))
    found = mrmc(truth, np.stack([called, said]), metric=METRICS[plan.endpoint])
    return Pilot(found.components, found.n_cases, found.n_readers, found.differences[0].estimate.value)


def alpha_of_one(plan: Plan, n_tests: int) -> float:
    """The least favourable step of the plan's correction over the tests of the study."""
    return plan.alpha / n_tests if plan.multiplicity in CORRECTED and n_tests > 1 else plan.alpha


def sizes(
    pilot: Pilot, plan: Plan, *, difference: float, readers: Sequence[int], target: float, n_cases: int | None,
    n_tests: int,
) -> Sizes:  # fmt: skip
    """Cases for each number of readers. Raises: StatsError for what cannot be planned with."""
    effect, alpha = difference - plan.bound, alpha_of_one(plan, n_tests)
    who, what = EFFECTS.get(plan.method, ("random", "random"))
    needed = sample_size(
        pilot.components, n_readers=list(readers), target=target, effect=effect, pilot_cases=pilot.n_cases,
        readers=who, cases=what, alpha=alpha,
    )  # fmt: skip
    rows = []
    for count, found in zip(readers, needed, strict=True):
        given = None
        if n_cases is not None:
            given = power(
                pilot.components, n_readers=count, n_cases=n_cases, effect=effect, pilot_cases=pilot.n_cases,
                readers=who, cases=what, alpha=alpha,
            )  # fmt: skip
        rows.append(Row(count, found, given))
    return Sizes(tuple(rows), effect, alpha, target)
