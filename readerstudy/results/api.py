"""The results as JSON: the same numbers, under the same names, as on the page and in the export."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.results.access import model_version_for, study_with_numbers
from readerstudy.results.analysis import analyse
from readerstudy.results.encoding import encode
from readerstudy.results.errors import ResultsError
from readerstudy.results.tables import study_tables


class ResultsView(APIView):
    """GET /api/studies/<pk>/results/?model=<id>: 404 for whoever may not see the study's numbers."""

    def get(self, request: Request, pk: int) -> Response:
        study = study_with_numbers(request.user, pk)
        model_version = model_version_for(request.query_params.get("model"), study)
        try:
            return Response(encode(analyse(study_tables(study, model_version))))
        except ResultsError as error:
            return Response({"detail": str(error)}, status=error.status)
