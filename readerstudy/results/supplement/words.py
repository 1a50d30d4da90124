"""Captions and alternative texts of a test's own page, made of the numbers."""

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray

from readerstudy.images.truth import name_of
from readerstudy.results.analysis import TestResult
from readerstudy.results.captions import capitalised, estimate, number, p_value
from readerstudy.results.captions import role as role_in_words
from readerstudy.results.primary.roles import role_of_figure
from readerstudy.results.stats import MatchedPoint, StandaloneTest
from readerstudy.results.supplement.confusions import Confusions
from readerstudy.results.supplement.flow import Flow, FlowStep
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.summation import Summation

TITLES = {
    "flow": gettext_lazy("Flow of images and readers"),
    "forest": gettext_lazy("Each reader against the model"),
    "agreement": gettext_lazy("Agreement between readers"),
    "pooled": gettext_lazy("Readers pooled"),
    "confusion": gettext_lazy("Confusion matrices"),
    "levels": gettext_lazy("Confusion matrix at a level of the taxonomy"),
    "taxonomy": gettext_lazy("One case's probabilities, summed up the taxonomy"),
    "calibration": gettext_lazy("Calibration of the model"),
    "decision-curve": gettext_lazy("Decision curve"),
    "excisions": gettext_lazy("Excisions for one positive found"),
    "pace": gettext_lazy("Time and accuracy over position"),
    "subgroups": gettext_lazy("Subgroups"),
}
_STAGES = {
    "images": gettext_lazy("Images in the set"),
    "eligible": gettext_lazy("Eligible images"),
    "read": gettext_lazy("Images read"),
    "invited": gettext_lazy("Readers invited"),
    "accepted": gettext_lazy("Agreed to take part"),
    "begun": gettext_lazy("Began to read"),
    "complete": gettext_lazy("Answered every case"),
}
_REASONS = {
    "other diagnosis": gettext_lazy("Diagnosis not of this test"),
    "other modality": gettext_lazy("Another kind of image"),
    "not confirmed by histopathology": gettext_lazy("Not confirmed by histopathology"),
    "same lesion": gettext_lazy("Another image of the lesion chosen"),
    "not drawn": gettext_lazy("Not drawn"),
    "not accepted": gettext_lazy("Invitation not accepted"),
    "withdrawn": gettext_lazy("Left the study"),
    "not begun": gettext_lazy("Not begun"),
    "incomplete": gettext_lazy("Answered a part of the cases"),
}


def caption(figure: str, test: TestResult, numbers: Supplement) -> str:
    """What the figure of this name shows, n and method, in sentences, and what it is in the study's plan."""
    words = " ".join(sentence for sentence in _WORDS[figure](test, numbers) if sentence)
    role = role_of_figure(numbers.roles, figure)
    if not words or not role:
        return words
    return f"{words} {capitalised(role_in_words(role))}."


def alternative_text(figure: str, test: TestResult, numbers: Supplement) -> str:
    """The figure for who does not see it: its title and the numbers of its caption."""
    return f"{TITLES[figure]}. {caption(figure, test, numbers)}"


def flow_stage(stage: str, found: Flow) -> str:
    """A stage of the flow diagram, in words; what was read says how many cases it makes and of which class."""
    if stage != "read":
        return str(_STAGES[stage])
    told = {"n": found.n_cases, "positive": found.n_positive, "negative": found.n_negative}
    cases = _("%(n)d cases, %(positive)d positive and %(negative)d negative") % told
    return f"{_STAGES[stage]} ({cases})"


def flow_reason(reason: str) -> str:
    """Why images or readers were left out, in words."""
    return str(_REASONS[reason])


def variant(test: StandaloneTest) -> str:
    """What one of the three tests against the average reader holds for, in words."""
    texts = {
        "1T-RRRC": _("other readers and other cases (readers and cases random)"),
        "1T-RRFC": _("other readers, these cases (readers random, cases fixed)"),
        "1T-FRRC": _("these readers, other cases (readers fixed, cases random)"),
    }
    return texts[test.variant]


def _forest(test: TestResult, numbers: Supplement) -> list[str]:
    against = numbers.against
    if against is None:
        return []
    matched, main = against.matched, against.sensitivity.main
    return [
        _("Dots: the model's sensitivity at the specificity of each reader (n = %(n)d), minus that reader's; bars: 95%% confidence intervals (%(method)s; the match is made anew in each).")  # noqa: E501
        % {"n": len(against.codes), "method": _method(matched.readers)},
        _("Readers below the model's curve: %(below)d; above: %(above)d; on it: %(on)d. Beyond chance (Holm): %(beyond)d below, %(over)d above.")  # noqa: E501
        % {
            "below": matched.n_below, "above": matched.n_above, "on": matched.n_on,
            "beyond": matched.n_below_beyond_chance, "over": matched.n_above_beyond_chance,
        },
        _("Diamond: the average reader, %(value)s (%(method)s).")
        % {
            "value": estimate(matched.average.sensitivity_difference),
            "method": matched.average.sensitivity_difference.method,
        },
        _("Squares: model minus average at one threshold (%(threshold)s), %(value)s with readers and cases random (%(p)s); the two others hold cases or readers fixed.")  # noqa: E501
        % {
            "threshold": number(against.at_specificity.threshold), "value": estimate(main.difference),
            "p": p_value(main.test.p),
        },
    ]  # fmt: skip


def _sentence(note: str) -> str:
    """A note of the numbers among sentences; empty where there is none."""
    return f"{capitalised(note).rstrip('.')}." if note else ""


def _method(points: tuple[MatchedPoint, ...]) -> str:
    """How the intervals of single readers were made; those of readers without a difference say nothing."""
    return "; ".join(dict.fromkeys(p.sensitivity_difference.method for p in points if p.sensitivity_difference.method))


def _agreement(test: TestResult, numbers: Supplement) -> list[str]:
    found = numbers.agreement
    if found is None:
        return []
    return [
        _("Cohen's kappa of each pair of %(n)d readers over %(cases)d cases.")
        % {"n": found.n_readers, "cases": found.n_cases},
        _("Fleiss' kappa %(fleiss)s, z = %(z)s; Krippendorff's alpha (nominal) %(alpha)s; all readers agree on %(all)s of the cases.")  # noqa: E501
        % {
            "fleiss": estimate(found.fleiss.estimate), "z": number(found.fleiss.test.statistic, 1),
            "alpha": estimate(found.krippendorff), "all": estimate(found.all_agree),
        },
        _("Struck out: pairs without a kappa, for want of cases in common or of both answers.")
        if np.isnan(found.pairs).any() else "",
        _sentence(found.note),
    ]  # fmt: skip


def _pooled(test: TestResult, numbers: Supplement) -> list[str]:
    vote = numbers.vote
    if vote is None:
        return []
    return [
        _("Star: the majority of %(n)d readers, sensitivity %(sensitivity)s, specificity %(specificity)s (Wilson intervals).")  # noqa: E501
        % {
            "n": vote.n_readers, "sensitivity": estimate(vote.point.sensitivity),
            "specificity": estimate(vote.point.specificity),
        },
        _("Even splits count as positive: %(n)d of %(cases)d cases.") % {"n": vote.n_ties, "cases": test.n_cases},
    ]  # fmt: skip


def _calibration(test: TestResult, numbers: Supplement) -> list[str]:
    found = numbers.calibration
    if found is None:
        return []
    return [
        _("Observed share of positives against the model's probability on the full set (%(n)d images); bars: 95%% Wilson intervals. Brier score %(brier)s; slope %(slope)s, intercept %(intercept)s (logistic recalibration; 1 and 0 are perfect); expected calibration error %(ece)s over %(binning)s.")  # noqa: E501
        % {
            "n": found.n, "brier": estimate(found.brier), "slope": estimate(found.slope),
            "intercept": estimate(found.intercept), "ece": number(found.ece), "binning": found.binning,
        },
        _("The probability is that of the positive side among the two sides of this test; the share of positives is the image set's, not that of a clinic."),  # noqa: E501
        _sentence(found.note),
    ]  # fmt: skip


def _decisions(test: TestResult, numbers: Supplement) -> list[str]:
    if numbers.decisions is None:
        return []
    return [
        _("Net benefit on the %(n)d cases read at each threshold probability (Vickers and Elkin 2006): the model, the mean of the readers (n = %(readers)d), excising all and none; point estimates, without intervals.")  # noqa: E501
        % {"n": test.n_cases, "readers": len(numbers.codes)},
        _prevalence(numbers.decisions.prevalence),
    ]  # fmt: skip


def _excisions(test: TestResult, numbers: Supplement) -> list[str]:
    if numbers.decisions is None:
        return []
    return [
        _("Cases called positive for each true positive (1 / PPV), on the %(n)d cases read; point estimates, without intervals. Average reader: %(value)s, the mean of the readers who found one.")  # noqa: E501
        % {"n": test.n_cases, "value": number(numbers.decisions.readers_excisions, 2)},
        _prevalence(numbers.decisions.prevalence),
    ]  # fmt: skip


def _prevalence(value: float) -> str:
    text = _("%(prevalence)s of the cases read are positive, as the study chose: in a clinic fewer are, and these numbers differ.")  # noqa: E501 # fmt: skip
    return text % {"prevalence": number(value)}


def _pace(test: TestResult, numbers: Supplement) -> list[str]:
    found = numbers.pace
    if found is None:
        return []
    words = [
        _("Share of right last answers by position in each reader's own random order, readers pooled (%(n)d answers); 95%% Wilson intervals, which take answers as independent.")  # noqa: E501
        % {"n": sum(part.right.n for part in found.bins)},
    ]  # fmt: skip
    if found.n_timed:
        words.append(
            _("Seconds from the showing of a case to its first answer, by the readers' own browsers' clocks (not the server's), for %(n)d of %(total)d answers; median of all %(median)s s.")  # noqa: E501
            % {"n": found.n_timed, "total": found.n_answers, "median": number(found.median, 1)}
        )  # fmt: skip
    else:
        words.append(_("No browser sent its times: no reading time is known."))
    return words


def _subgroups(test: TestResult, numbers: Supplement) -> list[str]:
    return [
        _("Case subgroups: the average of the readers (n = %(n)d; Obuchowski-Rockette, readers and cases random) and the model's AUC (DeLong). The estimates of the readers share readers, so their tests take subgroups as independent, which is conservative.")  # noqa: E501
        % {"n": len(numbers.codes)},
        _("Reader subgroups read the same cases, which are held fixed: means with t intervals over readers, Welch's tests."),  # noqa: E501
        _("A mark without a bar has no interval."),
        _("The number of subgroups makes single differences likely by chance: see the adjusted p values."),
    ]  # fmt: skip


def _flow(test: TestResult, numbers: Supplement) -> list[str]:
    found = numbers.flow
    if found is None:
        return []
    return [
        _("How the cases and the readers of this test came about. Each image is counted at the first rule that leaves it out."),  # noqa: E501
        *(words for steps in (found.images, found.readers) for words in _chain(steps, found)),
    ]  # fmt: skip


def _chain(steps: tuple[FlowStep, ...], found: Flow) -> list[str]:
    """Every box of a column from top to bottom, with its number."""
    words = []
    for step in steps:
        words += [
            _("%(reason)s, left out: %(n)d.") % {"reason": flow_reason(reason), "n": n} for reason, n in step.left_out
        ]
        words.append(f"{flow_stage(step.stage, found)}: {step.n}.")
    return words


def _decision(test: TestResult, numbers: Supplement) -> list[str]:
    found = next((one for one in numbers.confusions if one.of == "decision"), None)
    if found is None:
        return []
    words = [
        _("Rows: the reference diagnosis, %(positive)s being right for a positive case and %(negative)s for a negative one; columns: the answer; each row adds up to 1.")  # noqa: E501
        % {"positive": _("“%s”") % found.names[0], "negative": _("“%s”") % found.names[1]},
        *_accuracies(found),
    ]  # fmt: skip
    if found.model is not None:
        words.append(_("The model at the threshold matched to the average reader's specificity."))
    return words


def _levels(test: TestResult, numbers: Supplement) -> list[str]:
    levels = [one for one in numbers.confusions if one.of != "decision"]
    if not levels:
        return []
    found = levels[-1]
    words = [
        _("Level %(level)s of the taxonomy, %(k)d classes: each class has the sum of the model's probabilities under it, and the largest is the answer. Rows: the reference diagnosis; columns: the answer; each row adds up to 1, and a class without a case has none.")  # noqa: E501
        % {"level": found.of.removeprefix("level "), "k": len(found.labels)},
        *_accuracies(found),
    ]  # fmt: skip
    if found.readers is None:
        words.append(_("The readers were not asked for these classes."))
    if found.n_left_out:
        words.append(_("Cases left out, as their diagnosis lies above this level: %(n)d.") % {"n": found.n_left_out})
    return words


def _accuracies(found: Confusions) -> list[str]:
    """Each class's share called rightly, and their mean, for model and readers."""
    words = []
    if found.model is not None:
        told = {"value": estimate(found.model.mean_per_class), "n": found.model.n, "each": _each(found.model.shares)}
        words.append(_("Model, %(n)d cases: mean per-class accuracy %(value)s; by class %(each)s.") % told)
        words.append(_sentence(found.model.note))
    if found.readers is not None:
        readers = found.readers
        told = {
            "value": estimate(readers.mean), "n": len(readers.per_reader), "sd": number(readers.sd),
            "each": _each(readers.shares),
        }  # fmt: skip
        words.append(
            _("Readers (n = %(n)d), their matrices added up: mean per-class accuracy %(value)s, SD between readers %(sd)s; by class %(each)s.")  # noqa: E501
            % told
        )  # fmt: skip
    return words


def _each(shares: NDArray[np.float64]) -> str:
    return ", ".join(number(float(value), 2) for value in np.diagonal(shares))


def _taxonomy(test: TestResult, numbers: Supplement) -> list[str]:
    return summation_words(numbers.summation) if numbers.summation is not None else []


def summation_words(found: Summation) -> list[str]:
    """The caption of the taxonomy of one case."""
    likely = max((node for node in found.nodes if node.kind == "training"), key=lambda node: node.probability)
    return [
        _("Case %(case)d (%(diagnosis)s). Each node has the sum of the probabilities of the training classes under it; of the model's %(n)d classes the most probable have a row, the others of a branch share one.")  # noqa: E501
        % {"case": found.case, "diagnosis": name_of(found.diagnosis), "n": found.n_classes},
        _("Most probable class: %(name)s, %(value)s. Positive side (+) %(positive)s, negative side (−) %(negative)s; the score is the positive share of the two, %(score)s.")  # noqa: E501
        % {
            "name": likely.name, "value": number(likely.probability), "positive": number(found.positive),
            "negative": number(found.negative), "score": number(found.score),
        },
    ]  # fmt: skip


_WORDS = {
    "flow": _flow,
    "confusion": _decision,
    "levels": _levels,
    "taxonomy": _taxonomy,
    "forest": _forest,
    "agreement": _agreement,
    "pooled": _pooled,
    "calibration": _calibration,
    "decision-curve": _decisions,
    "excisions": _excisions,
    "pace": _pace,
    "subgroups": _subgroups,
}
