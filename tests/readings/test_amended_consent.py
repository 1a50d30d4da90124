"""The consent text is amended while readers read: each is asked again before the next case, and loses nothing."""

from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.models import Consent, Reader
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies import amendments, protocol
from readerstudy.studies.models import Study
from tests.builders import open_study
from tests.conftest import signed_in
from tests.readings.browsing import at_case, given, stored
from tests.readings.conftest import address_of, answer, answer_all, form, item_at, picture
from tests.readings.test_api import api, send, submission

NEW_TEXT = "I agree to take part. My answers may be shared."


def amend(study: Study, **texts: str) -> None:
    in_force = protocol.frozen(study)
    assert in_force is not None
    amendments.amend(
        study, base=in_force.sha256, texts=texts, plan={}, reason="The ethics committee asked for it.",
        actor=study.created_by,
    )  # fmt: skip
    study.refresh_from_db()


def agreement(study: Study) -> str:
    return reverse("agree", args=[study.pk])


def agreed(text: str) -> dict[str, str]:
    return {"text_sha256": protocol.text_sha256(text), "agree": "on"}


def test_by_plain_forms(reader_client: Client, reader: Reader, reading: Reading, study: Study) -> None:
    answer(reading, 1)
    shown = reader_client.get(address_of(reading))
    amend(study, consent_text=NEW_TEXT)

    # The answer to the case in sight is taken; the next case is not shown.
    posted = reader_client.post(address_of(reading), form(reading, shown))
    assert posted.url == address_of(reading)
    assert Answer.objects.count() == 2
    assert reader_client.get(address_of(reading)).url == agreement(study)
    following = reverse("readers", args=[study.pk])
    assert "to agree again" in signed_in(study.created_by).get(following).content.decode()
    assert reader_client.get(picture(item_at(reading, 3))).status_code == HTTPStatus.CONFLICT
    page = reader_client.get(agreement(study)).content.decode()
    assert "Everything that you have answered is kept." in page
    assert "<ins>part. My answers may be shared.</ins>" in page.replace("<del>part.</del>", "")
    assert "ethics committee" not in page  # the reason is not for readers

    # Without the tick, or to another text, nothing is agreed to.
    for wrong in ({"text_sha256": protocol.text_sha256(NEW_TEXT)}, agreed("I agree to take part.")):
        assert reader_client.post(agreement(study), wrong).status_code in (HTTPStatus.OK, HTTPStatus.CONFLICT)
        assert reader_client.get(address_of(reading)).url == agreement(study)
    assert reader_client.post(agreement(study), agreed(NEW_TEXT)).url == reverse("reading-start")
    assert "3 of 7" in reader_client.get(address_of(reading)).content.decode()

    assert "to agree again" not in signed_in(study.created_by).get(following).content.decode()
    first, second = Consent.objects.order_by("pk")
    assert (first.protocol_version.number, second.protocol_version.number) == (1, 2)
    assert second.text_sha256 == protocol.text_sha256(NEW_TEXT) != first.text_sha256
    assert AuditEntry.objects.filter(action="reader.consented", actor=reader.user).count() == 2
    # Twice is once; another amendment, of another text, asks nobody.
    assert reader_client.post(agreement(study), agreed(NEW_TEXT)).url == reverse("reading-start")
    amend(study, contact="Dr. Other")
    assert "3 of 7" in reader_client.get(address_of(reading)).content.decode()
    assert Consent.objects.count() == 2


def test_by_the_api(reader_client: Client, reading: Reading, study: Study) -> None:
    first, second = submission(reading, 1), submission(reading, 2)
    amend(study, consent_text=NEW_TEXT)
    for sent in (first, second, second):  # both cases were in sight; a repetition is confirmed
        reply = send(reader_client, reading, sent).json()
        assert reply["outcome"] in ("stored", "repeated")
        assert (reply["agree"], reply["current"], reply["next"]) == (True, None, None)
    assert Answer.objects.count() == 2
    asked = reader_client.get(api(reading))
    assert (asked.status_code, asked.json()["code"]) == (HTTPStatus.CONFLICT, "consent")
    reader_client.post(agreement(study), agreed(NEW_TEXT))
    assert reader_client.get(api(reading)).json()["current"]["position"] == 3


def test_who_does_not_agree_leaves(reader_client: Client, reader: Reader, reading: Reading, study: Study) -> None:
    answer(reading, 1)
    assert reader_client.post(agreement(study), {"leave": "1"}).url == reverse(
        "reading-start"
    )  # nothing to disagree to
    amend(study, consent_text=NEW_TEXT)
    gone = reader_client.post(agreement(study), {"leave": "1"}, follow=True)
    assert "You have left the study." in gone.content.decode()
    entry = AuditEntry.objects.get(action="reader.withdrawn")
    assert (entry.actor, entry.details) == (reader.user, {"code": reader.code})
    for address in (address_of(reading), agreement(study)):
        assert reader_client.get(address).status_code == HTTPStatus.NOT_FOUND
    assert (Answer.objects.count(), Consent.objects.count()) == (1, 1)


def test_who_has_finished_is_not_asked(reader_client: Client, reading: Reading, study: Study) -> None:
    answer_all(reading)
    amend(study, consent_text=NEW_TEXT)
    assert reader_client.get(address_of(reading)).url == reverse("read-done", args=[reading.uuid])


def test_whom_the_page_is_for(
    client: Client, outsider_client: Client, administrator_client: Client, reader_client: Client, reading: Reading,
    study: Study, administrator: User,
) -> None:  # fmt: skip
    other = open_study(administrator)
    amend(study, consent_text=NEW_TEXT)
    assert client.get(agreement(study)).status_code == HTTPStatus.FOUND
    for who, address in (
        (outsider_client, agreement(study)), (administrator_client, agreement(study)),
        (reader_client, agreement(other)), (reader_client, reverse("agree", args=[0])),
    ):  # fmt: skip
        assert who.get(address).status_code == HTTPStatus.NOT_FOUND
        assert who.post(address, agreed(NEW_TEXT)).status_code == HTTPStatus.NOT_FOUND
    assert reader_client.delete(agreement(study)).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    protocol.close_study(study, actor=administrator)
    assert reader_client.post(agreement(study), agreed(NEW_TEXT)).status_code == HTTPStatus.NOT_FOUND
    assert Consent.objects.count() == 1


def test_an_invitation_shows_the_text_in_force(reader: Reader, study: Study, client: Client) -> None:
    amend(study, consent_text=NEW_TEXT)
    token = invitations.renew(reader, actor=study.created_by)
    assert NEW_TEXT in client.get(reverse("join", args=[token])).content.decode()  # not "you have agreed already"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("browser")
def test_in_a_browser_while_answers_wait(page: Page, study: Study, reading: Reading) -> None:
    page.context.set_offline(True)
    page.keyboard.press("2")
    at_case(page, 2)  # already loaded
    page.keyboard.press("1")
    expect(page.get_by_text("2 answers are waiting to be sent.")).to_be_visible()
    amend(study, consent_text=NEW_TEXT)
    page.context.set_offline(False)
    page.wait_for_url(f"**{agreement(study)}")
    stored(2)
    page.get_by_label("I have read this and agree to go on.").check()
    page.get_by_role("button", name="Agree and go on").click()
    at_case(page, 3)
    page.keyboard.press("2")
    stored(3)
    assert given() == [2, 1, 2]
    assert signed_in(reading.reader.user).get(address_of(reading)).status_code == HTTPStatus.OK
