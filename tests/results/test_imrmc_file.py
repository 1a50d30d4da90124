"""Files for iMRMC: read back, they hold answers, truth and the model's scores; the published example is read."""

import csv
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from readerstudy.results.errors import ResultsError
from readerstudy.results.export import files_of
from readerstudy.results.imrmc import read_imrmc
from tests.builders import accepted_reader
from tests.results.conftest import AUC, Worked

FIXTURES = Path(__file__).parent / "fixtures"


def exported(worked: Worked) -> str:
    return {file.name: file.content for file in files_of(worked.study, worked.model)}["test-1/ratings.imrmc"].decode()


@pytest.mark.usefixtures("no_browser")
def test_it_reads_back_as_it_was_answered(worked: Worked) -> None:
    """Against the hand-worked study of conftest.py: sensitivities 3/4 and 2/4, specificities 5/6 and 3/6, the AUC."""
    accepted_reader(worked.study)  # asked, and has answered nothing: no row
    text = exported(worked)
    assert text.splitlines()[1:3] == ["BEGIN DATA:", f"truth,1,truth,{int(1 in worked.cases[:4])}"]
    found = read_imrmc(text, "ratings.imrmc")
    assert found.modalities == ("question1", "model")
    assert {case for case, truth in found.truth.items() if truth} == {str(number) for number in worked.cases[:4]}
    assert len(found.truth) == 10
    expected = {worked.readers[0].code: (3 / 4, 5 / 6), worked.readers[1].code: (2 / 4, 3 / 6)}
    for code, (sensitivity, specificity) in expected.items():
        said = [(found.truth[r.case], r.score) for r in found.ratings if r.reader == code]
        assert len(said) == 10
        assert sum(score for truth, score in said if truth) / 4 == sensitivity
        assert sum(1 - score for truth, score in said if not truth) / 6 == pytest.approx(specificity)
    model = [(found.truth[r.case], r.score) for r in found.ratings if r.modality == "model"]
    assert len(found.ratings) == 30
    assert roc_auc_score(*zip(*model, strict=True)) == pytest.approx(AUC)


def test_the_published_example_is_read() -> None:
    """dfMRMC_example of the iMRMC R package (CC0): its .imrmc file against its own CSV."""
    with (FIXTURES / "imrmc_example_cc0.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = read_imrmc((FIXTURES / "imrmc_example_cc0.imrmc").read_text(), "imrmc_example_cc0.imrmc")
    assert len(rows) == len(found.ratings) == 800
    assert found.modalities == ("testA", "testB")
    assert (len(found.truth), sum(found.truth.values())) == (80, 40)
    assert found.truth == {row["case"]: int(row["truth"]) for row in rows}
    assert {(r.reader, r.modality, r.case): r.score for r in found.ratings} == {
        (row["reader"], row["treatment"], row["case"]): float(row["rating"]) for row in rows
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("truth,1,truth,0\nr,1,m,0.5", "no line “BEGIN DATA:”"),
        ("BEGIN DATA:\ntruth,1,truth,0\nr,1,m", "f, line 3: 3 values; 4 are needed"),
        ("BEGIN DATA:\ntruth,1,truth,2", "f, line 2: the truth of case 1 is 2; 0 or 1 is allowed"),
        ("BEGIN DATA:\ntruth,1,truth,0\ntruth,1,truth,1", "f, line 3: case 1 has two truths"),
        ("BEGIN DATA:\ntruth,1,truth,0\n\nr,2,m,0.5", "f, line 4: case 2 has no truth row"),
        ("BEGIN DATA:\ntruth,1,truth,0\nr,1,m,high", "f, line 3: the score is 'high'; a number is needed"),
        ("BEGIN DATA:\ntruth,1,truth,0\nr,1,m,nan", "f, line 3: the score is 'nan'; a number is needed"),
    ],
)
def test_a_faulty_file_is_refused_with_line_and_value(data: str, said: str) -> None:
    with pytest.raises(ResultsError, match=said):
        read_imrmc(data, "f")


def test_the_program_s_own_names_of_truth_are_known() -> None:
    """iMRMC also writes reader -1 and modality 0 for the truth."""
    found = read_imrmc("x\nBEGIN DATA:\n-1,c,0,1\n7,c,1,3.5\n", "f")
    assert found.truth == {"c": 1}
    assert (found.ratings[0].reader, found.ratings[0].score) == ("7", 3.5)
