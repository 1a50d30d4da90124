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

from django.utils.translation import gettext as _

from readerstudy.images.truth import taxonomy
from readerstudy.results import computing, sheets
from readerstudy.results.analysis import StudyResults
from readerstudy.results.arrays import StudyTables, TestTable
from readerstudy.results.checklists.facts import Known
from readerstudy.results.checklists.lists import GUIDELINES, checklist_sheet, filled, markdown
from readerstudy.results.conditions.exported import facts_of
from readerstudy.results.conditions.sheets import every_sheet
from readerstudy.results.encoding import encode, to_json
from readerstudy.results.errors import ResultsError
from readerstudy.results.explained import exporting
from readerstudy.results.explained.page import explained
from readerstudy.results.export_figures import File, LeftOut, Numbers, Seen, figure_files, figure_name
from readerstudy.results.imrmc import imrmc_text
from readerstudy.results.methods import earlier_protocols, methods, protocol_document
from readerstudy.results.parts import OneBar, Step, Watch
from readerstudy.results.primary.sheet import contrasts_sheet, primary_sheet
from readerstudy.results.tables import study_tables
from readerstudy.results.validation.numbers import Validation
from readerstudy.results.validation.page import validation_of, validation_sheet
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study

__all__ = ["FORMAT", "File", "LeftOut", "figure_name", "files_of", "write_folder", "write_zip"]

FORMAT = "readerstudy export 1"
MANIFEST = "manifest.json"
ATTEMPTS = 3  # answers may come in while an open study is exported
# How much of the whole is done after each piece of work, as a study of the paper's size takes its time.
AFTER_RESULTS, AFTER_NUMBERS, AFTER_ANSWERS, AFTER_LAYOUTS, AFTER_FIGURES = 0.05, 0.2, 0.25, 0.3, 0.95
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's first day: the same content gives the same archive


def files_of(study: Study, model_version: ModelVersion | None, *, here: Watch | None = None) -> Iterator[File]:
    """Every file of the export, the manifest last. Names are relative paths with `/`.

    ``here``: compute what is missing in this process, whatever its size, and show how far each piece of work is.
    Raises: StillComputing where a worker computes it; ResultsError, also where answers came in meanwhile.
    """
    for _attempt in range(ATTEMPTS):
        before = computing.inputs_of(study, model_version)
        results, numbers = _numbers(study, model_version, here)
        reading = _begun(here, _("Answers"), AFTER_ANSWERS)
        tables = study_tables(study, model_version, detailed=True, long_form=True)
        reading(1, 1)
        if computing.inputs_of(study, model_version) == before:
            break
    else:
        raise ResultsError(_("Answers came in while the export was made. Make it again, or close the study first."))
    digests: dict[str, str] = {}
    seen = _explained(study, tables, results, model_version, here)
    drawing = None if here is None else here(_("Figures"), AFTER_FIGURES)
    figures, left_out = figure_files(results, numbers, seen, drawing)
    validation = validation_of(study, model_version)
    content = _content(tables, results, numbers, seen, validation, _begun(here, _("Tables"), 1.0))
    for file in itertools.chain(content, _protocol(study, tables, results, seen), figures):
        digests[file.name] = hashlib.sha256(file.content).hexdigest()
        yield file
    yield File(MANIFEST, _manifest(results, digests, left_out))


def _numbers(study: Study, model_version: ModelVersion | None, here: Watch | None) -> tuple[StudyResults, Numbers]:
    """Every number of every page, found where it was computed before."""

    told = None if here is None else here(_("Results"), AFTER_RESULTS)
    results = computing.results_of(study, model_version, here=told)
    numbers: Numbers = {str(test.position): {} for test in results.tests}
    tests = {test.pk: test for test in study.tests.select_related("study")}
    asked = [(test, question) for test in results.tests for question in test.questions]
    for n, (test, question) in enumerate(asked, start=1):
        end = AFTER_RESULTS + (AFTER_NUMBERS - AFTER_RESULTS) * n / len(asked)
        told = None if here is None else here(f"{test.title}: {question.text}", end)
        found = computing.supplement_of(tests[test.id], question.position, model_version, here=told)
        numbers[str(test.position)][str(question.position)] = found
    return results, numbers


def _begun(here: Watch | None, what: str, end: float) -> Step:
    """What a piece of work that is done in any case tells."""
    return (lambda done, total: None) if here is None else here(what, end)


def write_zip(study: Study, model_version: ModelVersion | None, *, step: Step | None = None) -> IO[bytes]:
    """The export as an open temporary ZIP file, rewound; whoever closes it deletes it.

    ``step``: compute what is missing in this process, say how far it is, and let it stop everything by raising.
    """
    here = None if step is None else OneBar(step)
    files = iter(files_of(study, model_version, here=here))
    first = next(files)  # before there is a file: what is not computed yet is said here
    target = tempfile.TemporaryFile(suffix=".zip")  # noqa: SIM115 - handed to the caller open
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in itertools.chain([first], files):
            entry = zipfile.ZipInfo(file.name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.content)
    target.seek(0)
    return target


def write_folder(
    study: Study, model_version: ModelVersion | None, folder: Path, *, here: Watch | None = None
) -> list[str]:
    """The export as a folder that is new or empty; returns the names. Raises: ResultsError for any other folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ResultsError(f"{folder} is there already and not an empty folder. Name one that is new or empty.")
    names = []
    for file in files_of(study, model_version, here=here):
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        names.append(file.name)
    return names


def _explained(
    study: Study, tables: StudyTables, results: StudyResults, model_version: ModelVersion | None, here: Watch | None
) -> Seen:
    """What the model has made of each test's cases beside their scores, by the test's position."""
    if model_version is None:
        return {}
    rows = {test.pk: test for test in study.tests.select_related("study")}
    seen: Seen = {}
    for n, (test, table) in enumerate(zip(results.tests, tables.tests, strict=True), start=1):
        end = AFTER_ANSWERS + (AFTER_LAYOUTS - AFTER_ANSWERS) * n / len(results.tests)
        step = None if here is None else here(_("Layout of the cases"), end)
        laid = computing.layout_of(rows[test.id], model_version, here=step)
        seen[str(test.position)] = explained(test, table.cases, model_version, laid)
    return seen


def _content(
    tables: StudyTables, results: StudyResults, numbers: Numbers, seen: Seen, validation: Validation, step: Step
) -> Iterator[File]:
    """Every estimate as JSON, and every table as CSV."""
    yield File("results.json", to_json({**encode(results), "supplements": numbers}).encode())
    known = taxonomy()
    made = [primary_sheet(results.primary), sheets.taxonomy(known), validation_sheet(validation)]
    if results.primary is not None and results.primary.contrasts:
        made.append(contrasts_sheet(results.primary))
    classes = next((t.model.by_class for t in tables.tests if t.model is not None and t.model.by_class), None)
    if classes is not None:
        made.append(sheets.classes(classes))
    for sheet in made:
        yield File(f"{sheet.name}.csv", sheet.to_csv())
    for n, (test, table) in enumerate(zip(results.tests, tables.tests, strict=True)):
        step(n, len(results.tests))
        found = seen.get(str(test.position))
        of_test = [build(test, table) for build in sheets.SHEETS.values()] + every_sheet(test, table)
        for sheet in (*of_test, exporting.layout_sheet(found), exporting.saliency_sheet(found)):
            made.append(sheet)
            yield File(f"test-{test.position}/{sheet.name}.csv", sheet.to_csv())
        for name, content in exporting.map_files(found) if found is not None else ():
            yield File(f"test-{test.position}/{name}", content)
        yield File(f"test-{test.position}/test.json", to_json(_facts(table)).encode())
        yield File(f"test-{test.position}/ratings.imrmc", imrmc_text(table).encode())
    made += [checklist_sheet(guideline, ()) for guideline in GUIDELINES]
    yield File("data-dictionary.csv", sheets.dictionary(made).to_csv())


def _protocol(study: Study, tables: StudyTables, results: StudyResults, seen: Seen) -> Iterator[File]:
    """What was planned, the methods paragraph that follows from it, and the checklists, filled in where known."""
    protocol = protocol_document(study)
    yield File("protocol.json", to_json(protocol).encode())
    for number, earlier in earlier_protocols(study).items():
        yield File(f"protocol-{number}.json", to_json(earlier).encode())
    yield File("methods.txt", ("\n\n".join(methods(results, protocol)) + "\n").encode())
    known = Known(results, tables, protocol, n_maps=sum(len(found.maps) for found in seen.values()))
    for guideline in GUIDELINES:
        rows = filled(guideline, known)
        yield File(f"checklists/{guideline.key}.csv", checklist_sheet(guideline, rows).to_csv())
        yield File(f"checklists/{guideline.key}.md", markdown(guideline, rows, results.provenance.study_title).encode())


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
                "stage": asked.stage, "after_advice": asked.after_advice,
            }
            for asked in table.questions
        ],
        "model": None if model is None else {"leaks_checked": model.leaks_checked, "problem": model.problem},
        "conditions": facts_of(table.conditions),
    }  # fmt: skip


def _manifest(results: StudyResults, digests: dict[str, str], left_out: list[LeftOut]) -> bytes:
    origin = results.provenance
    content: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "interim": origin.interim,
        "study": {"title": origin.study_title, "state": origin.state, "seed": origin.seed},
        "protocol": {
            "number": origin.protocol_number,
            "sha256": origin.protocol_sha256,
            "differs": origin.differs,
            "amendments": origin.amendments,
        },
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
