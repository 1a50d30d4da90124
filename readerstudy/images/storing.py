"""From checked pictures to an image set: files first, under names that say nothing; then all rows at once."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.images.checks import Checked, Files, Progress, checked_pictures
from readerstudy.images.errors import ImagesError
from readerstudy.images.lease import LostLeaseError
from readerstudy.images.manifest import ManifestRow
from readerstudy.images.models import Image, ImageSet, Reference, image_path
from readerstudy.images.pixels import Encoded, encode
from readerstudy.images.truth import taxonomy

_BATCH = 500
Pair = tuple[Image, Reference]


@dataclass(frozen=True, slots=True)
class Written:
    """A picture that lies in the storage, and what its rows will say: small, for there may be 200,000 of them."""

    uuid: uuid.UUID
    path: str
    row: ManifestRow
    original_name: str
    source_sha256: str
    sha256: str
    pixels_sha256: str
    media_type: str
    width: int
    height: int

    def rows(self) -> Pair:
        """The two rows, not yet in the database."""
        image = Image(
            uuid=self.uuid, file=self.path, sha256=self.sha256, pixels_sha256=self.pixels_sha256,
            media_type=self.media_type, width=self.width, height=self.height, modality=self.row.modality,
            age=self.row.age, sex=self.row.sex, site=self.row.site, skin_type=self.row.skin_type,
        )  # fmt: skip
        reference = Reference(
            image=image, diagnosis=self.row.diagnosis, confirmation=self.row.confirmation,
            original_name=self.original_name, source_sha256=self.source_sha256, lesion_id=self.row.lesion_id,
            patient_id=self.row.patient_id,
        )  # fmt: skip
        return image, reference


def store(
    files: Files,
    *,
    name: str,
    description: str,
    notice: str,
    created_by: User,
    progress: Progress,
    naming_key: str = "",
    on_commit: Callable[[ImageSet], None] = lambda made: None,
) -> ImageSet:
    """Make an image set of an upload that has been checked: all of it, or nothing and no file left.

    `naming_key`: the secret behind the random names; the same one writes over what a killed attempt left.
    `on_commit(set)` is called inside the transaction; what it raises undoes everything.
    Raises: ImagesError with the problems found, or where the name is taken.
    """
    refuse_taken_name(name)
    paths: list[str] = []
    with _files_removed_on_failure(paths):
        written = list(_write(files, naming_key or secrets.token_hex(32), paths, progress))
        # In the order of random numbers: a row's id must not tell its place in the manifest, where one diagnosis
        # often follows another.
        written.sort(key=lambda picture: picture.uuid.hex)
        sha256 = set_sha256(picture.rows() for picture in written)
        try:
            with transaction.atomic():
                made = ImageSet.objects.create(
                    name=name, description=description, notice=notice, sha256=sha256,
                    taxonomy_sha256=taxonomy().sha256, n_images=len(written), created_by=created_by,
                )  # fmt: skip
                _create_rows(made, written)
                audit.record("image_set.stored", actor=created_by, target=made, sha256=sha256, n_images=made.n_images)
                on_commit(made)
        except IntegrityError:
            refuse_taken_name(name)
            raise
    return made


def refuse_taken_name(name: str) -> None:
    """Raises: ImagesError where there is a set of this name."""
    if ImageSet.objects.filter(name=name).exists():
        message = _("There is an image set “%s” already. Choose another name.") % name
        raise ImagesError(message, status=HTTPStatus.CONFLICT)


def set_sha256(pairs: Iterable[Pair]) -> str:
    """SHA-256 (hex) over the sorted pixels and truth of the images: the same content has the same hash.

    Neither the order nor the names of the files, nor anything random, nor how the pixels were compressed counts.
    """
    lines = sorted(
        json.dumps(
            [
                image.pixels_sha256, reference.diagnosis, reference.confirmation, image.modality, reference.lesion_id,
                reference.patient_id, image.age, image.sex, image.site, image.skin_type,
            ],
            ensure_ascii=False, separators=(",", ":"),
        )
        for image, reference in pairs
    )  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def remove_files(naming_key: str, n_images: int) -> None:
    """Remove what attempts under this key wrote, whether or not they got to tell."""
    for number in range(n_images):
        image = Image(uuid=_uuid(naming_key, number))
        for ending in ("jpg", "png"):
            default_storage.delete(image_path(image, f".{ending}"))


def _uuid(naming_key: str, number: int) -> uuid.UUID:
    digest = hashlib.sha256(f"{naming_key}/{number}".encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


@contextmanager
def _files_removed_on_failure(paths: list[str]) -> Iterator[None]:
    try:
        yield
    except LostLeaseError:
        raise  # another worker writes the same files
    except BaseException:
        for path in paths:
            default_storage.delete(path)
        raise


def _write(files: Files, naming_key: str, paths: list[str], progress: Progress) -> Iterator[Written]:
    """Write each picture, pixels only; its path goes to `paths` before that, so that it can be removed."""
    for number, checked in enumerate(checked_pictures(files, progress=progress)):
        encoded = encode(checked.picture)
        name = _uuid(naming_key, number)
        path = image_path(Image(uuid=name), f".{encoded.ending}")
        paths.append(path)
        _save(path, encoded.content)
        yield _written(name, path, checked, encoded)


def _save(path: str, content: bytes) -> None:
    default_storage.delete(path)  # of an attempt that was killed
    saved = default_storage.save(path, ContentFile(content))
    if saved != path:
        default_storage.delete(saved)
        raise ImagesError(_("The file %s is being written by someone else.") % path, status=HTTPStatus.CONFLICT)


def _written(name: uuid.UUID, path: str, checked: Checked, encoded: Encoded) -> Written:
    return Written(
        uuid=name,
        path=path,
        row=checked.row,
        original_name=checked.member.path,
        source_sha256=hashlib.sha256(checked.content).hexdigest(),
        sha256=hashlib.sha256(encoded.content).hexdigest(),
        pixels_sha256=checked.picture.sha256,
        media_type=encoded.media_type,
        width=checked.picture.width,
        height=checked.picture.height,
    )


def _create_rows(made: ImageSet, written: list[Written]) -> None:
    for start in range(0, len(written), _BATCH):
        pairs = [picture.rows() for picture in written[start : start + _BATCH]]
        for image, _reference in pairs:
            image.image_set = made
        Image.objects.bulk_create([image for image, _reference in pairs])
        for image, reference in pairs:
            reference.image = image  # again, now that it has an id
        Reference.objects.bulk_create([reference for _image, reference in pairs])
