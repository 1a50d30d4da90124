"""A whole test is written as it is described, read back the same, refused where the tables could not hold it, and
frozen once its study is open."""

from dataclasses import replace
from typing import Any

import pytest

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.studies import drafting, impossible, protocol
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft, arms_of, decision, stages_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Choice, Question, Study, Test
from tests.builders import draft_study, image_set

MODEL = "0123456789abcdef" * 4
STAGES = (
    StageDraft(
        (
            decision("Biopsy?", [("Yes", True), ("No", False)]),
            QuestionDraft(
                "Which?", Question.Kind.CLASSES, allows_cannot_assess=True,
                choices=(ChoiceDraft("M", True, "melanoma"), ChoiceDraft("B", False, "benign")),
            ),
        ),
        "By the picture alone.",
        modalities=("clinical", "dermoscopy"),
    ),
    StageDraft(
        (
            QuestionDraft("In order?", Question.Kind.RANKING, most=3, nodes=("malignant",)),
            QuestionDraft(
                "How sure?", Question.Kind.SCALE, least=0, most=100, least_label="not", most_label="quite",
            ),
            QuestionDraft("Why?", Question.Kind.TEXT, is_required=False),
        ),
        shows_facts=True,
        shows_advice=True,
    ),
)  # fmt: skip
ARMS = (ArmDraft("None"), ArmDraft("Wrong at times", Arm.Advice.CLASSES, MODEL, wrong_per_cent=25))


@pytest.fixture
def study(administrator: User) -> Study:
    return draft_study(administrator)


def new_test(study: Study, **columns: Any) -> Test:
    known = study.tests.get()
    return Test(
        study=study, image_set=known.image_set, title="New", positive_nodes=["melanoma"],
        negative_nodes=["melanocytic-naevus"], **columns,
    )  # fmt: skip


def test_a_whole_test_is_written_and_read_back(study: Study) -> None:
    test = new_test(study, arms_design="parallel")
    drafting.save_test(test, stages=STAGES, arms=ARMS, actor=study.created_by)
    assert test.position == 2
    assert tuple(stages_of(test)) == STAGES
    assert tuple(arms_of(test)) == ARMS
    # The positions of questions count through the whole test.
    places = Question.objects.filter(test=test).order_by("position").values_list("position", "stage__position")
    assert list(places) == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]
    assert AuditEntry.objects.filter(action="test.added", target_id=str(test.pk)).count() == 1


def test_stages_and_arms_stay_where_none_are_given(study: Study) -> None:
    test = new_test(study, arms_design="parallel")
    drafting.save_test(test, stages=STAGES, arms=ARMS, actor=study.created_by)
    test.title = "Renamed"
    drafting.save_test(test, actor=study.created_by)
    drafting.save_test(test, arms=ARMS[:1], actor=study.created_by)
    assert tuple(stages_of(test)) == STAGES
    assert tuple(arms_of(test)) == ARMS[:1]
    assert Test.objects.get(pk=test.pk).title == "Renamed"


def test_writing_twice_leaves_one(study: Study) -> None:
    test = study.tests.get()
    for _time in range(2):
        drafting.save_test(test, stages=STAGES, actor=study.created_by)
    assert test.stages.count() == 2
    assert Question.objects.filter(test=test).count() == 5
    assert Choice.objects.filter(question__test=test).count() == 4


def test_an_open_study_is_frozen(study: Study) -> None:
    test = study.tests.get()
    protocol.open_study(study, actor=study.created_by)
    before = protocol.digest(protocol.document(study))
    test.title = "Changed"
    for change in ({}, {"stages": STAGES}, {"arms": ARMS}):
        with pytest.raises(StudiesError, match="frozen"):
            drafting.save_test(test, actor=study.created_by, **change)  # type: ignore[arg-type]
    assert protocol.digest(protocol.document(Study.objects.get(pk=study.pk))) == before


@pytest.mark.parametrize(
    ("columns", "field", "sentence"),
    [
        ({"sample_positives": 3}, "sample_size", "how many cases are drawn in all"),
        ({"sample_size": 3, "sample_positives": 4}, "sample_positives", "more positive cases than cases"),
        ({"modality": "x-ray"}, "modality", "“x-ray” is not allowed; allowed are: (empty), overview, clinical"),
        ({"images_per_case": 7}, "images_per_case", "from 1 to 6 pictures"),
        ({"images_per_case": 0}, "images_per_case", "from 1 to 6 pictures"),
        ({"cases_read": "some"}, "cases_read", "“some” is not allowed"),
        ({"order": "sorted"}, "order", "“sorted” is not allowed"),
        ({"cases_per_reading": 5}, "cases_per_reading", "leave this empty"),
        ({"cases_read": "sample"}, "cases_per_reading", "Say how many cases a reading has"),
        ({"positives_per_reading": 5}, "positives_per_reading", "more positive cases than cases in a reading"),
        ({"most_readings": 2}, "most_readings", "Only batches"),
        ({"most_readings": 0}, "most_readings", "at least one batch"),
        ({"arms_design": "alternating"}, "block_size", "after how many cases the arms take turns"),
        ({"block_size": 5}, "block_size", "Only alternating arms"),
        ({"wash_out_days": 5}, "wash_out_days", "Only a crossover"),
        ({"time_limit": "hard"}, "seconds_per_case", "needs its seconds, at least 5"),
        ({"time_limit": "soft", "seconds_per_case": 4}, "seconds_per_case", "at least 5"),
        ({"seconds_per_case": 10}, "seconds_per_case", "Without a time limit"),
        ({"break_every": 0}, "break_every", "at least one case"),
        ({"pass_mark": 101}, "pass_mark", "from 1 to 100 per cent"),
        ({"practice_cases": 2}, "practice_set", "Choose the image set of the practice cases"),
        ({"attention_cases": 2}, "attention_set", "Choose the image set of the attention checks"),
        ({"changes": "always"}, "changes", "“always” is not allowed"),
    ],
)
def test_what_the_tables_refuse_is_said_in_a_sentence(
    study: Study, columns: dict[str, Any], field: str, sentence: str
) -> None:
    test = new_test(study, **columns)
    refused = dict(impossible.refused_columns(test))
    assert sentence in refused[field]
    with pytest.raises(StudiesError) as caught:
        drafting.save_test(test, stages=STAGES, actor=study.created_by)
    assert sentence in str(caught.value)
    assert study.tests.count() == 1


def test_a_set_without_a_number_of_cases_is_refused(administrator: User, study: Study) -> None:
    other = image_set(administrator, diagnoses=["melanoma"])
    test = new_test(study, practice_set=other)
    assert impossible.refused_columns(test) == [
        ("practice_cases", "Say how many practice cases there are, or choose no image set.")
    ]


@pytest.mark.parametrize(
    ("title", "sentence"),
    [("", "title: This field cannot be blank"), ("x" * 201, "title: Ensure this value has at most 200 characters")],
)
def test_what_a_column_cannot_hold_is_named(study: Study, title: str, sentence: str) -> None:
    test = new_test(study)
    test.title = title
    with pytest.raises(StudiesError, match=sentence):
        drafting.save_test(test, actor=study.created_by)
    assert study.tests.count() == 1


SCALE, RANKING, DECISION = STAGES[1].questions[1], STAGES[1].questions[0], STAGES[0].questions[0]


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ([replace(STAGES[1])], "The first stage shows no advice"),
        ([replace(STAGES[0], modalities=("x-ray",))], "Stage 1: “x-ray” is not allowed"),
        ([replace(STAGES[0], instruction="x" * 301)], "Stage 1: “xxxx"),
        ([StageDraft([replace(DECISION, kind="guess")])], "“guess” is not allowed"),
        ([StageDraft([replace(DECISION, text=" ")])], "Write the question"),
        ([StageDraft([replace(DECISION, text="x" * 301)])], "is longer than 300 characters"),
        ([StageDraft([replace(DECISION, least=1)])], "Only a scale has a lowest and a highest value"),
        ([StageDraft([replace(SCALE, least=None)])], "A scale needs a lowest and a highest value"),
        ([StageDraft([replace(SCALE, least=100)])], "the second above the first"),
        ([StageDraft([replace(SCALE, most=40_000)])], "A scale lies between -1000 and 1000"),
        ([StageDraft([replace(RANKING, most=11)])], "A ranking has from 1 to 10 diagnoses"),
        ([StageDraft([replace(RANKING, most=None)])], "A ranking has from 1 to 10 diagnoses"),
        ([StageDraft([replace(DECISION, choices=(ChoiceDraft("a"), ChoiceDraft("a")))])], "“a” is given twice"),
        ([StageDraft([replace(DECISION, choices=(ChoiceDraft(""),))])], "Each answer needs its words"),
        ([StageDraft([replace(DECISION, choices=(ChoiceDraft("x" * 101),))])], "is longer than 100 characters"),
    ],
)
def test_stages_and_questions_that_cannot_be_are_refused(study: Study, stages: list[StageDraft], sentence: str) -> None:
    test = study.tests.get()
    before = stages_of(test)
    with pytest.raises(StudiesError) as caught:
        drafting.save_test(test, stages=stages, actor=study.created_by)
    assert sentence in str(caught.value)
    assert stages_of(test) == before


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        (ArmDraft(""), "Each arm needs a name"),
        (ArmDraft("x" * 101), "is longer than 100 characters"),
        (ArmDraft("A", "oracle"), "A: “oracle” is not allowed"),
        (ArmDraft("A", model_sha256=MODEL), "“A” gives no advice"),
        (ArmDraft("A", wrong_per_cent=5), "“A” gives no advice"),
        (ArmDraft("A", Arm.Advice.CLASSES), "“A” gives advice: choose the model"),
        (ArmDraft("A", Arm.Advice.CLASSES, "abc"), "“abc” is no SHA-256"),
        (ArmDraft("A", Arm.Advice.CLASSES, MODEL, 101), "from 0 to 100 per cent"),
    ],
)
def test_arms_that_cannot_be_are_refused(study: Study, arm: ArmDraft, sentence: str) -> None:
    with pytest.raises(StudiesError) as caught:
        drafting.save_test(study.tests.get(), arms=[arm], actor=study.created_by)
    assert sentence in str(caught.value)
    assert not Arm.objects.exists()


def test_a_change_of_stages_starts_from_what_is_stored(study: Study) -> None:
    stale, fresh = study.tests.get(), study.tests.get()
    fresh.title, fresh.repeats, fresh.repeat_distance = "Renamed", 1, 2
    drafting.save_test(fresh, stages=STAGES, actor=study.created_by)
    drafting.change_stages(stale, lambda stages: stages[:1], actor=study.created_by)
    stored = study.tests.get()
    assert (stored.title, stored.repeats) == ("Renamed", 1)
    assert tuple(stages_of(stored)) == STAGES[:1]
