"""Captions and alternative texts of a test's own page, made of the numbers."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.results.analysis import TestResult
from readerstudy.results.captions import estimate, number
from readerstudy.results.stats import StandaloneTest
from readerstudy.results.supplement.numbers import Supplement

TITLES = {
    "forest": gettext_lazy("Each reader against the model"),
    "agreement": gettext_lazy("Agreement between readers"),
    "pooled": gettext_lazy("Readers pooled"),
    "calibration": gettext_lazy("Calibration of the model"),
    "decision-curve": gettext_lazy("Decision curve"),
    "excisions": gettext_lazy("Excisions for one positive found"),
    "pace": gettext_lazy("Time and accuracy over position"),
    "subgroups": gettext_lazy("Subgroups"),
}


def caption(figure: str, test: TestResult, numbers: Supplement) -> str:
    """What the figure of this name shows, n and method, in sentences."""
    return " ".join(_WORDS[figure](test, numbers))


def alternative_text(figure: str, test: TestResult, numbers: Supplement) -> str:
    """The figure for who does not see it: its title and the numbers of its caption."""
    return f"{TITLES[figure]}. {caption(figure, test, numbers)}"


def variant(test: StandaloneTest) -> str:
    """What one of the three tests against the average reader holds for, in words."""
    texts = {
        "1T-RRRC": _("other readers and other cases (readers and cases random; main result)"),
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
        _("Dots: the model's sensitivity at the specificity of each of %(n)d readers, minus that reader's; bars: 95%% confidence intervals (%(method)s; the match is made anew in each).")  # noqa: E501
        % {"n": len(against.codes), "method": matched.average.sensitivity_difference.method},
        _("%(below)d readers lie below the model's curve, %(above)d above and %(on)d on it; beyond chance (Holm) %(beyond)d below and %(over)d above.")  # noqa: E501
        % {
            "below": matched.n_below, "above": matched.n_above, "on": matched.n_on,
            "beyond": matched.n_below_beyond_chance, "over": matched.n_above_beyond_chance,
        },
        _("Diamond: the average reader, %(value)s.") % {"value": estimate(matched.average.sensitivity_difference)},
        _("Squares: model minus average at one threshold (%(threshold)s), %(value)s with readers and cases random (p = %(p)s); the two others hold cases or readers fixed.")  # noqa: E501
        % {
            "threshold": number(against.at_specificity.threshold), "value": estimate(main.difference),
            "p": number(main.test.p),
        },
    ]  # fmt: skip


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
        found.note,
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
        _("Even splits count as positive: %(n)d cases.") % {"n": vote.n_ties},
    ]  # fmt: skip


def _calibration(test: TestResult, numbers: Supplement) -> list[str]:
    found = numbers.calibration
    if found is None:
        return []
    return [
        _("Observed share of positives against the model's probability on the full set (%(n)d images). Brier score %(brier)s; slope %(slope)s, intercept %(intercept)s (logistic recalibration; 1 and 0 are perfect); expected calibration error %(ece)s over %(binning)s.")  # noqa: E501
        % {
            "n": found.n, "brier": estimate(found.brier), "slope": estimate(found.slope),
            "intercept": estimate(found.intercept), "ece": number(found.ece), "binning": found.binning,
        },
        _("The probability is that of the positive side among the two sides of this test; the share of positives is the image set's, not that of a clinic."),  # noqa: E501
        found.note,
    ]  # fmt: skip


def _decisions(test: TestResult, numbers: Supplement) -> list[str]:
    if numbers.decisions is None:
        return []
    return [
        _("Net benefit on the %(n)d cases read at each threshold probability (Vickers and Elkin 2006): the model, the mean of %(readers)d readers, excising all and none.")  # noqa: E501
        % {"n": test.n_cases, "readers": len(numbers.codes)},
        _prevalence(numbers.decisions.prevalence),
    ]  # fmt: skip


def _excisions(test: TestResult, numbers: Supplement) -> list[str]:
    if numbers.decisions is None:
        return []
    return [
        _("Cases called positive for each true positive (1 / PPV). Average reader: %(value)s, the mean of the readers who found one.")  # noqa: E501
        % {"value": number(numbers.decisions.readers_excisions, 2)},
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
        _("Right last answers by position in each reader's own random order, readers pooled; Wilson intervals, which take answers as independent."),  # noqa: E501
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
        _("Case subgroups: the average of %(n)d readers (Obuchowski-Rockette, readers and cases random) and the model's AUC (DeLong). The estimates of the readers share readers, so their tests take subgroups as independent, which is conservative.")  # noqa: E501
        % {"n": len(numbers.codes)},
        _("Reader subgroups read the same cases, which are held fixed: means with t intervals over readers, Welch's tests."),  # noqa: E501
        _("The number of subgroups makes single differences likely by chance: see the adjusted p values. Exploratory."),
    ]  # fmt: skip


_WORDS = {
    "forest": _forest,
    "agreement": _agreement,
    "pooled": _pooled,
    "calibration": _calibration,
    "decision-curve": _decisions,
    "excisions": _excisions,
    "pace": _pace,
    "subgroups": _subgroups,
}
