"""Published reader data as rows: the long form of our own export, iMRMC, MClass's wide sheet, DermaChallenge."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime

from readerstudy.results.errors import ResultsError
from readerstudy.results.imrmc import read_imrmc
from readerstudy.results.sheets import DANGEROUS

FORMATS = ("long", "imrmc", "mclass", "dermachallenge")
SHOWN = 20  # problems told at once


@dataclass(frozen=True, slots=True)
class Said:
    """One row. ``answer``: True positive, False negative, a text the label of a choice, None asked and not answered."""

    line: int
    reader: str
    case: str
    answer: bool | str | None
    question: int | None = None
    position: int | None = None
    revision: int = 1
    shown_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A file's rows. ``truth`` of its cases (iMRMC); ``lists_all``: its rows are all that each reader was asked, so
    that a case without a row was not asked; ``by_name``: its cases are image names, never numbers; ``n_left_out`` rows
    are not used (aided readings, repeats)."""

    rows: tuple[Said, ...]
    truth: dict[str, int]
    lists_all: bool = False
    by_name: bool = False
    n_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """iMRMC: the ``modality`` to take, and the rating from which on an answer is positive. DermaChallenge: the
    ``column`` that decides. MClass: columns that are no reader's."""

    modality: str = ""
    threshold: float | None = None
    column: str = "manage"
    ignore: tuple[str, ...] = ()


class Problems:
    """Collects what is wrong with a file, so that it can be mended in one go."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []

    def add(self, line: int, said: str) -> None:
        self.found.append(f"{self.file}, row {line}: {said}")

    def raise_if_any(self) -> None:
        """Raises: ResultsError with the first of them, one a line."""
        if self.found:
            more = len(self.found) - SHOWN
            told = self.found[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
            raise ResultsError("\n".join(told))


def parse(content: bytes, *, fmt: str, file: str, options: Options) -> Published:
    """A file's rows. Raises: ResultsError, naming file, row, column, value and what is allowed."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ResultsError(f"{file}: byte {error.start} is not UTF-8. Save the file in that encoding.") from error
    if fmt == "imrmc":
        return _imrmc(text, file, options)
    return {"long": _long, "mclass": _mclass, "dermachallenge": _dermachallenge}[fmt](text, file, options)


def _table(text: str, file: str, delimiter: str) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", restval="")
    columns = [name.strip() for name in reader.fieldnames or []]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise ResultsError(f"{file}: the column {twice[0]!r} is there twice.")
    reader.fieldnames = columns
    return columns, [{key: value.strip() for key, value in row.items() if isinstance(value, str)} for row in reader]


def _need(columns: list[str], needed: tuple[str, ...], file: str) -> None:
    if lacking := [name for name in needed if name not in columns]:
        raise ResultsError(
            f"{file}: there is no column {', '.join(lacking)}. Needed: {', '.join(needed)}; "
            f"found: {', '.join(columns) or 'none'}."
        )


# --- long


def _long(text: str, file: str, options: Options) -> Published:
    columns, table = _table(text, file, ",")
    _need(columns, ("reader", "case", "answer"), file)
    problems, rows = Problems(file), []
    for line, row in enumerate(table, start=2):
        answered = row.get("client_answered_at") or row.get("answered_at", "")
        rows.append(
            Said(
                line, _plain(row["reader"]), _plain(row["case"]), _plain(row["answer"]) or None,
                question=_whole(row, "question", line, problems), position=_whole(row, "position", line, problems),
                revision=_whole(row, "revision", line, problems) or 1,
                shown_at=_time(row.get("client_shown_at", ""), "client_shown_at", line, problems),
                answered_at=_time(answered, "answered_at", line, problems),
            )
        )  # fmt: skip
    problems.raise_if_any()
    return Published(tuple(rows), {})


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(DANGEROUS) else text


def _whole(row: dict[str, str], column: str, line: int, problems: Problems) -> int | None:
    text = row.get(column, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) < 10**6:
        problems.add(line, f"column {column}: {text!r}; a whole number from 1 on is allowed.")
        return None
    return int(text)


def _time(text: str, column: str, line: int, problems: Problems) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        problems.add(
            line, f"column {column}: {text!r}; a time such as 2017-02-02T09:30:00Z, with its zone, is allowed."
        )
        return None
    return found


# --- iMRMC


def _imrmc(text: str, file: str, options: Options) -> Published:
    found = read_imrmc(text, file)
    if not options.modality and len(found.modalities) != 1:
        raise ResultsError(f"{file} has the modalities {', '.join(found.modalities) or 'none'}; choose one of them.")
    modality = options.modality or found.modalities[0]
    if modality not in found.modalities:
        raise ResultsError(f"{file} has no modality {modality!r}. It has: {', '.join(found.modalities)}.")
    problems, rows = Problems(file), []
    for rating in found.ratings:
        if rating.modality != modality:
            continue
        if options.threshold is None and rating.score not in (0, 1):
            problems.add(
                rating.line, f"the rating {rating.score:g} is no decision. Allowed are 0 and 1, or a stated threshold."
            )
        positive = rating.score >= (0.5 if options.threshold is None else options.threshold)
        rows.append(Said(rating.line, rating.reader, rating.case, positive))
    problems.raise_if_any()
    return Published(tuple(rows), found.truth)


# --- MClass


def _mclass(text: str, file: str, options: Options) -> Published:
    """One row an image (its name in the first column), one column a reader; "biopsy" in the text is positive."""
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    columns, table = _table(text, file, delimiter)
    readers = [name for name in columns[1:] if name not in options.ignore]
    if not readers or "" in columns:
        raise ResultsError(
            f"{file}: the first row must name every column: the image, then one reader each. "
            f"Found: {', '.join(repr(name) for name in columns) or 'nothing'}."
        )
    rows = [
        Said(line, reader, row[columns[0]], "biopsy" in row[reader].casefold() if row[reader] else None)
        for line, row in enumerate(table, start=2)
        for reader in readers
    ]
    return Published(tuple(rows), {}, lists_all=True, by_name=True)


# --- DermaChallenge

MANAGED = {"manage_biopsy": True, "manage_localtherapy": True, "manage_monitor": False, "manage_dismiss": False}
DIAGNOSED = {
    **dict.fromkeys(("MEL", "BCC", "AKIEC", "SCCKA", "OTHER_MALIGNANT"), True),
    **dict.fromkeys(("NV", "BKL", "DF", "VASC", "INF", "OTHER_BENIGN"), False),
}
DECIDING = {"manage": MANAGED, "answer": DIAGNOSED}
AIDED = "_help"  # the mode's ending where the reader saw the model's output
TIMEOUT = "timeout"


def _dermachallenge(text: str, file: str, options: Options) -> Published:
    """Semicolons and decimal commas; a row for each reader, test, case and mode. Unaided readings are taken, of a
    reader's several readings of an image the first; `timeout` and empty are missing answers."""
    columns, table = _table(text, file, ";")
    _need(columns, ("tequ_user_id", "image_isic_id", "test_round", "tequ_no", "tequ_mode_id", options.column), file)
    allowed = DECIDING[options.column]
    problems = Problems(file)
    placed: list[tuple[float, float, Said]] = []
    for line, row in enumerate(table, start=2):
        when = [_decimal(row[column], column, line, problems) for column in ("test_round", "tequ_no")]
        if row["tequ_mode_id"].endswith(AIDED):
            continue
        value = row[options.column]
        if value and value != TIMEOUT and value not in allowed:
            problems.add(line, f"column {options.column}: {value!r}; allowed are {', '.join(allowed)}, {TIMEOUT}.")
        placed.append((when[0], when[1], Said(line, row["tequ_user_id"], row["image_isic_id"], allowed.get(value))))
    problems.raise_if_any()
    first: dict[tuple[str, str], Said] = {}
    for _round, _number, said in sorted(placed, key=lambda entry: (entry[0], entry[1], entry[2].line)):
        first.setdefault((said.reader, said.case), said)
    return Published(tuple(first.values()), {}, lists_all=True, by_name=True, n_left_out=len(table) - len(first))


def _decimal(text: str, column: str, line: int, problems: Problems) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        problems.add(line, f"column {column}: {text!r}; a number is allowed, with a decimal comma.")
        return 0.0
