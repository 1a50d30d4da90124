"""Everything about a study's results as files: enough to compute each number and each figure again, without us."""

import hashlib
import itertools
import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from readerstudy.images.truth import taxonomy
from readerstudy.results import sheets
from readerstudy.results.analysis import StudyResults, analyse
from readerstudy.results.arrays import StudyTables, TestTable
from readerstudy.results.encoding import encode, to_json
from readerstudy.results.errors import ResultsError
from readerstudy.results.export_figures import File, LeftOut, Numbers, figure_files, figure_name
from readerstudy.results.imrmc import imrmc_text
from readerstudy.results.methods import methods, protocol_document
from readerstudy.results.primary.sheet import primary_sheet
from readerstudy.results.supplement.numbers import supplements
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study

__all__ = ["FORMAT", "File", "LeftOut", "figure_name", "files_of", "write_folder", "write_zip"]

FORMAT = "readerstudy export 1"
MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's first day: the same content gives the same archive


def files_of(study: Study, model_version: ModelVersion | None) -> Iterator[File]:
    """Every file of the export, the manifest last. Names are relative paths with `/`."""
    tables = study_tables(study, model_version, detailed=True)
    results = analyse(tables)
    numbers = {
        str(test.position): supplements(table, test) for test, table in zip(results.tests, tables.tests, strict=True)
    }
    digests: dict[str, str] = {}
    figures, left_out = figure_files(results, numbers)
    for file in itertools.chain(_content(tables, results, numbers), _protocol(study, results), figures):
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


def _content(tables: StudyTables, results: StudyResults, numbers: Numbers) -> Iterator[File]:
    """Every estimate as JSON, and every table as CSV."""
    yield File("results.json", to_json({**encode(results), "supplements": numbers}).encode())
    known = taxonomy()
    made = [primary_sheet(results.primary), sheets.taxonomy(known)]
    classes = next((t.model.by_class for t in tables.tests if t.model is not None and t.model.by_class), None)
    if classes is not None:
        made.append(sheets.classes(classes))
    for sheet in made:
        yield File(f"{sheet.name}.csv", sheet.to_csv())
    for test, table in zip(results.tests, tables.tests, strict=True):
        for name, build in sheets.SHEETS.items():
            sheet = build(test, table)
            made.append(sheet)
            yield File(f"test-{test.position}/{name}.csv", sheet.to_csv())
        yield File(f"test-{test.position}/test.json", to_json(_facts(table)).encode())
        yield File(f"test-{test.position}/ratings.imrmc", imrmc_text(table).encode())
    yield File("data-dictionary.csv", sheets.dictionary(made).to_csv())


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
