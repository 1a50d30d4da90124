"""The pictures of the demonstration: drawn by code, or from a folder that has a `labels.csv`.

Either way the result is the same: for each test a ZIP and a manifest as an administrator would upload them, and a
manifest of other lesions of other patients, on which the demonstration's model is fitted.
"""

import csv
import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from model_core.taxonomy import TaxonomyError
from model_core.taxonomy_csv import aliases
from readerstudy.demo import drawing
from readerstudy.demo.plan import DRAWN_NOTICE, SEED, TESTS, PlannedTest
from readerstudy.images.models import Confirmation, Modality
from readerstudy.images.truth import taxonomy

Progress = Callable[[int, int], None]

COLUMNS = (
    "file",
    "diagnosis",
    "confirmation",
    "modality",
    "lesion_id",
    "patient_id",
    "age",
    "sex",
    "site",
    "skin_type",
)
DRAWN_FOR_FITTING = 110  # of each class and look
SMALLEST_CLASS = 9  # a test with fewer cases of a class is left out


class MaterialError(Exception):
    """The folder given cannot be used; the message says why."""


@dataclass(frozen=True)
class Material:
    """Where everything lies. `archives` has a ZIP and a manifest for each test that the pictures allow."""

    tests: tuple[PlannedTest, ...]
    archives: dict[str, tuple[Path, Path]]
    fitting_images: Path
    fitting_manifest: Path
    notice: str
    source: str  # a word for the names of the image sets


def _write(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _zip(path: Path, members: Iterable[tuple[str, Path]]) -> None:
    """Whole or not at all: written beside, then moved into place."""
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, source in members:
            archive.write(source, name)
    os.replace(part, path)


# --- drawn


def _draw_one(task: tuple[drawing.Look, bool, int, Path]) -> None:
    look, malignant, seed, path = task
    if not path.exists():
        part = path.with_suffix(".part")
        drawing.draw(look, malignant=malignant, seed=seed).save(part, "JPEG", quality=92)
        os.replace(part, path)


def drawn(folder: Path, progress: Progress) -> Material:
    """Draw every picture not there yet, on all cores."""
    pictures = folder / "drawn"
    pictures.mkdir(parents=True, exist_ok=True)
    tasks: list[tuple[drawing.Look, bool, int, Path]] = []
    archives: dict[str, tuple[Path, Path]] = {}
    fitting: list[dict[str, str]] = []
    for test in TESTS:
        rows: list[dict[str, str]] = []
        for malignant, pool in ((True, test.pool_positive), (False, test.pool_negative)):
            diagnosis = test.drawn_positive if malignant else test.drawn_negative
            for number in range(pool + DRAWN_FOR_FITTING):
                name = f"{test.key}-{'m' if malignant else 'b'}-{number:04d}.jpg"
                tasks.append((test.look, malignant, SEED + number, pictures / name))
                row = {
                    "file": name, "diagnosis": diagnosis, "confirmation": Confirmation.SYNTHETIC,
                    "modality": test.modality, "lesion_id": name.removesuffix(".jpg"),
                    "patient_id": name.removesuffix(".jpg"),
                }  # fmt: skip
                (rows if number < pool else fitting).append(row)
        archives[test.key] = (folder / f"{test.key}.zip", folder / f"{test.key}.csv")
        _write(archives[test.key][1], rows)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool_of_processes:
        for done, _ in enumerate(pool_of_processes.map(_draw_one, tasks, chunksize=8), start=1):
            progress(done, len(tasks))
    for archive, manifest in archives.values():
        if not archive.exists():
            with manifest.open(encoding="utf-8") as file:
                _zip(archive, [(row["file"], pictures / row["file"]) for row in csv.DictReader(file)])
    _write(folder / "fitting.csv", fitting)
    return Material(TESTS, archives, pictures, folder / "fitting.csv", DRAWN_NOTICE, "drawn")


# --- given


def _node(label: str) -> str | None:
    """The taxonomy node that a publisher's label stands for."""
    for source in ("ham10000", "pad_ufes_20", "isic2017"):
        if found := aliases(source).get(label):
            return found
    try:
        return taxonomy().find(label)
    except TaxonomyError:
        return None


CONFIRMATIONS = {
    "histo": Confirmation.HISTOPATHOLOGY, "true": Confirmation.HISTOPATHOLOGY, "confocal": Confirmation.CONFOCAL,
    "follow_up": Confirmation.FOLLOW_UP, "consensus": Confirmation.CONSENSUS, "false": Confirmation.CLINICAL,
}  # fmt: skip


def _given_rows(folder: Path) -> list[dict[str, str]]:
    labels = folder / "labels.csv"
    if not labels.is_file():
        raise MaterialError(f"{folder} has no labels.csv. It needs one with the columns file and dx.")
    with labels.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"file", "dx"} - set(reader.fieldnames or ())
        if missing:
            raise MaterialError(f"{labels} lacks the column {', '.join(sorted(missing))}; it has {reader.fieldnames}.")
        source = list(reader)
    rows = []
    for number, row in enumerate(source, start=2):
        node = _node(row["dx"])
        if node is None:
            raise MaterialError(f"{labels}, row {number}, column dx: {row['dx']!r} is no diagnosis of the taxonomy.")
        # PAD-UFES-20 is photographs from telephones and says so by its Fitzpatrick column; HAM10000 is dermoscopy.
        clinical = "fitspatrick" in row
        how = (row.get("dx_type") or row.get("biopsed") or "").lower()
        skin_type = (row.get("fitspatrick") or "").partition(".")[0]
        rows.append({
            "file": row["file"], "diagnosis": node, "confirmation": CONFIRMATIONS.get(how, Confirmation.UNKNOWN),
            "modality": Modality.CLINICAL if clinical else Modality.DERMOSCOPY,
            "lesion_id": row.get("lesion_id", ""), "patient_id": row.get("patient_id", ""),
            "age": row.get("age", "").removesuffix(".0"),
            "sex": row.get("sex", "").lower(), "site": row.get("localization", ""), "skin_type": skin_type,
        })  # fmt: skip
    return rows


def given(images: Path, folder: Path) -> Material:
    """Split a folder of real pictures: three of five folds are read and scored, two fit the model's last layer.

    Folds are of patients where these are known, else of lesions, stratified by diagnosis.
    """
    rows = _given_rows(images)
    groups = np.array([row["patient_id"] or row["lesion_id"] or row["file"] for row in rows])
    strata = np.array([row["diagnosis"] for row in rows])
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=SEED)
    kept = np.zeros(len(rows), dtype=bool)
    for number, (_, chosen) in enumerate(folds.split(groups, strata, groups)):
        if number < 3:
            kept[chosen] = True
    testing = [row for row, keep in zip(rows, kept, strict=True) if keep]
    tests, archives = [], {}
    for test in TESTS:
        of_test, counts = _rows_of(test, testing)
        if min(counts[True], counts[False]) < SMALLEST_CLASS:
            continue
        tests.append(replace(test, n_cases=len(of_test), n_positive=counts[True]))
        archives[test.key] = (folder / f"{test.key}.zip", folder / f"{test.key}.csv")
        _write(archives[test.key][1], of_test)
        if not archives[test.key][0].exists():
            _zip(archives[test.key][0], [(row["file"], images / row["file"]) for row in of_test])
    if not tests:
        raise MaterialError(
            f"{images} has too few images for any of the three tests: {SMALLEST_CLASS} of each class are needed in "
            f"three fifths of it. It has {dict(Counter(strata.tolist()))}."
        )
    _write(folder / "fitting.csv", [row for row, keep in zip(rows, kept, strict=True) if not keep])
    return Material(tuple(tests), archives, images, folder / "fitting.csv", "", images.resolve().name)


def _rows_of(test: PlannedTest, rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], Counter[bool]]:
    """One image of each lesion that belongs to the test, and how many are positive."""
    nodes = {node: True for root in test.positive_nodes for node in taxonomy().descendants(root)}
    nodes |= {node: False for root in test.negative_nodes for node in taxonomy().descendants(root)}
    seen: set[str] = set()
    chosen = []
    for row in rows:
        lesion = row["lesion_id"] or row["file"]
        if row["modality"] == test.modality and row["diagnosis"] in nodes and lesion not in seen:
            seen.add(lesion)
            chosen.append(row)
    return chosen, Counter(nodes[row["diagnosis"]] for row in chosen)


def fingerprint(images: Path | None) -> str:
    """What the material is made from: a changed source is a new demonstration, not a mixture of two."""
    if images is None:
        return "drawn"
    labels = images / "labels.csv"
    content = labels.read_bytes() if labels.is_file() else b""
    return hashlib.sha256(content).hexdigest()
