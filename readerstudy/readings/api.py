"""The reading for the page's script: where it stands, and an answer in return for the next case."""

import json
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.accounts.access import signed_in
from readerstudy.readings.access import reading_for
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.progress import standing
from readerstudy.readings.recording import record_answer
from readerstudy.readings.serializers import SubmissionSerializer, standing_data


class ReadingView(APIView):
    """GET: where the reading stands. POST: an answer; returns its outcome and where the reading stands then."""

    http_method_names = ("get", "head", "post")

    def get(self, request: Request, uuid: UUID) -> Response:
        return Response(standing_data(standing(reading_for(signed_in(request), uuid))))

    def post(self, request: Request, uuid: UUID) -> Response:
        reading = reading_for(
            signed_in(request), uuid, in_closed_study=True
        )  # an answer stored before is still confirmed
        sent = SubmissionSerializer(data=request.data)
        if not sent.is_valid():
            raise ReadingsError("malformed", f"This is not an answer: {json.dumps(sent.errors)}")
        outcome = record_answer(
            reading=reading,
            item_uuid=sent.validated_data["item"],
            submission_id=sent.validated_data["submission"],
            choices=sent.validated_data["choices"],
            client_shown_at=sent.validated_data["shown_at"],
            client_answered_at=sent.validated_data["answered_at"],
            actor=signed_in(request),
        )
        return Response({"outcome": outcome.kind, **standing_data(standing(reading))})

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ReadingsError):
            return Response({"code": exc.code, "detail": str(exc)}, status=exc.status)
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response
