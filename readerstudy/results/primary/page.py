"""What the results page shows first: the planned analysis, its decision, and what makes it fragile."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from readerstudy.results.captions import capitalised
from readerstudy.results.primary import words
from readerstudy.results.primary.numbers import PlannedTest, PrimaryAnalysis
from readerstudy.studies import wording
from readerstudy.studies.plan import PRIMARY_ANALYSIS


@dataclass(frozen=True, slots=True)
class Row:
    """One test, with its decision in words."""

    test: PlannedTest
    decision: str


@dataclass(frozen=True, slots=True)
class Primary:
    """The section, finished. ``terms`` is the plan: (what, how); ``amended``: that the analysis was changed after the
    opening, empty where it was not."""

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


def panel(primary: PrimaryAnalysis | None) -> Primary | None:
    """The section; None where the protocol planned nothing."""
    if primary is None:
        return None
    plan = primary.plan
    came = plan.amendment_of(PRIMARY_ANALYSIS)
    return Primary(
        endpoint=capitalised(wording.endpoint(plan)) + ".",
        amended=wording.changed(came.amendment, came.date) if came else "",
        verdicts=tuple(words.verdict(primary, test) for test in primary.tests),
        overall=words.overall(primary),
        level=wording.number(100 * (1 - plan.alpha)),
        rule=words.rule(primary),
        comparator=_("Average reader") if plan.compares_readers else _("Stated"),
        compares_readers=plan.compares_readers,
        rows=tuple(Row(test, words.decision(plan, test.decision)) for test in primary.tests),
        guardrails=words.guardrails(primary),
        terms=tuple(wording.terms(plan)),
    )
