"""The ZIP: what is taken out of it, and what is refused. Nothing is ever unpacked to a path that it names.

No header is believed: sizes and counts are checked once as they are stated, and again as bytes come out.
"""

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _

from readerstudy.images.columns import MAX_FILE, normal_path
from readerstudy.images.errors import ImagesError, Problems

# Photographs hardly shrink in a ZIP, and deflate reaches 1032:1: what shrinks this much is no photograph.
MAX_RATIO = 100
RATIO_FREE_BYTES = 2**20
# The list of contents is read whole, by zipfile; an entry takes 46 bytes and its name, usually some 120.
DIRECTORY_BYTES_AN_ENTRY = 512
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # the file, strongly, or the list of contents
_UTF8_NAME = 0x800
_LOCAL_HEADER = 30  # bytes before the name, at the least
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError, OverflowError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the ZIP. `path` as it is compared (see `normal_path`), `info` as zipfile knows it."""

    path: str
    info: zipfile.ZipInfo


class _Bounded:
    """A file that refuses to be read in large pieces: zipfile reads as much as the ZIP tells it to."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(min(size, self._limit + 1) if size >= 0 else self._limit + 1)
        if len(content) > self._limit:
            raise ValueError(_("its list of contents is larger than %d MB") % (self._limit // 2**20))
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Archive:
    """The files of a ZIP, one at a time. Made by `open_archive`, which leaves out what is unsafe."""

    def __init__(self, file: zipfile.ZipFile, members: tuple[Member, ...]) -> None:
        self._file = file
        self.members = members

    def read(self, member: Member) -> bytes:
        """The bytes of one file, all in memory: at most IMAGE_MAX_BYTES. Raises: ImagesError."""
        limit = settings.IMAGE_MAX_BYTES
        try:
            with self._file.open(member.info) as stream:
                content = stream.read(limit + 1)
        except _DAMAGED as error:
            raise ImagesError(_("The ZIP is damaged here: %s. Make it again.") % error) from error
        if len(content) > limit:
            raise ImagesError(too_large(limit))
        return content


def too_large(limit: int) -> str:
    return _("The file is larger than %s.") % size_in_words(limit)


def size_in_words(n_bytes: int) -> str:
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return _("%d bytes") % n_bytes


def open_archive(file: IO[bytes], *, name: str, problems: Problems) -> Archive | None:
    """Open a ZIP; every unsafe member goes to `problems` and is left out. None where nothing in it can be used."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start not in (b"PK\x03\x04", b"PK\x05\x06"):
        message = _("This is not a ZIP file. Pack the pictures into one (right click, “Compress” or “Send to ZIP”).")
        problems.add(name, None, "", "", message)
        return None
    limit = 2**20 + DIRECTORY_BYTES_AN_ENTRY * settings.UPLOAD_MAX_IMAGES
    try:
        opened = zipfile.ZipFile(_Bounded(file, limit))
    except _DAMAGED as error:
        message = _("The ZIP cannot be read: it is damaged or was cut off (%s).") % error
        problems.add(name, None, "", "", message)
        return None
    infos = opened.infolist()
    if message := _unreasonable(infos):
        problems.add(name, None, "", "", message)
        return None
    members = tuple(_safe(infos, name, problems))
    if not members and not problems.total:
        problems.add(name, None, "", "", _("The ZIP has no files in it."))
        return None
    return Archive(opened, members)


def _unreasonable(infos: list[zipfile.ZipInfo]) -> str:
    """Why the ZIP as a whole is refused: too many files, too much in them, or files that lie in one another."""
    if len(infos) > 2 * settings.UPLOAD_MAX_IMAGES:  # folders and a system's own files are counted here too
        return _("The ZIP has %(n)d entries; an upload may have %(limit)d pictures.") % {
            "n": len(infos), "limit": settings.UPLOAD_MAX_IMAGES,
        }  # fmt: skip
    total = sum(info.file_size for info in infos)
    if total > settings.UPLOAD_MAX_BYTES:
        return _("Unpacked, the ZIP takes %(total)s; allowed are %(limit)s.") % {
            "total": size_in_words(total), "limit": size_in_words(settings.UPLOAD_MAX_BYTES),
        }  # fmt: skip
    end, before = 0, ""
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            return _("“%(a)s” and “%(b)s” share the same bytes in the ZIP: this is a ZIP bomb, or it is damaged.") % {
                "a": before, "b": _name(info),
            }  # fmt: skip
        end, before = info.header_offset + _LOCAL_HEADER + info.compress_size, _name(info)
    return ""


def _safe(infos: list[zipfile.ZipInfo], name: str, problems: Problems) -> Iterator[Member]:
    paths = Counter(normal_path(_name(info)) for info in infos if not info.is_dir())
    for info in infos:
        path = _name(info)
        fault = _unsafe_name(info, path) or _unsafe_content(info)
        if not fault and not info.is_dir() and paths[normal_path(path)] > 1:
            fault = _("The ZIP has %d files of this name. Each may be there once.") % paths[normal_path(path)]
        if fault:
            problems.add(name, None, "", path, fault)
        elif not info.is_dir() and not _is_systems_own(path):
            yield Member(normal_path(path), info)


def _name(info: zipfile.ZipInfo) -> str:
    """The name in the ZIP. macOS writes UTF-8 without saying so; zipfile then takes it for cp437."""
    if info.flag_bits & _UTF8_NAME:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _unsafe_name(info: zipfile.ZipInfo, path: str) -> str:
    parts = path.replace("\\", "/").split("/")
    if "\\" in path:
        return _("The name has a backslash. Make the ZIP with another program; folders are separated by “/”.")
    if path.startswith("/"):
        return _("The name is an absolute path (it begins with “/”).")
    if len(parts[0]) > 1 and parts[0][1] == ":":
        return _("The name begins with a drive letter.")
    if ".." in parts:
        return _("The name leads out of the ZIP (“..”).")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return _("The name has a control character.")
    if len(path) > MAX_FILE:
        return _("The name is longer than %d characters.") % MAX_FILE
    if not normal_path(path):
        return _("The file has no name.")
    return ""


def _unsafe_content(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return _("This is a symbolic link, not a file. Put the file itself into the ZIP.")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return _("This is not a plain file.")
    if info.flag_bits & _ENCRYPTED:
        return _("The file is encrypted. Make the ZIP without a password.")
    if info.compress_type not in _METHODS:
        return _("The file is compressed in a way that is not read here (method %d). Use the usual one, “Deflate”.") % (
            info.compress_type
        )
    if info.file_size > settings.IMAGE_MAX_BYTES:
        return too_large(settings.IMAGE_MAX_BYTES)
    if info.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * info.compress_size):
        return _("Unpacked, the file grows more than %d times: this is a ZIP bomb, not a photograph.") % MAX_RATIO
    if path_is_zip(info.orig_filename):
        return _("This is a ZIP within the ZIP. Put the pictures themselves into the one ZIP.")
    return ""


def path_is_zip(path: str) -> bool:
    return path.casefold().endswith(".zip")


def _is_systems_own(path: str) -> bool:
    """What macOS and Windows put into folders by themselves; nobody means to upload it."""
    parts = normal_path(path).split("/")
    return (
        "__MACOSX" in parts
        or parts[-1].startswith("._")
        or parts[-1].casefold() in {".ds_store", "thumbs.db", "desktop.ini"}
    )
