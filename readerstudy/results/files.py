"""Files that a worker has made, in storage: nothing there that cannot be made again."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.files.base import ContentFile, File
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


def source_of(key: str) -> str:
    """Where the finished content of a figure lies until it is drawn."""
    return f"results/sources/{key}.json"


def keep_source(belongs: Sequence[int | str | None], content: str) -> str:
    """The key under which a figure's content is kept: its hash, and that of what it ``belongs`` to."""
    key = hashlib.sha256(json.dumps([*belongs, content]).encode()).hexdigest()
    if not default_storage.exists(source_of(key)):
        default_storage.save(source_of(key), ContentFile(content.encode()))
    return key


def source(key: str) -> str | None:
    """None where it was drawn and tidied up."""
    if not default_storage.exists(source_of(key)):
        return None
    with default_storage.open(source_of(key), "rb") as file:
        return bytes(file.read()).decode()


def forget_source(key: str) -> None:
    default_storage.delete(source_of(key))


def at(path: str) -> StoredFile:
    """What lies there."""
    with default_storage.open(path, "rb") as file:
        content = file.read()
    return StoredFile(path, len(content), hashlib.sha256(content).hexdigest())


def is_there(found: StoredFile) -> bool:
    return default_storage.exists(found.path)


def forget(found: StoredFile) -> None:
    default_storage.delete(found.path)
