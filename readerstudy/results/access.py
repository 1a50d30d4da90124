"""Who may see results, and from when: researchers who do not read in the study, after unblinding or a recorded look."""

from typing import Any, TypeGuard

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.shortcuts import get_object_or_404

from readerstudy.accounts import audit
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.results.models import Computation
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.studies.amendments import LOOKED
from readerstudy.studies.models import Study, Test


def study_for_results(user: Any, pk: int) -> Study:
    """The study, or Http404 for anyone but a researcher, and for a researcher who reads in this study."""
    if not _is_researcher(user) or user.readerships.filter(study=pk).exists():
        raise Http404
    return get_object_or_404(Study.objects.select_related("created_by"), pk=pk)


def study_with_numbers(user: Any, pk: int) -> Study:
    """The study, or Http404 for whoever may not see its numbers yet."""
    study = study_for_results(user, pk)
    if not may_see_numbers(user, study):
        raise Http404
    return study


def numbers_of_test(user: Any, pk: int, test_pk: int) -> Test:
    """A test whose numbers this person may see, or Http404."""
    return get_object_or_404(Test.objects.select_related("study"), pk=test_pk, study=study_with_numbers(user, pk))


def computation_for(user: Any, pk: int, computation_pk: int) -> Computation:
    """What is computed of a study whose numbers this person may see, or Http404."""
    rows = Computation.objects.defer("result").select_related("study", "test")
    rows = rows.filter(study=study_with_numbers(user, pk))
    return get_object_or_404(rows, pk=computation_pk)


def may_see_numbers(user: User, study: Study) -> bool:
    """Whether the study is unblinded, or this person has said why not to wait for it."""
    if study.unblinded_at is not None:
        return True
    looks = AuditEntry.objects.filter(action=LOOKED, target_type=Study._meta.label_lower, target_id=str(study.pk))
    return looks.filter(actor=user).exists()


def record_interim_look(study: Study, *, user: User | None, reason: str) -> None:
    """Record that results are looked at before unblinding, and why. `user` None: from the machine's command line.

    From then on the analysis plan is final (`studies.amendments`).
    """
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)  # an amendment comes before this look, or not at all
        audit.record(LOOKED, actor=user, target=study, reason=reason, state=study.state)


def model_version_for(asked: str | None, study: Study) -> ModelVersion | None:
    """The model asked for by its number, else the newest that scored an image of the study, else the newest of all.

    Raises: Http404 for a model that does not exist.
    """
    if asked:
        if not asked.isascii() or not asked.isdigit() or len(asked) > 18:
            raise Http404
        return get_object_or_404(ModelVersion, pk=int(asked))
    versions = ModelVersion.objects.order_by("-created_at", "-pk")
    scored = Score.objects.filter(model_version=OuterRef("pk"), image__image_set__in=study.tests.values("image_set"))
    return versions.filter(Exists(scored)).first() or versions.first()


def _is_researcher(user: Any) -> TypeGuard[User]:
    return bool(user.is_authenticated and user.is_researcher)
