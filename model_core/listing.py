"""Which pictures a command looks at: those of a folder, those that a manifest names, or one file. No torch here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from model_core.manifest import DataError, read_manifest
from model_core.predict import pictures


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
    if manifest is None:
        if folder.is_file():
            return (Listed(folder.name, folder),)
        return tuple(Listed(path.relative_to(folder).as_posix(), path) for path in pictures(folder))
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = []
    for row in read_manifest(manifest):
        relative = PurePosixPath(row.file.replace("\\", "/"))
        if relative.is_absolute() or ".." in relative.parts:
            raise DataError(
                f"{os.path.basename(os.fspath(manifest))}, row {row.row}, column file: {row.file!r} must be a path "
                "inside the folder of images."
            )
        found.append(Listed(row.file, folder / relative))
    return tuple(found)


def stamps(listed: Sequence[Listed]) -> list[tuple[str, int, int]]:
    """(name, bytes, time of change in ns) of each file, -1 where it is absent: what tells that a file has changed."""
    found = []
    for one in listed:
        try:
            stat = os.stat(one.path)
            found.append((one.name, stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append((one.name, -1, -1))
    return found
