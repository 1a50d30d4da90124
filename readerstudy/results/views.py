"""The results page of a study, its downloads, and the two acts that lead to it: scoring, and looking early."""

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.results import export, page, waiting
from readerstudy.results.access import (
    may_see_numbers,
    model_version_for,
    numbers_of_test,
    record_interim_look,
    study_for_results,
    study_with_numbers,
)
from readerstudy.results.analysis import QuestionResult, TestResult, analyse
from readerstudy.results.captions import caption
from readerstudy.results.computing import StillComputing, export_of, is_large, results_of, table_of
from readerstudy.results.errors import ResultsError
from readerstudy.results.figures import convention_of, roc_with_readers
from readerstudy.results.forms import LookForm
from readerstudy.results.methods import methods, protocol_document
from readerstudy.results.plates import saving
from readerstudy.results.primary.page import panel
from readerstudy.results.rendering import MEDIA_TYPES, unavailable
from readerstudy.results.responding import file_response, stored_response
from readerstudy.results.sheets import DETAILED, LONG_FORM, SHEETS
from readerstudy.results.single import Single, figure_response
from readerstudy.results.tables import images_to_score, study_tables
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.jobs import request_run
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test

TABLE_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


@researcher_required
@require_safe
@explained(ResultsError, back="study")
def results(request: HttpRequest, pk: int) -> HttpResponse:
    """A figure, a caption and a table for each test."""
    study = study_for_results(request.user, pk)
    return _results_page(request, study, LookForm())


def _results_page(request: HttpRequest, study: Study, form: LookForm, status: int = 200) -> HttpResponse:
    model_version = model_version_for(request.GET.get("model"), study)
    convention = convention_of(request.GET.get("convention"))
    context: dict[str, Any] = {
        "study": study,
        "models": ModelVersion.objects.all(),
        "model_version": model_version,
        "convention": convention,
        "scoring": page.scoring(study, model_version) if model_version and study.state != Study.State.DRAFT else None,
        "section": "studies",
    }
    if study.state == Study.State.DRAFT:
        return render(request, "results/draft.html", context)
    if not may_see_numbers(signed_in(request), study):
        return render(request, "results/look.html", {**context, "form": form}, status=status)
    try:
        found = results_of(study, model_version, by=signed_in(request))
    except StillComputing as still:
        return render(request, "results/waiting.html", context | waiting.shown(still.computation), status=status)
    protocol = protocol_document(study)
    context |= {
        "results": found,
        "primary": panel(found.primary, protocol["tests"]),
        "sections": page.sections(found, convention),
        "methods": methods(found, protocol),
        "notices": list(dict.fromkeys(test.notice for test in found.tests if test.notice)),
        "leaks_unknown": any(test.model and not test.model.leaks_checked for test in found.tests),
        **saving(),
        "sheets": [
            ("readers", _("readers")),
            ("summary", _("summary")),
            ("curve", _("ROC curve")),
            ("cases", _("cases")),
            ("full-set", _("full set")),
            ("order", _("reading order")),
            ("answers", _("answers")),
            ("responses", _("all responses")),
            ("attributes", _("attributes")),
            ("probabilities", _("class probabilities")),
            ("flow", _("flow")),
        ],
    }
    return render(request, "results/results.html", context)


@researcher_required
@require_POST
@explained(ResultsError, back="study")
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """See results before the study is unblinded, once a reason is on record."""
    study = study_for_results(request.user, pk)
    if study.state == Study.State.DRAFT or may_see_numbers(signed_in(request), study):
        return redirect("results", pk)
    form = LookForm(request.POST)
    if not form.is_valid():
        return _results_page(request, study, form, status=400)
    record_interim_look(study, user=signed_in(request), reason=form.cleaned_data["reason"])
    return redirect("results", pk)


@researcher_required
@require_POST
@explained(ResultsError, back="results")
@explained(ScoringError, back="results")
def score(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the model score every image that a test of the study could have drawn."""
    study = study_for_results(request.user, pk)
    model_version = model_version_for(request.POST.get("model"), study)
    if model_version is None:
        raise ResultsError(_("There is no model yet. Register one under “Models”."))
    if study.state == Study.State.DRAFT:
        raise ResultsError(_("“%(study)s” is not open yet: its images are not drawn.") % {"study": study})
    run = request_run(
        model_version=model_version,
        images=images_to_score(study),
        label=_("All images of “%(study)s”") % {"study": study},
        requested_by=signed_in(request),
    )
    return redirect("run", run.pk)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def figure(request: HttpRequest, pk: int, test_pk: int, fmt: str) -> HttpResponseBase:
    """A test's figure as a file; `?inline` shows it instead of saving it (for pages without script)."""
    if fmt not in MEDIA_TYPES:
        raise Http404
    row = numbers_of_test(request.user, pk, test_pk)
    model_version = model_version_for(request.GET.get("model"), row.study)
    test, question, words = _asked(request, row, model_version)
    drawn = roc_with_readers(test, question, convention=convention_of(request.GET.get("convention")))
    name = export.figure_name(test, question).rpartition("/")[2]
    asked = Single(row, question.position, model_version, name, test.title, words)
    return figure_response(request, drawn, fmt, asked)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def table(request: HttpRequest, pk: int, test_pk: int, table: str, fmt: str) -> HttpResponseBase:
    """One table of a test, as CSV or JSON; of a large study a worker makes it."""
    if table not in SHEETS or fmt not in TABLE_TYPES:
        raise Http404
    row = numbers_of_test(request.user, pk, test_pk)
    study = row.study
    model_version = model_version_for(request.GET.get("model"), study)
    if is_large(study, model_version):
        try:
            made = table_of(row, f"{table}.{fmt}", model_version, by=signed_in(request))
        except StillComputing as still:
            return redirect("results-file", pk, still.computation.pk)
        return stored_response(made, TABLE_TYPES[fmt], f"study-{pk}-test-{row.position}-{table}.{fmt}")
    tables = study_tables(
        study, model_version, only_test=test_pk, detailed=table in DETAILED, long_form=table in LONG_FORM
    )
    sheet = SHEETS[table](analyse(tables).tests[0], tables.tests[0])
    name = f"study-{pk}-test-{tables.tests[0].position}-{table}.{fmt}"
    return file_response(sheet.to_csv() if fmt == "csv" else sheet.to_json(), TABLE_TYPES[fmt], name)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def export_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Everything, with a manifest of hashes: made by a worker, but for a small study without pictures to be drawn."""
    study = study_with_numbers(request.user, pk)
    model_version = model_version_for(request.GET.get("model"), study)
    name = f"study-{pk}-results.zip"
    if unavailable() and not is_large(study, model_version):
        return FileResponse(export.write_zip(study, model_version), as_attachment=True, filename=name)
    try:
        made = export_of(study, model_version, by=signed_in(request))
    except StillComputing as still:
        return redirect("results-file", pk, still.computation.pk)
    return stored_response(made, "application/zip", name)


def _asked(
    request: HttpRequest, row: Test, model_version: ModelVersion | None
) -> tuple[TestResult, QuestionResult, str]:
    """The test and question of a figure, and its caption. Http404 for a question that there is not."""
    found = results_of(row.study, model_version, by=signed_in(request))
    test = next(one for one in found.tests if one.id == row.pk)
    wanted = request.GET.get("question", "")
    for question in test.questions:
        if not wanted or str(question.position) == wanted:
            return test, question, caption(test, question, found.provenance)
    raise Http404
