"""The planned analysis on the page, in the API, in the files: first, with its decision; everything else labelled."""

import csv
import io
import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.results.export import files_of
from readerstudy.results.primary import contrast_words, words
from readerstudy.results.primary.numbers import PrimaryAnalysis, primary_analysis
from readerstudy.results.primary.roles import NO_RESULT
from readerstudy.results.supplement.words import TITLES
from readerstudy.studies import plan as planned
from readerstudy.studies import protocol
from readerstudy.studies.models import ProtocolVersion
from tests.builders import accepted_reader, model_version, open_study
from tests.results import made
from tests.results.conftest import DIAGNOSES, FIRST_SAYS_YES, SECOND_SAYS_YES, SHARES, Worked
from tests.results.primary.tables import OF_AUC, plan, table
from tests.results.primary.test_numbers import of_size

AUC_PLAN = {
    "endpoint": "auc", "method": "delong", "reference": 0.6, "threshold_origin": "", "secondary": ["readers"],
}  # fmt: skip


@pytest.fixture
def unblinded(worked: Worked) -> Worked:
    made.unblind(worked.study)
    return worked


def study_with(administrator: User, researcher: User, plan: dict[str, Any]) -> Worked:
    """The worked study under another plan, unblinded."""
    study = open_study(administrator, diagnoses=DIAGNOSES, plan=plan)
    test = study.tests.get()
    truth = made.case_truth(test)
    cases = tuple(sorted(truth, key=lambda number: (not truth[number], number)))
    readers = (accepted_reader(study), accepted_reader(study))
    for reader, yes in zip(readers, (FIRST_SAYS_YES, SECOND_SAYS_YES), strict=True):
        made.read(reader, test, {number: i in yes for i, number in enumerate(cases, start=1)})
    model = model_version(researcher)
    made.score_by_case(model, test, dict(zip(cases, SHARES, strict=True)))
    return Worked(made.unblind(study), test, model, readers, cases)


def page_of(client: Client, worked: Worked) -> str:
    return client.get(reverse("results", args=[worked.study.pk])).content.decode()


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#x27;", "'")


def primary_of(html: str) -> str:
    """The text of the section of the primary endpoint."""
    found = re.search(r'<section class="card primary".*?</section>', html, re.DOTALL)
    assert found is not None
    return text(found.group())


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_primary_endpoint_comes_first(unblinded: Worked, researcher_client: Client) -> None:
    html = page_of(researcher_client, unblinded)
    assert 0 < html.index('id="primary"') < html.index('<section class="test"')
    shown = primary_of(html)
    assert "The model's sensitivity minus the average reader's, at the average reader's specificity." in shown
    # By hand: the model finds 3/4 at the average specificity of 2/3, where the readers find 5/8 on average.
    assert "Test 1 2 readers 0.750 0.625 0.125" in shown
    assert "superiority of the model's sensitivity over the average reader's is not shown" in shown
    assert "Two" not in shown
    assert "two-sided alpha 0.05" in shown
    assert "Fewer than 5 readers (2): no sound inference to other readers." in shown
    assert "Fewer than 10 positive cases (4): the result is fragile." in shown
    assert "The model's threshold is chosen on the test set" in shown


def test_what_is_not_primary_is_labelled(unblinded: Worked, researcher_client: Client) -> None:
    """The preset names the readers' points, the AUC and the specificity as secondary."""
    html = page_of(researcher_client, unblinded)
    roles = re.findall(r'(?s)>([^<>]*)<span class="role">([^<]*)</span>', html)
    assert [(text(before).strip(), role) for before, role in roles] == [
        ("Average reader", "secondary"),
        ("Model, at the average reader's specificity", "exploratory"),
        ("Model, at the average reader's sensitivity", "exploratory"),
        ("Area under the ROC curve (AUC)", "secondary"),
    ]
    deeper = researcher_client.get(
        reverse("results-test", args=[unblinded.study.pk, unblinded.test.pk])
    ).content.decode()
    roles = re.findall(r'(?s)>([^<>]*)<span class="role">([^<]*)</span>', deeper)
    labelled = {before.strip(): role for before, role in roles}
    assert len(roles) >= 10
    assert labelled["Each reader against the model"] == labelled["Calibration of the model"] == "exploratory"
    assert labelled["Sensitivity, at one threshold matched to the average reader's specificity."] == "exploratory"
    assert labelled["Specificity, at one threshold matched to the average reader's sensitivity."] == "secondary"
    headings = re.findall(r"(?s)<h2[^>]*>(.*?)</h2>", deeper.split("<main")[1])
    unlabelled = {text(heading).strip() for heading in headings if "role" not in heading}
    assert {"Test 1: What would you do?", "Flow of images and readers"} < unlabelled
    outcomes = {str(title) for name, title in TITLES.items() if name not in NO_RESULT}
    assert len(outcomes) >= 9
    assert not unlabelled & outcomes


def test_an_auc_against_a_stated_value(administrator: User, researcher: User, researcher_client: Client) -> None:
    worked = study_with(administrator, researcher, AUC_PLAN)
    html = page_of(researcher_client, worked)
    shown = primary_of(html)
    # 20.5 of 24 pairs are won: 0.854.
    assert "0.854 0.600 0.254" in shown
    assert "Stated" in shown
    assert "the model's AUC is superior to the stated 0.6 (difference 0.254" in shown
    assert "threshold is chosen" not in shown
    assert "readers" not in shown.split("Decision")[1].split("0.854")[0]
    roles = re.findall(r'<span class="role">([^<]*)</span>', html)
    assert roles == ["secondary", "exploratory", "exploratory", "exploratory"]  # the plan names the readers' points


def test_without_a_model_there_is_no_decision(opened: Any, researcher_client: Client) -> None:
    study = made.unblind(opened)
    shown = primary_of(researcher_client.get(reverse("results", args=[study.pk])).content.decode())
    assert "Test 1: no decision (no model has scored this test)" in shown
    assert "not computed" in shown


def test_a_protocol_without_a_plan(worked: Worked, administrator: User, researcher_client: Client) -> None:
    first = worked.study.protocol_versions.get()
    document = {**first.document, "analysis_plan": None}
    ProtocolVersion.objects.create(
        study=worked.study, number=2, document=document, sha256=protocol.digest(document), reason="none planned",
        created_by=administrator,
    )  # fmt: skip
    made.unblind(worked.study)
    html = page_of(researcher_client, worked)
    assert "The protocol planned no primary endpoint: every result below is exploratory." in primary_of(html)
    assert set(re.findall(r'<span class="role">([^<]*)</span>', html)) == {"exploratory"}
    assert "every result is exploratory" in text(html.split("Methods</summary>")[1])
    assert len(csv_rows(researcher_client.get(address(worked, "csv")).content)) == 0


# --- files -----------------------------------------------------------------------------------------------------------


def address(worked: Worked, fmt: str) -> str:
    return reverse("results-primary", args=[worked.study.pk, fmt])


def csv_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_table_as_a_file(unblinded: Worked, researcher_client: Client) -> None:
    (row,) = csv_rows(researcher_client.get(address(unblinded, "csv")).content)
    assert (row["role"], row["endpoint"], row["decision"]) == ("primary endpoint", "sensitivity", "not shown")
    assert (float(row["difference"]), float(row["model"]), row["n_readers"]) == (pytest.approx(1 / 8), 0.75, "2")
    assert (row["threshold"], row["alpha"], row["bound"], row["df"]) == ("0.5", "0.05", "0.0", "")
    found = json.loads(researcher_client.get(address(unblinded, "json")).content)
    assert found["rows"][0]["p"] == pytest.approx(float(row["p"]))
    assert [column["name"] for column in found["columns"]] == list(row)


def test_who_may_have_the_table(
    worked: Worked, client: Client, researcher_client: Client, administrator_client: Client, outsider_client: Client
) -> None:
    for fmt in ("csv", "json"):
        assert client.get(address(worked, fmt)).status_code == HTTPStatus.FOUND
        for other in (administrator_client, outsider_client):
            assert other.get(address(worked, fmt)).status_code == HTTPStatus.NOT_FOUND
        assert researcher_client.get(address(worked, fmt)).status_code == HTTPStatus.NOT_FOUND  # still blinded
    made.unblind(worked.study)
    assert researcher_client.get(address(worked, "csv")).status_code == HTTPStatus.OK
    assert researcher_client.get(address(worked, "xlsx")).status_code == HTTPStatus.NOT_FOUND
    assert researcher_client.post(address(worked, "csv")).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert researcher_client.get(reverse("results-primary", args=[99999, "csv"])).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.usefixtures("no_browser")
def test_every_derived_table_of_the_export_has_a_role(unblinded: Worked) -> None:
    files = {file.name: file.content for file in files_of(unblinded.study, unblinded.model)}
    roles = {
        name: {row["role"] for row in csv_rows(files[name])}
        for name in ("primary.csv", "test-1/readers.csv", "test-1/summary.csv", "test-1/curve.csv")
    }
    assert roles == {
        "primary.csv": {"primary endpoint"}, "test-1/readers.csv": {"secondary"},
        "test-1/summary.csv": {"secondary", "exploratory"}, "test-1/curve.csv": {"secondary"},
    }  # fmt: skip
    results = json.loads(files["results.json"])
    assert results["primary"]["role"] == "primary endpoint"
    assert results["primary"]["plan"]["endpoint"] == "sensitivity"
    test = results["tests"][0]
    assert (test["model"]["role"], test["questions"][0]["roles"]["agreement"]) == ("secondary", "exploratory")
    assert results["supplements"]["1"]["1"]["roles"]["specificity"] == "secondary"
    assert json.loads(files["protocol.json"])["analysis_plan"]["primary_endpoint"] == "sensitivity"
    assert b"Secondary." in files["test-1/roc.txt"]
    methods = files["methods.txt"].decode()
    assert "The primary endpoint, fixed in the protocol, was the model's sensitivity minus" in methods
    assert "is not shown (difference 0.125" in methods
    assert "Fewer than 5 readers" in methods
    assert methods.index("The primary endpoint") < methods.index("Wilson intervals")


def test_the_same_numbers_from_the_api(unblinded: Worked, researcher_client: Client) -> None:
    found = researcher_client.get(reverse("api-results", args=[unblinded.study.pk])).json()
    assert found["primary"]["tests"][0]["difference"]["value"] == pytest.approx(1 / 8)
    assert found["tests"][0]["questions"][0]["roles"]["readers"] == "secondary"


# --- words -----------------------------------------------------------------------------------------------------------


def analysed(values: dict[str, Any], *n_right: int) -> PrimaryAnalysis:
    tables = [table(*of_size(n), position=i) for i, n in enumerate(n_right, start=1)]
    found = primary_analysis(plan(**values), tables)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("values", "n_right", "sentence", "word"),
    [
        ({}, 38, "Test 1: the model's sensitivity is superior to the average reader's (difference 0.", "superior"),
        ({}, 22, "Test 1: superiority of the model's sensitivity over the average reader's is not shown", "not shown"),
        ({}, 4, "Test 1: the model's sensitivity is inferior to the average reader's (difference −0.", "inferior"),
        ({"margin": 0.1}, 38, "is superior to the average reader's by more than 0.1 (", "superior"),
        ({"margin": 0.9}, 38, "by more than 0.9 is not shown (", "not shown"),
        (
            {"hypothesis": planned.NON_INFERIORITY, "margin": 0.3}, 24,
            "is non-inferior to the average reader's at a margin of 0.3 (", "non-inferior",
        ),
        (
            {"hypothesis": planned.NON_INFERIORITY, "margin": 0.05}, 16,
            "non-inferiority of the model's sensitivity to the average reader's at a margin of 0.05 is not shown (",
            "not shown",
        ),
        (
            {"hypothesis": planned.NON_INFERIORITY, "margin": 0.05}, 4,
            "is inferior to the average reader's by more than the margin of 0.05 (", "inferior",
        ),
        ({**OF_AUC, "reference": 0.8}, 38, "the model's AUC is superior to the stated 0.8 (", "superior"),
    ],
)  # fmt: skip
def test_a_decision_in_words(values: dict[str, Any], n_right: int, sentence: str, word: str) -> None:
    primary = analysed(values, n_right)
    (test,) = primary.tests
    assert sentence in words.verdict(primary, test)
    assert contrast_words.decision(primary.plan, test.decision) == word
    assert "95% confidence interval" in words.verdict(primary, test)
    assert "adjusted" not in words.verdict(primary, test)


def test_several_tests_in_words() -> None:
    primary = analysed({}, 38, 22, 30)
    assert ", adjusted " in words.verdict(primary, primary.tests[1])
    assert "Holm, over 3 tests. The intervals are not adjusted." in words.rule(primary)
    every = analysed({"multiplicity": planned.ALL_TESTS}, 38, 22)
    assert words.overall(every) == "Not every test of the study shows it: the primary endpoint is not met."
    assert "met." in words.overall(analysed({"multiplicity": planned.ALL_TESTS}, 38, 37))
    assert words.overall(primary) == ""


def test_guardrails_name_the_tests_that_they_hold_for() -> None:
    small = table(*of_size(8, n=9), position=2)
    found = primary_analysis(plan(), [table(*of_size(30), position=1), small])
    assert found is not None
    told = words.guardrails(found)
    assert "Test 2: Fewer than 10 positive cases (9): the result is fragile." in told
    both = replace(found, tests=(found.tests[1], found.tests[1]))
    assert "Fewer than 10 positive cases (9): the result is fragile." in words.guardrails(both)
