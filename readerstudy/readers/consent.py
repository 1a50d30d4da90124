"""What a reader agreed to, and whether it is the text that is in force: a consent text may be amended.

Consent is a row with the hash of the text, the version of the protocol and the time, and is never changed. Who agreed
to an earlier text keeps every answer given under it, and agrees to the new one before the next case.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.models import Consent, Reader
from readerstudy.studies import protocol
from readerstudy.studies.differences import Part, marked
from readerstudy.studies.models import Study


@dataclass(frozen=True, slots=True)
class Earlier:
    """The text that a reader agreed to last, when, and how the text in force differs from it."""

    agreed_at: datetime
    parts: list[Part]


def consent_sha256(study: Study) -> str:
    """The hash of the consent text that is in force: what a reader agrees to."""
    return protocol.text_sha256(study.consent_text)


def agreed_to_current_text(reader: Reader) -> bool:
    """Whether the reader has agreed to the consent text that is in force now."""
    text = Study.objects.values_list("consent_text", flat=True).get(pk=reader.study_id)
    return Consent.objects.filter(reader=reader.pk, text_sha256=protocol.text_sha256(text)).exists()


def agreed_before(study: Study) -> dict[int, bool]:
    """Reader's id -> whether he agreed to the text in force, of everyone who agreed to any."""
    text, found = consent_sha256(study), dict[int, bool]()
    for reader, sha256 in Consent.objects.filter(reader__study=study).values_list("reader_id", "text_sha256"):
        found[reader] = found.get(reader, False) or sha256 == text
    return found


def earlier(reader: Reader) -> Earlier | None:
    """What the reader agreed to before; None: nothing yet."""
    last = reader.consents.select_related("protocol_version").order_by("-pk").first()
    if last is None:
        return None
    text = last.protocol_version.document["study"]["consent"]["text"]
    return Earlier(last.agreed_at, marked(text, reader.study.consent_text))


@transaction.atomic
def agree(reader: Reader, *, text_sha256: str, actor: User) -> None:
    """Record the agreement to the text in force, which has that hash. Again changes nothing.

    Raises ReadersError, and records nothing, where another text is in force by now.
    """
    in_force = protocol.frozen(reader.study)
    if in_force is None:
        raise ReadersError(_("The study has no frozen protocol to agree to."))
    # The version's own text: no amendment can come between it and the version.
    if text_sha256 != in_force.document["study"]["consent"]["sha256"]:
        raise ReadersError(_("The consent text has changed since this page was loaded. Please read it again."))
    if Consent.objects.filter(reader=reader, text_sha256=text_sha256).exists():
        return
    Consent.objects.create(reader=reader, protocol_version=in_force, text_sha256=text_sha256)
    audit.record("reader.consented", actor=actor, target=reader, code=reader.code, text_sha256=text_sha256)
