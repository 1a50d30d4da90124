"""The page of what the model sees in a test's cases, its figures and maps as files, and the request to make them."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.accounts.refusals import explained as refusals_explained
from readerstudy.results import waiting
from readerstudy.results.access import model_version_for, numbers_of_test
from readerstudy.results.computing import StillComputing, layout_of
from readerstudy.results.errors import ResultsError
from readerstudy.results.explained import page
from readerstudy.results.explained.numbers import MOST_MAPS, Embedding
from readerstudy.results.explained.words import Named
from readerstudy.results.plates import saving
from readerstudy.results.single import plate_response
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.explained import maps_of
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Test

MOST_SHOWN = 60  # maps on the page; all of them are in the export
CACHE_SECONDS = 3600


@researcher_required
@require_safe
@refusals_explained(ResultsError, back="results")
def explained_page(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """The layout, the plate of saliency maps, and the maps of the single cases."""
    row, model_version = _asked(request, pk, test_pk)
    context: dict[str, Any] = {"study": row.study, "test": row, "model_version": model_version, "section": "studies"}
    if model_version is None:
        return render(request, "results/explained.html", context)
    try:
        laid = layout_of(row, model_version, by=signed_in(request))
    except StillComputing as still:  # the maps need not wait for it
        laid, context = None, context | waiting.shown(still.computation)
    found = _explained(row, model_version, laid)
    shown = found.shown()
    context |= {
        "n_missing": found.n_missing,
        "n_cases": found.cases.n,
        "runs": page.runs_under_way(model_version),
        "plates": list(page.plates(found, MOST_MAPS)),
        "shown": shown[:MOST_SHOWN],
        "n_more": max(0, len(shown) - MOST_SHOWN),
        "query": f"model={model_version.pk}",
        "image_set": row.image_set_id,
        "interim": row.study.unblinded_at is None,
        **saving(),
    }
    return render(request, "results/explained.html", context)


@researcher_required
@require_POST
@refusals_explained(ResultsError, back="results")
@refusals_explained(ScoringError, back="results")
def explain(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """Ask a worker for the features and saliency maps that are missing."""
    row, model_version = _asked(request, pk, test_pk)
    if model_version is None:
        raise ResultsError(_("There is no model yet. Register one under “Models”."))
    page.ask(row, case_table(row), model_version, requested_by=signed_in(request))
    messages.success(request, _("A worker makes them now. Look again in a few minutes."))
    return redirect(f"{request.path.removesuffix('request/')}?model={model_version.pk}")


@researcher_required
@require_safe
@refusals_explained(ResultsError, back="results")
def explained_figure(request: HttpRequest, pk: int, test_pk: int, figure: str, fmt: str) -> HttpResponseBase:
    """A figure of that page as a file; `?inline` shows it instead of saving it."""
    row, model_version = _asked(request, pk, test_pk)
    if model_version is None:
        raise Http404
    laid = layout_of(row, model_version, by=signed_in(request)) if figure == "layout" else None
    plates = page.plates(_explained(row, model_version, laid), MOST_MAPS)
    return plate_response(request, plates, figure, fmt, test=row, model_version=model_version)


@researcher_required
@require_safe
@refusals_explained(ResultsError, back="results")
def saliency_map(request: HttpRequest, pk: int, test_pk: int, case: int) -> HttpResponse:
    """The saliency map of one case."""
    row, model_version = _asked(request, pk, test_pk)
    cases = case_table(row)
    places = [i for i, number in enumerate(cases.numbers.tolist()) if number == case]
    if model_version is None or not places:
        raise Http404
    found = maps_of(model_version, cases.only(places[0])).get(0)
    if found is None:
        raise Http404
    response = HttpResponse(found.png, content_type="image/png")
    response["X-Content-Type-Options"] = "nosniff"
    patch_cache_control(response, private=True, max_age=CACHE_SECONDS)
    return response


def _asked(request: HttpRequest, pk: int, test_pk: int) -> tuple[Test, ModelVersion | None]:
    row = numbers_of_test(request.user, pk, test_pk)
    return row, model_version_for(request.GET.get("model") or request.POST.get("model"), row.study)


def _explained(row: Test, model_version: ModelVersion, laid: Embedding | None) -> page.Explained:
    return page.explained(Named(row.title, row.image_set.notice), case_table(row), model_version, laid)
