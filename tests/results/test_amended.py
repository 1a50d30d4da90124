"""A study whose protocol was amended: results name the amendments, and an export is computed again all the same."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.readings.models import Reading
from readerstudy.results import recompute
from readerstudy.results.export import write_folder
from readerstudy.studies import amendments
from readerstudy.studies.models import AnalysisPlan
from tests.results import made
from tests.results.conftest import Worked
from tests.studies.test_amendments import plan_values
from tests.studies.test_pages import text

WHY = "The committee asked for the agreement between readers."


@pytest.fixture
def amended(worked: Worked) -> Worked:
    """Two amendments after the readings: one adds a secondary endpoint, one changes the margin. One answer after."""
    study = worked.study
    item = Reading.objects.get(reader=worked.readers[0]).items.get(position=1)
    secondary = [*AnalysisPlan.objects.get(study=study).secondary, "agreement"]
    for values, reason in (({"secondary": secondary}, WHY), ({"margin": 0.01}, "A hundredth is no difference.")):
        base = study.protocol_versions.order_by("-number")[0].sha256
        amendments.amend(
            study, base=base, texts={}, plan=plan_values(study, **values), reason=reason, actor=study.created_by
        )
    made.answer(item, worked.test.questions.get(), True, revision=2)
    made.unblind(study)
    return worked


def test_the_pages_say_what_came_with_which_amendment(amended: Worked, researcher_client: Client) -> None:
    versions = list(amended.study.protocol_versions.order_by("number"))
    day = f"{versions[1].created_at:%Y-%m-%d}"
    page = text(researcher_client.get(reverse("results", args=[amended.study.pk])).content)
    assert f"Primary endpoint changed by amendment 2 on {day}" in page
    assert f"agreement between readers (added by amendment 1 on {day})" in page
    assert f"amendment 1 on {day} (analysis plan; reason: {WHY}; SHA-256 {versions[1].sha256})" in page
    assert f"Amendment 2 {day}: A hundredth is no difference. SHA-256 {versions[2].sha256}" in page
    deeper = researcher_client.get(reverse("results-test", args=[amended.study.pk, amended.test.pk]))
    assert f"secondary, added by amendment 1 on {day}" in text(deeper.content)


@pytest.mark.usefixtures("no_figures")
def test_its_export_names_them_and_proves_itself(
    amended: Worked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "export"
    write_folder(amended.study, amended.model, folder)
    assert recompute.main([str(folder)]) == 0
    assert capsys.readouterr().out.startswith("equal: ")

    versions = list(amended.study.protocol_versions.order_by("number"))
    told = json.loads((folder / "manifest.json").read_text())["protocol"]
    assert (told["number"], told["sha256"]) == (3, versions[2].sha256)
    assert [(one["number"], one["protocol_sha256"], one["reason"], one["changed"]) for one in told["amendments"]] == [
        (1, versions[1].sha256, WHY, ["analysis_plan.secondary"]),
        (2, versions[2].sha256, "A hundredth is no difference.", ["analysis_plan.margin"]),
    ]
    assert told["differs"] == []
    earlier = [json.loads((folder / f"protocol-{number}.json").read_text()) for number in (1, 2)]
    assert [(one["number"], one["sha256"]) for one in earlier] == [(1, versions[0].sha256), (2, versions[1].sha256)]
    assert [one["analysis_plan"]["margin"] for one in earlier] == [0, 0]
    assert "contact" not in earlier[0]["study"]
    with (folder / "primary.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["role"].startswith("primary endpoint, changed by amendment 2 on 20")
    rows = list(csv.DictReader(io.StringIO((folder / "test-1/responses.csv").read_text(), newline="")))
    assert {(row["revision"], row["protocol"]) for row in rows} == {("1", "1"), ("2", "3")}

    # A forger who takes an amendment out of the manifest is found.
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["protocol"]["amendments"][0]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert recompute.main([str(folder)]) == 1
    assert "amendments" in capsys.readouterr().out
