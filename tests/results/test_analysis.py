"""Tables to finished numbers: worked by hand (see conftest), AUCs also by scikit-learn, on its own."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from readerstudy.accounts.models import User
from readerstudy.results.analysis import StudyResults, analyse
from readerstudy.results.encoding import encode, to_json
from readerstudy.results.tables import study_tables
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, image_set, model_version, open_study
from tests.results import made
from tests.results.conftest import AUC, Worked


def results_of(worked: Worked) -> StudyResults:
    return analyse(study_tables(worked.study, worked.model))


def test_each_readers_two_by_two_table(worked: Worked) -> None:
    first, second = results_of(worked).tests[0].questions[0].readers
    assert (first.point.tp, first.point.fn, first.point.tn, first.point.fp) == (3, 1, 5, 1)
    assert (second.point.tp, second.point.fn, second.point.tn, second.point.fp) == (2, 2, 3, 3)
    assert first.point.sensitivity.value == 3 / 4
    assert first.point.specificity.value == 5 / 6
    assert second.point.sensitivity.value == 2 / 4
    assert second.point.specificity.value == 3 / 6
    assert (first.state, first.n_cases, first.n_answered) == ("complete", 10, 10)


def test_the_average_reader_and_the_spread(worked: Worked) -> None:
    """Means 0.625 and 2/3; the standard deviation of two numbers is their distance over the square root of 2."""
    average = results_of(worked).tests[0].questions[0].average
    assert average.n_readers == 2
    assert average.sensitivity.value == pytest.approx(0.625)
    assert average.specificity.value == pytest.approx(2 / 3)
    assert average.sensitivity_sd == pytest.approx(0.25 / math.sqrt(2))
    assert average.specificity_sd == pytest.approx((1 / 3) / math.sqrt(2))


def test_the_models_area(worked: Worked) -> None:
    model = results_of(worked).tests[0].model
    assert model is not None
    assert model.sample is not None
    assert model.full is not None
    assert model.sample.auc.value == pytest.approx(AUC)
    table = study_tables(worked.study, worked.model).tests[0]
    assert table.model is not None
    assert model.sample.auc.value == pytest.approx(roc_auc_score(table.cases.truth, table.model.case_scores))
    # Every image was drawn: the full set is the sample.
    assert model.full.auc.value == pytest.approx(AUC)
    assert model.difference.value == pytest.approx(0)


def test_the_model_at_the_average_reader_and_who_lies_below(worked: Worked) -> None:
    """The curve by hand (specificity, sensitivity), threshold falling: (1, 0) .9-> (1, 1/4) .8-> (1, 2/4) .7->
    (5/6, 2/4) .6-> (5/6, 3/4) .5-> (4/6, 3/4) .3-> (3/6, 4/4) .2-> (2/6, 1) ...

    At the average specificity 4/6: sensitivity 3/4. At the average sensitivity 0.625: between 2/4 and 3/4 the curve
    rises at specificity 5/6. Reader one (5/6, 3/4) lies on the curve, reader two (3/6, 2/4) below it.
    """
    question = results_of(worked).tests[0].questions[0]
    assert question.model_at_average is not None
    assert question.model_at_average.sensitivity.value == pytest.approx(3 / 4)
    assert question.model_at_average.specificity.value == pytest.approx(5 / 6)
    assert (question.n_below, question.n_compared) == (1, 2)


def test_sample_and_full_set_differ_by_hand(administrator: User, researcher: User) -> None:
    """Two of four images are drawn. Full set: melanomas .9 .4, naevi .6 .1: AUC 3/4; the sample's by scikit-learn."""
    study = open_study(
        administrator, diagnoses=["melanoma", "melanoma", "melanocytic-naevus", "melanocytic-naevus"],
        sample_size=2, sample_positives=1,
    )  # fmt: skip
    model = model_version(researcher)
    images = study.tests.get().image_set.images.order_by("pk")
    made.score(model, dict(zip([image.pk for image in images], [0.9, 0.4, 0.6, 0.1], strict=True)))
    tables = study_tables(study, model)
    found = analyse(tables).tests[0].model
    assert found is not None
    assert found.full is not None
    assert found.sample is not None
    assert (found.n_full, found.n_full_positive) == (4, 2)
    assert found.full.auc.value == pytest.approx(0.75)
    table = tables.tests[0]
    assert table.model is not None
    sample = roc_auc_score(table.cases.truth, table.model.case_scores)
    assert found.sample.auc.value == pytest.approx(sample)
    assert found.difference.value == pytest.approx(sample - 0.75)
    assert not found.difference.has_interval
    assert "part of the full set" in found.difference.note


def test_an_unfinished_reader_is_shown_and_not_averaged(worked: Worked) -> None:
    slow = accepted_reader(worked.study)
    made.read(slow, worked.test, {worked.cases[0]: False, worked.cases[8]: True})
    accepted_reader(worked.study)  # has not begun
    test = results_of(worked).tests[0]
    question = test.questions[0]
    assert [reader.state for reader in question.readers] == ["complete", "complete", "partial", "none"]
    assert (question.n_complete, question.n_partial, question.n_none, test.n_readers) == (2, 1, 1, 4)
    assert (question.readers[2].point.n, question.readers[2].point.n_missing) == (2, 8)
    assert question.n_missing == 8
    assert question.average.n_readers == 2
    assert question.average.sensitivity.value == pytest.approx(0.625)
    assert any("1 reader answered only a part of the cases; 8 answers are missing" in note for note in test.notes)


def test_undefined_is_undefined_and_says_why(worked: Worked) -> None:
    """A reader who answered naevi only has no sensitivity; it is null in JSON, with the reason beside it."""
    slow = accepted_reader(worked.study)
    made.read(slow, worked.test, {worked.cases[8]: True})
    point = results_of(worked).tests[0].questions[0].readers[2].point
    assert math.isnan(point.sensitivity.value)
    coded = encode(point)
    assert coded["sensitivity"]["value"] is None
    assert coded["sensitivity"]["note"] == "no positive case was answered"
    assert coded["specificity"]["value"] == 0


def test_one_reader_has_no_spread(opened: Study) -> None:
    made.read(accepted_reader(opened), opened.tests.get(), dict.fromkeys(range(1, 11), True))
    average = analyse(study_tables(opened, None)).tests[0].questions[0].average
    assert average.sensitivity.value == 1
    assert average.specificity.value == 0
    assert math.isnan(average.sensitivity_sd)
    assert "one reader" in average.sensitivity.note


def test_nobody_and_nothing(opened: Study, researcher: User) -> None:
    """No reader and a model without a score: no number, no error, and a reason."""
    test = analyse(study_tables(opened, model_version(researcher))).tests[0]
    assert not test.questions[0].average.sensitivity.is_defined
    assert test.model is not None
    assert test.model.sample is not None
    assert not test.model.sample.auc.is_defined
    assert test.model.n_unscored_cases == 10
    assert "without a score" in test.model.sample.auc.note
    assert test.questions[0].model_at_average is None


def test_a_model_that_cannot_score_leaves_the_readers_alone(worked: Worked, researcher: User) -> None:
    other = model_version(researcher, "melanoma")
    test = analyse(study_tables(worked.study, other)).tests[0]
    assert test.model is not None
    assert test.model.sample is None
    assert "This model cannot score this test." in " ".join(test.notes)
    assert test.questions[0].average.n_readers == 2


def test_what_must_stand_beside_the_numbers(administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"], notice="Drawn by a program.")
    reference = images.images.order_by("pk")[0].reference
    reference.confirmation = "consensus"
    reference.save()
    notes = analyse(study_tables(open_study(administrator, image_sets=[images]), None)).tests[0].notes
    assert "Drawn by a program." in notes
    assert any("1 of 2 cases are not confirmed by histopathology (consensus 1)" in note for note in notes)


def test_json_has_no_nan_and_the_same_bytes_twice(worked: Worked) -> None:
    text = to_json(results_of(worked))
    assert text == to_json(results_of(worked))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(text, parse_constant=refuse)
    assert found["provenance"]["model"]["sha256"] == worked.model.sha256
    assert found["provenance"]["protocol_sha256"] == worked.study.protocol_versions.get().sha256
    assert found["provenance"]["seed"] == 2017
    assert found["tests"][0]["model"]["sample"]["thresholds"][0] is None
    assert found["tests"][0]["model"]["sample"]["auc"]["value"] == pytest.approx(AUC)


def test_encoding_refuses_what_it_does_not_know() -> None:
    assert encode(np.float64("nan")) is None
    assert encode((np.int64(3), np.array([True]))) == [3, [True]]
    assert list(encode({"b": 1, "a": {"d": 2, "c": 3}})) == ["a", "b"]
    assert list(encode({"b": 1, "a": {"d": 2, "c": 3}})["a"]) == ["c", "d"]
    with pytest.raises(TypeError, match="object"):
        encode(object())
