"""Files that are under their name either whole or not at all, whenever the power goes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # names of pictures end so


def file_stamp(path: str | os.PathLike[str]) -> str | None:
    """What tells, without reading it, that a file has changed: its bytes and its time; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return f"{stat.st_size} {stat.st_mtime_ns}"


def files_within(folder: Path) -> Iterator[Path]:
    """Every file in a folder, by name, in linked folders too (each folder once).

    A link to a file that is not there is given as well: data sets under version control have such, and reading it says
    that it is absent.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(root))
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(root, name)) not in seen)
        yield from (Path(root, name) for name in sorted(names))


def write_atomically(path: str | os.PathLike[str], content: bytes | Callable[[str], None]) -> None:
    """Write bytes, or what `content` writes to the path it is given, under a temporary name, and then rename it."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        if callable(content):
            content(temporary)
        else:
            Path(temporary).write_bytes(content)
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
