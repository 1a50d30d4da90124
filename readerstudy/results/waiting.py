"""What is shown while numbers are computed: how far they are, stop, and again."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.results import computing
from readerstudy.results.access import computation_for
from readerstudy.results.models import Computation
from readerstudy.results.rendering import MEDIA_TYPES
from readerstudy.results.responding import stored_response

PATIENCE = timedelta(seconds=20)  # a computation that no worker has taken for so long gets a hint


def shown(row: Computation) -> dict[str, object]:
    """What `results/computing.html` needs."""
    waiting = row.state == Computation.State.QUEUED and timezone.now() - row.created_at > PATIENCE
    return {"computation": row, "no_worker": waiting}


@researcher_required
@require_safe
def computation(request: HttpRequest, pk: int, computation_pk: int) -> HttpResponse:
    """How far it is: alone, where the page asks for it again; else the page that waits for it."""
    row = computation_for(request.user, pk, computation_pk)
    if not getattr(request, "htmx", False):
        return redirect(_page_of(row))
    response = render(request, "results/computing.html", shown(row))
    if not row.is_active:
        response["HX-Refresh"] = "true"  # the whole page has more to say now
    return response


@researcher_required
@require_POST
def stop(request: HttpRequest, pk: int, computation_pk: int) -> HttpResponse:
    row = computation_for(request.user, pk, computation_pk)
    if not computing.stop(row, actor=signed_in(request)):
        messages.info(request, _("The computation had ended before it could be stopped."))
    return redirect(_page_of(row))


@researcher_required
@require_POST
def again(request: HttpRequest, pk: int, computation_pk: int) -> HttpResponse:
    row = computation_for(request.user, pk, computation_pk)
    computing.again(row, actor=signed_in(request))
    return redirect(_page_of(row))


@researcher_required
@require_safe
def file(request: HttpRequest, pk: int, computation_pk: int) -> HttpResponse:
    """A file that a worker makes: how far it is, then the link to it."""
    row = computation_for(request.user, pk, computation_pk)
    found = computing.file_in(row)
    context = {"study": row.study, "section": "studies", "test": row.test, "file": found, "address": _file_of(row)}
    response = render(request, "results/file.html", context | shown(row), status=202 if row.is_active else 200)
    response["Cache-Control"] = "no-store"
    return response


@researcher_required
@require_safe
def drawn(request: HttpRequest, pk: int, computation_pk: int) -> HttpResponseBase:
    """A figure that a worker has drawn; where it is not there, the page that waits for it."""
    row = computation_for(request.user, pk, computation_pk)
    found = computing.file_in(row) if row.what == Computation.What.FIGURE else None
    if found is None or row.test is None:
        return redirect(_page_of(row))
    media_type = MEDIA_TYPES[row.name.rpartition(".")[2]]
    return stored_response(found, media_type, f"study-{pk}-test-{row.test.position}-{row.name}")


def _file_of(row: Computation) -> str:
    """Where the file itself is."""
    if row.what == Computation.What.FIGURE:
        return reverse("results-drawn", args=[row.study_id, row.pk])
    asked = f"?model={row.model_version_id or ''}"
    if row.test_id is None:
        return reverse("results-export", args=[row.study_id]) + asked
    table, _dot, fmt = row.name.rpartition(".")
    return reverse("results-table", args=[row.study_id, row.test_id, table, fmt]) + asked


def _page_of(row: Computation) -> str:
    """The page that shows what is computed."""
    if row.what in computing.FILES:
        return reverse("results-file", args=[row.study_id, row.pk])
    asked = f"?model={row.model_version_id or ''}"
    if row.what == Computation.What.LAYOUT:
        return reverse("results-explained", args=[row.study_id, row.test_id]) + asked
    if row.test_id is None:
        return reverse("results", args=[row.study_id]) + asked
    return reverse("results-test", args=[row.study_id, row.test_id]) + f"{asked}&question={row.question}"
