"""The results as JSON: the same numbers, under the same names, as on the page and in the export."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.accounts.access import signed_in
from readerstudy.results.access import model_version_for, study_with_numbers
from readerstudy.results.computing import StillComputing, results_of
from readerstudy.results.encoding import encode
from readerstudy.results.errors import ResultsError


class ResultsView(APIView):
    """GET /api/studies/<pk>/results/?model=<id>: 404 for whoever may not see the study's numbers; 202 with how far they
    are while a worker computes them."""

    def get(self, request: Request, pk: int) -> Response:
        study = study_with_numbers(request.user, pk)
        model_version = model_version_for(request.query_params.get("model"), study)
        try:
            return Response(encode(results_of(study, model_version, by=signed_in(request))))
        except StillComputing as waiting:
            row = waiting.computation
            return Response(
                {"detail": str(waiting), "state": row.state, "done": row.done, "total": row.total}, status=202
            )
        except ResultsError as error:
            return Response({"detail": str(error)}, status=error.status)
