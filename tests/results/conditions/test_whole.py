"""Small studies of two stages and of a crossover, answered through the recording door, to the page and the export."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.results import recompute
from readerstudy.results.analysis import analyse
from readerstudy.results.captions import caption, question_name
from readerstudy.results.computing import inputs_of, results_of
from readerstudy.results.conditions.comparing import NOBODY_IN_BOTH
from readerstudy.results.conditions.numbers import Conditions
from readerstudy.results.export import write_folder
from readerstudy.results.tables import study_tables
from readerstudy.studies.models import Arm, Stage, Test
from tests.builders import accepted_reader, add_question, model_version
from tests.conftest import signed_in
from tests.readings.designed import designed, further_cases, second_stage
from tests.results import made
from tests.results.conditions.staged import read_all
from tests.results.test_recompute import rewrite

N_READERS, N_CASES = 2, 6


def says(reader: int, item: Item, stage: Stage) -> bool:
    """Alone a reader errs on every third case, another third for each reader; advice is believed but for another third.

    The model is right but on case 1; advice that is turned says the opposite.
    """
    truth, third = item.case.is_positive, (item.case.number + reader) % 3
    if stage.shows_advice and third != 1:
        return (truth != (item.case.number == 1)) != item.advice_is_wrong
    return truth != (third == 0)


@pytest.fixture
def advised(administrator: User) -> Test:
    """Six cases, alone and with advice, which is turned for half of them; a practice case and a scale."""
    test = designed(administrator, arms=("probability",), diagnoses=N_CASES)
    model = model_version(administrator)
    Arm.objects.filter(test=test).update(wrong_per_cent=50, model_sha256=model.sha256)
    truth = made.case_truth(test)
    made.score_by_case(model, test, {case: 0.8 if truth[case] != (case == 1) else 0.2 for case in truth})
    second_stage(test, shows_facts=False, shows_advice=True)
    for stage in test.stages.all():
        add_question(test, text="How sure?", answers=(), stage=stage, kind="scale", least=1, most=5)
    for case in further_cases(test, "practice", 1):
        made.score(model, dict.fromkeys(case.images.values_list("pk", flat=True), 0.5))
    for i in range(N_READERS):
        read_all(accepted_reader(test.study), test, lambda item, stage, i=i: says(i, item, stage), sure=1 + i)
    return test


@pytest.fixture
def crossed(administrator: User) -> Test:
    """Six cases, read by each reader in an arm without and in an arm with advice; a repeat and an attention check."""
    test = designed(
        administrator, arms=("none", "classes"), diagnoses=N_CASES, arms_design="crossover", wash_out_days=14,
        repeats=1, repeat_distance=2,
    )  # fmt: skip
    further_cases(test, "attention", 1)
    second_stage(test, shows_facts=False, shows_advice=True)
    for i in range(N_READERS):
        read_all(accepted_reader(test.study), test, lambda item, stage, i=i: says(i, item, stage))
    return test


def conditions(test: Test) -> Conditions:
    found = analyse(study_tables(test.study, None)).tests[0].conditions
    assert found is not None
    return found


def said(test: Test) -> dict[tuple[str, int, int, int, bool], bool]:
    """(reader, case, arm, stage, advice is wrong) -> right, read row by row; no practice, no check, no repeat."""
    rows = Answer.objects.filter(question__test=test, choice__isnull=False)
    rows = rows.filter(submission__item__case__kind="scored", submission__item__is_repeat=False)
    found = {}
    for row in rows.select_related("submission__item__case", "submission__item__arm", "submission__stage", "choice"):
        item = row.submission.item
        key = (item.reading.reader.code, item.case.number, item.arm.position, row.submission.stage.position)
        found[*key, item.advice_is_wrong] = row.choice.is_positive == item.case.is_positive
    return found


def test_advice_that_is_turned_is_a_condition_of_its_own(advised: Test) -> None:
    found = conditions(advised)
    (thread,) = found.threads
    assert [one.condition.name for one in thread.conditions] == [
        "image alone",
        "with advice: the model's probability, as the model gave it",
        "with advice: the model's probability, turned against the model",
    ]
    assert [(one.first, one.second, one.by) for one in thread.comparisons] == [(0, 1, "stages"), (0, 2, "stages")]
    rows = said(advised)
    assert len(rows) == N_READERS * N_CASES * 2
    for comparison, wrong in zip(thread.comparisons, (False, True), strict=True):
        counts = Counter(
            (rows[code, case, arm, 1, is_wrong], right)
            for (code, case, arm, stage, is_wrong), right in rows.items()
            if stage == 2 and is_wrong == wrong
        )
        assert len(counts) >= 2
        (switches,) = comparison.switches
        whole = switches.whole
        assert comparison.n_cells == whole.n == sum(counts.values())
        assert (whole.stayed_right, whole.to_wrong, whole.to_right, whole.stayed_wrong) == (
            counts[True, True], counts[True, False], counts[False, True], counts[False, False]
        )  # fmt: skip
        accuracy = comparison.difference("accuracy")
        assert accuracy is not None
        assert [reader.code for reader in accuracy.readers] == ["R01", "R02"]
        assert comparison.difference("auc") is not None
    for comparison, turned in zip(thread.comparisons, (False, True), strict=True):
        by_advice = {one.aspect: one.whole for one in comparison.reliance}
        for name, right_advice in (("decision, right advice", True), ("decision, wrong advice", False)):
            cells = Counter(
                (rows[code, case, arm, 1, is_turned], right)
                for (code, case, arm, stage, is_turned), right in rows.items()
                if stage == 2 and is_turned == turned and ((case != 1) != is_turned) == right_advice
            )
            assert (name in by_advice) == bool(cells)
            if cells:
                assert by_advice[name].n == sum(cells.values())
                assert (by_advice[name].to_right, by_advice[name].to_wrong) == (cells[False, True], cells[True, False])
    wrong_advice = thread.comparisons[1].reliance[-1]
    assert wrong_advice.aspect == "decision, wrong advice"
    assert wrong_advice.whole.to_wrong > 0 == wrong_advice.whole.to_right  # over-reliance
    assert analyse(study_tables(advised.study, None)).tests[0].questions[0].n_complete == N_READERS


def test_every_part_of_a_crossover_counts_in_its_arm(crossed: Test) -> None:
    (thread,) = conditions(crossed).threads
    assert [one.condition.name for one in thread.conditions] == [
        "image alone, arm “arm 1”",
        "image alone, arm “arm 2”",
        "with advice: the model's class probabilities, arm “arm 2”",
    ]
    assert [one.n_complete for one in thread.conditions] == [N_READERS] * 3
    assert [(one.first, one.second, one.by) for one in thread.comparisons] == [(1, 2, "stages"), (0, 2, "arms")]
    rows = said(crossed)
    assert len(rows) == N_READERS * N_CASES * 3
    assert Submission.objects.filter(item__reading__test=crossed).count() == N_READERS * (N_CASES + 2) * 3
    right = {
        (arm, stage): sum(value for key, value in rows.items() if key[2:4] == (arm, stage)) / (N_READERS * N_CASES)
        for arm, stage in ((1, 1), (2, 1), (2, 2))
    }
    between = thread.comparisons[1]
    assert between.paired
    accuracy = between.difference("accuracy")
    assert accuracy is not None
    assert (accuracy.first.value, accuracy.second.value) == (pytest.approx(right[1, 1]), pytest.approx(right[2, 2]))


@pytest.mark.usefixtures("no_figures")
def test_the_export_computes_them_again(advised: Test, crossed: Test, tmp_path: Path) -> None:
    for test in (advised, crossed):
        made.unblind(test.study)
        folder = tmp_path / str(test.pk)
        write_folder(test.study, None, folder)
        found = recompute.recompute(folder)
        assert found.differences == []
        recorded = json.loads((folder / "results.json").read_text())["tests"][0]["conditions"]
        assert len(recorded["threads"][0]["comparisons"]) == 2
        described = {row["table"] for row in csv.DictReader(io.StringIO((folder / "data-dictionary.csv").read_text()))}
        assert {"conditions", "differences", "switches", "stage-answers"} <= described
    file = folder / "test-1/stage-answers.csv"

    def turn(rows: list[dict[str, str]]) -> None:
        row = next(row for row in rows if row["stage"] == "2" and row["choice"])
        row["choice"] = "2" if row["choice"] == "1" else "1"

    rewrite(file, turn)
    named = {told.split(" ")[1].split(".")[0] if told.startswith("results") else told.split("[")[0] for told in recompute.recompute(folder).differences}  # noqa: E501 # fmt: skip
    assert {"tests[0]", "test-1/differences.csv", "test-1/switches.csv"} <= named
    rewrite(file, lambda rows: rows[0].update(case="99"))
    (told,) = [one for one in recompute.recompute(folder).differences if "stage-answers" in one]
    assert "test-1/stage-answers.csv, row 2, column case: '99' is not in cases.csv" in told


@pytest.mark.usefixtures("no_figures")
def test_nobody_has_read_yet(administrator: User, researcher_client: Client, tmp_path: Path) -> None:
    test = designed(administrator, diagnoses=4)
    second_stage(test)
    made.unblind(test.study)
    (thread,) = conditions(test).threads
    assert [one.n_complete for one in thread.conditions] == [0, 0]
    assert [one.note for one in thread.comparisons[0].differences] == [NOBODY_IN_BOTH] * 3
    place = reverse("results-conditions", args=[test.study.pk, test.pk])
    assert NOBODY_IN_BOTH in researcher_client.get(place).content.decode()
    write_folder(test.study, None, tmp_path / "export")
    assert recompute.recompute(tmp_path / "export").differences == []


def test_a_later_stages_answer_makes_other_inputs(administrator: User) -> None:
    """Also one that takes everything back and has no answer of its own."""
    test = designed(administrator, diagnoses=2, changes="until-end")
    second_stage(test)
    test.questions.update(is_required=False)
    reader = accepted_reader(test.study)
    seen = {inputs_of(test.study, None)}

    def look(item: Item, stage: Stage) -> bool:
        seen.add(inputs_of(test.study, None))
        return True

    read_all(reader, test, look)
    seen.add(inputs_of(test.study, None))
    assert len(seen) == 6  # nothing, the reading, four answers
    before = conditions(test).threads[0].conditions[1].readers[0]
    first = Submission.objects.get(item__position=1, stage__position=2)
    Submission.objects.create(
        id="00000000-0000-4000-8000-000000000001", item=first.item, stage=first.stage, completes=True, revision=2
    )
    seen.add(inputs_of(test.study, None))
    assert len(seen) == 7
    after = conditions(test).threads[0].conditions[1].readers[0]
    assert (before.n_answered, after.n_answered, after.state) == (2, 1, "partial")


def test_the_page_and_its_files(advised: Test, researcher: User, researcher_client: Client, client: Client) -> None:
    study, args = advised.study, [advised.study.pk, advised.pk]
    place = reverse("results-conditions", args=args)
    assert researcher_client.get(place).status_code == 404  # still blinded, no look on record
    made.unblind(study)
    assert place in researcher_client.get(reverse("results", args=args[:1])).content.decode()
    assert place in researcher_client.get(reverse("results-test", args=args)).content.decode()
    page = researcher_client.get(place).content.decode()
    assert "image alone → with advice: the model&#x27;s probability, turned against the model" in page
    assert "only 2 readers (fewer than 5): no sound inference to others" in page
    assert 'id="figure-change-2" type="application/json"' in page
    assert " style=" not in page
    figure = json.loads(page.split('id="figure-change-2" type="application/json">')[1].split("</script>")[0])
    found = results_of(study, None, by=researcher).tests[0].conditions
    assert found is not None
    moved = found.threads[0].comparisons[1].difference("sensitivity")
    assert moved is not None
    assert figure["data"][0]["x"] == pytest.approx([reader.first for reader in moved.readers])
    assert figure["data"][1]["x"] == pytest.approx([reader.second for reader in moved.readers])
    assert researcher_client.get(f"{place}change-2.html").content.decode().count("<figcaption>") == 1
    other = researcher_client.get(f"{place}?convention=roc").content.decode()
    figure = json.loads(other.split('id="figure-change-2" type="application/json">')[1].split("</script>")[0])
    assert figure["data"][1]["y"] == pytest.approx([reader.second for reader in moved.readers])
    sheet = researcher_client.get(f"{place}stage-answers.csv").content.decode()
    assert len(sheet.splitlines()) == 1 + N_READERS * N_CASES * 4
    assert researcher_client.get(f"{place}differences.json").json()["table"] == "differences"
    reader = Reading.objects.filter(test=advised).first().reader.user
    for wrong in ("change-9.html", "nothing.csv", "change-1.gif", "differences.xlsx"):
        assert researcher_client.get(f"{place}{wrong}").status_code == 404, wrong
    for address in (place, f"{place}change-2.html", f"{place}switches.csv"):
        assert signed_in(reader).get(address).status_code == 404, address
        assert client.get(address).status_code == 302, address
        assert researcher_client.post(address).status_code == 405, address


def test_answers_given_after_advice_are_called_so(advised: Test) -> None:
    """Else two figures of the same cases and readers, one of them not apart from the model, would look alike."""
    results = analyse(study_tables(advised.study, None))
    first, second = results.tests[0].questions
    assert (question_name(first), question_name(second)) == (
        f"{first.text} (stage 1)",
        f"{second.text} (stage 2, after advice)",
    )
    assert "Asked at stage 1." in caption(results.tests[0], first, results.provenance)
    assert "after the model's advice" in caption(results.tests[0], second, results.provenance)
