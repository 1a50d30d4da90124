"""The page of Extended Data Table 2, and the same as a file."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import researcher_required
from readerstudy.accounts.refusals import explained
from readerstudy.results.access import model_version_for, study_with_numbers
from readerstudy.results.errors import ResultsError
from readerstudy.results.responding import file_response
from readerstudy.results.validation import page

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def validation(request: HttpRequest, pk: int) -> HttpResponse:
    """Accuracy at levels of the taxonomy: the paper's, the model's over folds, and the study's readers'."""
    study = study_with_numbers(request.user, pk)
    model_version = model_version_for(request.GET.get("model"), study)
    found = page.validation_of(study, model_version)
    context = {
        "study": study,
        "model_version": model_version,
        "newest": model_version.validations.first() if model_version else None,
        "heads": page.heads(found),
        "lines": page.lines(found),
        "section": "studies",
    }
    return render(request, "results/validation.html", context)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def validation_file(request: HttpRequest, pk: int, fmt: str) -> HttpResponse:
    if fmt not in MEDIA_TYPES:
        raise Http404
    study = study_with_numbers(request.user, pk)
    model_version = model_version_for(request.GET.get("model"), study)
    sheet = page.validation_sheet(page.validation_of(study, model_version))
    content = sheet.to_csv() if fmt == "csv" else sheet.to_json()
    return file_response(content, MEDIA_TYPES[fmt], f"study-{pk}-validation.{fmt}")
