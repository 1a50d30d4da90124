"""A run's state for programs: the numbers of its page."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from readerstudy.scoring.access import run_for
from readerstudy.scoring.models import ModelVersion, RunImage, ScoringRun
from readerstudy.scoring.progress import failures, progress

FAILURES_LISTED = 1000


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    class Meta:
        model = ModelVersion
        fields = ["id", "name", "sha256"]


class FailureSerializer(serializers.ModelSerializer[RunImage]):
    image = serializers.UUIDField(source="image.uuid")

    class Meta:
        model = RunImage
        fields = ["image", "error"]


class RunSerializer(serializers.ModelSerializer[ScoringRun]):
    model = ModelSerializer(source="model_version")
    progress = serializers.SerializerMethodField()
    failures = serializers.SerializerMethodField()

    class Meta:
        model = ScoringRun
        fields = [
            "id", "label", "model", "state", "error", "n_images", "n_present", "in_training", "created_at",
            "started_at", "finished_at", "progress", "failures",
        ]  # fmt: skip

    def get_progress(self, run: ScoringRun) -> dict[str, Any]:
        """done, failed and total count the images that were left to score; pace and time left are null when unknown."""
        state = progress(run)
        return {
            "done": state.done,
            "failed": state.failed,
            "total": state.total,
            "images_per_second": state.images_per_second,
            "seconds_left": state.seconds_left,
        }

    def get_failures(self, run: ScoringRun) -> Any:
        """The first 1,000; `progress.failed` counts all."""
        return FailureSerializer(failures(run)[:FAILURES_LISTED], many=True).data


class RunView(APIView):
    def get(self, request: Request, pk: int) -> Response:
        return Response(RunSerializer(run_for(request.user, pk)).data)
