"""A study as arrays: the one way from the database to a result."""

import hashlib
from typing import cast

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max, Min

from readerstudy.images.models import Image
from readerstudy.images.truth import taxonomy
from readerstudy.readers.models import Reader
from readerstudy.results.arrays import StudyTables, TestTable
from readerstudy.results.tables.answers import answer_table, places, question_tables
from readerstudy.results.tables.attributes import attributes
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.conditions import condition_table
from readerstudy.results.tables.counted import asked_at, counted_questions, counted_readings, still_said
from readerstudy.results.tables.flow import flow_counts
from readerstudy.results.tables.model import images_of, model_table
from readerstudy.results.tables.packed import items_and_answers
from readerstudy.results.tables.provenance import provenance
from readerstudy.results.tables.responses import responses
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test
from readerstudy.studies.plan import CERTIFIED_READERS
from readerstudy.studies.protocol import frozen, plan_in_force


def study_tables(
    study: Study, model_version: ModelVersion | None, *, only_test: int | None = None, detailed: bool = False,
    named: bool | None = None, long_form: bool = False,
) -> StudyTables:  # fmt: skip
    """The arrays of a study's tests (of the one with the id ``only_test``), with the scores of a model.

    ``detailed`` adds what only an export and a test's own page need: every decision with its revisions and times, the
    training-class probabilities of the cases, what subgroups are made of, and what was left out on the way. ``named``
    adds the names of the full set's images, with the details unless it is said otherwise. ``long_form`` adds everything
    that was answered, row by row: of a million answers it takes half a minute. Of one test alone its stages and arms
    are left out: nothing that is computed of one test needs them.
    Raises: ResultsError where a case has no reference diagnosis, or one that lies under neither side of its test.
    """
    tests = study.tests.order_by("position").select_related("image_set", "study")
    if only_test is not None:
        tests = tests.filter(pk=only_test)
    plan = plan_in_force(study)
    by_attributes = plan is not None and plan.average == CERTIFIED_READERS
    return StudyTables(
        provenance=provenance(study, model_version),
        tests=tuple(
            _test_table(
                test,
                model_version,
                detailed=detailed,
                named=detailed if named is None else named,
                long_form=long_form,
                by_attributes=by_attributes,
                conditions=only_test is None,
            )
            for test in tests.prefetch_related("questions__choices")
        ),
        plan=plan,
        partial=only_test is not None,
    )


def images_to_score(study: Study) -> list[int]:
    """The ids of every image that a test of the study could have drawn or has drawn, rising.

    Of an open study this never changes, so it is kept: to find it takes seconds among 100,000 images.
    """
    version = frozen(study)
    if version is None:
        return _images_to_score(study)
    sets = Image.objects.filter(image_set__in=study.tests.values("image_set"))
    known = sets.aggregate(n=Count("pk"), first=Min("pk"), last=Max("pk"))
    content = f"{study.pk} {version.sha256} {taxonomy().sha256} {known}"
    key = f"images-to-score-{hashlib.sha256(content.encode()).hexdigest()}"
    return cast(list[int], cache.get_or_set(key, lambda: _images_to_score(study)))


def _images_to_score(study: Study) -> list[int]:
    found: set[int] = set()
    for test in study.tests.select_related("image_set", "study"):
        positives, negatives = images_of(test)
        found.update(positives.tolist(), negatives.tolist(), test.cases.values_list("images", flat=True))
    return sorted(found)


def _test_table(
    test: Test,
    model_version: ModelVersion | None,
    *,
    detailed: bool,
    named: bool,
    long_form: bool,
    by_attributes: bool,
    conditions: bool,
) -> TestTable:
    cases = case_table(test)
    readers, n_withdrawn = _readers(test)
    index = {pk: i for i, pk in enumerate(readers)}
    begun = counted_readings(test)
    ended = {reader for _pk, reader, _is_finished in begun} - {
        reader for _pk, reader, finished in begun if not finished
    }
    questions = counted_questions(test)
    items, said = items_and_answers(test, questions, timed=detailed)
    where = places(items, {pk: index[reader] for pk, reader, _is_finished in begun}, cases)
    rows = still_said(test, questions, said)
    return TestTable(
        id=test.pk,
        position=test.position,
        title=test.title,
        positive_nodes=tuple(test.positive_nodes),
        negative_nodes=tuple(test.negative_nodes),
        notice=test.image_set.notice,
        cases=cases,
        readers=tuple(readers.values()),
        finished=np.array([pk in ended for pk in readers], dtype=bool),
        n_withdrawn=n_withdrawn,
        positions=where.positions(len(readers), cases.n),
        questions=question_tables(questions, rows, where, len(readers), cases.n, asked_at(test, questions)),
        model=model_table(model_version, test, cases, detailed=detailed, named=named) if model_version else None,
        answers=answer_table(questions, rows, where) if detailed else None,
        attributes=attributes(test, cases, readers) if detailed or by_attributes else None,
        responses=responses(test, readers) if long_form else None,
        flow=flow_counts(test) if detailed else None,
        conditions=condition_table(test, list(readers), cases) if conditions else None,
    )


def _readers(test: Test) -> tuple[dict[int, str], int]:
    """({id: code} of who was asked to read the test and has not left, by code; how many have left)."""
    rows = sorted(
        (code, pk, withdrawn is not None)
        for pk, code, withdrawn in Reader.objects.filter(tests=test).values_list("pk", "code", "withdrawn_at")
    )
    return {pk: code for code, pk, left in rows if not left}, sum(left for _code, _pk, left in rows)
