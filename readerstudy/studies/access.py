"""Who may see a study: loading and permission are one function."""

from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from readerstudy.accounts.models import User
from readerstudy.studies.models import Study, Test


def study_for(user: User | AnonymousUser, pk: int) -> Study:
    """The study, for an administrator or a researcher. For anyone else it does not exist: Http404."""
    if not (user.is_authenticated and user.is_staff_of_studies):
        raise Http404
    study = Study.objects.filter(pk=pk).first()
    if study is None:
        raise Http404
    return study


def test_for(user: User | AnonymousUser, pk: int, test_pk: int) -> Test:
    """The test of that study, for whoever may see the study; else Http404."""
    test = study_for(user, pk).tests.select_related("study", "image_set").filter(pk=test_pk).first()
    if test is None:
        raise Http404
    return test
