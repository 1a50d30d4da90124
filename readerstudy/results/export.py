"""Everything about a study's results as files: enough to compute each number and each figure again, without us."""

import hashlib
import itertools
import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import plotly.graph_objects as go

from readerstudy.results.analysis import QuestionResult, StudyResults, TestResult, analyse
from readerstudy.results.arrays import StudyTables, TestTable
from readerstudy.results.captions import alternative_text, caption
from readerstudy.results.encoding import encode, to_json
from readerstudy.results.errors import ResultsError
from readerstudy.results.figures import roc_with_readers
from readerstudy.results.imrmc import imrmc_text
from readerstudy.results.methods import methods, protocol_document
from readerstudy.results.rendering import DRAWN, as_page, draw
from readerstudy.results.sheets import SHEETS, dictionary
from readerstudy.results.supplement.numbers import supplements
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study

FORMAT = "readerstudy export 1"
MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's first day: the same content gives the same archive


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that belongs into the export and could not be made."""

    name: str
    reason: str


def files_of(study: Study, model_version: ModelVersion | None) -> Iterator[File]:
    """Every file of the export, the manifest last. Names are relative paths with `/`."""
    tables = study_tables(study, model_version, detailed=True)
    results = analyse(tables)
    digests: dict[str, str] = {}
    figures, left_out = _figures(results)
    for file in itertools.chain(_content(tables, results), _protocol(study, results), figures):
        digests[file.name] = hashlib.sha256(file.content).hexdigest()
        yield file
    yield File(MANIFEST, _manifest(results, digests, left_out))


def write_zip(study: Study, model_version: ModelVersion | None) -> IO[bytes]:
    """The export as an open temporary ZIP file, rewound; whoever closes it deletes it."""
    target = tempfile.TemporaryFile(suffix=".zip")  # noqa: SIM115 - handed to the caller open
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files_of(study, model_version):
            entry = zipfile.ZipInfo(file.name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.content)
    target.seek(0)
    return target


def write_folder(study: Study, model_version: ModelVersion | None, folder: Path) -> list[str]:
    """The export as a folder that is new or empty; returns the names. Raises: ResultsError for any other folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ResultsError(f"{folder} is there already and not an empty folder. Name one that is new or empty.")
    names = []
    for file in files_of(study, model_version):
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        names.append(file.name)
    return names


def figure_name(test: TestResult, question: QuestionResult) -> str:
    """Path of a figure without its ending: the first question's has no number."""
    first = test.questions[0].position == question.position
    return f"test-{test.position}/roc" + ("" if first else f"-question-{question.position}")


def _content(tables: StudyTables, results: StudyResults) -> Iterator[File]:
    yield File("results.json", to_json(results).encode())
    made = []
    for test, table in zip(results.tests, tables.tests, strict=True):
        for name, build in SHEETS.items():
            sheet = build(test, table)
            made.append(sheet)
            yield File(f"test-{test.position}/{name}.csv", sheet.to_csv())
        yield File(f"test-{test.position}/supplement.json", to_json(supplements(table, test)).encode())
        yield File(f"test-{test.position}/test.json", to_json(_facts(table)).encode())
        yield File(f"test-{test.position}/ratings.imrmc", imrmc_text(table).encode())
    yield File("data-dictionary.csv", dictionary(made).to_csv())


def _protocol(study: Study, results: StudyResults) -> Iterator[File]:
    """What was planned, and the methods paragraph that follows from it."""
    protocol = protocol_document(study)
    yield File("protocol.json", to_json(protocol).encode())
    yield File("methods.txt", ("\n\n".join(methods(results, protocol)) + "\n").encode())


def _facts(table: TestTable) -> dict[str, Any]:
    """What the numbers of a test rest on beside its tables of cases, readers and answers."""
    model = table.model
    return {
        "id": table.id, "position": table.position, "title": table.title, "notice": table.notice,
        "positive_nodes": table.positive_nodes, "negative_nodes": table.negative_nodes,
        "n_withdrawn": table.n_withdrawn,
        "questions": [
            {
                "id": asked.id, "position": asked.position, "text": asked.text,
                "positive_labels": asked.positive_labels, "negative_labels": asked.negative_labels,
            }
            for asked in table.questions
        ],
        "model": None if model is None else {"leaks_checked": model.leaks_checked, "problem": model.problem},
    }  # fmt: skip


def _figures(results: StudyResults) -> tuple[list[File], list[LeftOut]]:
    """Each figure with its caption and alternative text; without a Chromium, what only that can draw is left out."""
    files: list[File] = []
    wanted: list[tuple[str, go.Figure, str]] = []
    for test in results.tests:
        for question in test.questions:
            figure, name = roc_with_readers(test, question), figure_name(test, question)
            words = caption(test, question, results.provenance)
            files.append(File(f"{name}.html", as_page(figure, title=test.title, text=words)))
            described = f"{words}\n\n{alternative_text(test, question)}\n"
            files.append(File(f"{name}.txt", described.encode()))
            wanted += [(f"{name}.{fmt}", figure, fmt) for fmt in DRAWN]
    try:
        drawn = draw([(figure, fmt) for _name, figure, fmt in wanted])
    except ResultsError as error:
        return files, [LeftOut(name, str(error)) for name, _figure, _fmt in wanted]
    return files + [File(entry[0], content) for entry, content in zip(wanted, drawn, strict=True)], []


def _manifest(results: StudyResults, digests: dict[str, str], left_out: list[LeftOut]) -> bytes:
    origin = results.provenance
    content: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "interim": origin.interim,
        "study": {"title": origin.study_title, "state": origin.state, "seed": origin.seed},
        "protocol": {"number": origin.protocol_number, "sha256": origin.protocol_sha256, "differs": origin.differs},
        "image_sets": origin.image_sets,
        "model": origin.model,
        "taxonomy_sha256": origin.taxonomy_sha256,
        "software": dict(origin.software),
        "tests": [{"position": test.position, "title": test.title} for test in results.tests],
        "files": {name: {"sha256": digest} for name, digest in sorted(digests.items())},
        "left_out": left_out,
    }
    plain = {key: encode(value) for key, value in content.items()}
    return (json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
