"""An analysis plan in words: for the study's page, its form, and the methods paragraph."""

from collections.abc import Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.studies import contrast_wording, plan
from readerstudy.studies.contrast_wording import number
from readerstudy.studies.contrasts import Facts
from readerstudy.studies.models import AnalysisPlan
from readerstudy.studies.plan import Plan

SECONDARY: dict[str, str | Promise] = {
    "readers": gettext_lazy("each reader's and the average reader's sensitivity and specificity"),
    "auc": gettext_lazy("the model's AUC on the cases read and on the full set"),
    "sensitivity": gettext_lazy("the model's sensitivity against the average reader's"),
    "specificity": gettext_lazy("the model's specificity against the average reader's"),
    "each reader": gettext_lazy("the model against each reader"),
    "agreement": gettext_lazy("agreement between readers"),
    "pooled": gettext_lazy("readers pooled: the majority vote"),
    "calibration": gettext_lazy("calibration of the model"),
    "decisions": gettext_lazy("decision curves"),
    "subgroups": gettext_lazy("subgroups of cases and of readers"),
    "stages and arms": gettext_lazy("what readers gain from one stage or arm to another"),
    "other questions": gettext_lazy("the other questions of a test, analysed in the same way"),
}
ENDPOINTS = {
    plan.SENSITIVITY: gettext_lazy("the model's sensitivity minus the average reader's"),
    plan.SPECIFICITY: gettext_lazy("the model's specificity minus the average reader's"),
    plan.BALANCED: gettext_lazy("the model's (sensitivity + specificity) / 2 minus the average reader's"),
    plan.AUC: gettext_lazy("the model's AUC on the cases read"),
}


def terms(planned: Plan, tests: Sequence[Facts] = ()) -> list[tuple[str, str]]:
    """(what is planned, how) in the order of the form. ``tests``: as the protocol holds them; they name conditions."""
    rows = [(_("Primary endpoint"), endpoint(planned, tests))]
    if planned.compares_model:
        rows += [
            (_("Test"), f"{AnalysisPlan.Method(planned.method).label}; {alpha(planned)}"),
            (_("To be shown"), hypothesis(planned)),
        ]
        if further := contrasts(planned, plan.PRIMARY, tests):
            rows.append((_("Primary as well, between conditions"), contrast_wording.listed(further)))
    else:
        rows.append((_("Significance level"), alpha(planned)))
    if planned.compares_readers:
        rows.append((_("The model's threshold"), threshold(planned)))
    rows.append((_("Several tests"), str(AnalysisPlan.Multiplicity(planned.multiplicity).label)))
    if planned.compares_readers or planned.contrasts:
        rows += [
            (_("Missing answers"), str(AnalysisPlan.Missing(planned.missing).label)),
            (_("The average reader"), str(AnalysisPlan.Average(planned.average).label)),
        ]
    if named := contrasts(planned, plan.IS_SECONDARY, tests):
        rows.append((_("Secondary, between conditions"), contrast_wording.listed(named)))
    rows.append((_("Secondary"), "; ".join(secondary(planned)) or _("nothing: everything else is exploratory")))
    if said := primary_amended(planned):
        rows.append((_("Amended"), said))
    return rows


def secondary(planned: Plan) -> list[str]:
    """The secondary endpoints, with the amendment that added one after the opening."""
    named = []
    for name in planned.secondary:
        if name not in SECONDARY:
            continue
        came = planned.amendment_of(name)
        named.append(f"{SECONDARY[name]} ({added(came.amendment, came.date)})" if came else str(SECONDARY[name]))
    return named


def added(number: int, date: str) -> str:
    return _("added by amendment %(n)d on %(date)s") % {"n": number, "date": date}


def changed(number: int, date: str) -> str:
    return _("changed by amendment %(n)d on %(date)s") % {"n": number, "date": date}


def primary_amended(planned: Plan) -> str:
    """That the primary analysis is not the one that the study was opened with; "" where it is."""
    if (came := planned.amendment_of(plan.PRIMARY_ANALYSIS)) is None:
        return ""
    return _(
        "the primary analysis was changed by amendment %(n)d on %(date)s, after the study was opened and before anyone looked at its results"  # noqa: E501
    ) % {"n": came.amendment, "date": came.date}


def contrasts(planned: Plan, role: str, tests: Sequence[Facts] = ()) -> list[str]:
    """The comparisons of this role between conditions, with the amendment that added a secondary one."""
    named = []
    for one in planned.contrasts_of(role):
        came = planned.amendment_of(one.key) if role == plan.IS_SECONDARY else None
        text = contrast_wording.contrast(one, tests)
        named.append(f"{text} ({added(came.amendment, came.date)})" if came else text)
    return named


def endpoint(planned: Plan, tests: Sequence[Facts] = ()) -> str:
    """The primary endpoint, with the operating point that it is taken at."""
    if not planned.compares_model:
        return contrast_wording.listed(contrasts(planned, plan.PRIMARY, tests))
    text = str(ENDPOINTS[planned.endpoint])
    if planned.threshold_origin != plan.TEST_SET:
        return text
    if planned.endpoint == plan.SENSITIVITY:
        return _("%(endpoint)s, at the average reader's specificity") % {"endpoint": text}
    return _("%(endpoint)s, at the average reader's sensitivity") % {"endpoint": text}


def hypothesis(planned: Plan) -> str:
    """What counts as shown, on the scale of the endpoint."""
    values = {"margin": number(planned.margin), "reference": number(planned.reference or 0)}
    if not planned.compares_model:
        return contrast_wording.listed([contrast_wording.hypothesis(one) for one in planned.contrasts_of(plan.PRIMARY)])
    if not planned.compares_readers:
        if planned.hypothesis == plan.NON_INFERIORITY:
            return _("non-inferiority: an AUC above %(reference)s less the margin of %(margin)s") % values
        if planned.margin:
            return _("superiority: an AUC above %(reference)s by more than the margin of %(margin)s") % values
        return _("superiority: an AUC above %(reference)s") % values
    if planned.hypothesis == plan.NON_INFERIORITY:
        return _("non-inferiority: a difference above −%(margin)s") % values
    return _("superiority: a difference above %(margin)s") % values


def threshold(planned: Plan) -> str:
    """Where the model's threshold comes from, and what it is."""
    if planned.threshold_origin == plan.TEST_SET:
        return _("matched to the average reader on the test set itself")
    value = number(planned.threshold if planned.threshold is not None else float("nan"))
    if planned.threshold_origin == plan.OTHER_DATA:
        return _("%(value)s, chosen on other data: %(data)s") % {"value": value, "data": planned.threshold_data}
    return _("%(value)s, stated beforehand") % {"value": value}


def alpha(planned: Plan) -> str:
    return _("two-sided alpha %(alpha)s") % {"alpha": number(planned.alpha)}
