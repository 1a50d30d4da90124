"""A comparison of two conditions in words: for the plan, its form and its differences."""

from collections.abc import Mapping, Sequence

from django.utils.formats import get_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.studies import plan
from readerstudy.studies.contrasts import MEASURES, NO_ARM, Facts, Option, arms_read
from readerstudy.studies.plan import Contrast, Under

Text = str | Promise

__all__ = ["MEASURES", "METHODS", "WHAT", "contrast", "hypothesis", "listed", "number", "option", "place", "shown"]

METHODS: Mapping[str, Text] = {
    plan.OR_RANDOM: gettext_lazy("Obuchowski-Rockette, readers and cases random"),
    plan.OR_CASES_FIXED: gettext_lazy("readers random, these cases only (paired t test over readers)"),
    plan.OR_READERS_FIXED: gettext_lazy("Obuchowski-Rockette, cases random, these readers only"),
    plan.USTATISTICS: gettext_lazy("U-statistics, readers and cases random"),
}
ADVICE: Mapping[str, Text] = {
    plan.AS_GIVEN: gettext_lazy("where the advice is as the model gave it"),
    plan.TURNED: gettext_lazy("where the advice is turned against the model"),
}
WHAT: Mapping[str, Text] = {
    "probability": gettext_lazy("the model's probability"),
    "classes": gettext_lazy("the model's class probabilities"),
    "neighbours": gettext_lazy("similar cases"),
    "saliency": gettext_lazy("saliency map"),
}


def number(value: float) -> str:
    """As few digits as say it, with the decimal sign of the language: 0.05, 0, 0.831."""
    return f"{value:.6g}".replace(".", get_format("DECIMAL_SEPARATOR"))


def contrast(one: Contrast, tests: Sequence[Facts]) -> str:
    """All of it but its role: what is compared, by what, what counts as shown, and the test."""
    return _("the readers' %(measure)s: %(what)s; %(hypothesis)s; %(test)s") % {
        "measure": MEASURES.get(one.measure, one.measure), "what": option(Option.of(one), tests),
        "hypothesis": hypothesis(one), "test": METHODS.get(one.method, one.method),
    }  # fmt: skip


def listed(texts: Sequence[str]) -> str:
    """Several in one line."""
    return texts[0] if len(texts) == 1 else " ".join(f"({n}) {text}." for n, text in enumerate(texts, start=1))


def option(one: Option, tests: Sequence[Facts]) -> str:
    """The second condition minus the first, with the test and the question; of a test that is not known, its number."""
    test = next((test for test in tests if test["position"] == one.test), None)
    text = _("%(second)s minus %(first)s, in %(test)s") % {
        "first": place(one.first, test), "second": place(one.second, test),
        "test": _("“%s”") % test["title"] if test else _("test %(n)d") % {"n": one.test},
    }  # fmt: skip
    if asked := _asked(test, one.first):
        text += f" ({_('“%s”') % asked})"
    return text + (f", {ADVICE[one.advice]}" if one.advice in ADVICE else "")


def place(under: Under, test: Facts | None) -> str:
    """A condition: its stage, with what is shown there, and its arm, where readers read in several."""
    stage = next((one for one in test["stages"] if one["position"] == under.stage), None) if test else None
    arms = arms_read(test) if test else []
    arm = next((one for one in arms if one["position"] == under.arm), NO_ARM)
    told = [_("stage %(n)d") % {"n": under.stage}]
    if stage is not None:
        told.append(shown(stage, arm))
    if len(arms) > 1:
        told.append(_("arm “%(title)s”") % {"title": arm["title"] or under.arm})
    elif test is None and under.arm:
        told.append(_("arm %(n)d") % {"n": under.arm})
    return f"{told[0]} ({', '.join(told[1:])})" if told[1:] else told[0]


def shown(stage: Facts, arm: Facts) -> str:
    """What a reader sees at a stage in an arm."""
    parts = [_("clinical facts")] if stage["shows_facts"] else []
    if stage["shows_advice"] and arm["advice"] != "none":
        parts.append(_("advice: %(kind)s") % {"kind": WHAT.get(arm["advice"], arm["advice"])})
    return _("with %(what)s") % {"what": _(" and ").join(parts)} if parts else _("image alone")


def _asked(test: Facts | None, under: Under) -> str:
    """The question, where the test asks several of its kind."""
    asked = [one for stage in test["stages"] for one in stage["questions"]] if test else []
    text = next((str(one["text"]) for one in asked if one["position"] == under.question), "")
    several = test and any(len(stage["questions"]) > 1 for stage in test["stages"])
    return text if several else ""


def hypothesis(one: Contrast) -> str:
    """What counts as shown, on the scale of the measure."""
    if one.hypothesis == plan.NON_INFERIORITY:
        return _("non-inferiority: a difference above −%(margin)s") % {"margin": number(one.margin)}
    return _("superiority: a difference above %(margin)s") % {"margin": number(one.margin)}
