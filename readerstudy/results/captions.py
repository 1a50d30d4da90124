"""What is said of the numbers in words: captions, alternative texts, and how a number is written."""

import math
import re

from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from readerstudy.results.analysis import COMPLETE, ModelResult, QuestionResult, TestResult
from readerstudy.results.arrays import Provenance
from readerstudy.results.primary.roles import EXPLORATORY, NAMED, PRIMARY, kind_of
from readerstudy.results.stats import AverageReader, Estimate
from readerstudy.studies import wording

UNDEFINED = "—"
ROLES = {
    PRIMARY: gettext_lazy("primary endpoint"),
    NAMED: gettext_lazy("secondary"),
    EXPLORATORY: gettext_lazy("exploratory"),
}


def role(name: str) -> str:
    """A role as the page shows it, with the amendment that it came with; empty where there is none."""
    if not name:
        return ""
    said = str(ROLES[kind_of(name)])
    if (came := re.search(r", (added|changed) by amendment (\d+) on (\S+)$", name)) is None:
        return said
    number, date = int(came[2]), came[3]
    return f"{said}, {wording.added(number, date) if came[1] == 'added' else wording.changed(number, date)}"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def number(value: float, digits: int = 3) -> str:
    """A proportion or an area with this many digits, never rounded up to 1 or down to 0; a dash where undefined."""
    if math.isnan(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    if value < 1 and float(text) == 1:
        text = f">{1 - 10**-digits:.{digits}f}"
    elif value != 0 and float(text) == 0:
        text = f"<{10**-digits:.{digits}f}" if value > 0 else f">-{10**-digits:.{digits}f}"
    return _written(text)


def _written(text: str) -> str:
    """With a minus sign, and the decimal sign of the reader's language."""
    return text.replace("-", "−").replace(".", get_format("DECIMAL_SEPARATOR"))


def interval(estimate: Estimate, digits: int = 3) -> str:
    """Its confidence limits, or a dash."""
    if not estimate.has_interval:
        return UNDEFINED
    low, high = (_written(f"{limit:.{digits}f}") for limit in (estimate.low, estimate.high))
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def estimate(value: Estimate, digits: int = 3) -> str:
    """The value with its interval in brackets, where there is one."""
    if not value.is_defined or not value.has_interval:
        return number(value.value, digits)
    return f"{number(value.value, digits)} ({interval(value, digits)})"


def p_value(value: float) -> str:
    """`p = 0.012`, `p <0.001`, or that there is none."""
    if math.isnan(value):
        return _("no p value")
    text = number(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def caption(test: TestResult, question: QuestionResult, origin: Provenance) -> str:
    """The figure's caption: what is shown, n, method; in sentences."""
    sentences = [_cases(test), _question(question), *asked_when(question), _readers(question)]
    if question.average.sensitivity.is_defined and question.n_complete > 1:
        diamond = _("Diamond: mean of the %(n)d readers; its bars are one standard deviation between readers.")
        sentences.append(diamond % {"n": question.average.n_readers})
        if _bars_are_cut(question.average):
            sentences.append(_("A bar that would reach past 0 or 1 is cut there."))
    if test.model is not None and origin.model is not None:
        sentences += _model(test.model, origin.model.name)
    if question.n_compared:
        sentences.append(
            _("Points below the model's curve: %(below)d of %(n)d.")
            % {"below": question.n_below, "n": question.n_compared}
        )
    if test.notice:
        sentences.append(test.notice)
    return " ".join([*sentences, *_roles(test, question)])


def _roles(test: TestResult, question: QuestionResult) -> list[str]:
    """What the points and the areas are in the study's plan; neither is the primary analysis."""
    readers, model = question.roles["readers"], test.model.role if test.model is not None else ""
    if model in ("", readers):
        return [f"{capitalised(role(readers))}."]
    if "amendment" in f"{readers} {model}":
        return [
            _("Readers' points: %(readers)s; the model's areas: %(model)s.")
            % {"readers": role(readers), "model": role(model)}
        ]
    if readers == NAMED:
        return [_("The readers' points are secondary, the model's areas exploratory.")]
    return [_("The readers' points are exploratory, the model's areas secondary.")]


def _cases(test: TestResult) -> str:
    return _("%(title)s: %(n)d cases, %(positive)d positive and %(negative)d negative.") % {
        "title": test.title,
        "n": test.n_cases,
        "positive": test.n_positive,
        "negative": test.n_negative,
    }


def _question(question: QuestionResult) -> str:
    return _("Question: “%(text)s”; positive: “%(positive)s”.") % {
        "text": question.text,
        "positive": "”, “".join(question.positive_labels),
    }


def question_name(question: QuestionResult) -> str:
    """The question with the stage at which it was asked, where there are several: they may ask the same."""
    if not question.stage:
        return question.text
    when = _("(stage %(n)d, after advice)") if question.after_advice else _("(stage %(n)d)")
    return f"{question.text} {when % {'n': question.stage}}"


def asked_when(question: QuestionResult) -> list[str]:
    """The same as a sentence; nothing where the test has one stage."""
    if not question.stage:
        return []
    if question.after_advice:
        told = _("Asked at stage %(n)d, after the model's advice: these answers do not stand apart from the model.")
    else:
        told = _("Asked at stage %(n)d.")
    return [told % {"n": question.stage}]


def _readers(question: QuestionResult) -> str:
    text = ngettext(
        "Dot: the sensitivity and specificity of %(n)d reader who answered every case given to him or her.",
        "Dots: the sensitivity and specificity of each of %(n)d readers who answered every case given to them.",
        question.n_complete,
    ) % {"n": question.n_complete}
    if not question.n_complete:
        text = _("No reader has answered every case yet.")
    if question.n_partial:
        text += " " + ngettext(
            "Open circle: %(n)d reader who answered a part of them, not in the average.",
            "Open circles: %(n)d readers who answered a part of them, not in the average.",
            question.n_partial,
        ) % {"n": question.n_partial}
    return text


def _bars_are_cut(average: AverageReader) -> bool:
    spreads = (
        (average.sensitivity.value, average.sensitivity_sd),
        (average.specificity.value, average.specificity_sd),
    )
    return any(mean + sd > 1 or mean - sd < 0 for mean, sd in spreads)


def _model(model: ModelResult, name: str) -> list[str]:
    if model.sample is None or not model.sample.auc.is_defined:
        return []
    curve = model.sample
    sentences = [
        _("Line: empirical ROC curve of the model “%(name)s” on the same cases, AUC %(auc)s (%(level)d%% confidence interval %(interval)s, %(method)s).")  # noqa: E501
        % {
            "name": name, "auc": number(curve.auc.value), "level": round(100 * curve.auc.level),
            "interval": interval(curve.auc), "method": curve.auc.method,
        }
    ]  # fmt: skip
    if model.full is not None and model.full.auc.is_defined and model.n_full > curve.n_positive + curve.n_negative:
        full = model.full
        sentences.append(
            _("Dashed: the same model on all %(n)d images that the cases were drawn from (%(positive)d positive), AUC %(auc)s (%(interval)s); cases read minus full set: %(difference)s.")  # noqa: E501
            % {
                "n": full.n_positive + full.n_negative, "positive": full.n_positive, "auc": number(full.auc.value),
                "interval": interval(full.auc), "difference": number(model.difference.value),
            }
        )  # fmt: skip
    return sentences


def alternative_text(test: TestResult, question: QuestionResult) -> str:
    """What the figure shows, for who does not see it: made of the same numbers."""
    sentences = [_("Sensitivity against specificity. %(cases)s") % {"cases": _cases(test)}]
    model = test.model
    if model is not None and model.sample is not None and model.sample.auc.is_defined:
        sentences.append(
            _("The model's curve has an AUC of %(auc)s on these cases.") % {"auc": estimate(model.sample.auc)}
        )
    points = [r.point for r in question.readers if r.state == COMPLETE and r.point.youden.is_defined]
    if points:
        sensitivities = [point.sensitivity.value for point in points]
        specificities = [point.specificity.value for point in points]
        sentences.append(
            ngettext(
                "%(n)d reader: sensitivity %(low)s, specificity %(low_2)s.",
                "%(n)d readers: sensitivity from %(low)s to %(high)s, specificity from %(low_2)s to %(high_2)s.",
                len(points),
            )
            % {
                "n": len(points), "low": number(min(sensitivities)), "high": number(max(sensitivities)),
                "low_2": number(min(specificities)), "high_2": number(max(specificities)),
            }
        )  # fmt: skip
        average = question.average
        sentences.append(
            _("On average: sensitivity %(sensitivity)s, specificity %(specificity)s.")
            % {"sensitivity": number(average.sensitivity.value), "specificity": number(average.specificity.value)}
        )
    else:
        sentences.append(_("No reader has answered every case yet."))
    if question.n_compared:
        sentences.append(
            _("Readers below the curve: %(below)d of %(n)d.") % {"below": question.n_below, "n": question.n_compared}
        )
    return " ".join(sentences)
