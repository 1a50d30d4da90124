"""A planned comparison of two conditions in words: what was shown, and by which numbers."""

from django.utils.translation import gettext as _

from readerstudy.results.captions import interval, number
from readerstudy.results.conditions.words import condition_name
from readerstudy.results.primary.contrasts import ContrastResult
from readerstudy.results.primary.numbers import NOT_SHOWN, REVERSED, SHOWN, UNDEFINED, PrimaryAnalysis
from readerstudy.studies import contrast_wording, wording
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Contrast, Plan


def decision(plan: Plan | Contrast, found: str) -> str:
    """What was decided, in a few words for a table; ``plan``: what has the hypothesis."""
    if found == SHOWN:
        return _("non-inferior") if plan.hypothesis == planned.NON_INFERIORITY else _("superior")
    if found == REVERSED:
        return _("inferior")
    return _("not computed") if found == UNDEFINED else _("not shown")


def is_corrected(plan: Plan, n: int) -> bool:
    """Whether p values are adjusted over n tests."""
    return n > 1 and plan.multiplicity not in (planned.NO_CORRECTION, planned.ALL_TESTS)


def names(found: ContrastResult) -> tuple[str, str]:
    """The first and the second condition; of a test that has none such, their stages."""
    pairs = ((found.first, found.asked.first), (found.second, found.asked.second))
    first, second = (condition_name(one) if one else contrast_wording.place(place, None) for one, place in pairs)
    return first, second


def measure(found: ContrastResult) -> str:
    return str(contrast_wording.MEASURES.get(found.asked.measure, found.asked.measure))


def short(found: ContrastResult) -> str:
    """Which comparison it is, where a guardrail names it."""
    first, second = names(found)
    return f"{found.title}, {measure(found)}, {first} → {second}"


def rule(found: ContrastResult) -> str:
    """The hypothesis and the test."""
    method = contrast_wording.METHODS.get(found.asked.method, found.asked.method)
    return f"{contrast_wording.hypothesis(found.asked)}; {method}"


def verdict(primary: PrimaryAnalysis, found: ContrastResult) -> str:
    """One sentence: what is shown of the readers under the two conditions, with the numbers that say so."""
    first, second = names(found)
    values = {
        "title": found.title, "measure": measure(found), "first": first, "second": second,
        "margin": wording.number(found.asked.margin), "why": found.difference.note,
    }  # fmt: skip
    if found.decision == UNDEFINED:
        said = _("%(title)s, %(measure)s of the readers, “%(second)s” against “%(first)s”: no decision (%(why)s).")
        return said % values
    family = primary.contrasts_of(planned.IS_SECONDARY)
    n = primary.n_primary if found.asked.role == planned.PRIMARY else len(family)
    numbers = _("difference %(difference)s, %(level)s%% confidence interval %(interval)s, p = %(p)s%(adjusted)s") % {
        "difference": number(found.difference.value), "level": wording.number(100 * found.difference.level),
        "interval": interval(found.difference), "p": number(found.p),
        "adjusted": _(", adjusted %(p)s") % {"p": number(found.adjusted_p)} if is_corrected(primary.plan, n) else "",
    }  # fmt: skip
    return f"{_verdicts(found.asked)[found.decision] % values} ({numbers})."


def _verdicts(asked: Contrast) -> dict[str, str]:
    if asked.hypothesis == planned.NON_INFERIORITY:
        return {
            SHOWN: _("%(title)s, %(measure)s of the readers: “%(second)s” is non-inferior to “%(first)s” at a margin of %(margin)s"),  # noqa: E501
            NOT_SHOWN: _("%(title)s, %(measure)s of the readers: non-inferiority of “%(second)s” to “%(first)s” at a margin of %(margin)s is not shown"),  # noqa: E501
            REVERSED: _("%(title)s, %(measure)s of the readers: “%(second)s” is inferior to “%(first)s” by more than the margin of %(margin)s"),  # noqa: E501
        }  # fmt: skip
    if asked.margin:
        return {
            SHOWN: _("%(title)s, %(measure)s of the readers: “%(second)s” is superior to “%(first)s” by more than %(margin)s"),  # noqa: E501
            NOT_SHOWN: _("%(title)s, %(measure)s of the readers: superiority of “%(second)s” over “%(first)s” by more than %(margin)s is not shown"),  # noqa: E501
        }  # fmt: skip
    return {
        SHOWN: _("%(title)s, %(measure)s of the readers: “%(second)s” is superior to “%(first)s”"),
        NOT_SHOWN: _(
            "%(title)s, %(measure)s of the readers: superiority of “%(second)s” over “%(first)s” is not shown"
        ),
        REVERSED: _("%(title)s, %(measure)s of the readers: “%(second)s” is inferior to “%(first)s”"),
    }
