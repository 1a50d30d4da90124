"""The reporting checklists of a study, as a page and as files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import researcher_required
from readerstudy.accounts.refusals import explained
from readerstudy.results.access import model_version_for, study_with_numbers
from readerstudy.results.analysis import analyse
from readerstudy.results.checklists.facts import Known
from readerstudy.results.checklists.lists import GUIDELINES, VERIFIED, checklist_sheet, filled, markdown
from readerstudy.results.errors import ResultsError
from readerstudy.results.methods import protocol_document
from readerstudy.results.responding import file_response
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study

TYPES = {"md": "text/markdown; charset=utf-8", "csv": "text/csv; charset=utf-8"}


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def checklists(request: HttpRequest, pk: int) -> HttpResponse:
    """Every checklist with what is known, and what the authors must complete."""
    study = study_with_numbers(request.user, pk)
    model_version = model_version_for(request.GET.get("model"), study)
    known = _known(study, model_version)
    context = {
        "study": study,
        "lists": [(guideline, filled(guideline, known)) for guideline in GUIDELINES],
        "verified": VERIFIED,
        "query": f"model={model_version.pk}" if model_version else "",
        "formats": list(TYPES),
        "section": "studies",
    }
    return render(request, "results/checklists.html", context)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def checklist(request: HttpRequest, pk: int, checklist: str, fmt: str) -> HttpResponse:
    """One checklist as Markdown or CSV."""
    study = study_with_numbers(request.user, pk)
    guideline = next((one for one in GUIDELINES if one.key == checklist), None)
    if guideline is None or fmt not in TYPES:
        raise Http404
    rows = filled(guideline, _known(study, model_version_for(request.GET.get("model"), study)))
    content = checklist_sheet(guideline, rows).to_csv() if fmt == "csv" else markdown(guideline, rows, study.title)
    return file_response(content, TYPES[fmt], f"study-{pk}-{guideline.key}.{fmt}")


def _known(study: Study, model_version: ModelVersion | None) -> Known:
    tables = study_tables(study, model_version, detailed=True)
    return Known(analyse(tables), tables, protocol_document(study))
