"""Stages and arms in words: names of conditions and measures, titles, captions and alternative texts."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.images.models import Modality
from readerstudy.results.captions import estimate, number, p_value
from readerstudy.results.conditions import comparing
from readerstudy.results.conditions.agreeing import RULE
from readerstudy.results.conditions.comparing import Difference
from readerstudy.results.conditions.measures import CLASS, SIDES
from readerstudy.results.conditions.numbers import (
    ADVICE_RIGHT,
    ADVICE_WRONG,
    NOT_CORRECTED,
    TURNED,
    WHO_ENTERS,
    Comparison,
    Conditions,
    ThreadResult,
)
from readerstudy.results.conditions.threads import OTHER_WORDS, Condition
from readerstudy.results.primary.roles import NAMED
from readerstudy.studies.contrast_wording import MEASURES as PLANNED_MEASURES

CHANGE, DIFFERENCES = "change", "differences"  # figures
MEASURES: dict[str, str | Promise] = {
    comparing.SENSITIVITY: gettext_lazy("Sensitivity"),
    comparing.SPECIFICITY: gettext_lazy("Specificity"),
    comparing.ACCURACY: gettext_lazy("Right answers"),
    comparing.AUC: gettext_lazy("AUC, decisions weighed by confidence"),
    comparing.CLASS_ACCURACY: gettext_lazy("Right diagnoses"),
    comparing.PER_CLASS: gettext_lazy("Mean per-class accuracy"),
}
ASPECTS: dict[str, str | Promise] = {
    SIDES: gettext_lazy("by side"),
    CLASS: gettext_lazy("by diagnosis"),
    ADVICE_RIGHT: gettext_lazy("by side, where the advice named the right one"),
    ADVICE_WRONG: gettext_lazy("by side, where the advice named the wrong one (spoiled: over-reliance)"),
}
ADVICE: dict[str, str | Promise] = {
    "probability": gettext_lazy("the model's probability"),
    "classes": gettext_lazy("the model's class probabilities"),
    "neighbours": gettext_lazy("similar cases"),
    "saliency": gettext_lazy("saliency map"),
}
NOTES: dict[str, str | Promise] = {
    WHO_ENTERS: gettext_lazy("Only readers who answered every case given to them under a condition enter its average, and of a comparison those who did so under both. Where they answered the same cases under both, only these cases count."),  # noqa: E501
    NOT_CORRECTED: gettext_lazy("The p values of different measures and comparisons are not corrected for one another."),  # noqa: E501
    TURNED: gettext_lazy("Advice “turned against the model” says the opposite of what the model says, whatever the truth: it is right where the model was wrong. What advice said of each case is set against the truth in the tables of changed answers."),  # noqa: E501
    RULE: gettext_lazy("A diagnosis named agrees with the reference where it is the reference diagnosis, lies under it in the taxonomy, or lies above it and is no root of the taxonomy."),  # noqa: E501
    OTHER_WORDS: gettext_lazy("The stages ask it with other answers: each stage's positive answer is taken as the same."),  # noqa: E501
}  # fmt: skip


def note(text: str) -> str:
    """A note of the numbers in the page's language."""
    return str(NOTES.get(text, text))


def measure(name: str) -> str:
    if name == "top-1":
        return _("First diagnosis right")
    if name.startswith("top-"):
        return _("Right diagnosis among the first %(n)s") % {"n": name.removeprefix("top-")}
    return str(MEASURES[name])


def aspect(name: str) -> str:
    """What makes an answer right, in words."""
    return str(ASPECTS[name]) if name in ASPECTS else measure(name).lower()


def condition_name(condition: Condition) -> str:
    """`Condition.name` in the page's language."""
    parts = [_("clinical facts")] if condition.shows_facts else []
    if condition.advice:
        parts.append(_("advice: %(kind)s") % {"kind": ADVICE.get(condition.advice, condition.advice)})
    name = _("with %(what)s") % {"what": _(" and ").join(parts)} if parts else _("image alone")
    if condition.modalities:
        kinds = [str(Modality(kind).label) if kind in Modality.values else kind for kind in condition.modalities]
        name += f" ({', '.join(kinds)})"
    if condition.turned is not None:
        name += ", " + (_("turned against the model") if condition.turned else _("as the model gave it"))
    if condition.arm_title:
        name += ", " + _("arm “%(title)s”") % {"title": condition.arm_title}
    if condition.numbered:
        name += " " + _("(stage %(n)d)") % {"n": condition.stage}
    return name


def both_names(thread: ThreadResult, comparison: Comparison) -> tuple[str, str]:
    first, second = (thread.conditions[index].condition for index in (comparison.first, comparison.second))
    return condition_name(first), condition_name(second)


def title(thread: ThreadResult, comparison: Comparison) -> str:
    return " → ".join(both_names(thread, comparison))


def caption(figure: str, thread: ThreadResult, comparison: Comparison, role: str) -> str:
    """What the figure shows, n and method, in sentences, and what it is in the study's plan."""
    first, second = both_names(thread, comparison)
    told = {"first": first, "second": second, "text": thread.text}
    sentences = [_("Question: “%(text)s”; first: %(first)s; second: %(second)s.") % told, _who(comparison)]
    if figure == CHANGE:
        sentences += _change(comparison)
    else:
        sentences.append(
            _("Second minus first, of each reader (%(method)s) and of all readers; bars: 95%% intervals.")
            % {"method": _method_of_readers(comparison)}
        )
    shown = [one for one in comparison.differences if figure != CHANGE or one.measure in _PLANE]
    sentences += [_difference(one) for one in shown]
    fragile = dict.fromkeys(f"{one.note[0].upper()}{one.note[1:]}." for one in shown if one.note)
    return " ".join([*sentences, *fragile, *_role(comparison, role)])


def _role(comparison: Comparison, role: str) -> list[str]:
    """What the plan says of these conditions."""
    if not comparison.roles:
        return [_("Secondary.") if role == NAMED else _("Exploratory.")]
    named = ", ".join(str(PLANNED_MEASURES.get(name, name)) for name in comparison.roles)
    return [
        _("Planned, and decided on the results page: %(measures)s.") % {"measures": named},
        _("All else is secondary.") if role == NAMED else _("All else is exploratory."),
    ]


_PLANE = (comparing.SENSITIVITY, comparing.SPECIFICITY)


def alternative_text(figure: str, thread: ThreadResult, comparison: Comparison, role: str) -> str:
    """The figure for who does not see it: its title and the numbers of its caption."""
    head = _("Each reader's way through the ROC plane") if figure == CHANGE else _("Differences of each reader")
    return f"{head}. {caption(figure, thread, comparison, role)}"


def _who(comparison: Comparison) -> str:
    told = {"n": len(comparison.codes), "answers": comparison.n_cells}
    if comparison.paired:
        return _("Readers who answered the same cases both times: %(n)d (%(answers)d answers each time).") % told
    if comparison.differences and comparison.differences[0].readers:
        return _("Readers who answered other cases under each condition: %(n)d.") % told
    return _("Readers, others under each condition: %(n)d in all.") % told


def _change(comparison: Comparison) -> list[str]:
    difference = comparison.difference(comparing.SENSITIVITY)
    if difference is None or not difference.readers:
        return [_("Circles: readers, open under the first condition, filled under the second.")]
    return [
        _("Arrow: one reader, from the open circle (first) to the filled one (second)."),
        _("Diamonds: the averages, with 95%% intervals (%(method)s).") % {"method": difference.first.method},
    ]


def _method_of_readers(comparison: Comparison) -> str:
    methods = dict.fromkeys(r.difference.method for d in comparison.differences for r in d.readers)
    return "; ".join(method for method in methods if method)


def _difference(found: Difference) -> str:
    told = {
        "measure": measure(found.measure), "first": number(found.first.value), "second": number(found.second.value),
        "difference": estimate(found.difference), "p": p_value(found.p), "n": found.n_readers,
        "method": found.difference.method,
    }  # fmt: skip
    if not found.difference.is_defined:
        return _("%(measure)s: undefined.") % told
    return (
        _("%(measure)s %(first)s and %(second)s, difference %(difference)s, %(p)s (readers: %(n)d; %(method)s).") % told
    )


def methods(found: Conditions) -> str:
    """What was compared and how, for the methods paragraph."""
    pairs = "; ".join(dict.fromkeys(title(thread, comparison) for thread, comparison in found.comparisons()))
    return _(
        "Conditions compared: %(pairs)s. Differences are within readers, over the cases read under both conditions where there are such: by Obuchowski-Rockette analysis of variance with readers and cases random, by U-statistics where other readers read under each condition or readers share too few cases, and for a single reader by McNemar's exact test with the interval of Bonett and Price. These p values were not corrected for one another."  # noqa: E501
    ) % {"pairs": pairs}
