"""How far an upload is, and its report, for programs."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.images.access import upload_for
from readerstudy.images.models import Upload


class UploadSerializer(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = (
            "id", "name", "state", "done", "total", "report", "error", "image_set", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class UploadView(APIView):
    def get(self, request: Request, pk: int) -> Response:
        data: dict[str, Any] = UploadSerializer(upload_for(request.user, pk)).data
        return Response(data)
