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


class VersionSerializer(serializers.ModelSerializer[ProtocolVersion]):
    class Meta:
        model = ProtocolVersion
        fields = ["number", "sha256", "reason", "created_at"]


class StudySerializer(serializers.ModelSerializer[Study]):
    protocol = serializers.SerializerMethodField()
    versions = VersionSerializer(many=True, source="protocol_versions")

    class Meta:
        model = Study
        fields = ["id", "title", "state", "opened_at", "closed_at", "unblinded_at", "protocol", "versions"]

    def get_protocol(self, study: Study) -> Any:
        version = protocol.frozen(study)
        return None if version is None else ProtocolSerializer(version).data


class StudyView(APIView):
    """GET: the study, its protocol in force (null for a draft), and every version by its hash."""

    def get(self, request: Request, pk: int) -> Response:
        return Response(StudySerializer(access.study_for(request.user, pk)).data)
