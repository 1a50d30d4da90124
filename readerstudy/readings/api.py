"""The reading for the page's script: where it stands, and an answer in return for the next case. See `serializers`."""

import json
import re
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.accounts.access import signed_in
from readerstudy.readings import diagnoses, events
from readerstudy.readings.access import must_agree_again, reading_for
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Reading
from readerstudy.readings.progress import seen, standing
from readerstudy.readings.recording import record
from readerstudy.readings.serializers import SubmissionSerializer, case_data, standing_data, withheld
from readerstudy.studies.models import Question


class ReadingRoomView(APIView):
    """What the routes of a reading have in common: a refusal is told with its code, and nothing is kept in a cache."""

    def reading(self, request: Request, uuid: UUID, *, to_confirm: bool = False, to_answer: bool = False) -> Reading:
        return reading_for(signed_in(request), uuid, to_confirm=to_confirm, to_answer=to_answer)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ReadingsError):
            return Response({"code": exc.code, "detail": str(exc)}, status=exc.status)
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response


class ReadingView(ReadingRoomView):
    """GET: where the reading stands. POST: an answer; returns its outcome and where the reading stands then."""

    http_method_names = ("get", "head", "post")

    def get(self, request: Request, uuid: UUID) -> Response:
        reading = self.reading(request, uuid)
        if "item" in request.query_params:
            return Response({"again": self._again(reading, request.query_params["item"])})
        return Response(standing_data(standing(reading)))

    def _again(self, reading: Reading, item: str) -> dict[str, Any]:
        """An answered case that its reader may see again; any other is a 404."""
        try:
            found = seen(reading, UUID(item))
        except ValueError as error:
            raise Http404 from error
        if found is None:
            raise Http404
        return case_data(found)

    def post(self, request: Request, uuid: UUID) -> Response:
        reading = self.reading(request, uuid, to_confirm=True)  # an answer stored before is still confirmed
        sent = SubmissionSerializer(data=request.data)
        if not sent.is_valid():
            raise ReadingsError("malformed", f"This is not an answer: {json.dumps(sent.errors)}")
        outcome = record(reading=reading, sent=sent.sent(), actor=signed_in(request))
        reading.refresh_from_db(fields=["finished_at"])
        now = standing_data(standing(reading))
        return Response({"outcome": outcome.kind, **(withheld(now) if must_agree_again(reading) else now)})


class EventsView(ReadingRoomView):
    """POST: something that happened beside the answers."""

    http_method_names = ("post",)

    def post(self, request: Request, uuid: UUID) -> Response:
        reading = self.reading(request, uuid, to_answer=True)
        sent = request.data if isinstance(request.data, dict) else {}
        if sent.get("id") is None:
            raise ReadingsError("malformed", "id: missing; a UUID that whoever reports draws, the same if sent again")
        made = events.report(
            reading=reading,
            kind=sent.get("kind"),
            detail=sent.get("detail", {}),
            item_uuid=_uuid(sent, "item"),
            report_uuid=_uuid(sent, "id"),
        )
        return Response({"stored": True, "kind": made.kind, "detail": made.detail})


def _uuid(sent: dict[str, Any], name: str) -> UUID | None:
    try:
        return None if sent.get(name) is None else UUID(str(sent[name]))
    except ValueError as error:
        raise ReadingsError("malformed", f"{name}: not a UUID") from error


class DiagnosesView(ReadingRoomView):
    """GET: the diagnoses of a ranking question that fit what was typed; without `q` all of them."""

    http_method_names = ("get", "head")

    def get(self, request: Request, uuid: UUID) -> Response:
        reading = self.reading(request, uuid)
        number = request.query_params.get("question", "")
        rankings = Question.objects.filter(test=reading.test_id, kind=Question.Kind.RANKING)
        question = rankings.filter(pk=int(number)).first() if re.fullmatch("[0-9]{1,18}", number) else None
        if question is None:
            raise Http404
        if "q" not in request.query_params:
            return Response({"diagnoses": diagnoses.every(question)})
        found = diagnoses.search(question, request.query_params.get("q", ""))
        return Response({"diagnoses": [{"id": one.id, "name": one.name, "path": one.path} for one in found]})
