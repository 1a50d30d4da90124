"""An export is computed again from its own tables, without a database; what was changed in it is found and named."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readerstudy.readers import invitations
from readerstudy.results import recompute
from readerstudy.results.export import write_folder, write_zip
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from tests.results.conftest import Worked

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def folder(sampled: tuple[Study, ModelVersion], tmp_path: Path) -> Path:
    """The export of a study of two tests, five readers, a correction and an unfinished reading."""
    target = tmp_path / "export"
    write_folder(*sampled, target)
    return target


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = recompute.main([str(path)])
    return status, capsys.readouterr().out


def count_numbers(value: Any) -> int:
    """Leaves of a JSON value that are no text, counted the plain way."""
    if isinstance(value, dict):
        return sum(map(count_numbers, value.values()))
    if isinstance(value, list):
        return sum(map(count_numbers, value))
    return not isinstance(value, str)


def rewrite(path: Path, change: Callable[[list[dict[str, str]]], None]) -> None:
    """Change the rows of a CSV file in place, and its hash in the manifest: a careful forger."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    columns = list(rows[0])
    change(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode())
    rehash(path)


def rehash(path: Path) -> None:
    root = path.parent if (path.parent / "manifest.json").exists() else path.parent.parent
    manifest = json.loads((root / "manifest.json").read_text())
    name = path.relative_to(root).as_posix()
    manifest["files"][name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (root / "manifest.json").write_text(json.dumps(manifest))


def test_without_database_or_settings_every_number_comes_out_again(folder: Path, tmp_path: Path) -> None:
    """As a reviewer would run it: a fresh interpreter, settings that cannot be loaded, an unusable database."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("READERSTUDY_")}
    environment |= {"DJANGO_SETTINGS_MODULE": "nowhere.settings", "READERSTUDY_DATABASE_URL": "nonsense"}
    result = subprocess.run(
        [sys.executable, "-m", "readerstudy.results.recompute", str(folder)],
        capture_output=True, text=True, cwd=ROOT, env=environment, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    n_compared = int(result.stdout.removeprefix("equal: ").split()[0])
    in_results = count_numbers(json.loads((folder / "results.json").read_text())["tests"])
    assert in_results > 1000
    assert n_compared > in_results  # and the derived tables on top


def test_a_zip_and_a_study_without_a_model_or_readers(
    worked: Worked, opened: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, model in enumerate((worked.model, None)):
        target = tmp_path / f"{number}.zip"
        with write_zip(worked.study, model) as archive:
            target.write_bytes(archive.read())
        status, out = run(target, capsys)
        assert (status, out[:6]) == (0, "equal:"), out


def test_nobody_has_begun_and_somebody_has_left(
    opened: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readers = [
        invitations.invite(study=opened, email=f"r{i}@example.org", tests=opened.tests.all(), actor=opened.created_by)[
            0
        ]
        for i in range(3)
    ]
    invitations.withdraw(readers[0], actor=opened.created_by)
    write_folder(opened, None, tmp_path / "export")
    recorded = json.loads((tmp_path / "export/results.json").read_text())["tests"][0]
    assert (recorded["n_readers"], recorded["n_withdrawn"]) == (2, 1)
    status, out = run(tmp_path / "export", capsys)
    assert (status, out[:6]) == (0, "equal:"), out


def test_a_changed_file_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "methods.txt"
    path.write_text(path.read_text() + " ")
    status, out = run(folder, capsys)
    assert status == 1
    assert "methods.txt: not the file that was exported" in out
    assert "not equal: 1 differences" in out


def test_a_missing_and_a_foreign_file_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "test-2/answers.csv").unlink()
    (folder / "test-2/foreign.csv").write_text("x")
    status, out = run(folder, capsys)
    assert status == 1
    assert "test-2/answers.csv: named in manifest.json, and missing" in out
    assert "test-2/foreign.csv: not named in manifest.json" in out


def test_a_changed_answer_is_found_though_its_hash_was_mended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed: list[str] = []

    def turn(rows: list[dict[str, str]]) -> None:
        row = next(row for row in rows if row["is_last"] == "1")
        row["counts_as_positive"] = "0" if row["counts_as_positive"] == "1" else "1"
        changed.append(row["reader"])

    rewrite(folder / "test-1/answers.csv", turn)
    status, out = run(folder, capsys)
    assert status == 1
    results = json.loads((folder / "results.json").read_text())
    codes = [reader["code"] for reader in results["tests"][0]["questions"][0]["readers"]]
    assert f"results.json tests[0].questions[0].readers[{codes.index(changed[0])}].point." in out
    differences = recompute.recompute(folder).differences
    named = {difference.partition("[")[0].partition(".json")[0] for difference in differences}
    assert named == {"results", "primary.csv", "test-1/readers.csv", "test-1/summary.csv"}
    assert "results.json primary.tests[0]." in out
    assert any(told.startswith("results.json supplements.1.") for told in differences)
    # The other test has the same numbers, its place in the family aside.
    assert "json tests[1]" not in out
    assert not any(told.startswith("results.json supplements.2.") for told in differences)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tests", 0, "p"), 0.001),
        (("tests", 1, "adjusted_p"), 0.001),
        (("tests", 0, "decision"), "shown"),
        (("tests", 0, "difference", "value"), 0.4),
        (("role",), "exploratory"),
        (("plan", "alpha"), 0.5),
    ],
)
def test_a_primary_result_that_does_not_follow_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], path: tuple[Any, ...], value: Any
) -> None:
    file = folder / "results.json"
    results = json.loads(file.read_text())
    place = results["primary"]
    for key in path[:-1]:
        place = place[key]
    assert place[path[-1]] != value
    place[path[-1]] = value
    file.write_text(json.dumps(results))
    rehash(file)
    status, out = run(folder, capsys)
    assert status == 1
    named = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    assert f"results.json primary{named}: {value!r} recorded" in out
    assert "not equal: 1 differences" in out


def test_another_plan_gives_another_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "protocol.json"
    protocol = json.loads(file.read_text())
    protocol["analysis_plan"]["missing_answers"] = "answered cases"
    file.write_text(json.dumps(protocol))
    rehash(file)
    status, out = run(folder, capsys)
    assert status == 1
    assert "results.json primary.plan.missing: 'complete readers' recorded, 'answered cases' computed" in out
    # The reader of the second test who answered three cases enters by that rule.
    assert "results.json primary.tests[1].n_readers: 3 recorded, 4 computed" in out
    del protocol["analysis_plan"]["test"]
    file.write_text(json.dumps(protocol))
    rehash(file)
    assert "protocol.json: analysis_plan is not one (KeyError: 'test')" in run(folder, capsys)[1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "sample", "auc", "value"), 0.99),
        (("n_positive",), 6),
        (("questions", 0, "readers", 0, "point", "tp"), 3.0001),
        (("model", "sample", "auc", "note"), "nothing to see"),
        (("questions", 0, "n_below"), None),
    ],
)
def test_a_number_that_does_not_follow_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], path: tuple[Any, ...], value: Any
) -> None:
    file = folder / "results.json"
    results = json.loads(file.read_text())
    place = results["tests"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(results))
    rehash(file)
    status, out = run(folder, capsys)
    assert status == 1
    named = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    assert f"results.json tests[0]{named}: {value!r} recorded" in out
    assert "not equal: 1 differences" in out


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("case", "999", "row 2, column case: 999 is not a case of cases.csv"),
        ("reader", "Nobody", "row 2, column reader: 'Nobody' is not in order.csv"),
        ("counts_as_positive", "2", "row 2, column counts_as_positive: 2 is not 0 or 1"),
        ("revision", "first", "row 2, column revision: 'first' is no whole number"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], column: str, value: str, said: str
) -> None:
    rewrite(folder / "test-1/answers.csv", lambda rows: rows[0].update({column: value}))
    status, out = run(folder, capsys)
    assert status == 1
    assert f"test-1/answers.csv, {said}" in out


def test_what_is_no_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.txt").write_text("hello")
    assert run(tmp_path / "plain.txt", capsys) == (1, f"{tmp_path}/plain.txt is neither a folder nor a ZIP file.\n")
    assert run(tmp_path, capsys)[1].endswith("holds no manifest.json: it is no export, or not all of one.\n")
    assert run(tmp_path / "nowhere", capsys)[0] == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True), (1, 1.0, False), (1, True, False), (None, None, True), (None, 0.0, False), (0.0, 0.0, True),
        (0.3, 0.3 * (1 + 5e-10), True), (0.3, 0.3 * (1 + 2e-9), False), (10**15, 10**15 + 1, False),
    ],
)  # fmt: skip
def test_counts_are_exact_and_floats_nearly(one: Any, other: Any, same: bool) -> None:
    assert recompute.equal(one, other) is same


def test_what_an_older_version_could_not_record_is_no_difference_where_there_is_none_of_it() -> None:
    found = recompute.Comparison()
    found.compare("primary", {"role": "x"}, {"role": "x", "contrasts": [], "roles": {}})
    assert found.differences == []
    found.compare("primary", {"role": "x"}, {"role": "x", "contrasts": [1]})
    found.compare("primary", {"role": "x", "contrasts": []}, {"role": "x"})
    assert len(found.differences) == 2
