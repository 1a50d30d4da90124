"""Two requests at the same moment: on a real database, each in a thread with a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.models import Consent, Invitation, Profile, Reader
from readerstudy.studies import protocol
from readerstudy.studies.models import Case, ProtocolVersion
from tests.builders import draft_study, open_study
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts at the same moment; their results, in order."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=20)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [waiting.result(timeout=60) for waiting in [pool.submit(run, act) for act in acts]]


def test_a_link_posted_twice_at_once_makes_one_reader(administrator: User) -> None:
    study = open_study(administrator)
    _reader, token = invitations.invite(
        study=study, email="reader@example.org", tests=study.tests.all(), actor=administrator
    )
    values = {
        "specialty": "dermatology", "board_certified": "no", "years_of_practice": "3", "agree": "on",
        "dermoscopy_training": "none", "country": "US", "device": "laptop",
        "text_sha256": protocol.text_sha256(study.consent_text),
    }  # fmt: skip
    link = reverse("join", args=[token])
    answers = at_once(*[lambda: Client().post(link, values).status_code] * 4)
    assert sorted(answers) == [HTTPStatus.FOUND, *[HTTPStatus.GONE] * 3]
    assert User.objects.filter(email="reader@example.org").count() == 1
    assert (Consent.objects.count(), Profile.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(action="reader.joined").count() == 1


def test_two_studies_that_make_the_same_person_at_once_make_one_user(administrator: User) -> None:
    acts = []
    for study in (open_study(administrator), open_study(administrator)):
        _reader, token = invitations.invite(
            study=study, email="reader@example.org", tests=study.tests.all(), actor=administrator
        )
        found = invitations.find(token)
        digest = protocol.text_sha256(study.consent_text)
        profile = {"specialty": "other", "board_certified": False, "years_of_practice": 0}
        acts.append(
            lambda found=found, digest=digest, profile=profile: (
                invitations.accept(found, profile=profile, text_sha256=digest).pk
            )
        )
    first, second = at_once(*acts)
    assert first == second
    assert User.objects.filter(email="reader@example.org").count() == 1
    assert Consent.objects.count() == 2


def test_readers_invited_at_once_get_codes_of_their_own(administrator: User) -> None:
    study = open_study(administrator)
    tests = [test.pk for test in study.tests.all()]
    address = reverse("readers", args=[study.pk])
    clients = [signed_in(administrator) for _ in range(3)]
    acts = [
        lambda client=client, n=n: client.post(address, {"emails": f"r{n}@example.org", "tests": tests}).status_code
        for n, client in enumerate(clients)
    ]
    assert at_once(*acts) == [HTTPStatus.OK] * 3
    assert sorted(Reader.objects.values_list("code", flat=True)) == ["R01", "R02", "R03"]
    assert Invitation.objects.count() == 3


def test_two_clicks_open_a_study_once(administrator: User) -> None:
    study = draft_study(administrator)
    address = reverse("study-open", args=[study.pk])
    clients = [signed_in(administrator) for _ in range(3)]
    answers = at_once(*[lambda client=client: client.post(address).status_code for client in clients])
    assert sorted(answers) == [HTTPStatus.FOUND, HTTPStatus.CONFLICT, HTTPStatus.CONFLICT]
    assert ProtocolVersion.objects.count() == 1
    assert Case.objects.count() == 7
    assert protocol.changed(study) == []
