"""The page on which a draft's advice is prepared: what its models have made, and the button for the rest."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from readerstudy.accounts.access import signed_in, staff_required
from readerstudy.accounts.refusals import explained
from readerstudy.advice import readiness
from readerstudy.scoring.errors import ScoringError
from readerstudy.studies import access, protocol
from readerstudy.studies.errors import StudiesError


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
@explained(ScoringError, back="study")
def prepare(request: HttpRequest, pk: int) -> HttpResponse:
    """What advice needs, by test, model and kind; posted: ask a worker for what is missing."""
    study = access.study_for(request.user, pk)
    protocol.refuse_unless_draft(study)
    if request.method == "POST":
        if readiness.have_made(study, requested_by=signed_in(request)):
            messages.success(request, _("A worker makes it now. This page says how far it is."))
        return redirect("study-advice", pk)
    tests = [(test, found, readiness.obstacles(test)) for test, found in readiness.needs_of(study)]
    every = [need for _test, found, _obstacles in tests for need in found]
    context = {
        "study": study,
        "tests": tests,
        "is_ready": not any(need.missing for need in every) and not any(stops for _test, _found, stops in tests),
        "is_missing": any(need.missing and need.run is None for need in every),
        "is_working": any(need.run for need in every),
        "section": "studies",
    }
    return render(request, "advice/preparing.html", context)
