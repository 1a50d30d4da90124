"""The manifest: one row for each picture, with its truth. Every fault is reported, not only the first.

What is forgiven: case and spaces in the header; commas, semicolons or tabs between the cells; a byte order mark; the
usual ways to write "not stated". What is never guessed: a diagnosis, how it was confirmed, a modality.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _

from model_core.taxonomy import Taxonomy
from readerstudy.images.columns import (
    COLUMNS,
    REQUIRED,
    CellError,
    canonical,
    near,
    read_age,
    read_confirmation,
    read_diagnosis,
    read_file,
    read_modality,
    read_sex,
    read_skin_type,
    read_text,
)
from readerstudy.images.errors import Problems

MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One picture. `row` as a spreadsheet numbers it; `file` is a path in the ZIP or a name; empty: not stated."""

    row: int
    file: str
    diagnosis: str = ""
    confirmation: str = ""
    modality: str = ""
    lesion_id: str = ""
    patient_id: str = ""
    age: int | None = None
    sex: str = ""
    site: str = ""
    skin_type: int | None = None


@dataclass(slots=True)
class Manifest:
    """The rows that could be read. `is_complete`: every row is here, so that a picture without one has none."""

    name: str
    rows: list[ManifestRow] = field(default_factory=list)
    n_rows: int = 0  # with those that could not be read
    unknown_columns: list[str] = field(default_factory=list)
    is_complete: bool = True


def read_manifest(file: IO[bytes], *, name: str, taxonomy: Taxonomy, problems: Problems) -> Manifest:
    """Read the manifest; what is wrong goes to `problems`, with file, row, column, value and what is allowed."""
    manifest = Manifest(name)
    text = _decode(file, name, problems)
    if text is None:
        manifest.is_complete = False
        return manifest
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    columns: list[str | None] = []
    row_reader = _RowReader(name, taxonomy, problems)
    try:
        for number, record in enumerate(reader, start=1):
            if number == 1:
                columns = _read_header(record, manifest, problems)
                manifest.is_complete = "file" in columns
            elif any(cell.strip() for cell in record):
                manifest.n_rows += 1
                _refuse_surplus(number, record, columns, name, problems)
                row = row_reader.read(number, columns, record)
                if row is not None:
                    manifest.rows.append(row)
            if manifest.n_rows > settings.UPLOAD_MAX_IMAGES:
                problems.add(name, number, "", "", _("An upload may have %d rows.") % settings.UPLOAD_MAX_IMAGES)
                manifest.is_complete = False
                break
    except csv.Error as error:
        # The rows after this one are lost: where it ends cannot be told.
        problems.add(name, number + 1, "", "", _("This row is not CSV (%s).") % error)
        manifest.is_complete = False
    if manifest.is_complete and not manifest.n_rows:
        problems.add(name, None, "", "", _("The manifest has no rows; it needs one for each picture."))
    return manifest


class _RowReader:
    """Reads one row after another; remembers which files were named, and the diagnoses already looked up."""

    def __init__(self, name: str, taxonomy: Taxonomy, problems: Problems) -> None:
        self.name, self.problems = name, problems
        self._named: dict[str, int] = {}
        self._readers: dict[str, Callable[[str], Any]] = {
            "file": read_file,
            "diagnosis": read_diagnosis(taxonomy),
            "confirmation": read_confirmation,
            "modality": read_modality,
            "lesion_id": read_text(100),
            "patient_id": read_text(100),
            "age": read_age,
            "sex": read_sex,
            "site": read_text(80),
            "skin_type": read_skin_type,
        }

    def read(self, number: int, columns: Sequence[str | None], record: Sequence[str]) -> ManifestRow | None:
        """The row, without the values that are wrong (those are reported); None where no picture is named."""
        padded = [*record, *[""] * (len(columns) - len(record))]
        cells = {column: cell.strip() for column, cell in zip(columns, padded, strict=False) if column}
        values: dict[str, Any] = {}
        for column, cell in cells.items():
            try:
                if any(unicodedata.category(character) == "Cc" for character in cell):
                    raise CellError(_("There is a line break or another control character in this cell."))
                values[column] = self._readers[column](cell)
            except CellError as error:
                self.problems.add(self.name, number, column, cell, str(error))
        if not values.get("file"):
            return None
        first = self._named.setdefault(values["file"], number)
        if first != number:
            self.problems.add(
                self.name, number, "file", cells["file"],
                _("Row %(first)d names the same file. A file may have one row.") % {"first": first},
            )  # fmt: skip
            self.problems.rows.add(first)
            return None
        return ManifestRow(number, **values)


def _decode(file: IO[bytes], name: str, problems: Problems) -> str | None:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        problems.add(name, None, "", "", _("The manifest is larger than %d MB.") % (MAX_BYTES // 2**20))
        return None
    save = _("In a spreadsheet: Save as, “CSV UTF-8”.")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        problems.add(name, None, "", "", _("This is a spreadsheet file or a ZIP, not a CSV file.") + f" {save}")
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(name, None, "", "", _("This is UTF-16 text; the manifest must be UTF-8.") + f" {save}")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = _row_of(content[: error.start])
        line = content[: error.start].rpartition(b"\n")[2] + content[error.start :].partition(b"\n")[0]
        shown = line.decode("utf-8", errors="replace").strip()
        message = _("The byte 0x%(byte)02x is not UTF-8.") % {"byte": content[error.start]}
        problems.add(name, row, "", shown, f"{message} {save}")
        return None


def _row_of(prefix: bytes) -> int:
    """The spreadsheet's number of the row in which `prefix` ends: a cell may contain line breaks."""
    text = prefix.decode("utf-8-sig") + "x"
    try:
        return max(1, sum(1 for _record in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))))
    except csv.Error:
        return text.count("\n") + 1


def _delimiter(text: str) -> str:
    """The separator that finds the most of our columns in the header."""
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]

    def known(delimiter: str) -> int:
        return sum(canonical(cell.strip(' "')) in COLUMNS for cell in header.split(delimiter))

    return max(",;\t", key=lambda delimiter: (known(delimiter), header.count(delimiter)))


def _read_header(record: Sequence[str], manifest: Manifest, problems: Problems) -> list[str | None]:
    """The column of each cell; None for one that is not ours."""
    columns: list[str | None] = []
    written = [cell.strip() for cell in record if cell.strip()]
    for cell in record:
        column = canonical(cell)
        if column not in COLUMNS:
            if cell.strip():
                manifest.unknown_columns.append(cell.strip())
            columns.append(None)
        elif column in columns:
            problems.add(manifest.name, 1, column, cell.strip(), _("There are two columns of this name."))
            columns.append(None)
        else:
            columns.append(column)
    for column in REQUIRED:
        if column not in columns:
            message = _("The column “%(column)s” is missing. The header has: %(header)s. It needs: %(required)s.") % {
                "column": column,
                "header": ", ".join(written)[:300] or _("nothing"),
                "required": ", ".join(REQUIRED),
            }
            if close := near(column, manifest.unknown_columns):
                message += " " + _("Is “%s” meant?") % close
            problems.add(manifest.name, 1, column, "", message)
    return columns


def _refuse_surplus(
    number: int, record: Sequence[str], columns: Sequence[str | None], name: str, problems: Problems
) -> None:
    surplus = [cell.strip() for cell in record[len(columns) :] if cell.strip()]
    if surplus:
        message = _(
            "The row has %(cells)d cells, the header %(columns)d. A cell that contains the separator must be in quotes."
        ) % {"cells": len(record), "columns": len(columns)}
        problems.add(name, number, "", surplus[0], message)
