"""The life of an upload: made, checked, looked at, stored or discarded. Page, API and command come here."""

from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import IO, cast

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.images.checks import Files, check, problems_error
from readerstudy.images.errors import ImagesError
from readerstudy.images.models import ImageSet, Upload
from readerstudy.images.storing import refuse_taken_name, store
from readerstudy.images.tasks import check_upload, store_upload

Progress = Callable[[int, int], None]


def make(
    *, name: str, description: str, notice: str, archive: UploadedFile, manifest: UploadedFile, actor: User
) -> Upload:
    """Take a ZIP and its manifest in, and have them checked. What was refused under this name before is discarded.

    Raises: ImagesError where the name is taken.
    """
    refuse_taken_name(name)
    upload = Upload(
        name=name, description=description, notice=notice, created_by=actor, rung_at=timezone.now(),
        archive_name=(archive.name or "")[-255:], manifest_name=(manifest.name or "")[-255:],
    )  # fmt: skip
    try:
        upload.archive.save("archive", archive, save=False)
        upload.manifest.save("manifest", manifest, save=False)
        with transaction.atomic():
            upload.save()
            audit.record("upload.made", actor=actor, target=upload)
            superseded = list(Upload.objects.filter(name=name, state__in=(Upload.State.REFUSED, Upload.State.FAILED)))
            for old in superseded:
                _delete(old, actor=actor)
            check_upload.delay_on_commit(upload.pk)
    except BaseException as error:
        _delete_files(upload)
        if isinstance(error, IntegrityError) and is_under_way(name):
            raise _under_way(name) from error
        raise
    for old in superseded:
        _delete_files(old)
    return upload


def is_under_way(name: str) -> bool:
    """Whether an upload that may become a set of this name is being checked, looked at or stored."""
    return Upload.objects.filter(name=name, state__in=Upload.UNDER_WAY).exists()


def request_store(upload: Upload, *, actor: User) -> None:
    """Have the checked upload stored. Asking twice is asking once. Raises: ImagesError where it cannot be."""
    if upload.state in (Upload.State.STORING, Upload.State.STORED):
        return
    if upload.state != Upload.State.CHECKED:
        raise ImagesError(
            _("Only an upload that was checked and has no problem can be stored; this one is %s.")
            % upload.get_state_display(),
            status=HTTPStatus.CONFLICT,
        )
    refuse_taken_name(upload.name)
    with transaction.atomic():
        asked = Upload.objects.filter(pk=upload.pk, state=Upload.State.CHECKED).update(
            state=Upload.State.STORING, attempts=0, done=0, rung_at=timezone.now()
        )
        if asked:
            audit.record("upload.store_requested", actor=actor, target=upload)
            store_upload.delay_on_commit(upload.pk)


def discard(upload: Upload, *, actor: User) -> None:
    """Delete an upload with its ZIP and manifest. Raises: ImagesError where it is stored, or about to be."""
    with transaction.atomic():
        _delete(upload, actor=actor)
    _delete_files(upload)


def _delete(upload: Upload, *, actor: User) -> None:
    audit.record("upload.discarded", actor=actor, target=upload)
    kept = (Upload.State.STORING, Upload.State.STORED)
    deleted, _by_model = Upload.objects.filter(pk=upload.pk).exclude(state__in=kept).delete()
    if not deleted:
        raise ImagesError(
            _("This upload is stored, or is being stored: it cannot be discarded."), status=HTTPStatus.CONFLICT
        )


def _delete_files(upload: Upload) -> None:
    upload.archive.delete(save=False)
    upload.manifest.delete(save=False)


def import_archive(
    *,
    archive: Path | File,
    manifest: Path | File,
    name: str,
    description: str = "",
    notice: str = "",
    created_by: User,
    progress: Progress | None = None,
) -> ImageSet:
    """Check and store in one call, in this process. `progress(done, total)` counts both passes over the pictures.

    Raises: ImagesError with `.problems` where anything is wrong; then nothing is stored.
    """
    tell = progress or (lambda done, total: None)
    refuse_taken_name(name)
    with ExitStack() as stack:
        files = Files(
            _open(archive, stack), _open(manifest, stack), Path(archive.name or "").name, Path(manifest.name or "").name
        )
        report = check(files, progress=lambda done, total: tell(done, 2 * total))
        if report.n_problems:
            raise problems_error(report.problems, report.n_problems)
        files.manifest.seek(0)
        return store(
            files, name=name, description=description, notice=notice, created_by=created_by,
            progress=lambda done, total: tell(total + done, 2 * total),
        )  # fmt: skip


def _open(source: Path | File, stack: ExitStack) -> IO[bytes]:
    if isinstance(source, Path):
        try:
            return stack.enter_context(source.open("rb"))
        except OSError as error:
            raise ImagesError(
                _("%(file)s cannot be read: %(why)s.") % {"file": source, "why": error.strerror}
            ) from error
    source.seek(0)
    return cast(IO[bytes], source)


def _under_way(name: str) -> ImagesError:
    message = _("An upload named “%s” is under way. Choose another name, or discard that one.") % name
    return ImagesError(message, status=HTTPStatus.CONFLICT)
