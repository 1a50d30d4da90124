"""Freezing: what is missing is listed, opening draws and hashes once, and the hash sees every change."""

from collections.abc import Callable

import pytest
from django.db import transaction

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Confirmation, Reference
from readerstudy.studies import eligibility, protocol
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, Case, CaseImage, Choice, ProtocolVersion, Question, Study, Test
from tests.builders import draft_study, image_set, open_study


def test_opening_draws_the_sample_and_freezes_it(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 10 + ["melanocytic-naevus"] * 12)
    study = draft_study(administrator, image_sets=[images], sample_size=9, sample_positives=4)
    made = protocol.open_study(study, actor=administrator)

    study.refresh_from_db()
    assert study.state == Study.State.OPEN
    test = study.tests.get()
    assert sorted(test.cases.values_list("number", flat=True)) == list(range(1, 10))
    drawn = Reference.objects.filter(image__in=CaseImage.objects.filter(case__test=test).values("image"))
    assert sorted(drawn.values_list("diagnosis", flat=True)) == ["melanocytic-naevus"] * 5 + ["melanoma"] * 4
    assert made.sha256 == protocol.digest(made.document) == protocol.digest(ProtocolVersion.objects.get().document)
    recorded = {case["number"]: case["images"] for case in made.document["tests"][0]["cases"]}
    assert recorded == {case.number: [case.images.get().sha256] for case in test.cases.all()}
    assert protocol.changed(study) == []
    entry = AuditEntry.objects.get(action="study.opened")
    assert (entry.actor, entry.details) == (administrator, {"protocol_sha256": made.sha256})


def test_numbers_and_rows_of_cases_tell_nothing_of_their_class(administrator: User) -> None:
    """Rank correlation of a case's number, and of its row, with its class, over 40 seeds: about 0."""
    images = image_set(administrator, diagnoses=["melanoma"] * 6 + ["melanocytic-naevus"] * 6)
    sums = []
    for seed in range(40):
        study = open_study(administrator, image_sets=[images], seed=seed)
        cases = Case.objects.filter(test__study=study).order_by("pk")
        signs = [case.images.get().reference.diagnosis == "melanoma" for case in cases]
        assert [case.number for case in cases] == list(range(1, 13))
        sums.append(sum(rank for rank, sign in enumerate(signs, start=1) if sign))
    # The rank sum of 6 of 12 has mean 6 * 13 / 2 = 39 and variance 6 * 6 * 13 / 12 = 39 (Wilcoxon).
    assert sum(sums) / 40 == pytest.approx(39, abs=4 * (39 / 40) ** 0.5)
    assert len(set(sums)) > 5


def test_the_same_images_and_seed_give_the_same_cases(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 8 + ["melanocytic-naevus"] * 8)
    first, second, other = (
        open_study(administrator, image_sets=[images], sample_size=6, sample_positives=3, seed=seed)
        for seed in (11, 11, 12)
    )
    cases = [protocol.document(study)["tests"][0]["cases"] for study in (first, second, other)]
    assert len(cases[0]) == 6
    assert cases[0] == cases[1] != cases[2]


def test_only_one_image_of_a_lesion_is_drawn(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 4 + ["melanocytic-naevus"] * 4)
    same = images.images.filter(reference__diagnosis="melanoma")[:3]
    Reference.objects.filter(image__in=list(same)).update(lesion_id="L1", patient_id="P1")
    study = draft_study(administrator, image_sets=[images])
    pool = eligibility.pool_of(study.tests.get())
    assert (len(pool.positives), len(pool.negatives), pool.n_same_lesion) == (2, 4, 2)
    protocol.open_study(study, actor=administrator)
    assert Case.objects.filter(test__study=study).count() == 6


def test_the_same_lesion_number_in_two_patients_is_two_lesions(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma", "melanoma", "melanocytic-naevus"])
    Reference.objects.filter(image__image_set=images).update(lesion_id="1")
    assert eligibility.pool_of(draft_study(administrator, image_sets=[images]).tests.get()).n_same_lesion == 0


def test_kind_of_image_and_confirmation_narrow_the_pool(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 4 + ["melanocytic-naevus"] * 4)
    first = images.images.filter(reference__diagnosis="melanoma").first()
    assert first is not None
    Reference.objects.filter(image=first).update(confirmation=Confirmation.FOLLOW_UP)
    last = images.images.filter(reference__diagnosis="melanocytic-naevus").last()
    assert last is not None
    last.modality = "dermoscopy"
    last.save()
    test = draft_study(administrator, image_sets=[images]).tests.get()

    def sizes() -> tuple[int, int, int]:
        pool = eligibility.pool_of(test)
        return len(pool.positives), len(pool.negatives), pool.n_unconfirmed

    assert sizes() == (4, 4, 1)
    test.histopathology_only = True
    assert sizes() == (3, 4, 0)
    test.modality = "clinical"
    assert sizes() == (3, 3, 0)


def test_opening_twice_opens_once(administrator: User) -> None:
    study = draft_study(administrator)
    again = Study.objects.get(pk=study.pk)  # another tab, loaded before
    protocol.open_study(study, actor=administrator)
    with pytest.raises(StudiesError, match="frozen"):
        protocol.open_study(again, actor=administrator)
    assert ProtocolVersion.objects.filter(study=study).count() == 1
    assert Case.objects.filter(test__study=study).count() == 7


def test_closing_and_unblinding_are_recorded_once_and_in_order(administrator: User) -> None:
    study = draft_study(administrator)
    with pytest.raises(StudiesError, match="open"):
        protocol.close_study(study, actor=administrator)
    protocol.open_study(study, actor=administrator)
    with pytest.raises(StudiesError, match="closed"):
        protocol.unblind_study(study, actor=administrator)
    protocol.close_study(study, actor=administrator)
    with pytest.raises(StudiesError, match="open"):
        protocol.close_study(study, actor=administrator)
    protocol.unblind_study(study, actor=administrator)
    with pytest.raises(StudiesError, match="unblinded"):
        protocol.unblind_study(study, actor=administrator)
    study.refresh_from_db()
    assert study.state == Study.State.CLOSED
    assert study.unblinded_at is not None
    actions = AuditEntry.objects.filter(target_type="studies.study").values_list("action", flat=True)
    assert list(actions) == ["study.opened", "study.closed", "study.unblinded"]


def test_an_empty_study_lists_everything_it_lacks(administrator: User) -> None:
    study = Study.objects.create(title="Empty", seed=1, created_by=administrator)
    lacking = protocol.missing(study)
    assert len(lacking) == 5
    for part, sentence in zip(["told", "ask", "consent", "plan", "test"], lacking, strict=True):
        assert part in sentence
    with pytest.raises(StudiesError, match="consent"):
        protocol.open_study(study, actor=administrator)
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT
    assert not ProtocolVersion.objects.exists()


def no_question(test: Test) -> None:
    test.questions.all().delete()


def both_choices_positive(test: Test) -> None:
    Choice.objects.filter(question__test=test).update(is_positive=True)


def no_negative(test: Test) -> None:
    test.negative_nodes = []


def unknown_node(test: Test) -> None:
    test.positive_nodes = ["melanomma"]


def nested_nodes(test: Test) -> None:
    test.positive_nodes = ["malignant"]
    test.negative_nodes = ["melanoma-in-situ", "benign"]


def absent_diagnosis(test: Test) -> None:
    test.negative_nodes = ["seborrhoeic-keratosis"]


def too_few_positives(test: Test) -> None:
    test.sample_size, test.sample_positives = 6, 4


def too_few_images(test: Test) -> None:
    test.sample_size = 8


def contradicted_lesion(test: Test) -> None:
    Reference.objects.filter(image__image_set=test.image_set).update(lesion_id="L9", patient_id="")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_question, "Test 1: Write the question."),
        (both_choices_positive, "one of which counts as positive"),
        (no_negative, "Test 1: Choose at least one positive and one negative diagnosis."),
        (unknown_node, "'melanomma' is not the id of a node"),
        (nested_nodes, "“melanoma in situ” is both positive and negative"),
        (absent_diagnosis, "The image set “the set” has no negative image that fits."),
        (too_few_positives, "The image set “the set” has 3 positive images, 4 were asked for."),
        (too_few_images, "The image set “the set” has 7 images that fit, 8 were asked for."),
        (contradicted_lesion, "The lesion “L9” in “the set” has both positive and negative images"),
    ],
)
def test_what_a_test_lacks_is_named_and_nothing_is_opened(
    administrator: User, spoil: Callable[[Test], None], sentence: str
) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 3 + ["melanocytic-naevus"] * 4, name="the set")
    study = draft_study(administrator, image_sets=[images])
    assert protocol.missing(study) == []
    test = study.tests.get()
    spoil(test)
    test.save()
    assert any(sentence in lacking for lacking in protocol.missing(study)), protocol.missing(study)
    with pytest.raises(StudiesError) as caught, transaction.atomic():
        protocol.open_study(study, actor=administrator)
    assert sentence in str(caught.value)
    assert not Case.objects.exists()


def change_study(field: str, value: object) -> Callable[[Study], None]:
    def change(study: Study) -> None:
        Study.objects.filter(pk=study.pk).update(**{field: value})

    return change


def change_test(field: str, value: object) -> Callable[[Study], None]:
    def change(study: Study) -> None:
        study.tests.update(**{field: value})

    return change


def change_choice(study: Study) -> None:
    Choice.objects.filter(question__test__study=study, position=1).update(label="Biopsy")


def swap_what_is_positive(study: Study) -> None:
    for choice in Choice.objects.filter(question__test__study=study):
        Choice.objects.filter(pk=choice.pk).update(is_positive=not choice.is_positive)


def change_question(study: Study) -> None:
    Question.objects.filter(test__study=study).update(text="And now?")


def change_images(study: Study) -> None:
    image_set_of = study.tests.get().image_set
    image_set_of.sha256 = "0" * 64
    image_set_of.save()


def change_plan(**values: object) -> Callable[[Study], None]:
    def change(study: Study) -> None:
        AnalysisPlan.objects.filter(study=study).update(**values)

    return change


@pytest.mark.parametrize(
    "change",
    [
        change_plan(endpoint="specificity"),
        change_plan(method="obuchowski-rockette, readers and cases random"),
        change_plan(hypothesis="non-inferiority", margin=0.05),
        change_plan(margin=0.02),
        change_plan(alpha=0.025),
        change_plan(endpoint="auc", method="delong", reference=0.8, threshold_origin=""),
        change_plan(method="obuchowski-rockette, cases fixed", threshold_origin="stated beforehand", threshold=0.5),
        change_plan(multiplicity="bonferroni"),
        change_plan(missing="answered cases"),
        change_plan(average="board-certified readers"),
        change_plan(secondary=["auc"]),
        lambda study: study.plan.delete(),
        *[change_study(field, "other") for field in ("title", "description", "contact", "consent_text")],
        change_study("seed", 5),
        change_test("title", "other"),
        change_test("position", 2),
        change_test("positive_nodes", ["melanoma-in-situ"]),
        change_test("negative_nodes", ["benign-melanocytic"]),
        change_test("modality", "clinical"),
        change_test("histopathology_only", True),
        change_test("sample_size", 5),
        change_choice,
        swap_what_is_positive,
        change_question,
        change_images,
    ],
)
def test_the_hash_sees_every_change_and_the_change_is_found(
    administrator: User, change: Callable[[Study], None]
) -> None:
    study = open_study(administrator)
    before = protocol.digest(protocol.document(study))
    assert before == protocol.digest(protocol.document(Study.objects.get(pk=study.pk)))
    change(study)
    study = Study.objects.get(pk=study.pk)
    assert protocol.digest(protocol.document(study)) != before
    assert protocol.changed(study) != []


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    # sha256sum of the 13 bytes {"a":1,"b":2}
    expected = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
    assert protocol.digest({"b": 2, "a": 1}) == protocol.digest({"a": 1, "b": 2}) == expected
