"""The page behind each test of the results, and its figures as files."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import researcher_required, signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.results import waiting
from readerstudy.results.access import model_version_for, numbers_of_test
from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.computing import StillComputing, results_of, supplement_of
from readerstudy.results.errors import ResultsError
from readerstudy.results.plates import saving
from readerstudy.results.rendering import MEDIA_TYPES
from readerstudy.results.single import plate_response
from readerstudy.results.stats import StandaloneTest, StandaloneVsReaders
from readerstudy.results.supplement import page
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.words import TITLES, variant
from readerstudy.results.tables import case_table, class_table
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Test


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def test_page(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """Everything one click deeper, as a paper's supplement."""
    row = numbers_of_test(request.user, pk, test_pk)
    model_version = model_version_for(request.GET.get("model"), row.study)
    try:
        test, question, numbers = _asked(request, row, model_version)
    except StillComputing as still:
        about = {"study": row.study, "model_version": model_version, "section": "studies", "test": row}
        return render(request, "results/waiting.html", about | waiting.shown(still.computation))
    cases = case_table(row)
    asked = f"model={model_version.pk if model_version else ''}&question={question.position}"
    if numbers.summation is not None and "case" in request.GET:
        asked += f"&case={numbers.summation.case}"
    plates = page.plates(test, question, numbers)
    disagreement, against = numbers.disagreement, numbers.against
    context: dict[str, Any] = {
        "study": row.study,
        "image_set": row.image_set_id,
        "model_version": model_version,
        "test": test,
        "question": question,
        "numbers": numbers,
        "plates": plates,
        "others": [plate for name, plate in plates.items() if name != "forest"],
        "thresholds": [against.at_specificity, against.at_sensitivity] if against else [],
        "query": asked,
        "interim": row.study.unblinded_at is None,
        "variants": _variants(against.sensitivity) if against else [],
        "variants_specificity": _variants(against.specificity) if against else [],
        "readers": list(zip(against.matched.readers, against.tests, strict=True)) if against else [],
        "only_model": page.gallery(cases, disagreement.only_model) if disagreement else [],
        "only_readers": page.gallery(cases, disagreement.only_readers) if disagreement else [],
        **saving(),
        "section": "studies",
    }
    return render(request, "results/test.html", context)


@researcher_required
@require_safe
@explained(ResultsError, back="results")
def test_figure(request: HttpRequest, pk: int, test_pk: int, figure: str, fmt: str) -> HttpResponseBase:
    """A figure of that page as a file; `?inline` shows it instead of saving it."""
    if figure not in TITLES:
        raise Http404
    row = numbers_of_test(request.user, pk, test_pk)
    model_version = model_version_for(request.GET.get("model"), row.study)
    test, question, numbers = _asked(request, row, model_version)
    plates, of = page.plates(test, question, numbers).values(), question.position
    return plate_response(request, plates, figure, fmt, test=row, question=of, model_version=model_version)


def _asked(
    request: HttpRequest, row: Test, model_version: ModelVersion | None
) -> tuple[TestResult, QuestionResult, Supplement]:
    """The test and the question asked for (its first, where none is), with everything behind it."""
    by = signed_in(request)
    test = next(one for one in results_of(row.study, model_version, by=by).tests if one.id == row.pk)
    wanted, case = request.GET.get("question", ""), request.GET.get("case", "")
    for question in test.questions:
        if not wanted or str(question.position) == wanted:
            numbers = supplement_of(row, question.position, model_version, by=by)
            if not case:
                return test, question, numbers
            if model_version is None or (test.model is not None and test.model.problem):
                raise Http404
            cases = case_table(row)
            classes = class_table(model_version, cases)
            return test, question, page.with_case(cases, classes, test, numbers, case)
    raise Http404


def _variants(found: StandaloneVsReaders) -> list[tuple[str, StandaloneTest]]:
    """The main result and the two fixed variants, each with what it holds for."""
    return [(variant(test), test) for test in (found.main, found.cases_fixed, found.readers_fixed)]


class FigureFormat:
    """The ending of a figure's address: what is not one is a table's."""

    regex = "|".join(MEDIA_TYPES)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
