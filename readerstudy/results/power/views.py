"""How many readers and cases the study needs: for administrators and researchers, before or after it opens."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import signed_in, staff_required
from readerstudy.accounts.models import User
from readerstudy.results.access import model_version_for
from readerstudy.results.errors import ResultsError
from readerstudy.results.power.forms import PowerForm
from readerstudy.results.power.numbers import Pilot, Sizes, pilot_of, sizes
from readerstudy.results.stats import StatsError
from readerstudy.results.tables import study_tables
from readerstudy.studies import presets, wording
from readerstudy.studies.access import study_for
from readerstudy.studies.models import AnalysisPlan, Study, Test
from readerstudy.studies.plan import PRIMARY, Plan
from readerstudy.studies.protocol import plan_in_force


@staff_required
@require_safe
def study_power(request: HttpRequest, pk: int) -> HttpResponse:
    """A form, and for what it says a table: cases needed for each number of readers."""
    study = study_for(request.user, pk)
    written = plan_in_force(study)
    plan = written or AnalysisPlan(study=study, **presets.PLAN).values
    asked = request.GET if "difference" in request.GET else None
    form = PowerForm(asked, pilots=_pilots(signed_in(request)))
    pilot, found = None, None
    if plan.compares_readers and form.is_valid():
        pilot, found = _computed(form, plan, max(study.tests.count(), 1) + len(plan.contrasts_of(PRIMARY)))
    context: dict[str, Any] = {
        "study": study, "form": form, "pilot": pilot, "sizes": found, "plan_written": written is not None,
        "compares_readers": plan.compares_readers, "between_conditions": not plan.compares_model,
        "endpoint": wording.endpoint(plan),
        "hypothesis": wording.hypothesis(plan), "rests_on": _rests_on(plan), "matched": plan.threshold is None,
        "heading": _heading(found) if found else "", "section": "studies",
    }  # fmt: skip
    return render(request, "results/power.html", context, status=400 if form.is_bound and form.errors else 200)


def _pilots(user: User) -> QuerySet[Test]:
    """The tests whose numbers this person may see: of unblinded studies, for researchers who do not read there."""
    if not user.is_researcher:
        return Test.objects.none()
    own = Study.objects.filter(readers__user=user)
    tests = Test.objects.filter(study__unblinded_at__isnull=False).exclude(study__in=own)
    return tests.select_related("study").order_by("study__title", "position")


def _computed(form: PowerForm, plan: Plan, n_tests: int) -> tuple[Pilot | None, Sizes | None]:
    """The pilot and the table; what cannot be computed is an error of the form."""
    values = form.cleaned_data
    try:
        pilot = form.typed if values["pilot"] is None else _read(values["pilot"], plan)
        found = sizes(
            pilot, plan, difference=values["difference"], readers=values["n_readers"], target=values["target"],
            n_cases=values["n_cases"], n_tests=n_tests,
        )  # fmt: skip
    except (ResultsError, StatsError) as error:
        form.add_error(None, str(error))
        return None, None
    return pilot, found


def _read(test: Test, plan: Plan) -> Pilot:
    tables = study_tables(test.study, model_version_for(None, test.study), only_test=test.pk)
    return pilot_of(tables.tests[0], plan)


def _heading(found: Sizes) -> str:
    return _("For a power of %(target)s at alpha %(alpha)s and an effect of %(effect)s") % {
        name: wording.number(getattr(found, name)) for name in ("target", "alpha", "effect")
    }


def _rests_on(plan: Plan) -> str:
    words = {"sensitivity": _("positive cases"), "specificity": _("negative cases")}
    return words.get(plan.endpoint, _("cases, positive and negative in the pilot's shares"))
