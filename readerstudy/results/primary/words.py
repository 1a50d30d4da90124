"""The primary result in words: for the page, the methods paragraph and the figures' captions."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.results.captions import capitalised, interval, number, p_value
from readerstudy.results.primary import contrast_words
from readerstudy.results.primary.contrast_words import is_corrected
from readerstudy.results.primary.numbers import NOT_SHOWN, REVERSED, SHOWN, UNDEFINED, PlannedTest, PrimaryAnalysis
from readerstudy.studies import plan as planned
from readerstudy.studies import wording
from readerstudy.studies.contrasts import Facts
from readerstudy.studies.models import AnalysisPlan
from readerstudy.studies.plan import Plan


def verdict(primary: PrimaryAnalysis, test: PlannedTest) -> str:
    """One sentence: what is shown of the model in this test, with the numbers that say so."""
    plan = primary.plan
    if test.decision == UNDEFINED:
        return _("%(title)s: no decision (%(why)s).") % {"title": test.title, "why": test.difference.note}
    values = {
        "title": test.title, "what": _what(plan), "comparator": _comparator(plan),
        "difference": number(test.difference.value), "level": wording.number(100 * test.difference.level),
        "interval": interval(test.difference), "p": p_value(test.p), "adjusted": _adjusted(primary, test),
        "margin": wording.number(plan.margin),
    }  # fmt: skip
    sentence = _verdicts(plan)[test.decision] % values
    numbers = _("difference %(difference)s, %(level)s%% confidence interval %(interval)s, %(p)s%(adjusted)s")
    return f"{sentence} ({numbers % values})."


def _verdicts(plan: Plan) -> dict[str, str]:
    if plan.hypothesis == planned.NON_INFERIORITY:
        return {
            SHOWN: _("%(title)s: %(what)s is non-inferior to %(comparator)s at a margin of %(margin)s"),
            NOT_SHOWN: _("%(title)s: non-inferiority of %(what)s to %(comparator)s at a margin of %(margin)s is not shown"),  # noqa: E501
            REVERSED: _("%(title)s: %(what)s is inferior to %(comparator)s by more than the margin of %(margin)s"),
        }  # fmt: skip
    if plan.margin:
        return {
            SHOWN: _("%(title)s: %(what)s is superior to %(comparator)s by more than %(margin)s"),
            NOT_SHOWN: _("%(title)s: superiority of %(what)s over %(comparator)s by more than %(margin)s is not shown"),
        }
    return {
        SHOWN: _("%(title)s: %(what)s is superior to %(comparator)s"),
        NOT_SHOWN: _("%(title)s: superiority of %(what)s over %(comparator)s is not shown"),
        REVERSED: _("%(title)s: %(what)s is inferior to %(comparator)s"),
    }


def _what(plan: Plan) -> str:
    return {
        planned.SENSITIVITY: _("the model's sensitivity"),
        planned.SPECIFICITY: _("the model's specificity"),
        planned.BALANCED: _("the mean of the model's sensitivity and specificity"),
        planned.AUC: _("the model's AUC"),
    }[plan.endpoint]


def _comparator(plan: Plan) -> str:
    if not plan.compares_readers:
        return _("the stated %(value)s") % {"value": wording.number(plan.reference or 0)}
    return _("the average reader's")


def _adjusted(primary: PrimaryAnalysis, test: PlannedTest) -> str:
    if not is_corrected(primary.plan, primary.n_primary):
        return ""
    return _(", adjusted %(p)s") % {"p": number(test.adjusted_p)}


def overall(primary: PrimaryAnalysis) -> str:
    """The decision over every test, where the plan asks for it; else empty."""
    if not primary.overall:
        return ""
    if primary.overall == SHOWN:
        return _("Every test of the study shows it: the primary endpoint is met.")
    return _("Not every test of the study shows it: the primary endpoint is not met.")


def rule(primary: PrimaryAnalysis) -> str:
    """How the decision is come to: test, alpha, bound, correction."""
    plan, n = primary.plan, primary.n_primary
    if not plan.compares_model:
        sentence = f"{capitalised(wording.alpha(plan))}."
        return f"{sentence} {_correction(plan, n)}" if n > 1 else sentence
    sentence = _("%(test)s; %(alpha)s; %(hypothesis)s.") % {
        "test": capitalised(str(AnalysisPlan.Method(plan.method).label)), "alpha": wording.alpha(plan),
        "hypothesis": wording.hypothesis(plan),
    }  # fmt: skip
    return f"{sentence} {_correction(plan, n)}" if n > 1 else sentence


def _correction(plan: Plan, n: int) -> str:
    """Over how many tests, by which rule."""
    correction = ngettext(
        "%(rule)s, over %(n)d test.", "%(rule)s, over %(n)d tests.", n
    ) % {"rule": capitalised(str(AnalysisPlan.Multiplicity(plan.multiplicity).label)), "n": n}  # fmt: skip
    unadjusted = _("The intervals are not adjusted.")
    return f"{correction} {unadjusted}"


def planned_sentences(plan: Plan | None, tests: Sequence[Facts] = ()) -> list[str]:
    """The plan as a methods paragraph tells it; ``tests`` as the protocol holds them."""
    if plan is None:
        return [_("The protocol planned no primary endpoint: every result is exploratory.")]
    sentences = _primary_sentences(plan, tests)
    if plan.method == planned.BOOTSTRAP:
        sentences.append(
            _("The bootstrap drew readers and cases anew %(n)d times (seed %(seed)d) and took the test's standard error from the replicates and the interval from their percentiles.")  # noqa: E501
            % {"n": plan.replicates, "seed": plan.seed}
        )  # fmt: skip
    if plan.compares_readers:
        sentences.append(_("The model's threshold: %(threshold)s.") % {"threshold": wording.threshold(plan)})
    if plan.compares_readers or plan.contrasts:
        sentences += [
            _("Missing answers: %(rule)s. The average reader is %(average)s.")
            % {
                "rule": AnalysisPlan.Missing(plan.missing).label,
                "average": AnalysisPlan.Average(plan.average).label,
            },
        ]
    if amended := wording.primary_amended(plan):
        sentences.append(f"{capitalised(amended)}.")
    for text in wording.contrasts(plan, planned.IS_SECONDARY, tests):
        sentences.append(_("A secondary endpoint was %(endpoint)s.") % {"endpoint": text})
    if named := wording.secondary(plan):
        sentences.append(_("Secondary: %(named)s. Everything else is exploratory.") % {"named": "; ".join(named)})
    else:
        sentences.append(_("Everything else is exploratory."))
    return sentences


def _primary_sentences(plan: Plan, tests: Sequence[Facts]) -> list[str]:
    """The primary endpoints, how each is tested, and the correction over them."""
    rule = AnalysisPlan.Multiplicity(plan.multiplicity).label
    between = wording.contrasts(plan, planned.PRIMARY, tests)
    if not plan.compares_model:
        said = _("The primary endpoint, fixed in the protocol, was %(endpoint)s.")
        return [
            *(said % {"endpoint": one} for one in between),
            _("The level was a %(alpha)s; correction for several tests: %(rule)s.")
            % {"alpha": wording.alpha(plan), "rule": rule},
        ]  # fmt: skip
    return [
        _("The primary endpoint, fixed in the protocol, was %(endpoint)s.") % {"endpoint": wording.endpoint(plan)},
        _("It was tested by %(test)s, %(alpha)s, for %(hypothesis)s; correction for several tests: %(rule)s.")
        % {
            "test": AnalysisPlan.Method(plan.method).label, "alpha": wording.alpha(plan),
            "hypothesis": wording.hypothesis(plan), "rule": rule,
        },
        *(_("A further primary endpoint was %(endpoint)s.") % {"endpoint": one} for one in between),
    ]  # fmt: skip


def results_sentences(primary: PrimaryAnalysis | None) -> list[str]:
    """The primary result, test by test, with its guardrails."""
    if primary is None:
        return []
    sentences = [verdict(primary, test) for test in primary.tests]
    sentences += [contrast_words.verdict(primary, one) for one in primary.contrasts_of(planned.PRIMARY)]
    if primary.overall:
        sentences.append(overall(primary))
    if secondary := primary.contrasts_of(planned.IS_SECONDARY):
        told = [contrast_words.verdict(primary, one) for one in secondary]
        sentences.append(_("Secondary: %(named)s") % {"named": " ".join(told)})
    return [*sentences, *guardrails(primary)]


def guardrails(primary: PrimaryAnalysis) -> tuple[str, ...]:
    """What makes the result fragile, each once; what does not hold for every test names those it holds for."""
    holds_for: dict[str, list[str]] = {}
    for test in primary.tests:
        for sentence in test.guardrails:
            holds_for.setdefault(sentence, []).append(test.title)
    for one in primary.contrasts:
        for sentence in one.guardrails:
            holds_for.setdefault(sentence, []).append(contrast_words.short(one))
    n = len(primary.tests) + len(primary.contrasts)
    told = [
        sentence if len(titles) == n else f"{', '.join(titles)}: {sentence}" for sentence, titles in holds_for.items()
    ]
    return (*primary.guardrails, *told)
