"""The export proves itself: hashes are right, and every figure's numbers come out of its CSV files again."""

import csv
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from sklearn.metrics import roc_auc_score, roc_curve

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers.models import Reader
from readerstudy.results import rendering, tasks
from readerstudy.results.export import files_of
from readerstudy.results.models import Computation
from readerstudy.results.recompute import recompute
from readerstudy.results.sheets import SHEETS, Sheet
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from tests.results import made
from tests.results.conftest import Worked

Files = dict[str, bytes]
# of a test with readers and a model whose cases are of two classes and readers all alike
FIGURES = (
    "roc", "flow", "forest", "agreement", "pooled", "confusion", "taxonomy", "calibration", "decision-curve",
    "excisions", "pace",
)  # fmt: skip


def rows(files: Files, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode())))


def exported(study: Study, model: ModelVersion | None) -> Files:
    return {file.name: file.content for file in files_of(study, model)}


@pytest.mark.usefixtures("no_figures")
def test_every_number_of_the_figures_comes_out_of_the_csv_files(sampled: tuple[Study, ModelVersion]) -> None:
    """Recomputed here from the files alone, with scikit-learn for the curves and counting for the readers."""
    files = exported(*sampled)
    results = json.loads(files["results.json"])
    assert len(results["tests"]) == 2
    for number, test in enumerate(results["tests"], start=1):
        cases = rows(files, f"test-{number}/cases.csv")
        assert len(cases) == test["n_cases"] == 12
        truth = {row["case"]: int(row["positive"]) for row in cases}
        assert sum(truth.values()) == test["n_positive"] == 5
        _check_curve(test["model"]["sample"], [int(r["positive"]) for r in cases], [float(r["score"]) for r in cases])
        full = rows(files, f"test-{number}/full-set.csv")
        assert len(full) == test["model"]["n_full"] == (30, 20)[number - 1]
        _check_curve(test["model"]["full"], [int(r["positive"]) for r in full], [float(r["score"]) for r in full])
        answers = [row for row in rows(files, f"test-{number}/answers.csv") if row["is_last"] == "1"]
        question = test["questions"][0]
        assert len(question["readers"]) == 5
        complete = []
        for reader in question["readers"]:
            said = {row["case"]: int(row["counts_as_positive"]) for row in answers if row["reader"] == reader["code"]}
            pairs = [(truth[case], yes) for case, yes in said.items()]
            tp, fn, tn, fp = (pairs.count(pair) for pair in [(1, 1), (1, 0), (0, 0), (0, 1)])
            point = reader["point"]
            assert (point["tp"], point["fn"], point["tn"], point["fp"]) == (tp, fn, tn, fp)
            if len(said) == 12:
                complete.append((tp / (tp + fn), tn / (tn + fp)))
                assert point["sensitivity"]["value"] == pytest.approx(complete[-1][0])
                assert point["specificity"]["value"] == pytest.approx(complete[-1][1])
        assert len(complete) == question["n_complete"] == (5, 3)[number - 1]
        for axis, name in enumerate(("sensitivity", "specificity")):
            values = [point[axis] for point in complete]
            mean = sum(values) / len(values)
            sd = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
            assert question["average"][name]["value"] == pytest.approx(mean)
            assert question["average"][f"{name}_sd"] == pytest.approx(sd)


def _check_curve(curve: dict[str, Any], truth: list[int], scores: list[float]) -> None:
    fpr, tpr, _thresholds = roc_curve(truth, scores, drop_intermediate=False)
    assert curve["fpr"] == pytest.approx(fpr)
    assert curve["tpr"] == pytest.approx(tpr)
    assert curve["auc"]["value"] == pytest.approx(roc_auc_score(truth, scores))


@pytest.mark.usefixtures("no_browser")
def test_the_figure_in_the_export_has_the_points_of_its_csv(sampled: tuple[Study, ModelVersion]) -> None:
    files = exported(*sampled)
    page = files["test-1/roc.html"].decode()
    readers = [row for row in rows(files, "test-1/readers.csv") if row["state"] == "complete"]
    assert len(readers) == 5
    drawn = re.search(r'"name":"Readers \(n = 5\)".*?"x":\[(.*?)\].*?"y":\[(.*?)\]', page, re.DOTALL)
    assert drawn is not None
    assert [float(x) for x in drawn[1].split(",")] == pytest.approx([float(row["sensitivity"]) for row in readers])
    assert [float(y) for y in drawn[2].split(",")] == pytest.approx([float(row["specificity"]) for row in readers])


@pytest.mark.usefixtures("no_browser")
def test_the_manifest_names_every_file_by_its_hash(sampled: tuple[Study, ModelVersion]) -> None:
    study, model = sampled
    files = exported(study, model)
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    # of each test its tables (those of layout and maps too), facts and ratings; of each figure a page and its words;
    # and of all: results, protocol, methods, taxonomy, classes, primary analysis, accuracy at levels,
    # dictionary, checklists, the figures' script
    assert len(manifest["files"]) == 2 * (len(SHEETS) + 4) + 2 * 2 * len(FIGURES) + 8 + 2 * 3 + 1
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256(files[name]).hexdigest(), name
    assert manifest["protocol"]["sha256"] == study.protocol_versions.get().sha256
    assert manifest["protocol"]["differs"] == []
    assert manifest["model"]["sha256"] == model.sha256
    assert sorted(used["sha256"] for used in manifest["image_sets"]) == sorted(
        test.image_set.sha256 for test in study.tests.all()
    )
    assert manifest["study"]["seed"] == 2017
    assert manifest["interim"] is False
    assert "readerstudy" in manifest["software"]
    assert len(manifest["left_out"]) == 2 * 3 * len(FIGURES)  # no browser: PNG, SVG and PDF, with the reason
    assert "Chromium" in manifest["left_out"][0]["reason"]


@pytest.mark.usefixtures("no_figures")
def test_the_same_data_give_the_same_bytes(sampled: tuple[Study, ModelVersion]) -> None:
    first, second = exported(*sampled), exported(*sampled)
    same = [name for name in first if name != "manifest.json"]
    assert len(same) == 2 * (len(SHEETS) + 4) + 8 + 2 * 3
    for name in same:
        assert first[name] == second[name], name


@pytest.mark.usefixtures("no_browser")
def test_no_address_and_no_name_of_a_person(sampled: tuple[Study, ModelVersion]) -> None:
    study, model = sampled
    User.objects.update(name="Planted Personname")
    emails = list(Reader.objects.values_list("email", flat=True))
    assert len(emails) == 5
    files = exported(study, model)
    for name, content in files.items():
        if name == "plotly.min.js":  # the library names its authors
            continue
        for planted in (*emails, "Planted Personname", "@example.org"):
            assert planted.encode() not in content, (name, planted)


@pytest.mark.usefixtures("no_figures")
def test_each_column_is_in_the_dictionary(sampled: tuple[Study, ModelVersion]) -> None:
    files = exported(*sampled)
    described = {(row["table"], row["column"]) for row in rows(files, "data-dictionary.csv") if row["description"]}
    checked = 0
    tables = [name for name in files if name.endswith(".csv") and name != "data-dictionary.csv"]
    assert len(tables) == 2 * (len(SHEETS) + 2) + 4 + 3
    for name in tables:
        header = next(csv.reader(io.StringIO(files[name].decode())))
        for column in header:
            assert (name.rpartition("/")[2].removesuffix(".csv"), column) in described, (name, column)
            checked += 1
    assert checked > 140


def test_cells_that_a_spreadsheet_would_compute_are_text() -> None:
    planted = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain")
    sheet = Sheet("x", (("a", "A"), ("b", "B")), tuple((text, -0.5) for text in planted))
    found = list(csv.reader(io.StringIO(sheet.to_csv().decode(), newline="")))[1:]
    assert [row[0] for row in found] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "plain"]
    assert {row[1] for row in found} == {"-0.5"}  # a negative number stays one


@pytest.mark.usefixtures("no_figures")
def test_a_planted_formula_does_not_reach_a_spreadsheet(worked: Worked) -> None:
    question = worked.test.questions.get()
    question.choices.filter(is_positive=True).update(label='=HYPERLINK("http://evil.example","Biopsy")')
    table = exported(worked.study, worked.model)["test-1/answers.csv"].decode()
    assert "'=HYPERLINK" in table
    assert not re.search(r'(^|,|")=HYPERLINK', table, re.MULTILINE)


@pytest.mark.usefixtures("no_figures")
def test_export_of_readers_alone_and_of_nobody(opened: Study) -> None:
    files = exported(opened, None)
    assert rows(files, "test-1/readers.csv") == []
    assert rows(files, "test-1/answers.csv") == []
    assert len(rows(files, "test-1/cases.csv")) == 10
    assert {row["score"] for row in rows(files, "test-1/cases.csv")} == {""}
    assert json.loads(files["manifest.json"])["model"] is None
    assert json.loads(files["manifest.json"])["interim"] is True


@pytest.mark.skipif(bool(rendering.unavailable()), reason=rendering.unavailable() or "none")
def test_the_zip_of_the_page_is_whole(
    worked: Worked, researcher_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure in every format, every hash right, and what is computed from the ZIP alone equal to what it says. A
    worker makes it: the page says how far it is, and gives it once it is there."""
    monkeypatch.setattr(tasks.compute, "delay", lambda pk: None)
    made.unblind(worked.study)
    address = reverse("results-export", args=[worked.study.pk])
    response = researcher_client.get(address)
    row = Computation.objects.get(what="export")
    page = reverse("results-file", args=[worked.study.pk, row.pk])
    assert response["Location"] == page
    tasks.compute(row.pk)
    assert f'href="{address}?model=' in researcher_client.get(page).content.decode()
    row.refresh_from_db()
    assert row.done == row.total == 100  # per cents
    response = researcher_client.get(address)
    assert response["Content-Type"] == "application/zip"
    (tmp_path / "export.zip").write_bytes(b"".join(response.streaming_content))
    archive = zipfile.ZipFile(tmp_path / "export.zip")
    assert archive.testzip() is None
    names = set(archive.namelist())
    assert len(FIGURES) == 11
    assert {f"test-1/{name}.{fmt}" for name in FIGURES for fmt in ("png", "svg", "pdf", "html", "txt")} <= names
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["left_out"] == []
    assert set(manifest["files"]) == names - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256(archive.read(name)).hexdigest(), name
    for name in FIGURES:
        assert archive.read(f"test-1/{name}.png").startswith(b"\x89PNG"), name
        assert archive.read(f"test-1/{name}.pdf").startswith(b"%PDF-"), name
        page = archive.read(f"test-1/{name}.html").decode()
        assert 'src="../plotly.min.js"' in page, name
        # the alternative text says what the caption says, or more
        assert len(archive.read(f"test-1/{name}.txt").decode().split("\n\n")) == 2, name
    found = recompute(tmp_path / "export.zip")
    assert found.differences == []
    assert found.n_numbers > 2000


# --- manage.py export_results


@pytest.mark.usefixtures("no_browser")
def test_the_command_writes_what_the_page_gives(sampled: tuple[Study, ModelVersion], tmp_path: Path) -> None:
    study, model = sampled
    out = io.StringIO()
    call_command("export_results", study.pk, "--to", tmp_path / "results", "--model", model.name, stdout=out)
    expected = exported(study, model)
    written = {str(path.relative_to(tmp_path / "results")): path for path in (tmp_path / "results").rglob("*.*")}
    assert set(written) == set(expected)
    for name, path in written.items():
        if name != "manifest.json":
            assert path.read_bytes() == expected[name], name
    assert f"{len(expected)} files" in out.getvalue()
    with pytest.raises(CommandError, match="not an empty folder"):
        call_command("export_results", study.pk, "--to", tmp_path / "results")


@pytest.mark.usefixtures("no_figures")
def test_the_command_needs_a_reason_before_unblinding(worked: Worked, tmp_path: Path) -> None:
    target = tmp_path / "results"
    for extra in ([], ["--look-before-unblinding", "short"]):
        with pytest.raises(CommandError, match="not unblinded"):
            call_command("export_results", worked.study.pk, "--to", target, *extra)
    assert not target.exists()
    reason = "The safety board asked for it."
    call_command(
        "export_results", worked.study.pk, "--to", target, "--look-before-unblinding", reason, stdout=io.StringIO()
    )
    entry = AuditEntry.objects.get(action="results.looked_before_unblinding")
    assert (entry.actor, entry.details["reason"]) == (None, reason)
    assert json.loads((target / "manifest.json").read_text())["interim"] is True


def test_the_command_names_what_it_does_not_know(worked: Worked, administrator: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no study 999999"):
        call_command("export_results", 999_999, "--to", tmp_path / "x")
    with pytest.raises(CommandError, match=f"no model 'nameless'. Known: {worked.model.name}"):
        call_command("export_results", worked.study.pk, "--to", tmp_path / "x", "--model", "nameless")
