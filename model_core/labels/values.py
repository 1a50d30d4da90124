"""How publishers spell ages, sexes, confirmations, truth and the names of files; and what we write instead."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from model_core.files import IMAGE_SUFFIXES

# Identifiers that a publisher made unique: the same one in two files is the same picture. A name such as IMG_0001 or
# 000001 is not among them, as every camera and many sets have one.
_PUBLISHED = re.compile(r"(ISIC_\d{7}|PAT_\d+_\d+_\d+)|\b([0-9a-f]{32})\b")
# What file managers add to a second copy: "x (1).jpg", "x(1).jpg", "x - Copy.jpg"
_COPY = re.compile(r"(\s*\(\d+\)|\s+-\s+Copy)$", re.IGNORECASE)
_UNKNOWN = frozenset({"", "unknown", "unk", "nan", "none", "null", "n/a", "na"})

_CONFIRMATION = {
    "histo": "histopathology",
    "histopathology": "histopathology",
    "confocal": "confocal",
    "confocal microscopy with consensus dermoscopy": "confocal",
    "follow_up": "follow-up",
    "follow-up": "follow-up",
    "serial imaging showing no change": "follow-up",
    "consensus": "consensus",
    "single image expert consensus": "consensus",
    "clinical": "clinical",
    "single contributor clinical assessment": "clinical",
    "synthetic": "synthetic",
}


def known(text: str) -> str:
    """The text, or nothing where it only says that nothing is known.

    An apostrophe before = + - @ is taken off: the ISIC Archive's export puts it there against spreadsheets.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == "'" and text[1] in "=+-@":
        text = text[1:]
    return "" if text.casefold() in _UNKNOWN else text


def age(text: str) -> str:
    """Whole years. "45.0" and "85+" (the ISIC Archive's oldest) are 45 and 85. Raises: ValueError."""
    if not (text := known(text).removesuffix("+")):
        return ""
    try:
        years = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an age in years") from None
    if not 0 <= years <= 120:
        raise ValueError(f"{text!r} is not an age between 0 and 120 years")
    return str(int(years))


def sex(text: str) -> str:
    """Raises: ValueError."""
    if not (text := known(text).casefold()):
        return ""
    if text in ("m", "male", "f", "female"):
        return "male" if text[0] == "m" else "female"
    raise ValueError(f"{text!r} is not a sex; known are male, female, unknown")


def skin_type(text: str) -> str:
    """Fitzpatrick's type, 1 to 6; Fitzpatrick17k writes -1 for unknown. Raises: ValueError."""
    if (text := known(text)) in ("", "-1", "-1.0"):
        return ""
    if (number := text.removesuffix(".0")) in tuple("123456"):
        return number
    raise ValueError(f"{text!r} is not one of Fitzpatrick's skin types 1 to 6")


def confirmation(text: str) -> str:
    """Raises: ValueError."""
    if not (lower := known(text).casefold()):
        return "unknown"
    try:
        return _CONFIRMATION[lower]
    except KeyError:
        raise ValueError(f"{text!r} is not a known way to confirm a diagnosis") from None


def modality(text: str) -> str:
    """`clinical` or `dermoscopy`, from names such as the ISIC Archive's "TBP tile: close-up". Raises: ValueError."""
    if not (lower := known(text).casefold()):
        return ""
    if lower.startswith("dermoscop"):
        return "dermoscopy"
    if lower.startswith(("clinical", "overview", "tbp tile")):
        return "clinical"
    raise ValueError(f"{text!r} is neither a clinical photograph nor dermoscopy")


def site(text: str) -> str:
    return known(text).casefold().replace("_", " ")


def is_true(text: str) -> bool:
    """TRUE, True, 1, 1.0, yes. Raises: ValueError for what is neither true nor false."""
    lower = text.strip().casefold()
    if lower in ("true", "1", "1.0", "yes"):
        return True
    if lower in ("false", "0", "0.0", "no", *_UNKNOWN):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def image_id(name: str) -> str:
    """The name of a file without folder, image suffix and copy mark: "b/ISIC_0025509(1).jpg" is ISIC_0025509."""
    base = PurePosixPath(name.replace("\\", "/")).name
    stem, dot, suffix = base.rpartition(".")
    if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES:
        base = stem
    return _COPY.sub("", base)


def published_id(name: str) -> str:
    """The publisher's identifier within a file name ("ISIC_0000030_downsampled" has ISIC_0000030), or nothing."""
    match = _PUBLISHED.search(image_id(name))
    return match.group() if match else ""


CLEANERS = {
    "age": age, "sex": sex, "skin_type": skin_type, "confirmation": confirmation, "modality": modality, "site": site,
    "lesion_id": known, "patient_id": known,
}  # fmt: skip
