"""What can be wrong with images and their manifest: each problem names its culprit; one exception for the room."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext as _

KEPT = 1000  # problems kept in full; all are counted
SHOWN_VALUE = 200  # characters


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps an upload from being stored. `row` as a spreadsheet numbers it (1: the header)."""

    file: str
    row: int | None
    column: str
    value: str
    message: str

    def __str__(self) -> str:
        where = [self.file]
        if self.row:
            where.append(_("row %(row)s") % {"row": self.row})
        if self.column:
            where.append(_("column %(column)s") % {"column": self.column})
        if self.value:
            where.append(_("“%s”") % self.value)
        return f"{', '.join(where)}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Problems:
    """Collects every problem: the first `KEPT` in full, the number of all, and the manifest rows that have one."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self.total = 0
        self.rows: set[int] = set()

    def add(self, file: str, row: int | None, column: str, value: str, message: str) -> None:
        self.total += 1
        if row is not None:
            self.rows.add(row)
        if len(self._kept) < KEPT:
            shown = value if len(value) <= SHOWN_VALUE else f"{value[: SHOWN_VALUE - 1]}…"
            self._kept.append(Problem(file, row, column, shown, message))

    def __iter__(self) -> Iterator[Problem]:
        """The kept problems in the order of the manifest's rows; what belongs to no row comes first."""
        return iter(sorted(self._kept, key=lambda problem: problem.row or 0))


class ImagesError(Exception):
    """What is wrong with a picture, an upload or a set, in a sentence; `problems` has each one, if there are several.

    Raised low, caught once at the edge, where `status` is the HTTP status of the answer.
    """

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), status: HTTPStatus = HTTPStatus.BAD_REQUEST
    ) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.status = status
