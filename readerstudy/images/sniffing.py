"""What a file is, told by its bytes and never by its name."""

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from readerstudy.images.errors import ImagesError


@dataclass(frozen=True, slots=True)
class Format:
    """A picture format that is accepted. `name` as Pillow calls it; `endings` as a file of it may be called."""

    name: str
    endings: tuple[str, ...]


JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"))
PNG = Format("PNG", (".png",))
TIFF = Format("TIFF", (".tif", ".tiff"))
BMP = Format("BMP", (".bmp",))
ACCEPTED = (JPEG, PNG, TIFF, BMP)

_SIGNATURES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"BM", BMP),
)
_REFUSED = (
    (rb"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg", gettext_noop("an SVG drawing")),
    (rb"GIF8[79]a", gettext_noop("a GIF")),
    (rb"RIFF....WEBP", gettext_noop("a WebP picture")),
    (rb"....ftyp(heic|heix|hevc|mif1|msf1|heim|heis)", gettext_noop("a HEIC picture, as iPhones make them")),
    (rb"....ftypavi[fs]", gettext_noop("an AVIF picture")),
    (rb"....ftyp", gettext_noop("a video")),
    (rb".{128}DICM", gettext_noop("a DICOM file")),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", gettext_noop("a JPEG 2000 picture")),
    (rb"8BPS", gettext_noop("a Photoshop file")),
    (rb"%PDF", gettext_noop("a PDF")),
    (rb"PK\x03\x04", gettext_noop("a ZIP or an Office document")),
    (rb"Rar!|7z\xbc\xaf", gettext_noop("an archive")),
    (rb"\s*<(!doctype )?html", gettext_noop("a web page")),
    (rb"\s*<\?xml", gettext_noop("an XML file")),
    (rb"II\+\0|MM\0\+", gettext_noop("a BigTIFF")),
)
_LONGEST = 1024


def sniff(content: bytes, *, name: str) -> Format:
    """The format of a picture whose name fits it. Raises: ImagesError saying what the file is instead."""
    if not content:
        raise ImagesError(_("The file is empty (0 bytes)."))
    for signature, found in _SIGNATURES:
        if content.startswith(signature):
            return _named_as_it_is(found, name)
    start = content[:_LONGEST].removeprefix(b"\xef\xbb\xbf")
    for pattern, words in _REFUSED:
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            raise ImagesError(
                _("This is %(kind)s by its content. Allowed are %(allowed)s.")
                % {"kind": _(words), "allowed": _allowed()}
            )
    raise ImagesError(_("This is no picture that is known here. Allowed are %s.") % _allowed())


def _named_as_it_is(found: Format, name: str) -> Format:
    ending = name[name.rfind(".") :].casefold() if "." in name.rpartition("/")[2] else ""
    if ending not in found.endings:
        raise ImagesError(
            _("This is a %(kind)s by its content, but its name ends in “%(ending)s”. Name it %(endings)s.")
            % {"kind": found.name, "ending": ending, "endings": _(" or ").join(found.endings[:2])}
        )
    return found


def _allowed() -> str:
    return ", ".join(accepted.name for accepted in ACCEPTED)
