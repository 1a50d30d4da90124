"""The frozen protocol for programs."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.studies import access, protocol
from readerstudy.studies.models import ProtocolVersion, Study


class ProtocolSerializer(serializers.ModelSerializer[ProtocolVersion]):
    class Meta:
        model = ProtocolVersion
        fields = ["number", "sha256", "reason", "created_at", "document"]


class StudySerializer(serializers.ModelSerializer[Study]):
    protocol = serializers.SerializerMethodField()

    class Meta:
        model = Study
        fields = ["id", "title", "state", "opened_at", "closed_at", "unblinded_at", "protocol"]

    def get_protocol(self, study: Study) -> Any:
        version = protocol.frozen(study)
        return None if version is None else ProtocolSerializer(version).data


class StudyView(APIView):
    """GET: the study and its protocol in force, null for a draft."""

    def get(self, request: Request, pk: int) -> Response:
        return Response(StudySerializer(access.study_for(request.user, pk)).data)
