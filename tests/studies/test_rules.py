"""What a test lacks: each rule that the tables do not state is named in a sentence, and such a study does not open."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Reference
from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft, arms_of, decision, stages_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Case, Question, Test
from tests.builders import draft_study, image_set

MODEL = "ab" * 32
BIOPSY = decision("Biopsy?", [("Yes", True), ("No", False)])
ADVICE = StageDraft([BIOPSY], shows_advice=True)
WITHOUT, WITH = ArmDraft("Without"), ArmDraft("With", Arm.Advice.PROBABILITY, MODEL)


BOTH = {"arms": [WITHOUT, WITH]}


def classes(*choices: tuple[str, bool | None, str], text: str = "Which is it?") -> QuestionDraft:
    return QuestionDraft(text, Question.Kind.CLASSES, tuple(ChoiceDraft(*choice) for choice in choices))


MELANOMA, NAEVUS = ("Melanoma", True, "melanoma"), ("Naevus", False, "melanocytic-naevus")
RANKING = QuestionDraft("Which diagnoses?", Question.Kind.RANKING, most=3)
SCALE = QuestionDraft("How sure?", Question.Kind.SCALE, least=0, most=100)


@pytest.fixture
def images(administrator: User) -> ImageSet:
    return image_set(administrator, diagnoses=["melanoma"] * 6 + ["melanocytic-naevus"] * 8, name="the set")


@pytest.fixture
def test(administrator: User, images: ImageSet) -> Test:
    return draft_study(administrator, image_sets=[images]).tests.get()


def save(
    test: Test,
    *,
    stages: Sequence[StageDraft] | None = None,
    arms: Sequence[ArmDraft] | None = None,
    **columns: Any,
) -> None:
    for name, value in columns.items():
        setattr(test, name, value)
    drafting.save_test(test, stages=stages, arms=arms, actor=test.study.created_by)


def lacking(test: Test) -> list[str]:
    return protocol.missing_from_test(Test.objects.select_related("study", "image_set").get(pk=test.pk))


def asks(*questions: QuestionDraft) -> dict[str, Any]:
    return {"stages": [StageDraft(questions)]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        # stages and questions
        ({"stages": []}, "Write the question."),
        ({"stages": [StageDraft([BIOPSY]), StageDraft()]}, "Stage 2 asks nothing."),
        (asks(replace(BIOPSY, is_required=False)), "In stage 1 every question may be left out"),
        (asks(decision("D?", [("a", True)])), "“D?” needs two answers, one of which counts as positive"),
        (asks(decision("D?", [("a", False), ("b", False)])), "“D?” needs two answers"),
        (asks(decision("D?", [("a", True), ("b", False), ("c", False)])), "“D?” needs two answers"),
        (asks(QuestionDraft("D?", choices=(ChoiceDraft("a", True), ChoiceDraft("b")))), "“D?” needs two answers"),
        (asks(classes(MELANOMA)), "“Which is it?” needs at least two classes"),
        (asks(classes(MELANOMA, ("Naevus", None, "melanocytic-naevus"))), "either every class counts as positive or"),
        (asks(classes(("A", True, "melanoma"), ("B", True, "melanocytic-naevus"))), "one class at least must count as"),
        (asks(classes(("A", None, "melanoma"), ("Other", None, ""))), "the class “Other” needs a diagnosis"),
        (asks(classes(("A", None, "melanomma"), ("B", None, "benign"))), "the taxonomy has no node “melanomma”"),
        (asks(classes(("A", None, "malignant"), ("B", None, "melanoma"))), "“A” and “B” have diagnoses in common"),
        (asks(classes(("M", False, "melanoma"), ("N", True, "benign"))), "“M” counts as negative, but its"),
        (asks(classes(MELANOMA, ("D", False, "dermatofibroma"))), "has no class for “melanocytic naevus”"),
        (asks(replace(SCALE, choices=(ChoiceDraft("a"),))), "“How sure?” is not answered by choosing"),
        (asks(replace(RANKING, nodes=("nothing",))), "“Which diagnoses?”: the taxonomy has no node “nothing”"),
        ({**asks(RANKING), "pass_mark": 80}, "there can be no pass mark"),
        ({**asks(RANKING), "shows_own_result": True}, "there can be no point of a reader's own"),
        # what a stage shows
        ({"stages": [StageDraft([BIOPSY], modalities=("dermoscopy",))]}, "Of 14 cases, 14 have no such picture"),
        ({"stages": [StageDraft([BIOPSY], shows_facts=True)]}, "Stage 1 shows age, sex, site and skin type, but the"),
        # arms and advice
        ({"arms": [WITHOUT, replace(WITHOUT, title="Other")]}, "There are 2 arms, but readers read in one arm"),
        ({"arms_design": "parallel", "arms": [WITHOUT]}, "needs at least two arms"),
        ({"arms_design": "alternating", "block_size": 2}, "needs at least two arms"),
        ({"arms_design": "crossover", "arms": [WITHOUT]}, "needs at least two arms"),
        ({"arms_design": "parallel", "arms": [WITHOUT, WITHOUT]}, "Two arms are called “Without”"),
        ({"stages": [StageDraft([BIOPSY]), ADVICE]}, "Stage 2 shows advice, but no arm gives any"),
        ({"arms": [WITH]}, "The arm “With” gives advice, but no stage shows it"),
        (
            {
                "stages": [StageDraft([BIOPSY]), ADVICE],
                "arms": [ArmDraft("Map", Arm.Advice.SALIENCY, MODEL, wrong_per_cent=10)],
            },
            "The arm “Map”: a picture of where the model looked cannot be wrong on purpose",
        ),
        (
            {
                "stages": [StageDraft([BIOPSY]), ADVICE],
                "arms": [ArmDraft("Alike", Arm.Advice.NEIGHBOURS, MODEL)],
            },
            "The arm “Alike” shows similar images: choose the image set they come from",
        ),
        (
            {
                "cases_read": "batches", "cases_per_reading": 5, "arms_design": "crossover",
                "arms": [WITHOUT, replace(WITHOUT, title="Other")],
            },
            "cannot both read in every arm and choose how many batches",
        ),
        (
            {"arms_design": "alternating", "block_size": 14, "arms": [WITHOUT, replace(WITHOUT, title="Other")]},
            "A reading of 14 cases ends before each of the 2 arms had its block of 14",
        ),
        # who reads what
        ({"cases_read": "sample", "cases_per_reading": 15}, "A reading of 15 cases needs 15 cases; the test has 14"),
        (
            {"cases_read": "batches", "cases_per_reading": 10, "positives_per_reading": 7},
            "A reading of 10 cases needs 7 positive cases; the test has 6",
        ),
        (
            {"cases_read": "disjoint", "cases_per_reading": 10, "positives_per_reading": 1},
            "A reading of 10 cases needs 9 negative cases; the test has 8",
        ),
        # With 10 between, only the first 4 of 14 have 10 others after them.
        ({"repeats": 5}, "With 10 cases in between, at most 4 of 14 cases can be repeated, not 5"),
        # Arms A A A A B B B B A A A A B B: with 6 others in between, the first 4 can come again in the second block
        # of A, the next 4 in the second block of B or at its end; the last 6 have fewer than 6 others after them.
        (
            {
                "arms_design": "alternating", "block_size": 4, "arms": [WITHOUT, replace(WITHOUT, title="Other")],
                "repeats": 9, "repeat_distance": 6,
            },
            "With 6 cases in between, at most 8 of 14 cases can be repeated, not 9",
        ),
        ({"repeats": 1, "repeat_distance": 14}, "at most 0 of 14 cases can be repeated, not 1"),
    ],
)  # fmt: skip
def test_each_rule_is_named_and_nothing_is_opened(test: Test, changes: dict[str, Any], sentence: str) -> None:
    assert lacking(test) == []
    save(test, **changes)
    found = lacking(test)
    assert any(sentence in one for one in found), found
    with pytest.raises(StudiesError) as caught, transaction.atomic():
        protocol.open_study(test.study, actor=test.study.created_by)
    assert sentence in str(caught.value)
    assert not Case.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        asks(classes(MELANOMA, NAEVUS)),
        asks(classes(("Melanoma", None, "melanoma"), ("Naevus", None, "benign-melanocytic"))),
        asks(classes(("Excise", True, ""), ("Follow up", False, ""), ("Nothing", False, ""))),
        asks(RANKING),
        asks(replace(BIOPSY, allows_cannot_assess=True), SCALE, replace(RANKING, nodes=("malignant",))),
        asks(BIOPSY, replace(RANKING, is_required=False)),
        {"stages": [StageDraft([BIOPSY], modalities=("clinical",)), ADVICE], "arms": [WITH]},
        {"stages": [StageDraft([BIOPSY]), ADVICE], **BOTH, "arms_design": "crossover", "wash_out_days": 7},
        {"stages": [StageDraft([BIOPSY]), ADVICE], **BOTH, "arms_design": "alternating", "block_size": 7},
        {"cases_read": "batches", "cases_per_reading": 8, "positives_per_reading": 4, "most_readings": 3},
        {"repeats": 4, "order": "stratified", "time_limit": "hard", "seconds_per_case": 30, "pass_mark": 70},
    ],
)  # fmt: skip
def test_designs_that_can_be_opened(test: Test, changes: dict[str, Any]) -> None:
    save(test, **changes)
    assert lacking(test) == []
    made = protocol.open_study(test.study, actor=test.study.created_by)
    assert Case.objects.filter(test=test).count() == 14
    assert protocol.changed(test.study) == []
    frozen = made.document["tests"][0]
    assert len(frozen["stages"]) == len(stages_of(test))
    assert len(frozen["arms"]) == len(arms_of(test))


def test_facts_that_one_image_states_are_facts(test: Test, images: ImageSet) -> None:
    save(test, stages=[StageDraft([BIOPSY], shows_facts=True)])
    Image.objects.filter(pk=images.images.first().pk).update(age=50)  # type: ignore[union-attr]
    assert lacking(test) == []


# --- practice and attention checks -----------------------------------------------------------------------------------


def own_images_for_practice(images: ImageSet, other: ImageSet) -> ImageSet:
    return images


def the_same_pixels(images: ImageSet, other: ImageSet) -> ImageSet:
    for one, twin in zip(other.images.order_by("pk"), images.images.order_by("pk"), strict=False):
        Image.objects.filter(pk=one.pk).update(pixels_sha256=twin.pixels_sha256)
    return other


def the_same_lesions(images: ImageSet, other: ImageSet) -> ImageSet:
    Reference.objects.filter(image__image_set__in=[images, other]).update(lesion_id="L1", patient_id="")
    Reference.objects.filter(image__image_set=images, diagnosis="melanocytic-naevus").update(lesion_id="L2")
    Reference.objects.filter(image__image_set=other, diagnosis="melanocytic-naevus").update(lesion_id="L2")
    return other


def the_same_patient(images: ImageSet, other: ImageSet) -> ImageSet:
    Reference.objects.filter(image__image_set__in=[images, other]).update(patient_id="P1")
    return other


def nothing_fits(images: ImageSet, other: ImageSet) -> ImageSet:
    Reference.objects.filter(image__image_set=other).update(diagnosis="dermatofibroma")
    return other


@pytest.mark.parametrize("kind", ["practice", "attention"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (own_images_for_practice, "share a picture, a lesion or a patient with cases of this test; 0 are left"),
        (the_same_pixels, "Of the 4 lesions of “other” that fit, 4 share a picture"),
        (the_same_lesions, "Of the 2 lesions of “other” that fit, 2 share a picture"),
        (the_same_patient, "Of the 4 lesions of “other” that fit, 4 share a picture"),
        (nothing_fits, "No image of “other” fits this test"),
    ],
)
def test_practice_and_checks_are_no_cases_of_the_test(
    administrator: User,
    images: ImageSet,
    test: Test,
    kind: str,
    spoil: Callable[[ImageSet, ImageSet], ImageSet],
    sentence: str,
) -> None:
    other = image_set(administrator, diagnoses=["melanoma"] * 2 + ["melanocytic-naevus"] * 2, name="other")
    save(test, **{f"{kind}_set": other, f"{kind}_cases": 2})
    assert lacking(test) == []
    save(test, **{f"{kind}_set": spoil(images, other)})
    assert any(sentence in one for one in lacking(test)), lacking(test)


def test_checks_are_no_practice_cases(administrator: User, test: Test) -> None:
    other = image_set(administrator, diagnoses=["melanoma"] * 2 + ["melanocytic-naevus"] * 2, name="other")
    save(test, practice_set=other, practice_cases=2, attention_set=other, attention_cases=2)
    assert lacking(test) == []
    save(test, practice_cases=3)
    assert "Of the 4 lesions of “other” that fit, 3 share" in lacking(test)[0]


def test_checks_need_a_question_that_can_be_wrong(administrator: User, test: Test) -> None:
    other = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    save(test, attention_set=other, attention_cases=1, **asks(RANKING))
    assert lacking(test) == [
        "Without a question whose answers count as positive or negative there can be no attention checks."
    ]


# --- a test that requires another ------------------------------------------------------------------------------------


def test_a_requirement_is_an_earlier_test_with_a_pass_mark(administrator: User, images: ImageSet) -> None:
    study = draft_study(administrator, image_sets=[images, images])
    first, second = study.tests.all()
    save(second, requires=first)
    assert lacking(second) == ["The test “Test 1”, which must be passed first, has no pass mark."]
    save(first, pass_mark=80)
    assert lacking(second) == []
    save(first, requires=second)
    save(second, pass_mark=80)
    assert lacking(first) == ["The test “Test 2”, which must be passed first, comes later."]
    save(second, requires=second)
    assert lacking(second) == ["The test asks for having passed itself."]
    stranger = draft_study(administrator, image_sets=[images]).tests.get()
    save(stranger, pass_mark=80)
    save(second, requires=stranger)
    assert lacking(second) == ["The test “Test 1”, which must be passed first, belongs to another study."]


def test_a_model_that_is_not_registered_is_named(test: Test) -> None:
    save(test, stages=[StageDraft([BIOPSY]), ADVICE], arms=[WITH])
    assert protocol.missing(test.study) == []
    assert protocol.missing(test.study, models={MODEL}) == []
    (sentence,) = protocol.missing(test.study, models={"cd" * 32})
    assert MODEL in sentence
    assert "“With”" in sentence
    with pytest.raises(StudiesError, match="not registered"):
        protocol.open_study(test.study, actor=test.study.created_by, models=set())


def test_similar_images_come_from_a_set_that_no_reader_is_asked_about(test: Test) -> None:
    alike = ArmDraft("Alike", Arm.Advice.NEIGHBOURS, MODEL, neighbours_set=test.image_set)
    save(test, stages=[StageDraft([BIOPSY]), ADVICE], arms=[alike])
    (sentence,) = protocol.missing(test.study)
    assert "asks readers about images of the same set" in sentence
    with pytest.raises(StudiesError, match="“Yes” shows no similar images"):
        save(test, arms=[replace(alike, title="Yes", advice=Arm.Advice.CLASSES)])


def test_what_advice_still_lacks_is_said_by_whoever_knows(test: Test) -> None:
    def lacks(asked: Test) -> list[str]:
        return [f"nothing was made for {asked.title}"]

    assert protocol.missing(test.study, advice=lacks) == ["Test 1: nothing was made for Test 1"]
    with pytest.raises(StudiesError, match="nothing was made"):
        protocol.open_study(test.study, actor=test.study.created_by, advice=lacks)
