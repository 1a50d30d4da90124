"""Loading and permission in one: models and runs are for researchers, and do not exist for anyone else."""

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from readerstudy.accounts.models import User
from readerstudy.scoring.models import ModelVersion, ScoringRun

Row = TypeVar("Row", bound=Model)


def model_for(user: User | AnonymousUser, pk: int) -> ModelVersion:
    """Raises: Http404."""
    return get_object_or_404(_visible(user, ModelVersion.objects.select_related("created_by")), pk=pk)


def run_for(user: User | AnonymousUser, pk: int) -> ScoringRun:
    """With its model and who asked for it. Raises: Http404."""
    return get_object_or_404(_visible(user, ScoringRun.objects.select_related("model_version", "requested_by")), pk=pk)


def _visible(user: User | AnonymousUser, rows: QuerySet[Row]) -> QuerySet[Row]:
    if not (user.is_authenticated and user.is_researcher):
        raise Http404
    return rows
