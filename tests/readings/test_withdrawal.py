"""A reader leaves the study by himself: asked once more, recorded, for good."""

from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.readings.conftest import address_of, answer


def address(reading: Reading) -> str:
    return reverse("read-withdraw", args=[reading.uuid])


def test_a_reader_withdraws_when_he_says_so_twice(reader_client: Client, reading: Reading) -> None:
    answer(reading, 1)
    assert address(reading) in reader_client.get(reverse("home")).content.decode()
    assert "This cannot be undone" in reader_client.get(address(reading)).content.decode()
    assert reader_client.post(address(reading)).status_code == 400
    reading.reader.refresh_from_db()
    assert reading.reader.withdrawn_at is None
    response = reader_client.post(address(reading), {"sure": "yes"}, follow=True)
    assert "You have withdrawn" in response.content.decode()
    reading.reader.refresh_from_db()
    assert reading.reader.withdrawn_at is not None
    entry = AuditEntry.objects.get(action="reader.withdrawn")
    assert entry.actor == reading.reader.user
    assert Answer.objects.count() == 1  # kept
    for page in (address_of(reading), address(reading), reverse("api-read", args=[reading.uuid])):
        assert reader_client.get(page).status_code == 404
    assert reader_client.post(address(reading), {"sure": "yes"}).status_code == 404


def test_nobody_is_told_that_he_has_left_results_that_are_known(
    reader_client: Client, reading: Reading, administrator: User
) -> None:
    study = reading.test.study
    for act in (protocol.close_study, protocol.unblind_study):
        act(Study.objects.get(pk=study.pk), actor=administrator)
    assert "Withdraw from" not in reader_client.get(reverse("home")).content.decode()
    assert "cannot be taken out" in reader_client.get(address(reading)).content.decode()
    response = reader_client.post(address(reading), {"sure": "yes"}, follow=True)
    assert response.status_code == 409
    assert "are in results that are known" in response.content.decode()
    assert "You have withdrawn" not in reader_client.get(reverse("home")).content.decode()
    reading.reader.refresh_from_db()
    assert reading.reader.withdrawn_at is None


def test_nobody_withdraws_another(outsider_client: Client, client: Client, reading: Reading) -> None:
    assert outsider_client.post(address(reading), {"sure": "yes"}).status_code == 404
    assert client.post(address(reading), {"sure": "yes"}).url.startswith("/accounts/")
    reading.reader.refresh_from_db()
    assert reading.reader.withdrawn_at is None


def test_of_a_closed_study_a_reader_may_withdraw_too(reader_client: Client, reading: Reading) -> None:
    protocol.close_study(reading.test.study, actor=reading.test.study.created_by)
    reader_client.post(address(reading), {"sure": "yes"})
    reading.reader.refresh_from_db()
    assert reading.reader.withdrawn_at is not None
