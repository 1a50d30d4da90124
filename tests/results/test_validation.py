"""Extended Data Table 2: what `crossvalidate` wrote, kept with a model, stands beside the paper's and the readers'."""

import csv
import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from sklearn.metrics import balanced_accuracy_score

from model_core.accuracy_table import as_csv
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.results.export import files_of
from readerstudy.results.validation.numbers import PAPERS
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import Validation
from readerstudy.scoring.validation import read, register_validation, rows_of
from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import ChoiceDraft, QuestionDraft, StageDraft
from readerstudy.studies.models import Question, Study
from tests.builders import accepted_reader, draft_study, image_set, model_version
from tests.results import made
from tests.results.conftest import Worked

HEAD = "arm,level,classes,folds,mean_accuracy,sd\n"
TABLE = HEAD + "partition,1,3,9,0.721,0.009\npartition,2,9,9,0.554,0.017\n" + '"direct, level 1",1,3,1,0.694,\n'


def test_it_reads_what_crossvalidate_writes() -> None:
    spread = {"folds": [0.5, 0.7], "mean": 0.6, "sd": 0.1414, "classes": 3}
    single = {"folds": [0.5], "mean": 0.5, "sd": None, "classes": 9}
    found = {"partition": {"levels": {"1": spread, "2": single}}, "direct, level 1": {"levels": {"1": spread}}}
    rows = read(as_csv(found, list(found), [1, 2]).encode(), "table.csv")
    assert [(r.arm, r.level, r.classes, r.folds, r.mean_accuracy, r.sd) for r in rows] == [
        ("partition", 1, 3, 2, 0.6, 0.1414), ("partition", 2, 9, 1, 0.5, None),
        ("direct, level 1", 1, 3, 2, 0.6, 0.1414),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "row 1: the columns must be arm, level"),
        ("level,arm\n", "row 1: the columns must be arm, level"),
        (HEAD, "from 1 to 100 rows"),
        (HEAD + "partition,1,3\n", "row 2: 3 cells instead of 6"),
        (HEAD + "partition,0,3,9,0.7,\n", "row 2, column level: “0” is not a whole number from 1 to 20"),
        (HEAD + "partition,1,1,9,0.7,\n", "row 2, column classes: “1”"),
        (HEAD + "partition,1,3,9,0.7,\npartition,2,9,x,0.7,\n", "row 3, column folds: “x”"),
        (HEAD + "partition,1,3,9,72.1,\n", "row 2, column mean_accuracy: “72.1” is not a number from 0 to 1"),
        (HEAD + "partition,1,3,9,nan,\n", "row 2, column mean_accuracy: “nan”"),
        (HEAD + "partition,1,3,9,0.7,-1\n", "row 2, column sd: “-1”"),
        (HEAD + "partition,1,3,9,0.7,\npartition,1,3,9,0.8,\n", "row 3: the arm and level of row 2 once more"),
        (HEAD + ",1,3,9,0.7,\n", "row 2, column arm"),
        ("\xff", "no CSV in UTF-8"),
        ("x" * 100_001, "more than 100000 bytes"),
    ],
)
def test_a_table_that_is_none_is_refused_by_file_row_and_column(content: str, told: str) -> None:
    with pytest.raises(ScoringError, match=f"mine.csv.*{told}"):
        read(content.encode("latin-1" if content == "\xff" else "utf-8"), "mine.csv")


def test_the_page_of_a_model_takes_it_once(
    worked: Worked, researcher_client: Client, administrator_client: Client
) -> None:
    page = reverse("model", args=[worked.model.pk])
    bad = SimpleUploadedFile("table.csv", (HEAD + "partition,1,3,9,2,\n").encode())
    answer = researcher_client.post(page, {"table": bad})
    assert answer.status_code == 400
    assert "table.csv, row 2, column mean_accuracy" in answer.content.decode()
    assert not Validation.objects.exists()
    for _time in range(2):
        answer = researcher_client.post(page, {"table": SimpleUploadedFile("table.csv", TABLE.encode())})
        assert answer["Location"] == page
    assert Validation.objects.count() == AuditEntry.objects.filter(action="model.validated").count() == 1
    text = researcher_client.get(page).content.decode()
    assert "0.721" in text
    assert "direct, level 1" in text
    assert administrator_client.post(page, {"table": SimpleUploadedFile("t.csv", TABLE.encode())}).status_code == 404


@pytest.fixture
def classes(administrator: User, researcher: User) -> Study:
    """Three classes of the taxonomy's first level asked for in one test; two readers answered, one of them half."""
    diagnoses = ["melanoma"] * 4 + ["melanocytic-naevus"] * 5 + ["psoriasis"] * 3
    own = image_set(administrator, diagnoses=diagnoses)
    study = draft_study(administrator, image_sets=[own], negative=("melanocytic-naevus", "psoriasis"))
    choices = (
        ChoiceDraft("Malignant", True, "malignant"), ChoiceDraft("Benign", False, "benign"),
        ChoiceDraft("Neither", False, "non-neoplastic"),
    )  # fmt: skip
    asked = StageDraft([QuestionDraft("Which class?", Question.Kind.CLASSES, choices)])
    drafting.save_test(study.tests.get(), stages=[asked], actor=administrator)
    study.refresh_from_db()
    protocol.open_study(study, actor=administrator)
    return study


@pytest.mark.usefixtures("no_figures")
def test_the_table_beside_the_papers_and_the_readers(
    classes: Study, researcher: User, researcher_client: Client
) -> None:
    test = classes.tests.get()
    readers = [accepted_reader(classes) for _reader in range(2)]
    given, truth = answer_classes(readers[0].user, test.questions.get(), every=1)
    answer_classes(readers[1].user, test.questions.get(), every=2)
    made.unblind(classes)
    model = model_version(researcher)
    register_validation(version=model, content=TABLE.encode(), file_name="table.csv", by=researcher)
    assert len(rows_of(model)) == 3
    query = f"?model={model.pk}"
    page = researcher_client.get(reverse("results-validation", args=[classes.pk]) + query).content.decode()
    for cell in ("65.6 % (180 images)", "55.4 ± 1.7 % (9 folds)", "72.1 ± 0.9 % (9 folds)", "69.4 % (1 folds)"):
        assert cell in page, cell
    address = reverse("results-validation-file", args=[classes.pk, "csv"])
    rows = list(csv.DictReader(io.StringIO(researcher_client.get(address + query).content.decode())))
    assert len(rows) == 2 * len(PAPERS) + 3 + 1  # the half reader has no row
    assert (rows[-1]["source"], rows[-1]["n"], rows[-1]["unit"]) == ("study", "12", "images")
    expected = balanced_accuracy_score(truth, given)
    assert float(rows[-1]["mean_per_class_accuracy"]) == pytest.approx(expected, abs=1e-12)
    files = {file.name: file.content for file in files_of(classes, model)}
    assert list(csv.DictReader(io.StringIO(files["validation.csv"].decode()))) == rows
    assert "validation,sd," in files["data-dictionary.csv"].decode()
    assert "No cross-validation" in researcher_client.get(
        reverse("results-validation", args=[classes.pk]) + f"?model={model_version(researcher).pk}"
    ).content.decode()  # fmt: skip


def answer_classes(user: User | None, question: Question, *, every: int) -> tuple[list[str], list[str]]:
    """Answers to every n-th case, the choices taken in turn: (answered, true), as nodes, read from the rows."""
    assert user is not None
    ensure_readings(user)
    sides = {"melanoma": "malignant", "melanocytic-naevus": "benign", "psoriasis": "non-neoplastic"}
    choices = list(question.choices.order_by("position"))
    given, truth = [], []
    items = Item.objects.filter(reading=Reading.objects.get(reader__user=user)).order_by("position")
    for n, item in enumerate(items):
        if n % every == 0:
            sent = made.submission(item, question)
            Submission.objects.bulk_create([sent])
            choice = choices[n % 3]
            Answer.objects.create(submission=sent, question=question, choice=choice)
            given.append(choice.node)
            truth.append(sides[item.case.images.get().reference.diagnosis])
    return given, truth


def test_only_who_may_see_the_numbers(worked: Worked, researcher_client: Client, administrator_client: Client) -> None:
    page = reverse("results-validation", args=[worked.study.pk])
    assert researcher_client.get(page).status_code == 404  # still blinded
    made.unblind(worked.study)
    assert researcher_client.get(page).status_code == 200
    assert administrator_client.get(page).status_code == 404


def test_the_command_refuses_before_anything_is_stored(researcher: User, tmp_path: Path) -> None:
    from django.core.management import CommandError, call_command

    table = tmp_path / "table.csv"
    table.write_text(HEAD)
    arguments = (tmp_path / "none.safetensors", "--name", "N", "--as", researcher.email, "--validation")
    with pytest.raises(CommandError, match=r"table\.csv must have from 1 to 100 rows"):
        call_command("register_model", *arguments, table)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("register_model", *arguments, tmp_path / "missing.csv")
