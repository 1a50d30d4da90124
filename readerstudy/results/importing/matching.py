"""Published rows brought to a test: which case, which choice, which place; then stored, everything or nothing."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from django.db import transaction

from readerstudy.accounts.models import User
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.imported import imported_reader
from readerstudy.readers.models import Reader
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.importing import GivenAnswer, import_reading
from readerstudy.results.errors import ResultsError
from readerstudy.results.importing.formats import Options, Problems, Published, Said, parse
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.counted import counted_questions
from readerstudy.studies.models import CaseImage, Choice, Test

By = Literal["auto", "number", "name"]
CODE_LENGTH = Reader._meta.get_field("code").max_length or 20
WORDS = {"1": True, "positive": True, "0": False, "negative": False}


@dataclass(frozen=True, slots=True)
class Imported:
    """What was (or, on a check, would be) stored; ``n_missing`` cases asked and not answered."""

    n_readers: int
    n_answers: int
    n_missing: int
    n_left_out: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row with its case (pk)."""

    said: Said
    case: int


def import_readings(
    *,
    test: Test,
    content: bytes,
    file: str,
    fmt: str,
    actor: User,
    options: Options | None = None,
    by: By = "auto",
    listed_only: bool = False,
    check: bool = False,
) -> Imported:
    """Store the readings of a file in a test of an open study, all of them or none; ``check`` stores none.

    A reader without a row for a case has not answered it, unless the format lists all that was asked, or
    ``listed_only`` says so. Raises: ResultsError, naming file, row, column, value and what is allowed.
    """
    published = parse(content, fmt=fmt, file=file, options=options or Options())
    if not published.rows:
        raise ResultsError(f"{file} holds no reading.")
    problems = Problems(file)
    placed = _cases(published, test, by, problems)
    answers = _answers(placed, test, problems)
    places = _places(placed, test, listed_only or published.lists_all, problems)
    codes = _codes(placed, problems)
    problems.raise_if_any()
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        with transaction.atomic():
            for name in places:
                import_reading(
                    reader=imported_reader(test=test, code=codes[name], actor=actor), test=test, places=places[name],
                    answers=answers.get(name, {}), actor=actor, source=fmt, sha256=sha256,
                )  # fmt: skip
            if check:
                transaction.set_rollback(True)
    except (ReadersError, ReadingsError) as error:
        raise ResultsError(f"{file}: {error} Nothing was stored.") from error
    n_answers = sum(len(given) for cases in answers.values() for given in cases.values())
    n_answered = sum(len(cases) for cases in answers.values())
    return Imported(len(places), n_answers, sum(map(len, places.values())) - n_answered, published.n_left_out)


# --- cases


def _cases(published: Published, test: Test, by: By, problems: Problems) -> list[_Placed]:
    """Each row with its case; what fits none, or several, is a problem."""
    numbers = {str(number): pk for pk, number in test.cases.filter(kind="scored").values_list("pk", "number")}
    names = _names(test)
    texts = {said.case for said in published.rows}
    if by == "auto":
        both = texts <= numbers.keys() and all(_stem(text) in names for text in texts) and not published.by_name
        if both:
            raise ResultsError(
                f"{problems.file}: its cases can be case numbers and image names alike. Say which they are (--cases)."
            )
        by = "name" if published.by_name or not all(text.isascii() and text.isdigit() for text in texts) else "number"
    placed = []
    for said in published.rows:
        found = {numbers[said.case]} if by == "number" and said.case in numbers else set()
        if by == "name":
            found = names.get(_stem(said.case), set())
        if len(found) == 1:
            placed.append(_Placed(said, next(iter(found))))
        elif found:
            problems.add(said.line, f"{said.case!r} is the name of an image of {len(found)} cases.")
        elif by == "number":
            allowed = f"case numbers of “{test}” from 1 to {len(numbers)} are allowed"
            problems.add(said.line, f"there is no case {said.case!r}; {allowed}.")
        else:
            problems.add(said.line, f"no case of “{test}” has an image that was called {said.case!r}.")
    if published.truth and not problems.found:
        _same_truth(published.truth, placed, test, problems)
    return placed


def _names(test: Test) -> dict[str, set[int]]:
    """The cases (pk) that have an image of this name, as it was uploaded, without folder and ending."""
    names: dict[str, set[int]] = {}
    rows = CaseImage.objects.filter(case__test=test, case__kind="scored").values_list(
        "image__reference__original_name", "case_id"
    )
    for name, case in rows:
        names.setdefault(_stem(name), set()).add(case)
    return names


def _stem(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    known = path.suffix.casefold() in (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
    return (path.stem if known else path.name).casefold()


def _same_truth(truth: Mapping[str, int], placed: list[_Placed], test: Test, problems: Problems) -> None:
    """The file's own truth must be that of the study: otherwise the cases are not the same ones."""
    table = case_table(test)
    ours = dict(zip(table.ids.tolist(), table.truth.tolist(), strict=True))
    for case, row in {row.said.case: row for row in placed}.items():
        if truth[case] != ours[row.case]:
            problems.add(
                row.said.line, f"case {case} has the truth {truth[case]} here and {ours[row.case]} in the study."
            )


# --- answers


def _answers(placed: list[_Placed], test: Test, problems: Problems) -> dict[str, dict[int, list[GivenAnswer]]]:
    """Reader -> case (pk) -> what was answered. Each case answered needs an answer to every question."""
    questions = {question.position: question.pk for question in counted_questions(test)}
    choices: dict[int, list[Choice]] = {pk: [] for pk in questions.values()}
    for choice in Choice.objects.filter(question__test=test).order_by("position"):
        choices[choice.question_id].append(choice)
    found: dict[str, dict[int, list[GivenAnswer]]] = {}
    lines: dict[tuple[str, int, int, int], int] = {}
    for row in placed:
        said = row.said
        position = said.question or (next(iter(questions)) if len(questions) == 1 else 0)
        if position not in questions:
            allowed = ", ".join(map(str, questions))
            problems.add(said.line, f"column question: {said.question or 'empty'}; allowed are {allowed}.")
            continue
        question = questions[position]
        earlier = lines.setdefault((said.reader, row.case, question, said.revision), said.line)
        if earlier != said.line:
            problems.add(said.line, f"reader {said.reader} has answered case {said.case} in row {earlier} already.")
        elif said.answer is not None:
            chosen = _choice(said, choices[question], problems)
            given = GivenAnswer(question, chosen, said.revision, said.shown_at, said.answered_at)
            found.setdefault(said.reader, {}).setdefault(row.case, []).append(given)
    if not problems.found:
        _whole_answers(found, placed, set(questions.values()), problems)
    return found


def _choice(said: Said, choices: list[Choice], problems: Problems) -> int:
    """The choice (pk) that an answer means: by its label, or by what it counts as."""
    text = said.answer if isinstance(said.answer, str) else ""
    by_label = [choice.pk for choice in choices if text and choice.label.casefold() == text.casefold()]
    meant = WORDS.get(text.casefold()) if text else said.answer
    by_sign = [choice.pk for choice in choices if meant is not None and choice.is_positive == meant]
    if found := by_label or by_sign:
        return found[0]
    allowed = ", ".join(f"“{choice.label}”" for choice in choices)
    problems.add(said.line, f"column answer: {text!r}; allowed are {allowed}, 1 (positive) and 0 (negative).")
    return 0


def _whole_answers(
    found: dict[str, dict[int, list[GivenAnswer]]], placed: list[_Placed], questions: set[int], problems: Problems
) -> None:
    """Every question answered, and the revisions of an answer without a gap."""
    for (reader, case), row in {(row.said.reader, row.case): row for row in placed}.items():
        revisions: dict[int, set[int]] = {}
        for given in found.get(reader, {}).get(case, []):
            revisions.setdefault(given.question, set()).add(given.revision)
        said = row.said
        if revisions and set(revisions) != questions:
            problems.add(said.line, f"reader {reader} has not answered every question of case {said.case}.")
        elif any(numbers != set(range(1, len(numbers) + 1)) for numbers in revisions.values()):
            problems.add(said.line, f"column revision: those of reader {reader}, case {said.case}, are not 1, 2, ….")


# --- places


def _places(placed: list[_Placed], test: Test, listed_only: bool, problems: Problems) -> dict[str, dict[int, int]]:
    """Reader -> position -> case (pk): as given, else in the file's order; then, unless only the listed cases were
    asked, the cases without a row, by number, on the places that are free."""
    every = list(test.cases.filter(kind="scored").order_by("number").values_list("pk", flat=True))
    of_reader: dict[str, list[_Placed]] = {}
    for row in placed:
        of_reader.setdefault(row.said.reader, []).append(row)
    return {name: _own_places(rows, [] if listed_only else every, problems) for name, rows in of_reader.items()}


def _own_places(rows: list[_Placed], every: list[int], problems: Problems) -> dict[int, int]:
    given = any(row.said.position is not None for row in rows)
    first: dict[int, _Placed] = {}
    for row in rows:
        if first.setdefault(row.case, row).said.position != row.said.position:
            problems.add(row.said.line, f"column position: case {row.said.case} is at two places.")
    places: dict[int, int] = {}
    for order, row in enumerate(first.values(), start=1):
        position = row.said.position if given else order
        if position is None:
            problems.add(
                row.said.line, f"column position: empty, while other rows of reader {row.said.reader} have one."
            )
        elif position in places:
            problems.add(row.said.line, f"column position: {position} is taken by another case of {row.said.reader}.")
        else:
            places[position] = row.case
    waiting = [case for case in every if case not in first]
    free = (position for position in range(1, len(places) + len(waiting) + 1) if position not in places)
    return places | dict(zip(free, waiting, strict=False))


# --- readers


def _codes(placed: list[_Placed], problems: Problems) -> dict[str, str]:
    """Reader -> code: the name itself, or its beginning where it is too long for a code."""
    codes: dict[str, str] = {}
    for row in placed:
        name = row.said.reader
        if not name:
            problems.add(row.said.line, "column reader: empty; a code is needed.")
        codes.setdefault(name, name[:CODE_LENGTH])
    for code, n in Counter(codes.values()).items():
        if n > 1:
            problems.add(
                1, f"{n} readers have names that begin with {code!r}; {CODE_LENGTH} characters must tell them."
            )
    return codes
