"""Who works on an upload: the row is claimed by a counted UPDATE, for a time that each sign of progress prolongs."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.images.errors import ImagesError
from readerstudy.images.models import Upload

LEASE = timedelta(minutes=5)  # a picture at the limit takes more than one
MAX_ATTEMPTS = 3
_SECONDS_BETWEEN_SIGNS = 1.0

State = Upload.State
# What a worker turns the states into that it may begin with. Its own is among them: a worker may have died in it.
CHECKING = ((State.UPLOADED, State.CHECKING), State.CHECKING)
STORING = ((State.STORING,), State.STORING)
Work = tuple[tuple[str, ...], str]


class LostLeaseError(ImagesError):
    """The upload is someone else's now, or gone: stop, and touch nothing of it."""


def free() -> Q:
    """Uploads on which nobody works, or whose worker has not been heard of for too long."""
    return Q(lease__isnull=True) | Q(lease_expires_at__lt=timezone.now())


@dataclass(slots=True)
class Lease:
    """One worker's hold on one upload. Every method raises LostLeaseError where it has ended."""

    upload: Upload
    _signed_at: float = field(default=float("-inf"))

    def progress(self, done: int, total: int) -> None:
        """Store how far the work is and prolong the lease; at most once a second, but always at the end."""
        now = time.monotonic()
        if now - self._signed_at < _SECONDS_BETWEEN_SIGNS and done != total:
            return
        self._signed_at = now
        self._update(done=done, total=total, lease_expires_at=timezone.now() + LEASE)

    def finish(self, state: str, **fields: Any) -> None:
        """Give the upload its next state and let it go."""
        self._update(state=state, lease=None, lease_expires_at=None, attempts=0, **fields)

    def give_up(self, error: str) -> None:
        """Let it go as it is, for the sweeper to ring again: something failed that may go well the next time."""
        self._update(lease=None, lease_expires_at=None, error=error)

    def _update(self, **fields: Any) -> None:
        if not Upload.objects.filter(pk=self.upload.pk, lease=self.upload.lease).update(**fields):
            raise LostLeaseError(_("Someone else works on this upload, or it was discarded."))


def claim(pk: int, work: Work) -> Lease | None:
    """Take the upload, if it waits for this work and nobody is at it. Of two workers, one gets it."""
    states, working = work
    token = uuid.uuid4()
    claimed = Upload.objects.filter(free(), pk=pk, state__in=states).update(
        state=working, lease=token, lease_expires_at=timezone.now() + LEASE, attempts=F("attempts") + 1, done=0
    )
    return Lease(Upload.objects.get(pk=pk, lease=token)) if claimed else None
