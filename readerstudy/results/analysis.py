"""The results of a study as finished numbers: what the page, the API, the figures and the export are made of."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from readerstudy.results.arrays import ModelTable, Provenance, QuestionTable, StudyTables, TestTable
from readerstudy.results.conditions.numbers import Conditions, conditions_of
from readerstudy.results.primary.numbers import PrimaryAnalysis, primary_analysis
from readerstudy.results.primary.roles import STAGES_AND_ARMS, role_of_model, roles_of
from readerstudy.results.stats import (
    AverageReader,
    Estimate,
    OperatingPoint,
    RocCurve,
    average_reader,
    operating_points,
    roc,
)
from readerstudy.results.thresholds import ON_ROUNDING
from readerstudy.studies.plan import Plan

COMPLETE, PARTIAL, NONE = "complete", "partial", "none"
MISSING_RULE = (
    "A reader's point rests on the cases that he or she has answered; a case without an answer is in no count. "
    "Only readers who answered every case enter the average."
)
NO_INTERVAL_AT_POINT = "read from the curve; no interval"


@dataclass(frozen=True, slots=True)
class ReaderResult:
    """One reader and one question. ``state`` is complete, partial or none (not begun); ``n_cases`` were to be read."""

    code: str
    state: str
    n_cases: int
    n_answered: int
    point: OperatingPoint


@dataclass(frozen=True, slots=True)
class ModelAtAverage:
    """The model's curve on the cases read, at the average reader's own specificity and at the average sensitivity."""

    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """One question. ``average`` is over the complete readers; of the ``n_compared`` complete readers with a defined
    point, ``n_below`` lie below the model's curve on the same cases (both 0 where there is no curve).
    ``n_missing`` answers were to be given, by readers who have begun, and were not. ``roles``: what each quantity of
    this question is in the study's plan, secondary or exploratory."""

    position: int
    text: str
    positive_labels: tuple[str, ...]
    negative_labels: tuple[str, ...]
    readers: tuple[ReaderResult, ...]
    n_complete: int
    n_partial: int
    n_none: int
    average: AverageReader
    model_at_average: ModelAtAverage | None
    n_compared: int
    n_below: int
    n_missing: int
    roles: dict[str, str]
    missing_rule: str = MISSING_RULE
    stage: int = 0  # at which it was asked; 0 where the test has one only
    after_advice: bool = False  # the readers had been told what the model says


@dataclass(frozen=True, slots=True)
class ModelResult:
    """The model in one test. ``sample`` is its curve on the cases read, ``full`` that on every image that could have
    been drawn; both are None where ``problem`` says why the model cannot score this test. ``difference`` is the AUC of
    the sample minus that of the full set. ``leaked_cases`` (numbers) and ``n_leaked_full`` were seen in
    training; ``leaks_checked`` is false where the checkpoint does not say what that was. ``role``: what these areas
    are in the study's plan."""

    sample: RocCurve | None
    full: RocCurve | None
    difference: Estimate
    n_full: int
    n_full_positive: int
    n_unscored_cases: int
    n_unscored_full: int
    leaks_checked: bool
    leaked_cases: tuple[int, ...]
    n_leaked_full: int
    role: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. ``confirmations`` counts how the diagnoses of its cases are known; ``notes`` are what a reader of the
    numbers must know beside them. ``conditions``: its stages and arms against each other, None where there is one of
    each."""

    __test__ = False  # pytest: no test class

    id: int
    position: int
    title: str
    notice: str
    positive_nodes: tuple[str, ...]
    negative_nodes: tuple[str, ...]
    n_cases: int
    n_positive: int
    n_negative: int
    confirmations: dict[str, int]
    n_readers: int
    n_withdrawn: int
    questions: tuple[QuestionResult, ...]
    model: ModelResult | None
    notes: tuple[str, ...]
    conditions: Conditions | None = None


@dataclass(frozen=True, slots=True)
class StudyResults:
    """``primary``: the analysis that the protocol planned; None where it planned none, or where tests are not here."""

    provenance: Provenance
    primary: PrimaryAnalysis | None
    tests: tuple[TestResult, ...]


def analyse(tables: StudyTables) -> StudyResults:
    """Every number of a study's results."""
    primary = None if tables.partial else primary_analysis(tables.plan, tables.tests)
    return StudyResults(tables.provenance, primary, analyse_tests(tables.tests, tables.plan))


def analyse_tests(tests: tuple[TestTable, ...], plan: Plan | None) -> tuple[TestResult, ...]:
    """Every number of each test, from its arrays alone: the page's and the recomputation's one way."""
    return tuple(_test_result(test, plan) for test in tests)


def _test_result(test: TestTable, plan: Plan | None) -> TestResult:
    model = _model_result(test, test.model, role_of_model(plan)) if test.model is not None else None
    curve = model.sample if model is not None else None
    questions = tuple(
        _question_result(test, question, curve, roles_of(plan, first_question=question is test.questions[0]))
        for question in test.questions
    )
    confirmations = dict(sorted(Counter(test.cases.confirmations).items()))
    n_positive = int(test.cases.truth.sum())
    return TestResult(
        id=test.id, position=test.position, title=test.title, notice=test.notice,
        positive_nodes=test.positive_nodes, negative_nodes=test.negative_nodes,
        n_cases=test.cases.n, n_positive=n_positive, n_negative=test.cases.n - n_positive,
        confirmations=confirmations, n_readers=len(test.readers), n_withdrawn=test.n_withdrawn,
        questions=questions, model=model,
        notes=tuple(_notes(test, questions, model, confirmations)),
        conditions=conditions_of(test, roles_of(plan)[STAGES_AND_ARMS], plan),
    )  # fmt: skip


def _question_result(
    test: TestTable, question: QuestionTable, curve: RocCurve | None, roles: dict[str, str]
) -> QuestionResult:
    assigned = ~np.isnan(test.positions)
    answered = ~np.isnan(question.decisions)
    n_assigned, n_answered = assigned.sum(axis=1).tolist(), answered.sum(axis=1).tolist()
    points = operating_points(test.cases.truth, question.decisions) if test.readers else ()
    readers = tuple(
        ReaderResult(code, _state(done, asked), asked or test.cases.n, done, point)
        for code, asked, done, point in zip(test.readers, n_assigned, n_answered, points, strict=True)
    )
    complete = [reader.point for reader in readers if reader.state == COMPLETE]
    average = average_reader(complete)
    n_compared, n_below = _below(complete, curve)
    begun = assigned & answered.any(axis=1, keepdims=True)
    states = Counter(reader.state for reader in readers)
    return QuestionResult(
        position=question.position, text=question.text,
        positive_labels=question.positive_labels, negative_labels=question.negative_labels,
        readers=readers, n_complete=states[COMPLETE], n_partial=states[PARTIAL], n_none=states[NONE],
        average=average, model_at_average=_model_at(average, curve), n_compared=n_compared, n_below=n_below,
        n_missing=int((begun & ~answered).sum()), roles=roles, stage=question.stage, after_advice=question.after_advice,
    )  # fmt: skip


def _state(n_answered: int, n_assigned: int) -> str:
    if n_answered == 0:
        return NONE
    return COMPLETE if n_answered == n_assigned else PARTIAL


def _below(points: list[OperatingPoint], curve: RocCurve | None) -> tuple[int, int]:
    """(readers compared with the curve, readers whose point lies below it)."""
    pairs = np.array([(p.specificity.value, p.sensitivity.value) for p in points]).reshape(-1, 2)
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if curve is None or not curve.fpr.size or not len(pairs):
        return 0, 0
    below = pairs[:, 1] < curve.sensitivity_at(pairs[:, 0]) - ON_ROUNDING
    return len(pairs), int(below.sum())


def _model_at(average: AverageReader, curve: RocCurve | None) -> ModelAtAverage | None:
    if curve is None or not curve.fpr.size or not average.sensitivity.is_defined:
        return None
    n = curve.n_positive + curve.n_negative

    def read(value: float, at: str) -> Estimate:
        method = f"at the average reader's {at}"
        return Estimate(value, math.nan, math.nan, method=method, n=n, note=NO_INTERVAL_AT_POINT)

    return ModelAtAverage(
        sensitivity=read(float(curve.sensitivity_at(average.specificity.value)), "specificity"),
        specificity=read(float(curve.specificity_at(average.sensitivity.value)), "sensitivity"),
    )


def _model_result(test: TestTable, model: ModelTable, role: str) -> ModelResult:
    sample = full = None
    if not model.problem:
        sample, full = roc(test.cases.truth, model.case_scores), roc(model.full_truth, model.full_scores)
    return ModelResult(
        sample=sample, full=full, difference=_difference(sample, full, model.problem),
        n_full=len(model.full_truth), n_full_positive=int(model.full_truth.sum()),
        n_unscored_cases=int(np.isnan(model.case_scores).sum()),
        n_unscored_full=int(np.isnan(model.full_scores).sum()),
        leaks_checked=model.leaks_checked, leaked_cases=model.leaked_cases, n_leaked_full=model.n_leaked_full,
        role=role, problem=model.problem,
    )  # fmt: skip


def _difference(sample: RocCurve | None, full: RocCurve | None, problem: str) -> Estimate:
    method = "AUC of the cases read minus AUC of the full set"
    if sample is None or full is None:
        return Estimate.undefined(problem, method=method)
    n = full.n_positive + full.n_negative
    if not (sample.auc.is_defined and full.auc.is_defined):
        return Estimate.undefined(sample.auc.note or full.auc.note, method=method, n=n)
    note = "the cases read are a part of the full set: no interval and no test"
    value = sample.auc.value - full.auc.value
    if abs(value) < ON_ROUNDING:  # every image was read: what is left of the sums is no difference
        value = 0.0
    return Estimate(value, math.nan, math.nan, method=method, n=n, note=note)


def _notes(
    test: TestTable, questions: tuple[QuestionResult, ...], model: ModelResult | None, confirmations: dict[str, int]
) -> list[str]:
    """What must stand beside the numbers, in sentences."""
    notes = [test.notice] if test.notice else []
    unproven = {how: n for how, n in confirmations.items() if how != "histopathology"}
    if unproven:
        told = ", ".join(f"{how} {n}" for how, n in unproven.items())
        notes.append(f"{sum(unproven.values())} of {test.cases.n} cases are not confirmed by histopathology ({told}).")
    if test.n_withdrawn:
        notes.append(f"Left out of every number: {_readers(test.n_withdrawn)} who left the study.")
    for question in questions:
        at = f" (stage {question.stage})" if question.stage else ""
        about = f"“{question.text}”{at}: " if len(questions) > 1 else ""
        if question.n_partial:
            notes.append(
                f"{about}{_readers(question.n_partial)} answered only a part of the cases; "
                f"{question.n_missing} answers are missing. {question.missing_rule}"
            )
        if question.average.note:
            notes.append(f"{about}Average reader: {question.average.note}.")
    return notes + (_model_notes(test, model) if model is not None else [])


def _model_notes(test: TestTable, model: ModelResult) -> list[str]:
    notes = []
    if model.problem:
        notes.append(f"This model cannot score this test. {model.problem}")
    if model.sample is not None and model.sample.note:
        notes.append(f"Model, cases read: {model.sample.note}.")
    if model.full is not None and model.full.note:
        notes.append(f"Model, full set: {model.full.note}.")
    if not model.leaks_checked:
        notes.append(
            "The checkpoint does not say which images it was trained on: "
            "whether it has seen any of these cannot be checked."
        )
    if np.bincount(test.cases.picture_case).max(initial=0) > 1:
        notes.append("A case with several pictures has the mean of their scores.")
    return notes


def _readers(n: int) -> str:
    return f"{n} reader{'s' if n != 1 else ''}"
