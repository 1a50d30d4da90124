"""The manifest's columns: what each may contain, and what a wrong cell is told."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from django.utils.translation import gettext as _

from model_core.taxonomy import Taxonomy, TaxonomyError
from readerstudy.images.models import Confirmation, Modality, Sex

REQUIRED = ("file", "diagnosis", "confirmation", "modality")
OPTIONAL = ("lesion_id", "patient_id", "age", "sex", "site", "skin_type")
COLUMNS = (*REQUIRED, *OPTIONAL)
MAX_FILE = 500
MAX_AGE = 120

# As public data sets write it.
_NOT_STATED = frozenset({
    "", "unknown", "unk", "nan", "na", "n/a", "none", "null", "nil", "-", "--", "?", "not stated", "not specified",
    "not available", "not given", "missing",
})  # fmt: skip
# What a value is also called: HAM10000's and the ISIC Archive's own words.
_CONFIRMATIONS = {
    "histo": Confirmation.HISTOPATHOLOGY,
    "histology": Confirmation.HISTOPATHOLOGY,
    "confocalmicroscopy": Confirmation.CONFOCAL,
    "confocalmicroscopywithconsensusdermoscopy": Confirmation.CONFOCAL,
    "serialimagingshowingnochange": Confirmation.FOLLOW_UP,
    "expertconsensus": Confirmation.CONSENSUS,
    "singleimageexpertconsensus": Confirmation.CONSENSUS,
    "clinicalimpression": Confirmation.CLINICAL,
}
_MODALITIES = {
    "dermoscopic": Modality.DERMOSCOPY,
    "dermatoscopy": Modality.DERMOSCOPY,
    "dermatoscopic": Modality.DERMOSCOPY,
    "clinicalphotograph": Modality.CLINICAL,
    "photograph": Modality.CLINICAL,
    "closeup": Modality.CLINICAL,
    "clinical:closeup": Modality.CLINICAL,
    "clinical:overview": Modality.OVERVIEW,
    "overviewphotograph": Modality.OVERVIEW,
}
_SEXES = {"f": Sex.FEMALE, "female": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
_BOOLEANS = frozenset({"true", "false", "yes", "no", "1", "0", "1.0", "0.0"})


class CellError(ValueError):
    """A cell that is wrong, and what is allowed. Never leaves this room: it becomes a `Problem`."""


def _key(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", text).casefold())


_BY_KEY = {**{_key(column): column for column in COLUMNS}, "gender": "sex"}


def canonical(header_cell: str) -> str:
    """The column that a header cell means, whatever its case, spaces, hyphens and underscores; else the cell itself."""
    return _BY_KEY.get(_key(header_cell), header_cell)


def near(text: str, allowed: Iterable[str]) -> str:
    """The one of `allowed` that `text` most resembles, or nothing."""
    by_key = {_key(item): item for item in allowed}
    found = difflib.get_close_matches(_key(text), by_key, n=1, cutoff=0.6)
    return by_key[found[0]] if found else ""


def is_stated(cell: str) -> bool:
    return cell.casefold() not in _NOT_STATED


def normal_path(path: str) -> str:
    """A path as it is compared: composed letters, forward slashes, no `.` and no empty parts."""
    composed = unicodedata.normalize("NFC", path).replace("\\", "/")
    return "/".join(part for part in composed.split("/") if part not in ("", "."))


def read_file(cell: str) -> str:
    if not normal_path(cell):
        raise CellError(_("The name of the picture's file is missing."))
    if len(cell) > MAX_FILE:
        raise CellError(_("The name is longer than %d characters.") % MAX_FILE)
    return normal_path(cell)


def read_diagnosis(taxonomy: Taxonomy) -> Callable[[str], str]:
    """A reader of diagnoses: the id or the name of a node. A wrong one of 100,000 rows is looked up once."""
    known: dict[str, str | CellError] = {}

    def find(cell: str) -> str | CellError:
        if not is_stated(cell):
            return CellError(_("The diagnosis is missing: give the id or the name of a node of the taxonomy."))
        try:
            return taxonomy.find(cell)
        except TaxonomyError as error:
            return CellError(str(error))

    def read(cell: str) -> str:
        found = known.get(cell)
        if found is None:
            found = known[cell] = find(cell)
        if isinstance(found, CellError):
            raise found
        return found

    return read


def read_confirmation(cell: str) -> str:
    if not is_stated(cell):
        return Confirmation.UNKNOWN
    allowed = list(Confirmation.values)
    found = _choice(cell, allowed, _CONFIRMATIONS)
    if found is None:
        message = _("Allowed are: %s; or nothing, if it is not stated.") % ", ".join(allowed)
        if cell.casefold() in _BOOLEANS:
            raise CellError(message + " " + _("If this says whether a biopsy was taken, write histopathology for yes."))
        raise CellError(_with_hint(message, cell, allowed))
    return found


def read_modality(cell: str) -> str:
    allowed = list(Modality.values)
    found = _choice(cell, allowed, _MODALITIES)
    if found is None:
        raise CellError(_with_hint(_("Allowed are: %s.") % ", ".join(allowed), cell, allowed))
    return found


def read_text(longest: int) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if not is_stated(cell):
            return ""
        if len(cell) > longest:
            raise CellError(_("This is longer than %d characters.") % longest)
        return cell

    return read


def read_age(cell: str) -> int | None:
    """Whole years, also as `45.0` (a table read and written by a program) or `45,0`."""
    if not is_stated(cell):
        return None
    found = re.fullmatch(r"([0-9]{1,3})(?:[.,]0*)?", cell)
    if not found or int(found[1]) > MAX_AGE:
        raise CellError(_("The age must be whole years from 0 to %d, or nothing.") % MAX_AGE)
    return int(found[1])


def read_sex(cell: str) -> str:
    if not is_stated(cell):
        return Sex.UNKNOWN
    found = _SEXES.get(cell.casefold())
    if found is None:
        raise CellError(_("Allowed are: female, male (or f, m), or nothing."))
    return found


def read_skin_type(cell: str) -> int | None:
    """Fitzpatrick's type: I to VI, or 1 to 6, also as `3.0`."""
    if not is_stated(cell):
        return None
    key = unicodedata.normalize("NFKC", cell).casefold()
    if key in _ROMAN:
        return _ROMAN[key]
    found = re.fullmatch(r"([1-6])(?:[.,]0*)?", key)
    if not found:
        raise CellError(_("The Fitzpatrick skin type must be I to VI or 1 to 6, or nothing."))
    return int(found[1])


def _choice(cell: str, allowed: Iterable[str], also: Mapping[str, str]) -> str | None:
    key = _key(cell)
    return {_key(value): value for value in allowed}.get(key) or also.get(key)


def _with_hint(message: str, cell: str, allowed: Iterable[str]) -> str:
    close = near(cell, allowed)
    return f"{message} {_('Is “%s” meant?') % close}" if close else message
