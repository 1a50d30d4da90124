"""The input format of iMRMC: writing a test into it, and reading a file of it.

After a line `BEGIN DATA:` each row is `reader,case,modality,score`; a row with the reader `truth` (or `-1`) and the
modality `truth` (or `0`) is the case's truth, 0 or 1 (iMRMC user guide, "Input file format").
"""

import math
from dataclasses import dataclass

from readerstudy.results.arrays import TestTable
from readerstudy.results.errors import ResultsError

BEGIN = "BEGIN DATA:"
TRUTH = "truth"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class Rating:
    """One row; ``line`` counts from 1."""

    line: int
    reader: str
    case: str
    modality: str
    score: float


@dataclass(frozen=True, slots=True)
class Imrmc:
    """A file's truth (case -> 0 or 1) and its ratings in their order."""

    truth: dict[str, int]
    ratings: tuple[Rating, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rating.modality for rating in self.ratings))


def imrmc_text(table: TestTable) -> str:
    """A test for iMRMC: truth first; each question a modality whose ratings are the decisions 0 and 1; then the model,
    as one more reader of a modality of its own, with its scores. What is missing has no row."""
    numbers = table.cases.numbers.tolist()
    lines = [
        f"{_plain(table.title)}. Modalities question1, question2, ...: the readers' decisions, 1 positive; "
        f"{MODEL}: the model's score.",
        BEGIN,
        *(
            f"{TRUTH},{number},{TRUTH},{truth}"
            for number, truth in zip(numbers, table.cases.truth.tolist(), strict=True)
        ),
    ]
    for question in table.questions:
        for code, row in zip(table.readers, question.decisions.tolist(), strict=True):
            modality = f"question{question.position}"
            lines += [
                f"{_plain(code)},{number},{modality},{int(said)}"
                for number, said in zip(numbers, row, strict=True)
                if not math.isnan(said)
            ]
    if table.model is not None and not table.model.problem:
        scores = zip(numbers, table.model.case_scores.tolist(), strict=True)
        lines += [f"{MODEL},{number},{MODEL},{score!r}" for number, score in scores if not math.isnan(score)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A text that cannot be taken for several cells or lines."""
    return " ".join(text.replace(",", ";").split())


def read_imrmc(text: str, name: str) -> Imrmc:
    """The rows of an iMRMC file; ``name`` is for messages. Raises: ResultsError, naming line and value."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().upper().startswith("BEGIN DATA")), None)
    if start is None:
        raise ResultsError(f"{name}: there is no line “{BEGIN}”, after which the data of an iMRMC file begin.")
    truth: dict[str, int] = {}
    ratings = []
    for number, line in enumerate(lines[start + 1 :], start=start + 2):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 4:
            raise ResultsError(
                f"{name}, line {number}: {len(cells)} values; 4 are needed: reader, case, modality, score."
            )
        reader, case, modality, score = cells
        value = _score(score, name, number)
        if reader.casefold() in (TRUTH, "-1") and modality.casefold() in (TRUTH, "0"):
            if value not in (0, 1):
                raise ResultsError(f"{name}, line {number}: the truth of case {case} is {score}; 0 or 1 is allowed.")
            if truth.setdefault(case, int(value)) != value:
                raise ResultsError(f"{name}, line {number}: case {case} has two truths.")
        else:
            ratings.append(Rating(number, reader, case, modality, value))
    for rating in ratings:
        if rating.case not in truth:
            raise ResultsError(f"{name}, line {rating.line}: case {rating.case} has no truth row.")
    return Imrmc(truth, tuple(ratings))


def _score(text: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ResultsError(f"{name}, line {number}: the score is {text!r}; a number is needed.")
    return value
