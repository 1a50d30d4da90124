"""An export read back: a folder or a ZIP, its files checked against the manifest, its CSV files as arrays again.

Knows neither Django nor the database: what it gives is what `readerstudy.results.analysis` computes from.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_core.taxonomy import Taxonomy, TrainingClass
from readerstudy.results.arrays import (
    CASE_ATTRIBUTES,
    READER_ATTRIBUTES,
    AnswerTable,
    Attributes,
    CaseTable,
    ClassTable,
    Floats,
    FlowCounts,
    ModelTable,
    QuestionTable,
    TestTable,
    times,
)
from readerstudy.results.conditions.exported import table_of
from readerstudy.results.conditions.table import ConditionTable
from readerstudy.results.errors import ResultsError
from readerstudy.results.sheets import DANGEROUS
from readerstudy.studies.plan import Plan

MANIFEST = "manifest.json"
Rows = list[dict[str, str]]


class Exported:
    """The files of an export by their names within it. Raises: ResultsError for what is no folder and no ZIP."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        if path.is_dir():
            self.names = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
        elif path.is_file() and zipfile.is_zipfile(path):
            self._archive = zipfile.ZipFile(path)
            self.names = {name for name in self._archive.namelist() if not name.endswith("/")}
        else:
            raise ResultsError(f"{path} is neither a folder nor a ZIP file.")
        if MANIFEST not in self.names:
            raise ResultsError(f"{path} holds no {MANIFEST}: it is no export, or not all of one.")

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises: ResultsError, naming it, where there is none or it cannot be read."""
        if name not in self.names:
            raise ResultsError(f"{name}: missing.")
        try:
            return self._archive.read(name) if self._archive else (self.path / name).read_bytes()
        except (OSError, zipfile.BadZipFile) as error:
            raise ResultsError(f"{name}: cannot be read ({error}).") from error

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise ResultsError(f"{name}: no JSON ({error}).") from error

    def rows(self, name: str) -> Rows:
        try:
            text = io.StringIO(self.read(name).decode(), newline="")
        except UnicodeDecodeError as error:
            raise ResultsError(f"{name}: not in UTF-8.") from error
        return list(csv.DictReader(text, restval=""))

    def changed_files(self) -> list[str]:
        """What does not agree with the manifest: files that differ, are missing, or are not named; empty: all do."""
        listed = self.json(MANIFEST).get("files", {})
        found = []
        for name, entry in sorted(listed.items()):
            if name not in self.names:
                found.append(f"{name}: named in {MANIFEST}, and missing")
            elif hashlib.sha256(self.read(name)).hexdigest() != entry.get("sha256"):
                found.append(f"{name}: not the file that was exported (its SHA-256 is another)")
        found += [f"{name}: not named in {MANIFEST}" for name in sorted(self.names - set(listed) - {MANIFEST})]
        return found


def test_tables(export: Exported) -> tuple[TestTable, ...]:
    """The tests of an export as arrays, in their order. Raises: ResultsError, naming file, row and column."""
    folders = [f"test-{test['position']}" for test in export.json(MANIFEST).get("tests", [])]
    return tuple(_test_table(export, folder) for folder in folders)


test_tables.__test__ = False  # type: ignore[attr-defined]  # pytest: no test


def analysis_plan(export: Exported) -> Plan | None:
    """The plan of the exported protocol, None where it has none. Raises: ResultsError for what is no plan."""
    recorded = export.json("protocol.json").get("analysis_plan")
    if recorded is None:
        return None
    try:
        return Plan.of(recorded)
    except (KeyError, TypeError) as error:
        raise ResultsError(f"protocol.json: analysis_plan is not one ({type(error).__name__}: {error}).") from error


def _test_table(export: Exported, folder: str) -> TestTable:
    facts = export.json(f"{folder}/test.json")
    cases = _cases(export, f"{folder}/cases.csv")
    order = export.rows(f"{folder}/order.csv")
    finished = {_text(row, "reader"): row["finished"] == "1" for row in order}
    readers = {code: i for i, code in enumerate(finished)}
    positions = np.full((len(readers), cases.n), np.nan)
    index = {number: i for i, number in enumerate(cases.numbers.tolist())}
    for number, row in enumerate(order, start=2):
        if row["case"]:
            case = _whole(row, "case", f"{folder}/order.csv", number, index)
            positions[readers[_text(row, "reader")], index[case]] = int(row["position"])
    answers, decisions = _answers(export, f"{folder}/answers.csv", readers, index, len(facts["questions"]))
    return TestTable(
        id=facts["id"], position=facts["position"], title=facts["title"],
        positive_nodes=tuple(facts["positive_nodes"]), negative_nodes=tuple(facts["negative_nodes"]),
        notice=facts["notice"], cases=cases, readers=tuple(readers),
        finished=np.array(list(finished.values()), dtype=bool), n_withdrawn=facts["n_withdrawn"], positions=positions,
        questions=tuple(
            QuestionTable(
                asked["id"], asked["position"], asked["text"], tuple(asked["positive_labels"]),
                tuple(asked["negative_labels"]),
                decisions.get(asked["position"], np.full((len(readers), cases.n), np.nan)),
                asked.get("stage", 0), asked.get("after_advice", False),
            )
            for asked in facts["questions"]
        ),
        model=_model(export, folder, facts["model"], cases), answers=answers,
        attributes=_attributes(export, f"{folder}/attributes.csv", cases, list(readers)),
        flow=_flow(export, f"{folder}/flow.csv"), conditions=_conditions(export, folder, facts, readers, index),
    )  # fmt: skip


def _conditions(
    export: Exported, folder: str, facts: dict[str, Any], readers: dict[str, int], cases: dict[int, int]
) -> ConditionTable | None:
    if facts.get("conditions") is None:
        return None
    name = f"{folder}/stage-answers.csv"
    rows = [{**row, "reader": _text(row, "reader")} for row in export.rows(name)]
    return table_of(facts["conditions"], rows, name, readers, cases, taxonomy_of(export))


def _cases(export: Exported, name: str) -> CaseTable:
    rows = export.rows(name)
    pictures = [(i, uuid) for i, row in enumerate(rows) for uuid in row["images"].split()]
    return CaseTable(
        ids=np.arange(len(rows)),
        numbers=np.array([_whole(row, "case", name, i) for i, row in enumerate(rows, start=2)], dtype=np.int64),
        truth=np.array([_whole(row, "positive", name, i, (0, 1)) for i, row in enumerate(rows, start=2)], np.int64),
        diagnoses=tuple(_text(row, "diagnosis") for row in rows),
        confirmations=tuple(_text(row, "confirmation") for row in rows),
        modalities=tuple(_text(row, "modality") for row in rows),
        picture_case=np.array([i for i, _uuid in pictures], dtype=np.int64),
        picture_image=np.zeros(len(pictures), dtype=np.int64),
        picture_uuids=tuple(uuid for _i, uuid in pictures),
    )


def _answers(
    export: Exported, name: str, readers: dict[str, int], cases: dict[int, int], n_questions: int
) -> tuple[AnswerTable, dict[int, Floats]]:
    """The long form, and for each question's number the (readers, cases) last answers."""
    rows = export.rows(name)
    columns: dict[str, list[int]] = {key: [] for key in ("reader", "case", "position", "question", "revision")}
    decisions = {position: np.full((len(readers), len(cases)), np.nan) for position in range(1, n_questions + 1)}
    for line, row in enumerate(rows, start=2):
        code = _text(row, "reader")
        if code not in readers:
            raise ResultsError(f"{name}, row {line}, column reader: {code!r} is not in order.csv.")
        reader, case = readers[code], cases[_whole(row, "case", name, line, cases)]
        question = _whole(row, "question", name, line)
        plain = (reader, case, _whole(row, "position", name, line), question, _whole(row, "revision", name, line))
        for key, value in zip(columns, plain, strict=True):
            columns[key].append(value)
        positive = _whole(row, "counts_as_positive", name, line, (0, 1))
        if _whole(row, "is_last", name, line, (0, 1)):
            matrix = decisions.setdefault(question, np.full((len(readers), len(cases)), np.nan))
            matrix[reader, case] = positive
    index = {label: i for i, label in enumerate(dict.fromkeys(_text(row, "answer") for row in rows))}
    table = AnswerTable(
        **{key: np.array(values, dtype=np.int64) for key, values in columns.items()},
        choice=np.array([index[_text(row, "answer")] for row in rows], dtype=np.int64),
        choices=tuple(index),
        is_positive=np.array([row["counts_as_positive"] == "1" for row in rows], dtype=bool),
        arrived=times(row["answered_at"] for row in rows),
        shown=times(row["client_shown_at"] for row in rows),
        given=times(row["client_answered_at"] for row in rows),
    )
    return table, decisions


def _model(export: Exported, folder: str, facts: dict[str, Any] | None, cases: CaseTable) -> ModelTable | None:
    if facts is None:
        return None
    rows, full = export.rows(f"{folder}/cases.csv"), export.rows(f"{folder}/full-set.csv")
    leaked = [number for number, row in zip(cases.numbers.tolist(), rows, strict=True) if row["in_training"] == "1"]
    read = set(cases.picture_uuids)
    return ModelTable(
        case_scores=_scores(rows, f"{folder}/cases.csv"),
        full_truth=np.array(
            [_whole(row, "positive", f"{folder}/full-set.csv", i, (0, 1)) for i, row in enumerate(full, start=2)],
            dtype=np.int64,
        ),
        full_scores=_scores(full, f"{folder}/full-set.csv"),
        full_uuids=tuple(row["image"] for row in full),
        full_leaked=np.array([row["in_training"] == "1" for row in full], dtype=bool),
        leaks_checked=facts["leaks_checked"], leaked_cases=tuple(leaked), problem=facts["problem"],
        by_class=_by_class(export, f"{folder}/probabilities.csv"),
        full_read=np.array([row["image"] in read for row in full], dtype=bool),
    )  # fmt: skip


def _by_class(export: Exported, name: str) -> ClassTable:
    """The training-class probabilities of the cases' pictures, with the classes and the taxonomy they are read by."""
    rows = export.rows(name)
    classes = tuple(
        TrainingClass(row["class"], row["node"], tuple(row["diseases"].split()), int(row["n_images"]))
        for row in export.rows("classes.csv")
    )
    values = np.array([[row[one.id] or "nan" for one in classes] for row in rows], dtype=np.float32)
    return ClassTable(taxonomy_of(export), classes, values.reshape(len(rows), len(classes)))


def taxonomy_of(export: Exported) -> Taxonomy:
    """The taxonomy that came with the export. Raises: TaxonomyError for one that is none."""
    return Taxonomy.read_csv(io.StringIO(export.read("taxonomy.csv").decode()))


def _flow(export: Exported, name: str) -> FlowCounts | None:
    counts = {row["count"]: _whole(row, "n", name, line) for line, row in enumerate(export.rows(name), start=2)}
    return FlowCounts(**counts) if counts else None


def _attributes(export: Exported, name: str, cases: CaseTable, readers: Sequence[str]) -> Attributes:
    known = {(row["of"], _text(row, "name"), row["attribute"]): _text(row, "value") for row in export.rows(name)}
    of_cases = [str(number) for number in cases.numbers.tolist()]
    return Attributes(
        **{key: tuple(known.get(("case", of, key)) for of in of_cases) for key in CASE_ATTRIBUTES},
        **{key: tuple(known.get(("reader", of, key)) for of in readers) for key in READER_ATTRIBUTES},
    )


def _scores(rows: Rows, name: str) -> Floats:
    values = []
    for line, row in enumerate(rows, start=2):
        try:
            values.append(float(row["score"]) if row["score"] else np.nan)
        except ValueError as error:
            raise ResultsError(f"{name}, row {line}, column score: {row['score']!r} is no number.") from error
    return np.array(values, dtype=np.float64)


def _whole(row: dict[str, str], column: str, name: str, line: int, allowed: Any = None) -> int:
    """A whole number, one of ``allowed`` where that is given."""
    text = row.get(column, "")
    if not (text.isascii() and text.isdigit()):
        raise ResultsError(f"{name}, row {line}, column {column}: {text!r} is no whole number.")
    if allowed is not None and int(text) not in allowed:
        what = " or ".join(map(str, allowed)) if len(allowed) <= 2 else "a case of cases.csv"
        raise ResultsError(f"{name}, row {line}, column {column}: {text} is not {what}.")
    return int(text)


def _text(row: dict[str, str], column: str) -> str:
    """A text without the apostrophe that kept a spreadsheet from computing it."""
    text = row.get(column, "")
    return text[1:] if text.startswith("'") and text[1:].startswith(DANGEROUS) else text
