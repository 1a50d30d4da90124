"""What is kept of an ended reading gives the same arrays as its rows, and is never taken for more than it is."""

from typing import Any

import numpy as np
import pytest

from readerstudy.readings.models import Reading
from readerstudy.results.analysis import analyse
from readerstudy.results.encoding import encode
from readerstudy.results.models import PackedReading
from readerstudy.results.supplement.numbers import supplement
from readerstudy.results.tables import study_tables
from readerstudy.results.tables.packed import keep_ended
from readerstudy.results.tasks import sweep
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from tests.results import made
from tests.results.conftest import Worked


def everything(study: Study, model: ModelVersion | None) -> tuple[Any, ...]:
    """Every number of the main page and of each test's own, and the long form that they rest on."""
    tables = study_tables(study, model, detailed=True)
    results = analyse(tables)
    behind = [encode(supplement(table, test)) for table, test in zip(tables.tests, results.tests, strict=True)]
    answers = [
        (a.reader.tolist(), a.case.tolist(), a.position.tolist(), a.revision.tolist(), a.labels, a.arrived.tolist(),
         a.shown.tolist(), a.given.tolist())
        for a in (table.answers for table in tables.tests)
        if a is not None
    ]  # fmt: skip
    return encode(results), behind, answers


def test_the_same_numbers_and_answers(sampled: tuple[Study, ModelVersion]) -> None:
    before = everything(*sampled)
    sweep()
    assert PackedReading.objects.count() == Reading.objects.exclude(finished_at=None).count() > 5
    assert Reading.objects.filter(finished_at=None).exists()  # answers of both kinds go into the numbers
    assert everything(*sampled) == before
    assert keep_ended(Reading.objects.all()) == 0


def test_what_is_kept_is_what_is_read(worked: Worked, django_assert_num_queries: Any) -> None:
    """The rows of a reading that is kept are not read again: decisions changed in the bytes are seen."""
    keep_ended(Reading.objects.all())
    kept = PackedReading.objects.get(reading=Reading.objects.get(reader=worked.readers[0]))
    choices = {choice.is_positive: choice.pk for choice in worked.test.questions.get().choices.all()}
    answers = np.frombuffer(bytes(kept.answers), [(n, "i8") for n in ("item", "question", "revision", "choice")]).copy()
    answers["choice"] = choices[True]
    PackedReading.objects.filter(pk=kept.pk).update(answers=answers.tobytes())
    (test,) = study_tables(worked.study, None).tests
    assert test.questions[0].decisions[0].tolist() == [1] * 10
    assert test.questions[0].decisions[1].sum() == 5


@pytest.mark.parametrize("detailed", [False, True])
def test_an_answer_that_is_not_in_it_is_not_missed(worked: Worked, detailed: bool) -> None:
    """No way of answering leads there; if one did, the rows would be read instead."""
    keep_ended(Reading.objects.all())
    item = Reading.objects.get(reader=worked.readers[0]).items.order_by("position")[0]
    said = not item.submissions.get().answers.get().choice.is_positive
    made.answer(item, worked.test.questions.get(), said, revision=2)
    (test,) = study_tables(worked.study, None, detailed=detailed).tests
    index = test.cases.numbers.tolist().index(item.case.number)
    assert test.questions[0].decisions[0, index] == said


def test_bytes_of_another_layout_are_made_again(worked: Worked) -> None:
    before = everything(worked.study, worked.model)
    keep_ended(Reading.objects.all())
    PackedReading.objects.update(layout=0, items=b"", answers=b"", times=b"")
    assert everything(worked.study, worked.model) == before
    assert keep_ended(Reading.objects.all()) == 2
    assert everything(worked.study, worked.model) == before
