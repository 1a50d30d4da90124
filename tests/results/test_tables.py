"""Rows to arrays: truth, decisions, scores, and how many queries it takes."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from model_core.checkpoint import group_digest
from readerstudy.accounts.models import User
from readerstudy.images.models import Reference
from readerstudy.readers.models import Reader
from readerstudy.readings.models import Reading
from readerstudy.results.errors import ResultsError
from readerstudy.results.tables import images_to_score, study_tables
from readerstudy.scoring.models import Score
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, add_question, image_set, model_version, open_study
from tests.results import made
from tests.results.conftest import SHARES, Worked


def test_truth_comes_from_the_references_descendants_counted_in(administrator: User) -> None:
    study = open_study(
        administrator,
        diagnoses=["melanoma", "melanocytic-naevus", "seborrhoeic-keratosis", "squamous-cell-carcinoma"],
        positive=["malignant"], negative=["benign"],
    )  # fmt: skip
    test = study_tables(study, None).tests[0]
    assert test.cases.n == 4
    assert test.cases.numbers.tolist() == [1, 2, 3, 4]
    expected = {
        "melanoma": 1, "melanocytic-naevus": 0, "seborrhoeic-keratosis": 0, "squamous-cell-carcinoma": 1,
    }  # fmt: skip
    assert dict(zip(test.cases.diagnoses, test.cases.truth.tolist(), strict=True)) == expected
    assert test.cases.confirmations == ("histopathology",) * 4


def test_decisions_of_each_reader_and_case(worked: Worked) -> None:
    test = study_tables(worked.study, worked.model).tests[0]
    assert test.readers == ("R01", "R02")
    decisions = test.questions[0].decisions
    assert decisions.shape == (2, 10)
    first = dict(zip(test.cases.numbers.tolist(), decisions[0].tolist(), strict=True))
    assert [first[number] for number in worked.cases] == [1, 1, 1, 0, 1, 0, 0, 0, 0, 0]
    second = dict(zip(test.cases.numbers.tolist(), decisions[1].tolist(), strict=True))
    assert [second[number] for number in worked.cases] == [1, 1, 0, 0, 1, 1, 1, 0, 0, 0]
    assert test.finished.tolist() == [True, True]
    stored = Reading.objects.get(reader=worked.readers[0]).items.order_by("case__number")
    assert test.positions[0].tolist() == [item.position for item in stored]


def test_a_case_without_an_answer_is_nan(worked: Worked) -> None:
    slow = accepted_reader(worked.study)
    made.read(slow, worked.test, {worked.cases[0]: True, worked.cases[9]: False})
    test = study_tables(worked.study, None).tests[0]
    row = dict(zip(test.cases.numbers.tolist(), test.questions[0].decisions[2].tolist(), strict=True))
    assert row[worked.cases[0]] == 1
    assert row[worked.cases[9]] == 0
    assert sum(np.isnan(value) for value in row.values()) == 8
    assert not test.finished[2]
    assert not np.isnan(test.positions[2]).any()


def test_a_reader_who_has_not_begun_has_no_positions(worked: Worked) -> None:
    accepted_reader(worked.study)
    test = study_tables(worked.study, None).tests[0]
    assert test.readers == ("R01", "R02", "R03")
    assert np.isnan(test.positions[2]).all()
    assert np.isnan(test.questions[0].decisions[2]).all()


def test_the_last_revision_counts(worked: Worked) -> None:
    question = worked.test.questions.get()
    item = Reading.objects.get(reader=worked.readers[0]).items.get(case__number=worked.cases[0])
    # Stored in the wrong order on purpose: the revision decides, not the row.
    made.answer(item, question, True, revision=3)
    made.answer(item, question, False, revision=2)
    decisions = study_tables(worked.study, None).tests[0].questions[0].decisions
    assert decisions[0, worked.cases[0] - 1] == 1
    made.answer(item, question, False, revision=4)
    decisions = study_tables(worked.study, None).tests[0].questions[0].decisions
    assert decisions[0, worked.cases[0] - 1] == 0


def test_a_reader_who_left_is_counted_and_not_read(worked: Worked) -> None:
    Reader.objects.filter(pk=worked.readers[0].pk).update(withdrawn_at=timezone.now())
    test = study_tables(worked.study, None, detailed=True).tests[0]
    assert test.readers == ("R02",)
    assert test.n_withdrawn == 1
    assert test.questions[0].decisions.shape == (1, 10)
    assert test.questions[0].decisions.sum() == 5
    assert test.answers is not None
    assert len(test.answers.labels) == 10


def test_no_reader_and_no_model(opened: Study) -> None:
    test = study_tables(opened, None, detailed=True).tests[0]
    assert test.readers == ()
    assert test.questions[0].decisions.shape == (0, 10)
    assert test.model is None
    assert test.answers is not None
    assert test.answers.labels == ()


def test_two_tests_and_two_questions_stay_apart(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"]) for _test in range(2)]
    study = open_study(administrator, image_sets=sets)
    first, second = study.tests.order_by("position")
    more = add_question(second, text="Malignant or benign?", answers=["Malignant", "Benign"])
    reader = accepted_reader(study)
    made.read(reader, first, {1: True, 2: True})
    made.read(reader, second, {1: False, 2: False}, question=second.questions.get(position=1))
    made.read(reader, second, {1: True, 2: None}, question=more)
    one, two = study_tables(study, None).tests
    assert (len(one.questions), len(two.questions)) == (1, 2)
    assert one.questions[0].decisions.tolist() == [[1, 1]]
    assert two.questions[0].decisions.tolist() == [[0, 0]]
    assert two.questions[1].decisions[0, 0] == 1
    assert np.isnan(two.questions[1].decisions[0, 1])
    assert two.questions[1].positive_labels == ("Malignant",)


def test_scores_are_the_positive_share_under_the_tests_nodes(administrator: User, researcher: User) -> None:
    """A third class, outside of the test, has half of the sum: it does not count (Esteva 2017, Inference algorithm)."""
    study = open_study(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    model = model_version(researcher, "melanoma", "melanocytic-naevus", "seborrhoeic-keratosis")
    images = images_to_score(study)
    assert len(images) == 2
    # By hand: 0.3 / (0.3 + 0.2) = 0.6 and 0.1 / (0.1 + 0.4) = 0.2.
    for image, vector in zip(images, ([0.3, 0.2, 0.5], [0.1, 0.4, 0.5]), strict=True):
        data = np.array(vector, dtype="<f4").tobytes()
        Score.objects.create(image_id=image, model_version=model, probabilities=data)
    found = study_tables(study, model).tests[0]
    assert found.model is not None
    by_image = dict(zip(found.cases.picture_image.tolist(), found.model.case_scores.tolist(), strict=True))
    assert [by_image[image] for image in images] == pytest.approx([0.6, 0.2], abs=1e-7)


def test_the_full_set_is_what_the_cases_were_drawn_from(administrator: User, researcher: User) -> None:
    study = open_study(
        administrator, diagnoses=["melanoma"] * 5 + ["melanocytic-naevus"] * 7 + ["seborrhoeic-keratosis"] * 2,
        sample_size=6, sample_positives=2,
    )  # fmt: skip
    model = model_version(researcher)
    images = images_to_score(study)
    assert len(images) == 12
    made.score(model, dict.fromkeys(images[:11], 0.5))
    test = study_tables(study, model, detailed=True).tests[0]
    assert test.model is not None
    assert (test.cases.n, int(test.cases.truth.sum())) == (6, 2)
    assert (len(test.model.full_truth), int(test.model.full_truth.sum())) == (12, 5)
    assert int(np.isnan(test.model.full_scores).sum()) == 1
    names = dict(Reference.objects.values_list("image__uuid", "diagnosis"))
    truth = {str(uuid): int(diagnosis == "melanoma") for uuid, diagnosis in names.items()}
    assert [truth[name] for name in test.model.full_uuids] == test.model.full_truth.tolist()


def test_a_model_without_a_class_for_a_side_says_so(worked: Worked, researcher: User) -> None:
    other = model_version(researcher, "melanoma", "seborrhoeic-keratosis")
    table = study_tables(worked.study, other).tests[0].model
    assert table is not None
    assert "no training class under the negative nodes" in table.problem
    assert np.isnan(table.case_scores).all()


def test_a_model_whose_class_would_be_cut_in_half_says_so(worked: Worked, researcher: User) -> None:
    other = model_version(researcher, "melanoma", "benign-melanocytic")
    table = study_tables(worked.study, other).tests[0].model
    assert table is not None
    assert "cannot be divided" in table.problem


def test_what_the_model_has_seen_in_training_is_named(worked: Worked, researcher: User) -> None:
    """By the digest of one case's patient, as `model_core.checkpoint` writes it."""
    image = worked.test.cases.get(number=worked.cases[2]).images.get()
    groups = {"patients": [group_digest("patient", image.reference.patient_id)]}
    table = study_tables(worked.study, model_version(researcher, groups=groups)).tests[0].model
    assert table is not None
    assert table.leaked_cases == (worked.cases[2],)
    assert table.n_leaked_full == 1
    clean = study_tables(worked.study, worked.model).tests[0].model
    assert clean is not None
    assert clean.leaked_cases == ()


def test_a_case_of_neither_side_is_refused_by_name(worked: Worked) -> None:
    image = worked.test.cases.get(number=1).images.get()
    Reference.objects.filter(image=image).update(diagnosis="seborrhoeic-keratosis")
    with pytest.raises(ResultsError, match="case 1 has the diagnosis “seborrhoeic-keratosis”"):
        study_tables(worked.study, None)


def test_the_long_form_keeps_revisions_places_and_times(worked: Worked) -> None:
    question = worked.test.questions.get()
    item = Reading.objects.get(reader=worked.readers[0]).items.get(case__number=worked.cases[0])
    made.answer(item, question, False, revision=2)
    test = study_tables(worked.study, None, detailed=True).tests[0]
    assert test.answers is not None
    assert len(test.answers.labels) == 21
    assert test.answers.reader.tolist() == [0] * 11 + [1] * 10
    mine = (test.answers.reader == 0) & (test.cases.numbers[test.answers.case] == worked.cases[0])
    assert test.answers.revision[mine].tolist() == [1, 2]
    assert test.answers.is_positive[mine].tolist() == [True, False]
    assert test.answers.position[mine].tolist() == [item.position] * 2
    first = int(np.flatnonzero(mine)[0])
    shown, answered = test.answers.client_shown_at[first], test.answers.client_answered_at[first]
    assert shown is not None
    assert answered is not None
    assert (answered - shown).total_seconds() == 3


def _queries(study: Study, worked: Worked) -> int:
    with CaptureQueriesContext(connection) as captured:
        study_tables(study, worked.model, detailed=True)
    return len(captured)


def test_the_number_of_queries_does_not_depend_on_the_readers(worked: Worked) -> None:
    before = _queries(worked.study, worked)
    made.simulate(worked.test, [accepted_reader(worked.study) for _reader in range(6)])
    assert study_tables(worked.study, None).tests[0].questions[0].decisions.shape == (8, 10)
    assert _queries(worked.study, worked) == before
    assert before <= 45


def test_every_share_is_read(worked: Worked) -> None:
    test = study_tables(worked.study, worked.model).tests[0]
    assert test.model is not None
    by_number = dict(zip(test.cases.numbers.tolist(), test.model.case_scores.tolist(), strict=True))
    assert [by_number[number] for number in worked.cases] == pytest.approx(SHARES, abs=1e-7)
