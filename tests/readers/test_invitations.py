"""Invitations: a link works once, is kept only as a hash, and nobody who can see the truth gets through it."""

from datetime import timedelta
from http import HTTPStatus

import pytest
from django.db import connection
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.models import Consent, Invitation, Profile, Reader
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, draft_study, image_set, open_study

PROFILE = {"specialty": "dermatology", "board_certified": True, "years_of_practice": 7}


@pytest.fixture
def study(administrator: User) -> Study:
    return open_study(administrator)


def invited(study: Study, email: str = "reader@example.org") -> tuple[Reader, str]:
    return invitations.invite(study=study, email=email, tests=study.tests.all(), actor=study.created_by)


def join(study: Study, token: str) -> User:
    digest = protocol.text_sha256(study.consent_text)
    return invitations.accept(invitations.find(token), profile=PROFILE, text_sha256=digest)


def test_inviting_gives_a_code_and_a_link_of_which_only_the_hash_is_kept(study: Study, administrator: User) -> None:
    reader, token = invited(study, " Reader@Example.org ")
    assert (reader.code, reader.email) == ("R01", "reader@example.org")
    assert list(reader.tests.all()) == list(study.tests.all())
    assert invited(study, "second@example.org")[0].code == "R02"
    assert invitations.invite(
        study=study, email="x@example.org", tests=study.tests.all(), actor=administrator, code="R41"
    )[0].code == "R41"  # fmt: skip
    assert invited(study, "fourth@example.org")[0].code == "R42"
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert token not in str(cursor.fetchall()), table
    assert len(token) >= 43  # 256 bits in base 64
    assert AuditEntry.objects.filter(action="reader.invited").count() == 4


def test_accepting_makes_the_reader_once(study: Study) -> None:
    reader, token = invited(study)
    invitation = invitations.find(token)
    user = join(study, token)
    reader.refresh_from_db()
    assert reader.user == user
    assert (user.email, user.has_usable_password(), user.is_staff_of_studies) == ("reader@example.org", False, False)
    consent = Consent.objects.get(reader=reader)
    assert consent.text_sha256 == protocol.text_sha256("I agree to take part.")
    assert consent.protocol_version == protocol.frozen(study)
    assert Profile.objects.get(reader=reader).years_of_practice == 7
    # The second of two requests that both found the link alive.
    with pytest.raises(ReadersError, match="used already") as caught:
        invitations.accept(invitation, profile=PROFILE, text_sha256=consent.text_sha256)
    assert caught.value.status == HTTPStatus.GONE
    assert (User.objects.filter(email=user.email).count(), Consent.objects.count(), Profile.objects.count()) == (
        1,
        1,
        1,
    )
    joined = AuditEntry.objects.filter(action="reader.joined")
    assert [(entry.actor, entry.target_id) for entry in joined] == [(user, str(reader.pk))]


def test_an_existing_user_is_linked_not_doubled(study: Study, administrator: User) -> None:
    user = User.objects.create_user("reader@example.org")
    other = open_study(administrator)
    assert join(study, invited(study, "READER@example.org")[1]) == user
    assert join(other, invited(other)[1]) == user
    assert user.readerships.count() == 2


def test_a_fresh_link_lets_the_same_reader_in_without_a_second_consent(study: Study, administrator: User) -> None:
    reader, token = invited(study)
    user = join(study, token)
    fresh = invitations.renew(reader, actor=administrator)
    digest = protocol.text_sha256(study.consent_text)
    assert invitations.accept(invitations.find(fresh), profile=None, text_sha256=digest) == user
    assert (Consent.objects.count(), Profile.objects.count()) == (1, 1)


def test_without_a_consent_nobody_gets_in(study: Study) -> None:
    _reader, token = invited(study)
    digest = protocol.text_sha256(study.consent_text)
    with pytest.raises(ReadersError, match="agree"):
        invitations.accept(invitations.find(token), profile=None, text_sha256=digest)
    assert Invitation.objects.get().used_at is None
    assert not User.objects.filter(email="reader@example.org").exists()


def test_agreeing_to_another_text_is_refused_and_leaves_the_link(study: Study) -> None:
    _reader, token = invited(study)
    with pytest.raises(ReadersError, match="changed"):
        invitations.accept(invitations.find(token), profile=PROFILE, text_sha256=protocol.text_sha256("older text"))
    assert join(study, token).email == "reader@example.org"


def test_dead_links_say_why(study: Study, administrator: User) -> None:
    reader, token = invited(study)
    with pytest.raises(ReadersError, match="not known") as caught:
        invitations.find(token[:-1])
    assert caught.value.status == HTTPStatus.NOT_FOUND

    fresh = invitations.renew(reader, actor=administrator)
    with pytest.raises(ReadersError, match="replaced by a newer one"):
        invitations.find(token)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ReadersError, match="expired"):
        invitations.find(fresh)
    newest = invitations.renew(reader, actor=administrator)
    assert invitations.find(newest).reader == reader
    invitations.withdraw(reader, actor=administrator)
    with pytest.raises(ReadersError, match="withdrawn"):
        invitations.find(newest)
    assert AuditEntry.objects.filter(action="reader.withdrawn").count() == 1


def test_a_link_dies_between_the_page_and_the_answer(study: Study, administrator: User) -> None:
    reader, token = invited(study)
    found = invitations.find(token)
    invitations.withdraw(reader, actor=administrator)
    digest = protocol.text_sha256(study.consent_text)
    with pytest.raises(ReadersError, match="withdrawn"):
        invitations.accept(found, profile=PROFILE, text_sha256=digest)

    other, token = invited(study, "other@example.org")
    found = invitations.find(token)
    protocol.close_study(study, actor=administrator)
    with pytest.raises(ReadersError, match="closed"):
        invitations.accept(found, profile=PROFILE, text_sha256=digest)
    other.refresh_from_db()
    assert other.user is None
    assert not Consent.objects.exists()


def test_a_withdrawn_reader_gets_no_link_and_withdraws_once(study: Study, administrator: User) -> None:
    reader = accepted_reader(study)
    invitations.withdraw(reader, actor=administrator)
    with pytest.raises(ReadersError, match="withdrawn"):
        invitations.renew(reader, actor=administrator)
    with pytest.raises(ReadersError, match="already"):
        invitations.withdraw(reader, actor=administrator)


def test_staff_are_neither_invited_nor_let_in(study: Study, researcher: User) -> None:
    with pytest.raises(ReadersError, match="reads no blinded case"):
        invited(study, researcher.email.upper())
    reader, token = invited(study, "later@example.org")
    User.objects.create_user("later@example.org", is_researcher=True)
    with pytest.raises(ReadersError, match="reads no blinded case"):
        join(study, token)
    reader.refresh_from_db()
    assert reader.user is None


def test_what_cannot_be_invited(study: Study, administrator: User) -> None:
    draft = draft_study(administrator)
    with pytest.raises(ReadersError, match="Open the study"):
        invited(draft)
    invited(study)
    with pytest.raises(ReadersError, match="already, as R01"):
        invited(study, "READER@example.org")
    with pytest.raises(ReadersError, match="at least one test"):
        invitations.invite(study=study, email="a@example.org", tests=[], actor=administrator)
    with pytest.raises(ReadersError, match="at least one test"):
        invitations.invite(study=study, email="a@example.org", tests=draft.tests.all(), actor=administrator)
    with pytest.raises(ReadersError, match="taken"):
        invitations.invite(study=study, email="a@example.org", tests=study.tests.all(), actor=administrator, code="R01")
    protocol.close_study(study, actor=administrator)
    with pytest.raises(ReadersError, match="closed"):
        invited(study, "late@example.org")
    assert Reader.objects.count() == 1


def test_of_many_addresses_all_are_invited_or_none(study: Study, administrator: User) -> None:
    emails = ["a@example.org", "b@example.org", administrator.email]
    with pytest.raises(ReadersError, match=r"admin@example\.org"):
        invitations.invite_all(study=study, emails=emails, tests=study.tests.all(), actor=administrator)
    assert not Reader.objects.exists()
    made = invitations.invite_all(study=study, emails=emails[:2], tests=study.tests.all(), actor=administrator)
    assert [(reader.code, reader.email) for reader, _token in made] == [("R01", emails[0]), ("R02", emails[1])]
    assert len({token for _reader, token in made}) == 2


def test_readers_of_one_test_only(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"]) for _ in range(2)]
    study = open_study(administrator, image_sets=sets)
    second = study.tests.get(position=2)
    assert list(accepted_reader(study, tests=[second]).tests.all()) == [second]
