"""Following readers: reminding them, letting them leave late, and what they say of themselves anew."""

from datetime import timedelta
from http import HTTPStatus

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.models import Invitation, Profile
from readerstudy.readings.allocation import ensure_readings
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, open_study
from tests.conftest import signed_in
from tests.readers.test_pages import ANSWERS, answers, new_link, page_of, text
from tests.readings.conftest import answer, answer_all


@pytest.fixture
def study(administrator: User) -> Study:
    return open_study(administrator)


# --- reminding, and leaving late ----------------------------------------------------------------


def test_everyone_who_has_not_finished_is_reminded_once_a_day(administrator_client: Client, study: Study) -> None:
    finished, begun, left = (accepted_reader(study) for _ in range(3))
    new_link(study, "invited@example.org")
    (reading,) = ensure_readings(finished.user)
    answer_all(reading)
    answer(ensure_readings(begun.user)[0], 1)
    invitations.withdraw(left, actor=study.created_by)
    address = reverse("readers-remind", args=[study.pk])
    told = administrator_client.post(address, follow=True)  # all were invited today
    assert "Nobody is to be reminded" in text(told)
    assert mail.outbox == []
    Invitation.objects.update(created_at=timezone.now() - timedelta(hours=25))
    page = text(administrator_client.post(address))
    assert sorted(letter.to[0] for letter in mail.outbox) == sorted([begun.email, "invited@example.org"])
    assert finished.code not in page
    administrator_client.post(address)  # a second click
    assert len(mail.outbox) == 2
    assert "last letter" in text(administrator_client.get(page_of(study)))


def test_who_may_remind_and_when(
    client: Client, researcher_client: Client, administrator_client: Client, study: Study, administrator: User
) -> None:
    accepted_reader(study)
    Invitation.objects.update(created_at=timezone.now() - timedelta(days=2))
    address = reverse("readers-remind", args=[study.pk])
    assert client.post(address).status_code == HTTPStatus.FOUND
    assert researcher_client.post(address).status_code == HTTPStatus.NOT_FOUND
    assert administrator_client.get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert administrator_client.post(reverse("readers-remind", args=[0])).status_code == HTTPStatus.NOT_FOUND
    protocol.close_study(study, actor=administrator)
    assert administrator_client.post(address).status_code == HTTPStatus.CONFLICT
    assert mail.outbox == []


def test_after_the_end_one_may_leave_until_the_results_are_known(
    administrator_client: Client, study: Study, administrator: User
) -> None:
    first, second = accepted_reader(study), accepted_reader(study)
    addresses = [reverse("reader-withdraw", args=[study.pk, reader.pk]) for reader in (first, second)]
    protocol.close_study(study, actor=administrator)
    assert addresses[0] in administrator_client.get(page_of(study)).content.decode()
    assert administrator_client.post(addresses[0]).status_code == HTTPStatus.FOUND
    protocol.unblind_study(study, actor=administrator)
    assert addresses[1] not in administrator_client.get(page_of(study)).content.decode()
    assert administrator_client.post(addresses[1]).status_code == HTTPStatus.CONFLICT
    assert [reader.withdrawn_at is None for reader in study.readers.order_by("code")] == [False, True]


# --- what a reader said of himself -------------------------------------------------------------


def test_a_profile_is_said_anew_and_the_old_one_kept(client: Client, study: Study) -> None:
    client.post(new_link(study), answers(study))
    address = reverse("reader-profile", args=[study.pk])
    assert address in client.get(reverse("home")).content.decode()
    page = client.get(address).content.decode()
    assert page.count(" checked") == 4
    assert '<option value="DE" selected>Germany</option>' in page
    assert client.post(address, ANSWERS).status_code == HTTPStatus.FOUND  # the same: nothing is stored
    assert Profile.objects.count() == 1
    assert client.post(address, ANSWERS | {"device": "phone"}, follow=True).status_code == HTTPStatus.OK
    assert list(Profile.objects.order_by("pk").values_list("device", flat=True)) == ["tablet", "phone"]
    assert AuditEntry.objects.get(action="reader.profile_changed").details == {"code": "R01"}
    wrong = client.post(address, ANSWERS | {"device": "a slide projector"})
    assert list(wrong.context["form"].errors) == ["device"]
    assert Profile.objects.count() == 2


def test_whose_profile_may_be_changed(
    client: Client, outsider_client: Client, administrator_client: Client, study: Study, administrator: User
) -> None:
    reader = accepted_reader(study)
    address = reverse("reader-profile", args=[study.pk])
    assert client.get(address).status_code == HTTPStatus.FOUND
    own = signed_in(reader.user)
    assert own.put(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert own.get(reverse("reader-profile", args=[0])).status_code == HTTPStatus.NOT_FOUND
    protocol.close_study(study, actor=administrator)
    for other in (outsider_client, administrator_client, own):
        assert other.post(address, ANSWERS).status_code == HTTPStatus.NOT_FOUND
    assert Profile.objects.count() == 1
