"""What a reader says of himself: a row for each time that he says it, of which the newest counts."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.models import Profile, Reader
from readerstudy.studies.models import Study


def newest(reader: Reader) -> Profile | None:
    """The profile that counts; None: there is none yet."""
    return reader.profiles.order_by("-pk").first()


@transaction.atomic
def change(reader: Reader, *, values: Mapping[str, Any], actor: User) -> bool:
    """Store the profile anew; False: it says what it said before. Raises ReadersError once the study is closed."""
    locked = Reader.objects.select_for_update(of=("self",)).select_related("study").get(pk=reader.pk)
    if locked.study.state != Study.State.OPEN or locked.withdrawn_at is not None:
        raise ReadersError(_("The study is closed to you: what you said of yourself stays as it is."))
    before = newest(locked)
    if before is not None and all(getattr(before, name) == value for name, value in values.items()):
        return False
    Profile.objects.create(reader=locked, **values)
    audit.record("reader.profile_changed", actor=actor, target=locked, code=locked.code)
    return True
