"""What the results page shows first: the planned analysis, its decision, and what makes it fragile."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from readerstudy.results.captions import capitalised
from readerstudy.results.primary import contrast_words, words
from readerstudy.results.primary.contrasts import ContrastResult
from readerstudy.results.primary.numbers import PlannedTest, PrimaryAnalysis
from readerstudy.studies import plan as planned
from readerstudy.studies import wording
from readerstudy.studies.contrasts import Facts
from readerstudy.studies.plan import PRIMARY_ANALYSIS


@dataclass(frozen=True, slots=True)
class Row:
    """One test, with its decision in words."""

    test: PlannedTest
    decision: str


@dataclass(frozen=True, slots=True)
class ContrastRow:
    """A planned comparison of two conditions: its measure, what is compared, how, and its decision in words."""

    found: ContrastResult
    measure: str
    first: str
    second: str
    rule: str
    decision: str


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Those of one role; ``corrected``: their p values are adjusted."""

    rows: tuple[ContrastRow, ...]
    corrected: bool


@dataclass(frozen=True, slots=True)
class Primary:
    """The section, finished. ``terms`` is the plan: (what, how); ``amended``: that the analysis was changed after the
    opening, empty where it was not. ``contrasts`` are the primary ones; ``secondary`` have ``secondary_verdicts``."""

    endpoint: str
    amended: str
    verdicts: tuple[str, ...]
    overall: str
    level: str
    rule: str
    comparator: str
    compares_readers: bool
    rows: tuple[Row, ...]
    guardrails: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    corrected: bool
    contrasts: Contrasts
    secondary: Contrasts
    secondary_verdicts: tuple[str, ...]


def panel(primary: PrimaryAnalysis | None, tests: Sequence[Facts] = ()) -> Primary | None:
    """The section; None where the protocol planned nothing."""
    if primary is None:
        return None
    plan = primary.plan
    came = plan.amendment_of(PRIMARY_ANALYSIS)
    first, then = (primary.contrasts_of(role) for role in (planned.PRIMARY, planned.IS_SECONDARY))
    return Primary(
        endpoint=capitalised(wording.endpoint(plan, tests)).removesuffix(".") + ".",
        amended=wording.changed(came.amendment, came.date) if came else "",
        verdicts=(
            *(words.verdict(primary, test) for test in primary.tests),
            *(contrast_words.verdict(primary, one) for one in first),
        ),
        overall=words.overall(primary),
        level=wording.number(100 * (1 - plan.alpha)),
        rule=words.rule(primary),
        comparator=_("Average reader") if plan.compares_readers else _("Stated"),
        compares_readers=plan.compares_readers,
        rows=tuple(Row(test, contrast_words.decision(plan, test.decision)) for test in primary.tests),
        guardrails=words.guardrails(primary),
        terms=tuple(wording.terms(plan, tests)),
        corrected=primary.n_primary > 1,
        contrasts=Contrasts(tuple(map(_row, first)), primary.n_primary > 1),
        secondary=Contrasts(tuple(map(_row, then)), len(then) > 1),
        secondary_verdicts=tuple(contrast_words.verdict(primary, one) for one in then),
    )


def _row(found: ContrastResult) -> ContrastRow:
    return ContrastRow(
        found, capitalised(contrast_words.measure(found)), *contrast_words.names(found), contrast_words.rule(found),
        contrast_words.decision(found.asked, found.decision),
    )  # fmt: skip
