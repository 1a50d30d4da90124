"""Opening a study: the images of a lesion make a case; practice cases and attention checks stand apart."""

import pytest

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Modality, Reference
from readerstudy.studies import drafting, eligibility, protocol
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft
from readerstudy.studies.models import Case, CaseImage, Question, Study, Test
from tests.builders import draft_study, image_set, open_study

ORDER = [Modality.OVERVIEW, Modality.CLINICAL, Modality.DERMOSCOPY]


def lesions(administrator: User, *, name: str = "") -> ImageSet:
    """Two melanomas and two naevi, each with a dermoscopic picture, a close-up, an overview and a second close-up."""
    images = image_set(administrator, diagnoses=(["melanoma"] * 2 + ["melanocytic-naevus"] * 2) * 4, name=name)
    kinds = [Modality.DERMOSCOPY, Modality.CLINICAL, Modality.OVERVIEW, Modality.CLINICAL]
    for number, image in enumerate(images.images.order_by("pk")):
        Image.objects.filter(pk=image.pk).update(modality=kinds[number // 4])
        Reference.objects.filter(image=image).update(lesion_id=f"{name}-L{number % 4}", patient_id="")
    return images


def with_columns(study: Study, **columns: object) -> Test:
    test = study.tests.get()
    for name, value in columns.items():
        setattr(test, name, value)
    drafting.save_test(test, actor=study.created_by)
    return test


@pytest.mark.parametrize(("at_most", "kinds"), [(3, ORDER), (4, [ORDER[0], ORDER[1], ORDER[1], ORDER[2]])])
def test_the_images_of_a_lesion_make_a_case_in_the_order_shown(
    administrator: User, at_most: int, kinds: list[str]
) -> None:
    study = draft_study(administrator, image_sets=[lesions(administrator)])
    test = with_columns(study, images_per_case=at_most)
    pool = eligibility.pool_of(test)
    assert (len(pool.positives), len(pool.negatives), pool.n_same_lesion) == (2, 2, 16 - 4 * at_most)
    made = protocol.open_study(study, actor=administrator)
    cases = list(Case.objects.filter(test=test))
    assert len(cases) == 4
    for case in cases:
        shown = [picture.image for picture in CaseImage.objects.filter(case=case).order_by("position")]
        assert [image.modality for image in shown] == kinds
        (lesion,) = {image.reference.lesion_id for image in shown}
        assert case.is_positive == all(image.reference.diagnosis == "melanoma" for image in shown)
        assert lesion
    recorded = made.document["tests"][0]["cases"]
    assert [len(case["images"]) for case in recorded] == [at_most] * 4
    assert {case["kind"] for case in recorded} == {"scored"}
    assert sorted(case["is_positive"] for case in recorded) == [False, False, True, True]


def test_one_image_of_a_case_is_drawn_from_every_kind(administrator: User) -> None:
    images = lesions(administrator)
    studies = [open_study(administrator, image_sets=[images], seed=seed) for seed in range(12)]
    drawn = CaseImage.objects.filter(case__test__study__in=studies)
    assert drawn.count() == 48  # every image is drawn by a chance of a quarter: a kind is missed once in 400,000 runs
    assert set(drawn.values_list("image__modality", flat=True)) == set(ORDER)


def test_a_lesion_with_both_classes_is_refused_however_many_images_are_shown(administrator: User) -> None:
    images = lesions(administrator)
    first = Reference.objects.filter(image__image_set=images, diagnosis="melanoma").first()
    assert first is not None
    Reference.objects.filter(pk=first.pk).update(diagnosis="melanocytic-naevus")
    test = with_columns(draft_study(administrator, image_sets=[images]), images_per_case=1)
    assert any("has both positive and negative images" in one for one in protocol.missing_from_test(test))
    test = with_columns(test.study, images_per_case=6)
    assert any("has both positive and negative images" in one for one in protocol.missing_from_test(test))


def test_practice_and_checks_are_drawn_apart_with_both_classes(administrator: User) -> None:
    own = image_set(administrator, diagnoses=["melanoma"] * 3 + ["melanocytic-naevus"] * 4)
    other = image_set(administrator, diagnoses=["melanoma"] * 6 + ["melanocytic-naevus"] * 6)
    study = draft_study(administrator, image_sets=[own])
    test = with_columns(study, practice_set=other, practice_cases=5, attention_set=other, attention_cases=4)
    made = protocol.open_study(study, actor=administrator)
    kinds = list(test.cases.order_by("number").values_list("kind", flat=True))
    assert kinds == ["scored"] * 7 + ["practice"] * 5 + ["attention"] * 4
    for kind, expected in ((Case.Kind.PRACTICE, 2), (Case.Kind.ATTENTION, 2)):
        assert test.cases.filter(kind=kind, is_positive=True).count() == expected
    shown = list(CaseImage.objects.filter(case__test=test).values_list("image", flat=True))
    assert len(shown) == len(set(shown)) == 16
    assert {case.images.get().image_set for case in test.cases.exclude(kind="scored")} == {other}
    assert not test.cases.exclude(kind="practice").exclude(feedback="").exists()
    frozen = made.document["tests"][0]
    assert frozen["practice"]["image_set"]["sha256"] == other.sha256
    assert {"practice", "attention"} <= set(frozen["sample"]["seeds"])


def test_a_class_that_is_short_leaves_its_places_to_the_other(administrator: User) -> None:
    own = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    other = image_set(administrator, diagnoses=["melanoma"] * 5 + ["melanocytic-naevus"])
    study = draft_study(administrator, image_sets=[own])
    test = with_columns(study, practice_set=other, practice_cases=5)
    protocol.open_study(study, actor=administrator)
    assert test.cases.filter(kind="practice", is_positive=True).count() == 4


def test_the_feedback_of_practice_says_the_diagnosis_and_the_expected_answer(administrator: User) -> None:
    own = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    other = image_set(administrator, diagnoses=["melanoma-in-situ", "melanocytic-naevus"])
    study = draft_study(administrator, image_sets=[own])
    test = with_columns(study, practice_set=other, practice_cases=2)
    protocol.open_study(study, actor=administrator)
    assert set(test.cases.filter(kind="practice").values_list("feedback", flat=True)) == {
        "Melanoma in situ (histopathology). Expected answer: Biopsy or treat.",
        "Melanocytic naevus (histopathology). Expected answer: Reassure the patient.",
    }


def test_the_feedback_on_classes_names_the_class_that_holds_the_diagnosis(administrator: User) -> None:
    own = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    other = image_set(administrator, diagnoses=["melanoma-in-situ", "melanocytic-naevus"])
    study = draft_study(administrator, image_sets=[own])
    test = with_columns(study, practice_set=other, practice_cases=2)
    choices = (ChoiceDraft("A melanoma", None, "melanoma"), ChoiceDraft("Benign", None, "benign"))
    stages = [StageDraft([QuestionDraft("Which?", Question.Kind.CLASSES, choices)])]
    drafting.save_test(test, stages=stages, actor=administrator)
    protocol.open_study(study, actor=administrator)
    assert set(test.cases.filter(kind="practice").values_list("feedback", flat=True)) == {
        "Melanoma in situ (histopathology). Expected answer: A melanoma.",
        "Melanocytic naevus (histopathology). Expected answer: Benign.",
    }


def test_the_same_seed_draws_the_same_cases_of_every_kind(administrator: User) -> None:
    own = lesions(administrator, name="own")
    other = lesions(administrator, name="other")
    drawn = []
    for seed in (5, 5, 6):
        study = draft_study(administrator, image_sets=[own], sample_size=3, seed=seed)
        with_columns(
            study, images_per_case=2, practice_set=other, practice_cases=2, attention_set=other, attention_cases=2
        )
        drawn.append(protocol.open_study(study, actor=administrator).document["tests"][0]["cases"])
    assert len(drawn[0]) == 7
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("columns", "n_arms", "expected"),
    [
        ({}, 0, 7),
        # 7 cases, 2 repeats, 2 practice cases, 1 check.
        ({"repeats": 2, "repeat_distance": 2, "practice_cases": 2, "attention_cases": 1}, 0, 12),
        ({"cases_read": "batches", "cases_per_reading": 3, "most_readings": 2, "practice_cases": 2}, 0, 5),
        # Both parts of a crossover have all of it.
        ({"arms_design": "crossover", "practice_cases": 2}, 2, 18),
    ],
)
def test_how_many_cases_a_reader_is_shown(
    administrator: User, columns: dict[str, int], n_arms: int, expected: int
) -> None:
    study = draft_study(administrator)
    other = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 2)
    sets = {f"{kind}_set": other for kind in ("practice", "attention") if f"{kind}_cases" in columns}
    test = with_columns(study, **columns, **sets)
    drafting.save_test(test, arms=[ArmDraft(f"Arm {number}") for number in range(n_arms)], actor=administrator)
    assert test.n_shown() == 0
    protocol.open_study(study, actor=administrator)
    assert test.n_shown() == expected
