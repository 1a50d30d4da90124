"""The page of a test's stages and arms, its figures and its tables as files."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.results import waiting
from readerstudy.results.access import model_version_for, numbers_of_test
from readerstudy.results.analysis import TestResult
from readerstudy.results.computing import StillComputing, results_of
from readerstudy.results.conditions import page, words
from readerstudy.results.conditions.numbers import Conditions
from readerstudy.results.conditions.sheets import DERIVED, RAW, stage_answers
from readerstudy.results.errors import ResultsError
from readerstudy.results.figures import convention_of
from readerstudy.results.plates import saving
from readerstudy.results.responding import file_response
from readerstudy.results.sheets.sheet import Sheet
from readerstudy.results.single import plate_response
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Test


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def conditions_page(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """What readers gain from one stage or arm to another."""
    row, model_version = _asked_for(request, pk, test_pk)
    try:
        test, found = _found(request, row, model_version)
    except StillComputing as still:
        about = {"study": row.study, "model_version": model_version, "section": "studies", "test": row}
        return render(request, "results/waiting.html", about | waiting.shown(still.computation))
    convention = convention_of(request.GET.get("convention"))
    model = f"model={model_version.pk if model_version else ''}"
    context: dict[str, Any] = {
        "study": row.study,
        "test": test,
        "role": found.role,
        "sections": page.sections(found, convention),
        "notes": [words.note(text) for text in found.notes],
        "sheets": [*DERIVED, RAW],
        "model": model,
        "figure_query": f"{model}&convention={convention}",
        "convention": convention,
        "interim": row.study.unblinded_at is None,
        **saving(),
        "section": "studies",
    }
    return render(request, "results/conditions.html", context)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def conditions_figure(request: HttpRequest, pk: int, test_pk: int, figure: str, fmt: str) -> HttpResponseBase:
    """A figure of that page as a file; `?inline` shows it instead of saving it."""
    row, model_version = _asked_for(request, pk, test_pk)
    _test, found = _found(request, row, model_version)
    plates = page.plates(found, convention_of(request.GET.get("convention")))
    return plate_response(request, plates, figure, fmt, test=row, model_version=model_version)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def conditions_table(request: HttpRequest, pk: int, test_pk: int, table: str, fmt: str) -> HttpResponse:
    """One table of that page, as CSV or JSON."""
    if table not in (*DERIVED, RAW) or fmt not in ("csv", "json"):
        raise Http404
    row, model_version = _asked_for(request, pk, test_pk)
    test, _numbers = _found(request, row, model_version)
    sheet = DERIVED[table](test) if table in DERIVED else _answers(row)
    name = f"study-{pk}-test-{row.position}-{table}.{fmt}"
    if fmt == "csv":
        return file_response(sheet.to_csv(), "text/csv; charset=utf-8", name)
    return file_response(sheet.to_json(), "application/json", name)


def _answers(row: Test) -> Sheet:
    return stage_answers(next(one for one in study_tables(row.study, None).tests if one.id == row.pk))


def _asked_for(request: HttpRequest, pk: int, test_pk: int) -> tuple[Test, ModelVersion | None]:
    row = numbers_of_test(request.user, pk, test_pk)
    return row, model_version_for(request.GET.get("model"), row.study)


def _found(request: HttpRequest, row: Test, model_version: ModelVersion | None) -> tuple[TestResult, Conditions]:
    """The test and its conditions; Http404 for one that has none to compare."""
    results = results_of(row.study, model_version, by=signed_in(request))
    test = next(one for one in results.tests if one.id == row.pk)
    if test.conditions is None:
        raise Http404
    return test, test.conditions
