"""A flat table with a description of each column, and how its cells are written."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Cell = str | int | float | bool | datetime | None
Row = tuple[Cell, ...]
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would take what begins so as a formula


@dataclass(frozen=True, slots=True)
class Sheet:
    """``columns``: (name, description); each row has a cell for each column; None or NaN is an empty cell."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    def to_csv(self) -> bytes:
        """UTF-8, comma, a header; numbers at full precision; text that a spreadsheet would compute gets a leading '."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180; a lone carriage return in a text is quoted too
        writer.writerow(name for name, _description in self.columns)
        writer.writerows([_csv_cell(cell) for cell in row] for row in self.rows)
        return text.getvalue().encode()

    def to_json(self) -> bytes:
        names = [name for name, _description in self.columns]
        content = {
            "table": self.name,
            "columns": [{"name": name, "description": description} for name, description in self.columns],
            "rows": [dict(zip(names, map(_json_cell, row), strict=True)) for row in self.rows],
        }
        return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _csv_cell(cell: Cell) -> str | int | float:
    plain = _json_cell(cell)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return int(plain)
    if isinstance(plain, str) and plain.startswith(DANGEROUS):
        return f"'{plain}"
    return plain


def _json_cell(cell: Cell) -> str | int | float | bool | None:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell


def dictionary(sheets: Sequence[Sheet]) -> Sheet:
    """What each column of the sheets means, each sheet once."""
    rows: dict[tuple[Any, ...], None] = {}
    for sheet in sheets:
        rows.update(dict.fromkeys((sheet.name, name, description) for name, description in sheet.columns))
    columns = (
        ("table", "name of the file, without its ending"),
        ("column", "name of the column"),
        ("description", "what it holds"),
    )
    return Sheet("data-dictionary", columns, tuple(rows))
