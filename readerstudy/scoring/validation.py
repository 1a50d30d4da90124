"""The accuracy over folds that `python -m model_core crossvalidate` writes (its table.csv), kept with a model."""

import csv
import hashlib
import io
import math
from dataclasses import asdict, dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import ModelVersion, Validation

COLUMNS = ("arm", "level", "classes", "folds", "mean_accuracy", "sd")
MOST_BYTES, MOST_ROWS, MOST_LETTERS = 100_000, 100, 60
MOST_CLASSES, MOST_LEVEL, MOST_FOLDS = 10_000, 20, 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """A way to train, tested at a level of the taxonomy (1: the topmost) of so many classes: the mean over folds of the
    mean per-class accuracy, and its standard deviation (None of a single fold), both shares."""

    arm: str
    level: int
    classes: int
    folds: int
    mean_accuracy: float
    sd: float | None


def rows_of(version: ModelVersion) -> tuple[Row, ...]:
    """Those of the newest file, in its order; none where there is no file."""
    newest = version.validations.first()
    return tuple(Row(**row) for row in newest.rows) if newest else ()


def register_validation(*, version: ModelVersion, content: bytes, file_name: str, by: User) -> Validation:
    """Keep a table with a model; the same file once. Raises: ScoringError, naming the file, row and column."""
    rows = read(content, file_name)
    digest = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        kept, is_new = Validation.objects.get_or_create(
            model_version=version, sha256=digest,
            defaults={"rows": [asdict(row) for row in rows], "file_name": file_name[:120], "created_by": by},
        )  # fmt: skip
        if is_new:
            audit.record("model.validated", actor=by, target=version, file=kept.file_name, sha256=digest)
    return kept


def read(content: bytes, file_name: str) -> tuple[Row, ...]:
    """Raises: ScoringError."""
    if len(content) > MOST_BYTES:
        raise ScoringError(_("%(file)s has more than %(n)d bytes.") % {"file": file_name, "n": MOST_BYTES})
    try:
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScoringError(
            _("%(file)s is no CSV in UTF-8: %(error)s.") % {"file": file_name, "error": error}
        ) from error
    if not table or tuple(table[0]) != COLUMNS:
        told = {"file": file_name, "columns": ", ".join(COLUMNS)}
        raise ScoringError(_("%(file)s, row 1: the columns must be %(columns)s.") % told)
    body = [(number, cells) for number, cells in enumerate(table[1:], start=2) if cells]
    if not 1 <= len(body) <= MOST_ROWS:
        message = _("%(file)s must have from 1 to %(n)d rows below its head.")
        raise ScoringError(message % {"file": file_name, "n": MOST_ROWS})
    rows = tuple(_Cells(file_name, number, cells).row() for number, cells in body)
    seen: dict[tuple[str, int], int] = {}
    for (number, _cells), row in zip(body, rows, strict=True):
        if (before := seen.setdefault((row.arm, row.level), number)) != number:
            message = _("%(file)s, row %(row)d: the arm and level of row %(before)d once more.")
            raise ScoringError(message % {"file": file_name, "row": number, "before": before})
    return rows


@dataclass(frozen=True, slots=True)
class _Cells:
    """A row of the file as text."""

    file: str
    number: int
    cells: list[str]

    def row(self) -> Row:
        if len(self.cells) != len(COLUMNS):
            told = {"file": self.file, "row": self.number, "n": len(self.cells), "all": len(COLUMNS)}
            raise ScoringError(_("%(file)s, row %(row)d: %(n)d cells instead of %(all)d.") % told)
        arm = self.cells[0].strip()
        if not 1 <= len(arm) <= MOST_LETTERS or not arm.isprintable():
            raise self._wrong(0, _("from 1 to %(n)d letters") % {"n": MOST_LETTERS})
        folds = self._whole(3, 1, MOST_FOLDS)
        sd = None if not self.cells[5].strip() else self._share(5)
        return Row(
            arm, self._whole(1, 1, MOST_LEVEL), self._whole(2, 2, MOST_CLASSES), folds, self._share(4), sd
        )  # fmt: skip

    def _whole(self, column: int, least: int, most: int) -> int:
        text = self.cells[column].strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise self._wrong(column, _("a whole number from %(least)d to %(most)d") % {"least": least, "most": most})
        return int(text)

    def _share(self, column: int) -> float:
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            raise self._wrong(column, _("a number from 0 to 1"))
        return value

    def _wrong(self, column: int, allowed: str) -> ScoringError:
        told = {
            "file": self.file, "row": self.number, "column": COLUMNS[column], "value": self.cells[column][:40],
            "allowed": allowed,
        }  # fmt: skip
        return ScoringError(_("%(file)s, row %(row)d, column %(column)s: “%(value)s” is not %(allowed)s.") % told)
