"""Published studies as starting points: each opens on a suitable image set as it is, and can be read through."""

import pytest

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Modality, Reference
from readerstudy.studies import protocol, publications
from readerstudy.studies.drafts import stages_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Question, Study, Test
from readerstudy.studies.plan import Plan, Under
from tests.builders import image_set

MODEL = "ab" * 32
SEVEN = [node for node, _label, _malignant in publications.SEVEN]


@pytest.fixture
def study(administrator: User) -> Study:
    return Study.objects.create(
        title="Ours", description="Lesions.", contact="Dr. E", consent_text="I agree.", seed=7, created_by=administrator
    )


def add(study: Study, key: str, images: ImageSet, model: str = "") -> list[Test]:
    return publications.add_tests(key, study=study, image_set=images, model_sha256=model, actor=study.created_by)


def plan_in_force(study: Study) -> Plan:
    found = protocol.plan_in_force(study)
    assert found is not None
    return found


def opened(study: Study) -> None:
    assert protocol.missing(study) == []
    protocol.open_study(study, actor=study.created_by)
    assert protocol.changed(study) == []


def test_esteva_makes_each_test_for_which_there_are_images(study: Study) -> None:
    photographs = image_set(
        study.created_by,
        diagnoses=["basal-cell-carcinoma", "seborrhoeic-keratosis", "melanoma", "melanocytic-naevus"],
    )
    dermoscopy = image_set(study.created_by, diagnoses=["melanoma", "melanocytic-naevus"], modality="dermoscopy")
    assert len(add(study, "esteva", photographs)) == 2
    assert len(add(study, "esteva", dermoscopy)) == 1
    titles = list(study.tests.values_list("title", "modality", "histopathology_only", "sample_size"))
    assert titles == [
        ("Keratinocyte carcinoma against seborrhoeic keratosis", "", True, None),
        ("Melanoma against naevus, photographs", "clinical", True, None),
        ("Melanoma against naevus, dermoscopy", "dermoscopy", True, None),
    ]
    opened(study)


def test_esteva_takes_the_paper_s_size_where_there_are_so_many(study: Study) -> None:
    # Esteva et al. 2017: 111 dermoscopic images, 71 of them melanomas.
    images = image_set(
        study.created_by, diagnoses=["melanoma"] * 72 + ["melanocytic-naevus"] * 41, modality="dermoscopy"
    )
    (test,) = add(study, "esteva", images)
    assert (test.sample_size, test.sample_positives) == (111, 71)
    opened(study)
    assert test.cases.count() == 111


def two_kinds_of_each_lesion(user: User, lesions: int = 6) -> ImageSet:
    """Each lesion by dermoscopy and as a close-up, of patients whose age is known."""
    images = image_set(user, diagnoses=["melanoma", "melanocytic-naevus"] * lesions)
    for number, image in enumerate(images.images.order_by("pk")):
        kind = Modality.DERMOSCOPY if number < lesions else Modality.CLINICAL
        Image.objects.filter(pk=image.pk).update(modality=kind, age=40)
        Reference.objects.filter(image=image).update(lesion_id=f"L{number % lesions}", patient_id="")
    return images


def test_haenssle_shows_dermoscopy_first_and_then_what_is_known(study: Study) -> None:
    (test,) = add(study, "haenssle", two_kinds_of_each_lesion(study.created_by))
    first, second = stages_of(test)
    assert (first.modalities, first.shows_facts) == (("dermoscopy",), False)
    assert (second.modalities, second.shows_facts) == ((), True)
    for stage in (first, second):
        assert [question.kind for question in stage.questions] == [Question.Kind.DECISION, Question.Kind.CLASSES]
    planned = plan_in_force(study)
    assert (planned.endpoint, planned.threshold_origin) == ("specificity", "chosen on the test set")
    gains = [(one.role, one.first, one.second, one.measure) for one in planned.contrasts]
    assert gains == [("secondary", Under(1, 0, 1), Under(2, 0, 3), name) for name in ("sensitivity", "specificity")]
    opened(study)
    assert test.cases.count() == 6
    assert {case.images.count() for case in test.cases.all()} == {2}


def test_haenssle_without_facts_says_so(study: Study) -> None:
    add(study, "haenssle", image_set(study.created_by, diagnoses=["melanoma", "melanocytic-naevus"]))
    assert stages_of(study.tests.get())[0].instruction == "By the picture alone."
    (lacking,) = protocol.missing(study)
    assert "Stage 2 shows age, sex, site and skin type, but the images state none of them." in lacking


def test_tschandl_reads_batches_of_30_of_a_fixed_mix_before_and_after_advice(study: Study) -> None:
    images = image_set(study.created_by, diagnoses=SEVEN * 5, modality="dermoscopy")
    (test,) = add(study, "tschandl", images, MODEL)
    assert (test.cases_read, test.cases_per_reading, test.most_readings) == ("batches", 30, 10)
    assert (len(test.positive_nodes), len(test.negative_nodes), test.positives_per_reading) == (3, 4, 13)
    stages = stages_of(test)
    assert [stage.shows_advice for stage in stages] == [False, True]
    for stage in stages:
        (question,) = stage.questions
        assert [choice.node for choice in question.choices] == SEVEN
        assert [choice.is_positive for choice in question.choices] == [True] * 3 + [False] * 4
    arm = test.arms.get()
    assert (arm.advice, arm.model_sha256) == (Arm.Advice.CLASSES, MODEL)
    (primary,) = plan_in_force(study).contrasts
    assert (primary.role, primary.measure, primary.method) == (
        "primary", "class accuracy", "obuchowski-rockette, cases fixed"
    )  # fmt: skip
    assert (primary.first, primary.second) == (Under(1, 1, 1), Under(2, 1, 2))
    opened(study)


def test_jain_alternates_after_50_cases(study: Study) -> None:
    images = image_set(study.created_by, diagnoses=["melanoma", "melanocytic-naevus", "psoriasis"] * 18)
    Image.objects.filter(image_set=images).update(sex="female")
    (test,) = add(study, "jain", images, MODEL)
    assert (test.arms_design, test.block_size, test.images_per_case) == ("alternating", 50, 6)
    assert list(test.arms.values_list("advice", flat=True)) == ["none", "classes"]
    assert test.negative_nodes == ["benign", "non-neoplastic"]
    first, second = stages_of(test)
    assert [question.kind for question in first.questions] == ["ranking"]
    assert [question.kind for question in second.questions] == ["ranking", "decision", "scale"]
    (primary,) = plan_in_force(study).contrasts
    assert (primary.role, primary.measure) == ("primary", "top-1")
    assert (primary.first, primary.second) == (Under(2, 1, 2), Under(2, 2, 2))
    opened(study)
    assert test.cases.count() == 54


@pytest.mark.parametrize("publication", publications.PUBLICATIONS, ids=lambda publication: publication.key)
def test_a_set_without_the_diagnoses_is_refused_by_name(study: Study, publication: publications.Publication) -> None:
    images = image_set(study.created_by, diagnoses=["psoriasis"], name="the set")
    with pytest.raises(StudiesError, match=f"“the set” has no two diagnoses that “{publication.title}” compares"):
        add(study, publication.key, images, MODEL)
    assert not study.tests.exists()


@pytest.mark.parametrize("key", ["tschandl", "jain"])
def test_advice_needs_a_model(study: Study, key: str) -> None:
    images = image_set(study.created_by, diagnoses=SEVEN)
    with pytest.raises(StudiesError, match="choose a model"):
        add(study, key, images)
    assert not study.tests.exists()
