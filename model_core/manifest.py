"""The manifest: one CSV row for each image, with its diagnosis and what may be known of lesion and patient.

The columns are those that the web application accepts with a ZIP of images: one file serves both. No torch here.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import NoReturn

COLUMNS = (
    "file", "diagnosis", "confirmation", "modality", "lesion_id", "patient_id", "age", "sex", "site", "skin_type",
)  # fmt: skip
CONFIRMATIONS = ("histopathology", "confocal", "follow-up", "consensus", "clinical", "synthetic", "unknown")
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
MODALITIES = ("overview", "clinical", "dermoscopy")


class DataError(Exception):
    """What is wrong with labels, a manifest or the images it names, in a sentence that names the culprit."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image. Empty text means that the source does not say.

    `file` is relative to the folder of images; `diagnosis` is the id (or name) of a taxonomy node; `age` in years;
    `skin_type` is Fitzpatrick's, 1 to 6; `row` is the line in the file, for messages only.
    """

    file: str
    diagnosis: str
    confirmation: str = "unknown"
    modality: str = ""
    lesion_id: str = ""
    patient_id: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""
    row: int = field(default=0, compare=False)


def read_text(path: str | os.PathLike[str]) -> str:
    """A UTF-8 text, with or without a byte order mark. Raises: DataError naming the file (and the row)."""
    name = os.path.basename(os.fspath(path))
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from error
    if (zero := content.find(b"\0")) >= 0 and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        row = content.count(b"\n", 0, zero) + 1
        raise DataError(f"{name}, row {row}: there is a byte 0; this is not a text file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}, row {row}: the byte 0x{content[error.start]:02x} is not UTF-8. Save the file as CSV UTF-8."
        ) from error


def delimiter_of(text: str) -> str:
    """Comma, semicolon or tab, whichever the first line has most of: spreadsheets write what their country is used to,
    and the web application reads all three."""
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def read_table(path: str | os.PathLike[str], *, required: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, {column: value}) of each row of a CSV; values stripped, columns without a name left out.

    Rows that are empty in every column are skipped. Raises: DataError naming the file, the row, the column.
    """
    name = os.path.basename(os.fspath(path))
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if missing := [column for column in required if column not in header]:
            of = f"column {missing[0]} is" if len(missing) == 1 else f"columns {', '.join(missing)} are"
            raise DataError(f"{name}, row 1: the {of} missing; there are {_shown(header)}.")
        if twice := sorted({column for column in header if column and header.count(column) > 1}):
            raise DataError(f"{name}, row 1: the column {', '.join(twice)} occurs more than once.")
        for record in reader:
            if len(record) > len(header) and any(value.strip() for value in record[len(header) :]):
                raise DataError(
                    f"{name}, row {reader.line_num}: {len(record)} values under {len(header)} columns; "
                    f"a value that contains {SEPARATORS[reader.dialect.delimiter]} must be in quotes."
                )
            row = {c: v.strip() for c, v in zip(header, [*record, *[""] * len(header)], strict=False) if c}
            if any(row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{name}, row {reader.line_num}: this is not CSV: {error}.") from error


def read_manifest(path: str | os.PathLike[str]) -> tuple[ManifestRow, ...]:
    """The rows of a manifest, in the file's order; other columns are ignored.

    Raises: DataError for a missing column, an empty file name or diagnosis, a file named twice, or a value that is not
    among those allowed, naming file, row, column, value and what is allowed.
    """
    name = os.path.basename(os.fspath(path))
    known = {f.name for f in fields(ManifestRow)} - {"row"}
    rows: list[ManifestRow] = []
    seen: dict[str, int] = {}
    for number, values in read_table(path, required=("file", "diagnosis")):
        for column in ("file", "diagnosis"):
            if not values[column]:
                _refuse(name, number, column, "", "it must not be empty")
        row = ManifestRow(**{k: v for k, v in values.items() if k in known and v}, row=number)
        _check_values(name, row)
        if row.file in seen:
            _refuse(name, number, "file", row.file, f"row {seen[row.file]} names the same file")
        seen[row.file] = number
        rows.append(row)
    if not rows:
        raise DataError(f"{name} has no rows; a manifest names at least one image.")
    return tuple(rows)


def write_manifest(path: str | os.PathLike[str], rows: Iterable[ManifestRow]) -> None:
    """Write the rows with the columns `COLUMNS` (UTF-8, one header row)."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)


def _check_values(name: str, row: ManifestRow) -> None:
    path = PurePosixPath(row.file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        _refuse(name, row.row, "file", row.file, "it must be a path inside the folder of images")
    if row.confirmation not in CONFIRMATIONS:
        _refuse(name, row.row, "confirmation", row.confirmation, f"allowed are {', '.join(CONFIRMATIONS)}")
    if row.modality and row.modality not in MODALITIES:
        _refuse(name, row.row, "modality", row.modality, f"allowed are {', '.join(MODALITIES)}, or nothing")
    if row.sex and row.sex not in ("female", "male"):
        _refuse(name, row.row, "sex", row.sex, "allowed are female, male, or nothing")
    if row.age and not (row.age.isdecimal() and int(row.age) <= 120):
        _refuse(name, row.row, "age", row.age, "it must be whole years from 0 to 120, or nothing")
    if row.skin_type and row.skin_type not in tuple("123456"):
        _refuse(name, row.row, "skin_type", row.skin_type, "it must be Fitzpatrick's type 1 to 6, or nothing")


def _refuse(name: str, number: int, column: str, value: str, reason: str) -> NoReturn:
    raise DataError(f"{name}, row {number}, column {column}: {value!r}: {reason}.")


def _shown(header: Sequence[str]) -> str:
    return ", ".join(column for column in header if column) or "none"
