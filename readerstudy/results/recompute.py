"""python -m readerstudy.results.recompute DIR|ZIP: whether an export's numbers follow from its own raw tables.

Reads the export alone: no database, no settings, no network. Checks every file's SHA-256 against the manifest, computes
every number of results.json, of the supplements and of the derived tables again from the raw ones, and says that they
are equal, or which are not. Exit status 0: equal; 1: not, or not readable.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from readerstudy.results.analysis import analyse_tests
from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.sheets import DERIVED as DERIVED_OF_CONDITIONS
from readerstudy.results.encoding import encode
from readerstudy.results.errors import ResultsError
from readerstudy.results.exported import MANIFEST, Exported, analysis_plan, taxonomy_of, test_tables
from readerstudy.results.parts import a_core_each
from readerstudy.results.primary.numbers import primary_analysis
from readerstudy.results.primary.sheet import contrasts_sheet, primary_sheet
from readerstudy.results.sheets import SHEETS, Sheet
from readerstudy.results.supplement.confusions import mean_of_pictures
from readerstudy.results.supplement.numbers import supplements

RELATIVE = 1e-9  # between machines the last digits of a float may differ
DERIVED = ("readers", "summary", "curve")  # sheets that are computed, not raw
SHOWN = 50


@dataclass(slots=True)
class Comparison:
    """``n_numbers`` numbers and ``n_texts`` texts were compared; ``differences`` name the place and both values."""

    n_numbers: int = 0
    n_texts: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, path: str, recorded: Any, computed: Any) -> None:
        """Two JSON values: counts exactly, floats within RELATIVE, an undefined one (null) only with its like."""
        if isinstance(recorded, dict) and isinstance(computed, dict):
            for key in sorted(recorded.keys() | computed.keys()):
                if key not in recorded and computed[key] in ([], {}):
                    continue  # what a later version could record, and there is none of it
                self.compare(f"{path}.{key}", recorded.get(key, MISSING), computed.get(key, MISSING))
        elif isinstance(recorded, list) and isinstance(computed, list):
            self._lists(path, recorded, computed)
        elif isinstance(recorded, str) or isinstance(computed, str):
            self.n_texts += 1
            self._expect(path, recorded, computed, recorded == computed)
        elif recorded is MISSING or computed is MISSING:
            self._expect(path, recorded, computed, False)
        else:
            self.n_numbers += 1
            self._expect(path, recorded, computed, equal(recorded, computed))

    def _lists(self, path: str, recorded: list[Any], computed: list[Any]) -> None:
        if len(recorded) != len(computed):
            self.differences.append(f"{path}: {len(recorded)} entries recorded, {len(computed)} computed")
        for index, (one, other) in enumerate(zip(recorded, computed, strict=False)):
            self.compare(f"{path}[{index}]", one, other)

    def _expect(self, path: str, recorded: Any, computed: Any, equal: bool) -> None:
        if not equal:
            self.differences.append(f"{path}: {recorded!r} recorded, {computed!r} computed")


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def equal(recorded: Any, computed: Any) -> bool:
    """Whether two JSON scalars are the same number (or truth value, or undefined)."""
    if isinstance(recorded, float) and isinstance(computed, float):
        return abs(recorded - computed) <= RELATIVE * max(abs(recorded), abs(computed))
    return type(recorded) is type(computed) and bool(recorded == computed)


def recompute(path: Path) -> Comparison:
    """Everything that an export records, computed again and compared. Raises: ResultsError where it cannot be read."""
    export = Exported(path)
    found = Comparison(differences=export.changed_files())
    try:
        with a_core_each():
            _compare_results(export, found)
    except ResultsError as error:
        if str(error) not in found.differences:
            found.differences.append(f"{error} Nothing more can be computed.")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        found.differences.append(f"The tables cannot be read as an export's ({type(error).__name__}: {error}).")
    return found


def _compare_results(export: Exported, found: Comparison) -> None:
    tables = test_tables(export)
    plan = analysis_plan(export)
    results = analyse_tests(tables, plan)
    recorded = export.json("results.json")
    found.compare("results.json tests", recorded["tests"], encode(results))
    primary = primary_analysis(plan, tables)
    found.compare("results.json primary", recorded["primary"], encode(primary))
    _compare_sheet("primary.csv", export, primary_sheet(primary), found)
    if primary is not None and primary.contrasts:
        _compare_sheet("contrasts.csv", export, contrasts_sheet(primary), found)
    _compare_provenance(recorded["provenance"], export.json(MANIFEST), taxonomy_of(export).sha256, found)
    found.compare(
        "results.json supplements",
        recorded["supplements"],
        encode(
            {str(table.position): supplements(table, result) for result, table in zip(results, tables, strict=True)}
        ),
    )
    for result, table in zip(results, tables, strict=True):
        for name in DERIVED:
            _compare_sheet(f"test-{table.position}/{name}.csv", export, SHEETS[name](result, table), found)
        for name, build in DERIVED_OF_CONDITIONS.items() if table.conditions is not None else ():
            _compare_sheet(f"test-{table.position}/{name}.csv", export, build(result), found)
        _compare_scores(table, found)


def _compare_sheet(file: str, export: Exported, computed: Sheet, found: Comparison) -> None:
    found.compare(file, list(_cells(export.read(file).decode())), list(_cells(computed.to_csv().decode())))


def _compare_scores(table: TestTable, found: Comparison) -> None:
    """The scores of the cases, from what the model said of each training class, by summation up the taxonomy."""
    model = table.model
    if model is None or model.problem or model.by_class is None:
        return
    said = model.by_class
    shares = said.taxonomy.restricted_share(
        said.classes, said.probabilities, table.positive_nodes, table.negative_nodes
    )
    computed = mean_of_pictures(shares[:, np.newaxis], table.cases.picture_case, table.cases.n)[:, 0]
    found.compare(f"test-{table.position}/cases.csv score", encode(model.case_scores), encode(computed))


def _compare_provenance(
    recorded: dict[str, Any], manifest: dict[str, Any], taxonomy_sha256: str, found: Comparison
) -> None:
    """What results.json says of its origin, and what the taxonomy is, against what the manifest says."""
    told = {
        "study_title": manifest["study"]["title"], "state": manifest["study"]["state"],
        "seed": manifest["study"]["seed"], "interim": manifest["interim"],
        "protocol_number": manifest["protocol"]["number"], "protocol_sha256": manifest["protocol"]["sha256"],
        "differs": manifest["protocol"]["differs"], "taxonomy_sha256": manifest["taxonomy_sha256"],
        "amendments": manifest["protocol"].get("amendments"),  # of old exports: none, on both sides
        "image_sets": manifest["image_sets"], "model": manifest["model"],
    }  # fmt: skip
    found.compare("taxonomy.csv sha256", manifest["taxonomy_sha256"], taxonomy_sha256)
    found.compare("results.json provenance", {key: recorded.get(key) for key in told}, told)


def _cells(text: str) -> Iterator[list[Any]]:
    """The rows of a CSV with numbers as numbers: whole ones as counts, others as floats; empty cells as undefined."""
    for row in csv.reader(io.StringIO(text, newline="")):
        yield [_cell(cell) for cell in row]


def _cell(text: str) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m readerstudy.results.recompute",
        description="Compute every number of an export again from its own raw tables. Needs no database.",
    )
    parser.add_argument("export", type=Path, help="the folder or the ZIP file of an export")
    path = parser.parse_args(arguments).export
    try:
        found = recompute(path)
    except ResultsError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    if not found.differences:
        sys.stdout.write(f"equal: {found.n_numbers} numbers and {found.n_texts} texts compared\n")
        return 0
    for difference in found.differences[:SHOWN]:
        sys.stdout.write(f"{difference}\n")
    more = len(found.differences) - SHOWN
    if more > 0:
        sys.stdout.write(f"and {more} more\n")
    sys.stdout.write(f"not equal: {len(found.differences)} differences, {found.n_numbers} numbers compared\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
