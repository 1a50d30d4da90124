"""Files that a worker has made, in storage: nothing there that cannot be made again."""

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.files.base import File
from django.core.files.storage import default_storage


@dataclass(frozen=True, slots=True)
class StoredFile:
    """``path`` in storage, ``size`` in bytes, ``sha256`` of the content."""

    path: str
    size: int
    sha256: str


def stored(key: str, ending: str, content: Iterable[bytes]) -> StoredFile:
    """Stored under the hash of what it was made from; what a worker that was killed left there is replaced."""
    path = f"results/files/{key}.{ending}"
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as target:
        for part in content:
            target.write(part)
            digest.update(part)
            size += len(part)
        target.seek(0)
        default_storage.delete(path)
        path = default_storage.save(path, File(target))
    return StoredFile(path, size, digest.hexdigest())


def is_there(found: StoredFile) -> bool:
    return default_storage.exists(found.path)


def forget(found: StoredFile) -> None:
    default_storage.delete(found.path)
