"""The worker's side of an upload: check it, store it, and ring again for those whose worker died."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, cast

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from readerstudy.accounts import language
from readerstudy.images.checks import Files, check
from readerstudy.images.errors import ImagesError
from readerstudy.images.lease import CHECKING, MAX_ATTEMPTS, STORING, Lease, LostLeaseError, claim, free
from readerstudy.images.models import ImageSet, Upload
from readerstudy.images.storing import remove_files, store

logger = logging.getLogger(__name__)
_HOURS = 6  # 200,000 pictures at ten a second; a lease is prolonged by the work itself, not by this
_LIMITS = {"soft_time_limit": _HOURS * 3600 - 60, "time_limit": _HOURS * 3600}
RING_AGAIN = timedelta(minutes=1)


@shared_task(**_LIMITS)
def check_upload(pk: int) -> None:
    """Check an upload and write its report. Ringing twice does no harm: the second finds it claimed."""
    lease = claim(pk, CHECKING)
    if lease is None:
        return
    with _failures_recorded(lease), _opened(lease.upload) as files:
        report = check(files, progress=lease.progress)
        state = Upload.State.REFUSED if report.n_problems else Upload.State.CHECKED
        lease.finish(state, report=report.to_json(), error="")


@shared_task(**_LIMITS)
def store_upload(pk: int) -> None:
    """Make the image set of an upload that an administrator wants stored; its ZIP and manifest are deleted after."""
    lease = claim(pk, STORING)
    if lease is None:
        return
    upload = lease.upload

    def finish(made: ImageSet) -> None:
        lease.finish(Upload.State.STORED, image_set=made, naming_key="", error="")

    with _failures_recorded(lease):
        with _opened(upload) as files:
            store(
                files, name=upload.name, description=upload.description, notice=upload.notice,
                created_by=upload.created_by, progress=lease.progress, naming_key=upload.naming_key, on_commit=finish,
            )  # fmt: skip
        remove_staged_files(upload)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep() -> int:
    """Ring for uploads on which nobody works though somebody should. Returns how many."""
    waiting = Upload.objects.filter(
        free(),
        state__in=(Upload.State.UPLOADED, Upload.State.CHECKING, Upload.State.STORING),
        rung_at__lt=timezone.now() - RING_AGAIN,
    )
    rung = 0
    for upload in waiting:
        if upload.attempts >= MAX_ATTEMPTS:
            _fail(upload)
        elif Upload.objects.filter(pk=upload.pk, rung_at=upload.rung_at).update(rung_at=timezone.now()):
            task = store_upload if upload.state == Upload.State.STORING else check_upload
            task.delay(upload.pk)
            rung += 1
    for upload in Upload.objects.filter(state=Upload.State.STORED).exclude(archive="", manifest=""):
        remove_staged_files(upload)  # the worker died between the commit and this
    return rung


def remove_staged_files(upload: Upload) -> None:
    """Delete the ZIP and the manifest, which are not needed any more."""
    upload.archive.delete(save=False)
    upload.manifest.delete(save=False)
    Upload.objects.filter(pk=upload.pk).update(archive="", manifest="")


def _fail(upload: Upload) -> None:
    """Stop trying: a worker ended, or was ended, at this upload each time."""
    reason = upload.error or _("The worker was ended %d times while it worked on this.") % upload.attempts
    failed = Upload.objects.filter(free(), pk=upload.pk, state=upload.state).update(
        state=Upload.State.FAILED, lease=None, lease_expires_at=None, error=reason
    )
    if failed and upload.state == Upload.State.STORING:
        remove_files(upload.naming_key, upload.report["accepted"])


@contextmanager
def _opened(upload: Upload) -> Iterator[Files]:
    with upload.archive.open("rb") as archive, upload.manifest.open("rb") as manifest:
        yield Files(cast(IO[bytes], archive), cast(IO[bytes], manifest), upload.archive_name, upload.manifest_name)


@contextmanager
def _failures_recorded(lease: Lease) -> Iterator[None]:
    """What is wrong with the upload ends it; what is wrong with the world is tried again."""
    try:
        with override(language.of_person(lease.upload.created_by)):  # the report is his to read
            try:
                yield
            except LostLeaseError:
                raise
            except ImagesError as error:
                _end(lease, str(error))
            except SoftTimeLimitExceeded:
                _end(lease, _("This took longer than %d hours. Divide the upload.") % _HOURS)
            except Exception as error:
                logger.exception("upload %s", lease.upload.pk)
                lease.give_up(_("It failed (%s); it is tried again.") % error)
    except LostLeaseError:
        logger.info("upload %s was taken over or discarded", lease.upload.pk)


def _end(lease: Lease, error: str) -> None:
    upload = lease.upload
    lease.finish(Upload.State.FAILED, error=error)
    if upload.state == Upload.State.STORING:
        remove_files(upload.naming_key, upload.report["accepted"])
