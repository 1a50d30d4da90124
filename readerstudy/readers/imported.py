"""Readers of published data: rows under a code with an address that nothing can reach. They never sign in."""

from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.models import Reader
from readerstudy.studies.models import Test

PLACEHOLDER = "imported.invalid"  # RFC 2606: no such domain can exist


def imported_reader(*, test: Test, code: str, actor: User) -> Reader:
    """The reader of published data under this code, asked to read the test; made where there is none.

    Raises ReadersError where the code is that of an invited reader, or of one who has left. Call it in a transaction.
    """
    known = Reader.objects.filter(study=test.study, code=code).first()
    if known is not None and (known.user_id is not None or not known.email.endswith(f"@{PLACEHOLDER}")):
        raise ReadersError(_("The code %(code)s is that of an invited reader of this study.") % {"code": code})
    if known is not None and known.withdrawn_at is not None:
        raise ReadersError(_("The reader %(code)s has left this study.") % {"code": code})
    if known is None:
        number = Reader.objects.filter(study=test.study).count() + 1
        address = f"study-{test.study_id}-reader-{number}@{PLACEHOLDER}"
        known = Reader.objects.create(study=test.study, code=code, email=address)
        audit.record("reader.imported", actor=actor, target=known, code=code)
    known.tests.add(test)
    return known
