"""The primary analysis as a file."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.results.access import model_version_for, study_with_numbers
from readerstudy.results.computing import results_of
from readerstudy.results.errors import ResultsError
from readerstudy.results.primary.sheet import contrasts_sheet, primary_sheet
from readerstudy.results.responding import file_response


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def primary_table(request: HttpRequest, pk: int, fmt: str) -> HttpResponse:
    """The planned analysis of every test, as CSV or JSON; `?conditions`: the planned comparisons of two conditions."""
    if fmt not in ("csv", "json"):
        raise Http404
    study = study_with_numbers(request.user, pk)
    model_version = model_version_for(request.GET.get("model"), study)
    primary = results_of(study, model_version, by=signed_in(request)).primary
    between = primary if "conditions" in request.GET else None
    sheet = primary_sheet(primary) if between is None else contrasts_sheet(between)
    content, media_type = (
        (sheet.to_csv(), "text/csv; charset=utf-8") if fmt == "csv" else (sheet.to_json(), "application/json")
    )
    return file_response(content, media_type, f"study-{pk}-{sheet.name}.{fmt}")
