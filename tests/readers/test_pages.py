"""Inviting, following and joining, as a browser does it."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.logs import HideLinks
from readerstudy.readers.models import Consent, Invitation, Profile, Reader
from readerstudy.readings.allocation import ensure_readings, next_batch
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, draft_study, image_set, open_study
from tests.conftest import signed_in
from tests.readings.designed import designed, go_on, go_to_the_end

ANSWERS = {
    "specialty": "dermatology", "board_certified": "yes", "years_of_practice": "12", "dermoscopy_training": "course",
    "country": "DE", "device": "tablet", "agree": "on",
}  # fmt: skip


@pytest.fixture
def study(administrator: User) -> Study:
    return open_study(administrator)


def page_of(study: Study) -> str:
    return reverse("readers", args=[study.pk])


def invite(client: Client, study: Study, emails: str) -> Any:
    return client.post(page_of(study), {"emails": emails, "tests": [test.pk for test in study.tests.all()]})


def new_link(study: Study, email: str = "reader@example.org") -> str:
    _reader, token = invitations.invite(study=study, email=email, tests=study.tests.all(), actor=study.created_by)
    return reverse("join", args=[token])


def answers(study: Study) -> dict[str, str]:
    return {**ANSWERS, "text_sha256": protocol.text_sha256(study.consent_text)}


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


# --- inviting -----------------------------------------------------------------------------------


def test_many_are_invited_at_once_each_by_a_letter_with_a_link_shown_once(
    administrator_client: Client, study: Study
) -> None:
    emails = "a@example.org, B@Example.org\n  Dr. C <c@example.org>; a@example.org"
    answer = invite(administrator_client, study, emails)
    assert answer.status_code == HTTPStatus.OK
    assert "no-store" in answer["Cache-Control"]
    readers = list(Reader.objects.all())
    assert [reader.email for reader in readers] == ["a@example.org", "b@example.org", "c@example.org"]
    assert [letter.to for letter in mail.outbox] == [[reader.email] for reader in readers]
    links = re.findall(r'value="(http://testserver/join/[^"]+)"', answer.content.decode())
    assert len(set(links)) == 3
    for letter, link, reader in zip(mail.outbox, links, readers, strict=True):
        assert link in letter.body
        html, kind = letter.alternatives[0]
        assert (f'href="{link}"' in html, kind) == (True, "text/html")
        assert "Melanoma against naevus" in letter.subject
        assert "about 2 minutes (7 cases)" in letter.body  # 7 cases of 12 s are 84 s
        assert "Dr. Example" in letter.body
        assert reader.code not in letter.body
    again = administrator_client.get(page_of(study)).content.decode()
    assert "/join/" not in again


def test_a_letter_that_fails_keeps_nothing_back(
    administrator_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = EmailBackend.send_messages

    def refuse_one(self: EmailBackend, messages: Any) -> int:
        if messages[0].to == ["a@example.org"]:
            raise ConnectionRefusedError("the mail server is not there")
        return original(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_one)
    answer = invite(administrator_client, study, "a@example.org b@example.org")
    assert "the mail server is not there" in text(answer)
    assert answer.content.decode().count("/join/") == 2
    assert [letter.to for letter in mail.outbox] == [["b@example.org"]]
    assert Reader.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_letters_go_out_after_the_transaction(
    administrator_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    inside = []
    monkeypatch.setattr(EmailBackend, "send_messages", lambda self, messages: inside.append(connection.in_atomic_block))
    invite(administrator_client, study, "a@example.org")
    assert inside == [False]


@pytest.mark.parametrize(
    ("emails", "sentence"),
    [
        ("a@example.org, not-an-address", "“not-an-address” is not an e-mail address."),
        (" , ;", "at least one address"),
        ("", "required"),
        ("a@example.org admin@example.org", "reads no blinded case"),
        (" ".join(f"r{number}@example.org" for number in range(201)), "At most 200"),
    ],
)
def test_wrong_addresses_are_named_and_nobody_is_invited(
    administrator_client: Client, study: Study, emails: str, sentence: str
) -> None:
    answer = invite(administrator_client, study, emails)
    assert sentence in text(answer)
    assert not Reader.objects.exists()
    assert mail.outbox == []


def test_inviting_twice_says_so(administrator_client: Client, study: Study) -> None:
    invite(administrator_client, study, "a@example.org")
    answer = invite(administrator_client, study, "A@example.org")
    assert "already, as R01" in text(answer)
    assert (Reader.objects.count(), len(mail.outbox)) == (1, 1)


def test_a_test_of_the_study_must_be_chosen(administrator_client: Client, administrator: User, study: Study) -> None:
    other = open_study(administrator)
    for tests in ([], [other.tests.get().pk]):
        answer = administrator_client.post(page_of(study), {"emails": "a@example.org", "tests": tests})
        assert answer.context["form"].errors["tests"]
    assert not Reader.objects.exists()


def test_a_draft_and_a_closed_study_invite_nobody(administrator_client: Client, administrator: User) -> None:
    draft, closed = draft_study(administrator), open_study(administrator)
    protocol.close_study(closed, actor=administrator)
    for study in (draft, closed):
        assert "<textarea" not in administrator_client.get(page_of(study)).content.decode()
        invite(administrator_client, study, "a@example.org")
    assert not Reader.objects.exists()


# --- following -----------------------------------------------------------------------------------


def test_progress_is_shown_for_each_reader_and_test(administrator_client: Client, administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * n) for n in (1, 2)]
    study = open_study(administrator, image_sets=sets)
    first, second = study.tests.all()
    reader = accepted_reader(study, tests=[second])
    new_link(study)
    client = signed_in(reader.user)
    client.get(reverse("reading-start"))
    rows = {row.reader.code: row for row in administrator_client.get(page_of(study)).context["rows"]}
    assert rows["R01"].cells == [(first, None), (second, (0, 4))]
    assert rows["R02"].cells == [(first, (0, 2)), (second, (0, 4))]
    page = text(administrator_client.get(page_of(study)))
    assert "joined" in page
    assert "0 / 4" in page


def test_progress_counts_every_reading_of_a_test(administrator_client: Client, administrator: User) -> None:
    crossover = designed(administrator, arms=("none", "none"), arms_design="crossover", wash_out_days=7, diagnoses=3)
    batches = designed(administrator, cases_read="batches", cases_per_reading=2, most_readings=3, diagnoses=6)
    readers = [accepted_reader(test.study) for test in (crossover, batches)]
    cells = []

    def look(reader: Reader) -> None:
        (row,) = administrator_client.get(page_of(reader.study)).context["rows"]
        cells.append((row.cells[0][1], row.is_finished))

    first, batch = (ensure_readings(reader.user)[0] for reader in readers)
    look(readers[0])  # the second part has still to be read
    go_to_the_end(first)
    ensure_readings(readers[0].user)
    look(readers[0])
    go_to_the_end(batch)
    look(readers[1])
    another = next_batch(batch, actor=readers[1].user)
    assert another is not None
    go_on(another)
    look(readers[1])
    assert cells == [((0, 6), False), ((3, 6), False), ((2, 2), True), ((3, 4), False)]


def test_a_reminder_is_a_fresh_link(administrator_client: Client, study: Study) -> None:
    old = new_link(study)
    reader = Reader.objects.get()
    answer = administrator_client.post(reverse("reader-renew", args=[study.pk, reader.pk]))
    fresh = re.search(r"http://testserver(/join/[^\"]+)", answer.content.decode())
    assert fresh
    assert fresh[1] in mail.outbox[0].body
    assert Client().get(old).status_code == HTTPStatus.GONE
    assert Client().get(fresh[1]).status_code == HTTPStatus.OK


def test_withdrawing_is_recorded_and_ends_the_reading(administrator_client: Client, study: Study) -> None:
    reader = accepted_reader(study)
    link = reverse("join", args=[invitations.renew(reader, actor=study.created_by)])
    address = reverse("reader-withdraw", args=[study.pk, reader.pk])
    assert administrator_client.post(address).status_code == HTTPStatus.FOUND
    assert administrator_client.post(address).status_code == HTTPStatus.CONFLICT
    assert AuditEntry.objects.filter(action="reader.withdrawn").count() == 1
    assert "withdrawn" in text(administrator_client.get(page_of(study)))
    assert "withdrawn" in text(Client().get(link))
    renew = reverse("reader-renew", args=[study.pk, reader.pk])
    assert administrator_client.post(renew).status_code == HTTPStatus.CONFLICT
    assert mail.outbox == []


# --- who, how and which -----------------------------------------------------------------------------------


def test_only_administrators_invite_and_follow(
    client: Client, outsider_client: Client, researcher_client: Client, study: Study
) -> None:
    reader = accepted_reader(study)
    acts = [reverse(name, args=[study.pk, reader.pk]) for name in ("reader-renew", "reader-withdraw")]
    for address in [page_of(study), *acts]:
        assert client.post(address).url.startswith(reverse("account_login"))
        for other in (outsider_client, researcher_client, signed_in(reader.user)):
            assert other.get(address).status_code == HTTPStatus.NOT_FOUND
            assert other.post(address).status_code == HTTPStatus.NOT_FOUND
    reader.refresh_from_db()
    assert reader.withdrawn_at is None
    assert Invitation.objects.count() == 1


def test_methods_and_ids(administrator_client: Client, administrator: User, study: Study) -> None:
    reader = accepted_reader(study)
    other = open_study(administrator)
    for name in ("reader-renew", "reader-withdraw"):
        assert administrator_client.get(reverse(name, args=[study.pk, reader.pk])).status_code == 405
        assert administrator_client.post(reverse(name, args=[other.pk, reader.pk])).status_code == 404
        assert administrator_client.post(reverse(name, args=[study.pk, 99999])).status_code == 404
    assert administrator_client.get(reverse("readers", args=[99999])).status_code == 404
    assert administrator_client.put(page_of(study)).status_code == 405
    assert Client().put(new_link(study)).status_code == 405


# --- joining -----------------------------------------------------------------------------------


def test_looking_uses_up_nothing_and_agreeing_once_begins(client: Client, study: Study) -> None:
    link = new_link(study)
    for _ in range(3):  # a mail scanner, a preview, the reader
        page = client.get(link)
        assert page.status_code == HTTPStatus.OK
    assert Invitation.objects.get().used_at is None
    for part in ("Which lesions would you biopsy?", "Dr. Example", "Test 1 (7 cases)", "about 2 minutes", "I agree to"):
        assert part in text(page)
    assert (page["Referrer-Policy"], "no-store" in page["Cache-Control"]) == ("strict-origin", True)

    answer = client.post(link, answers(study))
    assert (answer.status_code, answer.url) == (HTTPStatus.FOUND, reverse("reading-start"))
    user = User.objects.get(email="reader@example.org")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert not user.has_usable_password()
    reader = Reader.objects.get()
    assert reader.user == user
    assert Consent.objects.get().reader == reader
    profile = Profile.objects.get()
    assert (profile.specialty, profile.board_certified, profile.years_of_practice) == ("dermatology", True, 12)
    assert (profile.dermoscopy_training, profile.country, profile.device) == ("course", "DE", "tablet")

    used = Client().get(link)
    assert used.status_code == HTTPStatus.GONE
    assert "works once" in text(used)
    assert f"{reverse('account_request_login_code')}?next={reverse('reading-start')}" in used.content.decode()
    twice = Client().post(link, answers(study))
    assert twice.status_code == HTTPStatus.GONE
    assert (Consent.objects.count(), User.objects.filter(email=user.email).count()) == (1, 1)


def test_the_one_who_joined_signs_in_by_a_code_later(client: Client, study: Study) -> None:
    client.post(new_link(study), answers(study))
    other_device = Client()
    other_device.post(reverse("account_request_login_code") + "?next=/read/", {"email": "reader@example.org"})
    code = re.search(r"^\S{4,}-?\S*$", mail.outbox[-1].body, re.MULTILINE)
    assert code
    answer = other_device.post(reverse("account_confirm_login_code") + "?next=/read/", {"code": code[0]})
    assert answer.url == "/read/"


def test_a_fresh_link_lets_him_in_again_with_one_button(client: Client, study: Study) -> None:
    client.post(new_link(study), answers(study))
    link = reverse("join", args=[invitations.renew(Reader.objects.get(), actor=study.created_by)])
    other_device = Client()
    page = other_device.get(link)
    assert "Welcome back" in text(page)
    assert 'type="radio"' not in page.content.decode()
    answer = other_device.post(link, {"text_sha256": protocol.text_sha256(study.consent_text)})
    assert answer.url == reverse("reading-start")
    assert "_auth_user_id" in other_device.session
    assert (Consent.objects.count(), Profile.objects.count()) == (1, 1)


def without(name: str) -> Callable[[dict[str, str]], None]:
    def change(values: dict[str, str]) -> None:
        del values[name]

    return change


def with_value(name: str, value: str) -> Callable[[dict[str, str]], None]:
    def change(values: dict[str, str]) -> None:
        values[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (without("agree"), "agree"),
        (without("specialty"), "specialty"),
        (without("board_certified"), "board_certified"),
        (without("text_sha256"), "text_sha256"),
        (without("dermoscopy_training"), "dermoscopy_training"),
        (with_value("country", ""), "country"),
        (with_value("country", "XX"), "country"),
        (without("device"), "device"),
        (with_value("specialty", "astrology"), "specialty"),
        (with_value("years_of_practice", "81"), "years_of_practice"),
        (with_value("years_of_practice", "-1"), "years_of_practice"),
        (with_value("years_of_practice", "many"), "years_of_practice"),
    ],
)
def test_nothing_is_presumed_and_nothing_stored_until_all_is_said(
    client: Client, study: Study, change: Callable[[dict[str, str]], None], field: str
) -> None:
    link = new_link(study)
    values = answers(study)
    change(values)
    answer = client.post(link, values)
    assert answer.status_code == HTTPStatus.OK
    assert list(answer.context["form"].errors) == [field]
    assert Invitation.objects.get().used_at is None
    assert not Consent.objects.exists()
    assert "_auth_user_id" not in client.session


def test_a_text_that_is_not_the_one_in_force_is_not_agreed_to(client: Client, study: Study) -> None:
    link = new_link(study)
    answer = client.post(link, {**answers(study), "text_sha256": protocol.text_sha256("another")})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "Read it again" in text(answer)
    assert client.post(link, answers(study)).status_code == HTTPStatus.FOUND


def test_links_that_do_not_work_say_why(client: Client, study: Study) -> None:
    unknown = client.get(reverse("join", args=["no-such-token"]))
    assert (unknown.status_code, "not known" in text(unknown)) == (HTTPStatus.NOT_FOUND, True)

    link = new_link(study)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    for answer in (client.get(link), client.post(link, answers(study))):
        assert (answer.status_code, "expired" in text(answer)) == (HTTPStatus.GONE, True)
        assert "Dr. Example" in text(answer)  # whom to ask
        assert answer["Referrer-Policy"] == "strict-origin"

    second = new_link(study, "second@example.org")
    protocol.close_study(study, actor=study.created_by)
    for answer in (client.get(second), client.post(second, answers(study))):
        assert (answer.status_code, "is closed" in text(answer)) == (HTTPStatus.GONE, True)
    assert not Consent.objects.exists()


def test_staff_neither_open_nor_accept_an_invitation(
    administrator_client: Client, researcher_client: Client, study: Study
) -> None:
    link = new_link(study)
    for client in (administrator_client, researcher_client):
        for answer in (client.get(link), client.post(link, answers(study))):
            assert answer.status_code == HTTPStatus.FORBIDDEN
            assert "reads no blinded case" in text(answer)
    assert Invitation.objects.get().used_at is None
    assert not Consent.objects.exists()


def test_joining_signs_out_whoever_sat_there_before(outsider_client: Client, study: Study) -> None:
    outsider_client.post(new_link(study), answers(study))
    joined = User.objects.get(email="reader@example.org")
    assert outsider_client.session["_auth_user_id"] == str(joined.pk)
    assert Reader.objects.get().user == joined


def test_joining_needs_the_token_against_forgery(study: Study) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(new_link(study), answers(study), headers={"Accept-Language": "de"})
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert "Gehen Sie zurück" in text(response)  # the page of this application, in the reader's language
    assert not Consent.objects.exists()


def test_drawn_pictures_are_announced(client: Client, administrator: User) -> None:
    drawn = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"], notice="These pictures are drawn.")
    assert "These pictures are drawn." in text(client.get(new_link(open_study(administrator, image_sets=[drawn]))))


# --- tokens stay out of logs -----------------------------------------------------------------------------------


def test_the_token_is_in_no_log(client: Client, study: Study, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(hide := HideLinks())
    try:
        link = new_link(study)
        token = link.split("/")[2]
        Invitation.objects.update(expires_at=timezone.now())
        client.get(link)
        Client(enforce_csrf_checks=True).post(link)
        logging.getLogger("django.server").warning('"GET %s HTTP/1.1" %s', link, 200)
        try:
            raise ValueError(f"http://testserver{link}")
        except ValueError:
            logging.getLogger("django.request").exception("Internal Server Error: %s", link)
    finally:
        caplog.handler.removeFilter(hide)
    assert caplog.text.count("/join/…") >= 4
    assert token not in caplog.text


def test_every_handler_hides_links() -> None:
    """Django's own handlers included, which its default configuration adds under the name `django`."""
    loggers = [logging.getLogger(), *[logging.getLogger(name) for name in logging.root.manager.loggerDict]]
    handlers = [
        handler
        for logger in loggers
        for handler in logger.handlers
        if logger.name.split(".")[0] in ("root", "django", "readerstudy") and "pytest" not in type(handler).__module__
    ]
    assert handlers, "the settings' own handler is missing"
    # A logger that neither propagates nor has a handler would fall back on Python's last resort, which hides nothing.
    assert all(logger.propagate or logger.handlers for logger in loggers if logger.name.startswith("django"))
    assert all(any(isinstance(rule, HideLinks) for rule in handler.filters) for handler in handlers), handlers
