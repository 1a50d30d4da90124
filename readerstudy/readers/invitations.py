"""Inviting a reader, and what becomes of the invitation: a link that works once, of which only the hash is kept."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers import consent
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.imported import PLACEHOLDER
from readerstudy.readers.models import Invitation, Profile, Reader
from readerstudy.studies.models import Study, Test

__all__ = ["ReadersError", "accept", "find", "invite", "invite_all", "remind_all", "renew", "withdraw"]

REMINDED_AGAIN_AFTER = timedelta(hours=24)


def _hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash.
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def _new_link(reader: Reader, actor: User) -> str:
    token = secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(days=settings.INVITATION_DAYS)
    Invitation.objects.create(reader=reader, token_sha256=_hash(token), created_by=actor, expires_at=expires_at)
    return token


def _open_study_locked(study: Study) -> Study:
    """The study's row, locked, so that codes are given one after the other. Raises ReadersError unless it is open."""
    locked = Study.objects.select_for_update().get(pk=study.pk)
    if locked.state == Study.State.DRAFT:
        raise ReadersError(_("Open the study before you invite readers: they agree to a frozen protocol."))
    if locked.state != Study.State.OPEN:
        raise ReadersError(_("The study “%(title)s” is closed; nobody is invited any more.") % {"title": locked.title})
    return locked


def _next_code(study: Study) -> str:
    used = [re.fullmatch(r"R(\d+)", code) for code in study.readers.values_list("code", flat=True)]
    return f"R{max((int(found[1]) for found in used if found), default=0) + 1:02d}"


# --- invite ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def invite(
    *, study: Study, email: str, tests: Iterable[Test], actor: User, code: str = "", language: str = ""
) -> tuple[Reader, str]:
    """Make a reader of the study under a code (R01, R02, ... unless given) and a link for him.

    `language`: of the letters to him, until he has chosen one himself; "": that of the administrator who sends them.

    Returns the reader and the token of the link, which is kept nowhere. Raises ReadersError where the study is not
    open, the address is a staff member's or invited already, or a test is not of this study.
    """
    locked = _open_study_locked(study)
    email = email.strip().lower()
    tests = list(tests)
    if not tests or any(test.study_id != locked.pk for test in tests):
        raise ReadersError(_("Choose at least one test of the study “%(title)s”.") % {"title": locked.title})
    if known := locked.readers.filter(email__iexact=email).first():
        raise ReadersError(
            _("%(email)s is in this study already, as %(code)s. Send a fresh link instead.")
            % {"email": email, "code": known.code}
        )
    user = User.objects.filter(email__iexact=email).first()
    if user is not None:
        refuse_staff(user)
    reader = Reader(study=locked, email=email, code=code or _next_code(locked), language=language)
    if code and locked.readers.filter(code=code).exists():
        raise ReadersError(_("The code %(code)s is taken in this study.") % {"code": code})
    reader.save()
    reader.tests.set(tests)
    token = _new_link(reader, actor)
    audit.record(
        "reader.invited", actor=actor, target=reader, code=reader.code, tests=sorted(test.position for test in tests)
    )
    return reader, token


@transaction.atomic
def invite_all(
    *, study: Study, emails: Sequence[str], tests: Iterable[Test], actor: User, language: str = ""
) -> list[tuple[Reader, str]]:
    """Invite every address, or none of them."""
    tests = list(tests)
    return [invite(study=study, email=email, tests=tests, actor=actor, language=language) for email in emails]


def refuse_staff(user: User) -> None:
    """Raise ReadersError for whoever may see truth or scores: such a person reads no blinded case."""
    if user.is_staff_of_studies:
        raise ReadersError(
            _("%(email)s is an administrator or researcher here. Who can see the truth reads no blinded case.")
            % {"email": user.email},
            status=HTTPStatus.FORBIDDEN,
        )


@transaction.atomic
def renew(reader: Reader, *, actor: User) -> str:
    """A fresh link for the reader; older links that were not used stop working. Returns the token."""
    _open_study_locked(reader.study)
    if Reader.objects.filter(pk=reader.pk).exclude(withdrawn_at=None).exists():
        raise ReadersError(_("%(code)s has withdrawn and gets no link.") % {"code": reader.code})
    _revoke_links(reader)
    token = _new_link(reader, actor)
    audit.record("reader.link_renewed", actor=actor, target=reader, code=reader.code)
    return token


@transaction.atomic
def remind_all(*, study: Study, readers: Iterable[Reader], actor: User) -> list[tuple[Reader, str]]:
    """A fresh link for each of these readers who can be reached, but for whom the last one is younger than a day: a
    second click, or a second administrator, sends nobody two letters. Raises ReadersError unless the study is open."""
    _open_study_locked(study)
    recent = Invitation.objects.filter(created_at__gt=timezone.now() - REMINDED_AGAIN_AFTER)
    wanted = study.readers.filter(pk__in=[reader.pk for reader in readers], withdrawn_at=None)
    wanted = wanted.exclude(invitations__in=recent).exclude(email__endswith=f"@{PLACEHOLDER}").select_related("study")
    return [(reader, renew(reader, actor=actor)) for reader in wanted]


@transaction.atomic
def withdraw(reader: Reader, *, actor: User) -> None:
    """The reader reads no further; what was answered stays, and counts in no result.

    Raises ReadersError the second time, and once the study is unblinded: nobody is taken out of results that are known.
    """
    now = timezone.now()
    if not Reader.objects.filter(pk=reader.pk, withdrawn_at=None).update(withdrawn_at=now):
        raise ReadersError(_("%(code)s has withdrawn already.") % {"code": reader.code})
    # After the reader's row, as an answer that is being stored locks them.
    if Study.objects.select_for_update().get(pk=reader.study_id).unblinded_at is not None:
        raise ReadersError(
            _("The study is unblinded, and the answers of %(code)s are in results that are known.")
            % {"code": reader.code}
        )
    _revoke_links(reader)
    audit.record("reader.withdrawn", actor=actor, target=reader, code=reader.code)
    reader.withdrawn_at = now


def _revoke_links(reader: Reader) -> None:
    reader.invitations.filter(used_at=None, revoked_at=None).update(revoked_at=timezone.now())


# --- accept ----------------------------------------------------------------------------------------------------------


def find(token: str) -> Invitation:
    """The invitation behind a link that can still be used.

    Raises ReadersError: 404 where there is none, 410 where it was used, revoked or has expired, where the reader has
    withdrawn, or the study is not open.
    """
    known = Invitation.objects.select_related("reader__study", "reader__user")
    invitation = known.filter(token_sha256=_hash(token)).first()
    if invitation is None:
        raise ReadersError(_("This link is not known here. Was it copied in full?"), status=HTTPStatus.NOT_FOUND)
    if reason := _why_dead(invitation):
        raise _gone(reason, invitation.reader)
    return invitation


def _why_dead(invitation: Invitation) -> str:
    """Why the link cannot be used, "" where it can."""
    if reason := _why_not_reading(invitation.reader):
        return reason
    if invitation.used_at is not None:
        return _("This link was used already; each link works once.")
    if invitation.revoked_at is not None:
        return _("This link was replaced by a newer one. Please use the newest letter.")
    if invitation.expires_at <= timezone.now():
        return _("This link has expired. Please ask for a fresh one.")
    return ""


def _why_not_reading(reader: Reader) -> str:
    if reader.study.state != Study.State.OPEN:
        return _("The study “%(title)s” is closed. Thank you for your interest.") % {"title": reader.study.title}
    if reader.withdrawn_at is not None:
        return _("This reader has withdrawn from the study.")
    return ""


def _gone(reason: str, reader: Reader) -> ReadersError:
    return ReadersError(reason, status=HTTPStatus.GONE, contact=reader.study.contact)


@transaction.atomic
def accept(invitation: Invitation, *, profile: Mapping[str, Any] | None, text_sha256: str) -> User:
    """Use the link: the reader's user, his consent to the text with that hash, and his profile. Once.

    `profile` has the fields of `Profile`; None only for a reader who has agreed to this text before (a fresh link).
    Raises ReadersError, and leaves the link unused, where it does not work any more, where the text has changed since
    it was shown, or where the address is a staff member's.
    """
    now = timezone.now()
    live = Invitation.objects.filter(pk=invitation.pk, used_at=None, revoked_at=None, expires_at__gt=now)
    used_by_this_call = live.update(used_at=now)
    reader = Reader.objects.select_for_update(of=("self",)).select_related("study").get(pk=invitation.reader_id)
    if not used_by_this_call:
        reason = _why_dead(Invitation.objects.select_related("reader__study").get(pk=invitation.pk))
        raise _gone(reason or _("This link cannot be used any more."), reader)
    if reason := _why_not_reading(reader):
        raise _gone(reason, reader)
    if profile is None and not consent.agreed_to_current_text(reader):
        raise ReadersError(_("Please read the consent text and agree to it first."))
    user = _user_of(reader)
    consent.agree(reader, text_sha256=text_sha256, actor=user)
    if profile is not None:
        Profile.objects.create(reader=reader, **profile)
    audit.record("reader.joined", actor=user, target=reader, code=reader.code)
    return user


def _user_of(reader: Reader) -> User:
    """The reader's user: linked, found by the address, or made, without a password."""
    user = reader.user or User.objects.filter(email__iexact=reader.email).first()
    if user is None:
        try:
            with transaction.atomic():
                user = User.objects.create_user(reader.email)
        except (IntegrityError, ValidationError):  # made by another study's link at the same moment
            user = User.objects.get(email__iexact=reader.email)
    refuse_staff(user)
    if not user.is_active:
        raise ReadersError(_("The account of this address is switched off."), status=HTTPStatus.FORBIDDEN)
    if reader.user_id is None:
        reader.user = user
        reader.save(update_fields=["user"])
    return user
