"""What a file's metadata tell of its taking: the same exposure, the same original, the same few minutes."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from PIL import ExifTags, Image

_BASE, _EXIF = ExifTags.Base, ExifTags.IFD.Exif
# What editors write to tell which original a file came from
_ORIGINAL = re.compile(rb"xmpMM:OriginalDocumentID(?:=[\"']|>)([^\"'<]{8,100})")
# A camera whose clock was never set starts on one of these days
_UNSET = frozenset({"1970-01-01", "1980-01-01", "1999-01-01", "2000-01-01"})


@dataclass(frozen=True, slots=True)
class Capture:
    """Empty text and None stand for what the file does not say.

    original: identifies the exposure or the original document; camera: make, model and serial number; taken_at: local
    time, without a zone, of the exposure; serial: whether the camera is a single one rather than a model.
    """

    original: str = ""
    camera: str = ""
    serial: bool = False
    taken_at: datetime.datetime | None = None


def read_capture(image: Image.Image) -> Capture:
    """The capture of an opened picture; a block of metadata that is damaged counts as absent."""
    try:
        exif = image.getexif()
        inner = exif.get_ifd(_EXIF)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return Capture(original=_document(image))
    make, model = _text(exif.get(_BASE.Make)), _text(exif.get(_BASE.Model))
    number = _text(inner.get(_BASE.BodySerialNumber)).strip("0 ")
    camera = " ".join(part for part in (make, model, number) if part)
    unique = _text(inner.get(_BASE.ImageUniqueID)).strip("0 ")
    original = f"exposure {unique}" if len(unique) >= 8 else _document(image)
    return Capture(original, camera, bool(number), _time(inner))


def _time(inner: dict[int, object]) -> datetime.datetime | None:
    try:
        taken = datetime.datetime.strptime(  # noqa: DTZ007 (a camera's clock has no zone)
            _text(inner.get(_BASE.DateTimeOriginal)), "%Y:%m:%d %H:%M:%S"
        )
    except ValueError:
        return None
    if taken.date().isoformat() in _UNSET:
        return None
    fraction = _text(inner.get(_BASE.SubsecTimeOriginal))
    return taken.replace(microsecond=int(fraction[:6].ljust(6, "0"))) if fraction.isdecimal() else taken


def _document(image: Image.Image) -> str:
    packet = image.info.get("xmp")
    match = _ORIGINAL.search(packet) if isinstance(packet, bytes) else None
    return f"document {match.group(1).decode('ascii', 'replace')}" if match else ""


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
