"""Which pictures a command looks at: those of a folder, those that a manifest names, or one file. No torch here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_core.files import file_stamp
from model_core.manifest import DataError
from model_core.predict.inputs import find_pictures, read_listed


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture's name, as outputs give it ("/" between folders), and where its file is."""

    name: str
    path: Path


def listed_pictures(
    images: str | os.PathLike[str], manifest: str | os.PathLike[str] | None = None
) -> tuple[Listed, ...]:
    """In the manifest's order, or sorted by name. A file that a manifest names may be absent: what opens it says so.

    images: a folder (those within it are read too) that a manifest's `file` is relative to; without a manifest, a file
    too. Raises: DataError for an absent folder, one without pictures, or a manifest's path that leaves it.
    """
    folder = Path(images)
    if manifest is None and folder.is_file():
        return (Listed(folder.name, folder),)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    names = read_listed(Path(manifest))[0] if manifest is not None else None
    return tuple(Listed(name, folder / name) for name in find_pictures(folder, names).names)


def stamps(listed: Sequence[Listed]) -> list[tuple[str, str | None]]:
    """(name, `file_stamp`) of each."""
    return [(one.name, file_stamp(one.path)) for one in listed]
