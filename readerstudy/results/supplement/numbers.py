"""Everything behind a test's main figure, as finished numbers: from the plain tables alone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readerstudy.results.analysis import COMPLETE, QuestionResult, TestResult
from readerstudy.results.arrays import QuestionTable, TestTable
from readerstudy.results.parts import Step, side_by_side
from readerstudy.results.stats import (
    Agreement,
    Calibration,
    Estimate,
    Matched,
    McNemar,
    NetBenefit,
    OperatingPoint,
    StandaloneVsReaders,
    Vote,
    adjust_p,
    agreement,
    at_matched,
    bootstrap_part_minus_whole,
    calibration,
    majority_vote,
    mcnemar_reader_vs_model,
    net_benefit,
    operating_point,
    standalone_vs_readers,
)
from readerstudy.results.supplement.confusions import Confusions, confusions
from readerstudy.results.supplement.flow import Flow, flow
from readerstudy.results.supplement.pace import Pace, pace
from readerstudy.results.supplement.strata import Stratum, strata
from readerstudy.results.supplement.summation import Summation, summation
from readerstudy.results.thresholds import (
    called_at,
    threshold_for_sensitivity,
    threshold_for_specificity,
    thresholds_for_specificity,
)

Floats = NDArray[np.float64]
THRESHOLDS = tuple(round(0.02 * i, 2) for i in range(1, 50))  # of the decision curve
FEW_READERS = 5
CHOSEN_HERE = (
    "The model's threshold is chosen on these same cases, to match the readers: the tests at that threshold take it "
    "as given. The intervals of the matched sensitivities choose it anew in every resample."
)


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """The model as a yes-or-no reader: positive from ``threshold`` on."""

    threshold: float
    point: OperatingPoint


@dataclass(frozen=True, slots=True)
class ReaderTest:
    """A reader's sensitivity against the model's at this reader's own specificity: ``mcnemar`` (reader first) is at
    ``threshold``, the lowest at which the model is at least as specific; ``holm_p`` and ``fdr_p`` are its exact p
    corrected over the readers (Holm; Benjamini and Hochberg)."""

    code: str
    threshold: float
    mcnemar: McNemar
    holm_p: float
    fdr_p: float


@dataclass(frozen=True, slots=True)
class AgainstReaders:
    """The model against the complete readers. ``sensitivity``: at the threshold of ``at_specificity``, which is the
    lowest with at least the average reader's specificity; ``specificity``: at that of ``at_sensitivity``, the highest
    with at least the average reader's sensitivity. ``matched.readers`` and ``tests`` are in the order of ``codes``."""

    codes: tuple[str, ...]
    at_specificity: AtThreshold
    at_sensitivity: AtThreshold
    sensitivity: StandaloneVsReaders
    specificity: StandaloneVsReaders
    matched: Matched
    tests: tuple[ReaderTest, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decision curves on the cases read: the model's, and the mean of the complete readers' net benefit at each of the
    same thresholds; ``prevalence`` is that of the cases read, which the study chose."""

    prevalence: float
    model: tuple[NetBenefit, ...]
    readers: tuple[float, ...]
    readers_excisions: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Case numbers: ``only_model`` every complete reader is wrong and the model right, ``only_readers`` the reverse."""

    only_model: tuple[int, ...]
    only_readers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Supplement:
    """What a test's own page shows of one question. None where there is no model, or too few readers. ``roles``: what
    each quantity is in the study's plan, secondary or exploratory; what is not named there is exploratory."""

    roles: dict[str, str]
    codes: tuple[str, ...]
    against: AgainstReaders | None
    agreement: Agreement | None
    vote: Vote | None
    calibration: Calibration | None
    decisions: Decisions | None
    difference: Estimate | None
    pace: Pace | None
    strata: tuple[Stratum, ...]
    disagreement: Disagreement | None
    flow: Flow | None
    confusions: tuple[Confusions, ...]
    summation: Summation | None
    notes: tuple[str, ...]


def supplement(
    table: TestTable, test: TestResult, position: int | None = None, *, seed: int = 0, step: Step | None = None
) -> Supplement:
    """Every number behind a question of a test (its first, unless ``position`` is given); ``table`` is detailed.

    Only readers who answered every case enter; the others are counted in the notes. ``step`` is told how many of how
    many parts are done, and may stop it all by raising.
    """
    about = _Asked.of(table, test, position)
    found = side_by_side(parts_of(table, test, position, seed=seed), step)
    against, scores = found["against"], about.scores
    model = against.at_specificity if against else None
    called = called_at(scores, model.threshold) if scores is not None and model else None
    return Supplement(
        **found,
        roles=about.result.roles,
        codes=about.codes,
        disagreement=_disagreement(table, about.said, called) if called is not None else None,
        confusions=confusions(table, about.question, about.said, called),
        notes=_notes(test, about.result, about.question, len(about.codes), against),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The question that is asked for, and the decisions ``said`` (r, n) of the readers who answered all of it."""

    question: QuestionTable
    result: QuestionResult
    chosen: tuple[int, ...]
    codes: tuple[str, ...]
    said: Floats
    scores: Floats | None  # of the model that can score the test

    @classmethod
    def of(cls, table: TestTable, test: TestResult, position: int | None) -> "_Asked":
        index = next((i for i, q in enumerate(test.questions) if q.position == position), 0)
        question, result = table.questions[index], test.questions[index]
        chosen = tuple(i for i, reader in enumerate(result.readers) if reader.state == COMPLETE)
        scores = table.model.case_scores if table.model is not None and not table.model.problem else None
        codes = tuple(table.readers[i] for i in chosen)
        return cls(question, result, chosen, codes, question.decisions[list(chosen)], scores)


def parts_of(
    table: TestTable, test: TestResult, position: int | None = None, *, seed: int = 0
) -> dict[str, Callable[[], Any]]:
    """What of `supplement` does not rest on one another, by the name of its field; the slow ones first."""
    about, truth = _Asked.of(table, test, position), table.cases.truth
    said, scores, several = about.said, about.scores, len(about.codes) > 1
    return {
        "difference": lambda: part_minus_full(table, seed=seed),
        "against": lambda: _against(truth, scores, said, about.codes, about.result, seed),
        "strata": lambda: strata(table, said, about.chosen, scores),
        "agreement": lambda: agreement(said, seed=seed) if several else None,
        "calibration": lambda: _calibration(table),
        "pace": lambda: pace(table, about.question),
        "vote": lambda: majority_vote(truth, said) if several else None,
        "decisions": lambda: _decisions(truth, scores, said),
        "flow": lambda: flow(table.flow, test, about.result),
        "summation": lambda: summation(table),
    }


def supplements(table: TestTable, test: TestResult) -> dict[str, Supplement]:
    """The supplement of each question, by its number: what the export holds and recomputes."""
    return {str(question.position): supplement(table, test, question.position) for question in test.questions}


def part_minus_full(table: TestTable, *, seed: int = 0) -> Estimate | None:
    """AUC of the cases read minus that of the full set, with an interval; None where they are not part and whole."""
    model, cases = table.model, table.cases
    if model is None or model.problem or model.full_read is None:
        return None
    part = model.full_read
    if part.all() or part.sum() != cases.n or len(cases.picture_uuids) != cases.n:
        return None
    return bootstrap_part_minus_whole(model.full_truth, model.full_scores, part.astype(int), seed=seed).estimate


def _usable(truth: NDArray[np.int64], scores: Floats) -> bool:
    """Whether both classes have a score."""
    return bool(np.unique(truth[~np.isnan(scores)]).size == 2)


def _against(
    truth: NDArray[np.int64],
    scores: Floats | None,
    said: Floats,
    codes: tuple[str, ...],
    result: QuestionResult,
    seed: int,
) -> AgainstReaders | None:
    if scores is None or not _usable(truth, scores) or not codes:
        return None
    average = result.average
    if not (average.sensitivity.is_defined and average.specificity.is_defined):
        return None
    strict = threshold_for_specificity(truth, scores, average.specificity.value)
    lenient = threshold_for_sensitivity(truth, scores, average.sensitivity.value)
    return AgainstReaders(
        codes=codes,
        at_specificity=AtThreshold(strict, operating_point(truth, called_at(scores, strict))),
        at_sensitivity=AtThreshold(lenient, operating_point(truth, called_at(scores, lenient))),
        sensitivity=standalone_vs_readers(truth, called_at(scores, strict), said, metric="sensitivity"),
        specificity=standalone_vs_readers(truth, called_at(scores, lenient), said, metric="specificity"),
        matched=at_matched(truth, scores, said, over="readers and cases", seed=seed),
        tests=_reader_tests(truth, scores, said, codes),
    )


def _reader_tests(
    truth: NDArray[np.int64], scores: Floats, said: Floats, codes: Sequence[str]
) -> tuple[ReaderTest, ...]:
    right = ((said == 0) & (truth == 0)).sum(axis=1)
    thresholds = thresholds_for_specificity(truth, scores, right / max(int((truth == 0).sum()), 1))
    called = np.where(np.isnan(scores), np.nan, (scores >= thresholds[:, np.newaxis]).astype(float))
    found = mcnemar_reader_vs_model(truth, said, called, correction=None)
    exact = [test.exact_p for test in found]
    holm, fdr = adjust_p(exact, "holm").tolist(), adjust_p(exact, "benjamini-hochberg").tolist()
    return tuple(
        ReaderTest(code, threshold, test, holm_p, fdr_p)
        for code, threshold, test, holm_p, fdr_p in zip(codes, thresholds.tolist(), found, holm, fdr, strict=True)
    )


def _calibration(table: TestTable) -> Calibration | None:
    """On the full set: the most cases there are."""
    model = table.model
    if model is None or model.problem or not _usable(model.full_truth, model.full_scores):
        return None
    return calibration(model.full_truth, model.full_scores)


def _decisions(truth: NDArray[np.int64], scores: Floats | None, said: Floats) -> Decisions | None:
    if scores is None or not _usable(truth, scores):
        return None
    positives = (said == 1) & (truth == 1)
    tp, fp = positives.sum(axis=1), ((said == 1) & (truth == 0)).sum(axis=1)
    n = max(truth.size, 1)
    odds = [threshold / (1 - threshold) for threshold in THRESHOLDS]
    readers = tuple(float((tp / n - fp / n * weight).mean()) for weight in odds) if len(said) else ()
    excised = (tp + fp)[tp > 0] / tp[tp > 0]
    return Decisions(
        prevalence=float(truth.mean()),
        model=net_benefit(truth, scores, THRESHOLDS),
        readers=readers,
        readers_excisions=float(excised.mean()) if excised.size else math.nan,
    )


def _disagreement(table: TestTable, said: Floats, called: Floats) -> Disagreement:
    truth = table.cases.truth
    wrong, right = (said != truth).all(axis=0), (said == truth).all(axis=0)
    known = ~np.isnan(called)
    only_model, only_readers = wrong & known & (called == truth), right & known & (called != truth)
    return Disagreement(
        tuple(table.cases.numbers[only_model].tolist()), tuple(table.cases.numbers[only_readers].tolist())
    )


def _notes(
    test: TestResult, result: QuestionResult, asked: QuestionTable, n: int, against: AgainstReaders | None
) -> tuple[str, ...]:
    """The guardrails: what makes these numbers fragile, each once."""
    notes = []
    if n < FEW_READERS:
        notes.append(f"Fewer than {FEW_READERS} complete readers ({n}): no sound inference to other readers.")
    for size, word in ((test.n_positive, "positive"), (test.n_negative, "negative")):
        if size < 10:
            notes.append(f"Fewer than 10 {word} cases ({size}): every number that rests on them is fragile.")
    if against is not None:
        few = [row.code for row in against.tests if 0 < row.mcnemar.b + row.mcnemar.c < 10]
        if few:
            notes.append(f"Fewer than 10 discordant pairs between the model and {', '.join(few)}: fragile tests.")
        none = [row.code for row in against.tests if row.mcnemar.b + row.mcnemar.c == 0]
        if none:
            notes.append(f"No discordant pair between the model and {', '.join(none)}: there is nothing to test.")
        notes.append(CHOSEN_HERE)
    left_out = result.n_partial + result.n_none
    if left_out:
        notes.append(
            f"{left_out} {'reader who has' if left_out == 1 else 'readers who have'} not answered every case "
            f"{'is' if left_out == 1 else 'are'} left out of this page "
            f"({result.n_missing} {'answer' if result.n_missing == 1 else 'answers'} of readers who have begun "
            f"{'is' if result.n_missing == 1 else 'are'} missing)."
        )
    return tuple(notes)
