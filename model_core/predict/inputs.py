"""Where the pictures are: in a folder or a ZIP archive, all of them or those that a manifest names. No torch here.

What is held in memory is their names; each is opened when its turn comes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from model_core.files import IMAGE_SUFFIXES, file_stamp, files_within
from model_core.manifest import DataError, read_table

LARGEST_MEMBER = 1 << 30  # bytes of a picture in an archive, unpacked


class Pictures(Protocol):
    """names: as outputs give them, "/" between folders, in the order of the outputs."""

    names: Sequence[str]

    def stamp(self, name: str) -> str | None:
        """What changes when the file does, without reading it; None where there is no such file."""

    def read(self, name: str) -> bytes:
        """Its bytes; any exception says why not. Called by several threads at once."""


class FolderPictures:
    """Those of a folder, which names are relative to."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.names = names
        self._folder = folder

    def stamp(self, name: str) -> str | None:
        return file_stamp(self._folder / name)

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


class ZipPictures:
    """Those of a ZIP archive. It stays open: its directory is read once."""

    def __init__(self, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
        self.names = names
        self._archive = archive

    def stamp(self, name: str) -> str | None:
        try:
            member = self._archive.getinfo(name)
        except KeyError:
            return None
        return f"{member.file_size} {member.CRC:08x}"

    def read(self, name: str) -> bytes:
        try:
            member = self._archive.getinfo(name)
        except KeyError as error:
            raise FileNotFoundError(name) from error
        if member.file_size > LARGEST_MEMBER:
            raise ValueError(f"it has {member.file_size} bytes unpacked, and at most {LARGEST_MEMBER} are allowed")
        return self._archive.read(member)


def find_pictures(images: Path, listed: Sequence[str] | None = None) -> Pictures:
    """The pictures of a folder or a ZIP archive: those listed, in that order, or all of them, sorted by name.

    A listed picture may be absent: reading it says so. Files that systems hide (names that begin with a point, and
    macOS's folder __MACOSX) are no pictures. Raises: DataError for an absent or unreadable folder or archive, or none.
    """
    if images.is_dir():
        names = listed or _pictures_among(path.relative_to(images).as_posix() for path in files_within(images))
        return FolderPictures(images, names or _none(images))
    if not images.exists():
        raise DataError(f"There is no folder {images}, and no ZIP archive of that name.")
    try:
        archive = zipfile.ZipFile(images)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{images} is neither a folder nor a ZIP archive that can be read: {error}.") from error
    return ZipPictures(archive, listed or _pictures_among(archive.namelist()) or _none(images))


def read_listed(manifest: Path) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """(names, diagnoses or None) of a manifest's columns file and diagnosis, as written, in its order.

    Raises: DataError naming the row of an empty name, one that leaves the folder, or one that was there before.
    """
    rows: dict[str, str] = {}
    has_diagnosis = False
    for number, values in read_table(manifest, required=("file",)):
        written = values["file"]
        name = PurePosixPath(written.replace("\\", "/"))
        where = f"{manifest.name}, row {number}, column file: {written!r}"
        if not written or name.is_absolute() or ".." in name.parts:
            raise DataError(f"{where} must be a path inside the folder of images.")
        if name.as_posix() in rows:
            raise DataError(f"{where} occurs twice.")
        rows[name.as_posix()] = values.get("diagnosis", "")
        has_diagnosis = "diagnosis" in values
    if not rows:
        raise DataError(f"{manifest.name} has no rows; a manifest names at least one image.")
    return tuple(rows), tuple(rows.values()) if has_diagnosis else None


def _pictures_among(names: Iterable[str]) -> list[str]:
    def shown(name: str) -> bool:
        parts = PurePosixPath(name).parts
        return not any(part.startswith(".") or part == "__MACOSX" for part in parts)

    return sorted(name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and shown(name))


def _none(images: Path) -> list[str]:
    raise DataError(f"There is no picture ({', '.join(IMAGE_SUFFIXES)}) in {images}.")
