"""A drawn study of any size as arrays, for `manage.py benchmark_results`. No person is in it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from readerstudy.results.arrays import (
    AnswerTable,
    Attributes,
    CaseTable,
    Floats,
    Ints,
    Labels,
    ModelTable,
    QuestionTable,
    TestTable,
)

BEGIN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PREVALENCE = 0.4
SITES = ("head/neck", "trunk", "upper extremity", "lower extremity", "palms/soles", None)
AGES = ("under 30", "30-44", "45-59", "60-74", "75 and over")
PRACTICE = ("under 5 years", "5-9 years", "10-19 years", "20 years and over")


@dataclass(frozen=True)
class Size:
    """How large the study is: ``images`` are those of the full set, of which ``cases`` are read by every reader."""

    readers: int = 1_000
    cases: int = 1_000
    images: int = 100_000


def scores(truth: Ints, rng: np.random.Generator) -> Floats:
    """Calibrated-looking scores of a binormal model with an AUC of about 0.94."""
    return 1 / (1 + np.exp(-(rng.normal(size=truth.size) + 2.2 * truth - 1.1)))


def decisions(truth: Ints, readers: int, rng: np.random.Generator) -> Floats:
    """(readers, cases) of 0 and 1: readers of differing skill and caution, who find the same cases hard."""
    hard = rng.normal(size=truth.size)
    skill, caution = 1.6 + 0.4 * rng.normal(size=(readers, 1)), 0.7 + 0.4 * rng.normal(size=(readers, 1))
    seen = skill * truth + 0.7 * hard + 0.7 * rng.normal(size=(readers, truth.size))
    return (seen > caution).astype(float)


def drawn_test(size: Size, *, seed: int = 0) -> TestTable:
    """A test that every reader has read to the end, each in an order of his or her own, detailed."""
    rng = np.random.default_rng(seed)
    full_truth = (np.arange(size.images) < PREVALENCE * size.images).astype(np.int64)
    full_scores = scores(full_truth, rng)
    uuids = tuple(f"{i:032x}" for i in range(size.images))
    read = np.sort(rng.choice(size.images, size.cases, replace=False))
    truth = full_truth[read]
    said = decisions(truth, size.readers, rng)
    positions: Floats = np.argsort(rng.random((size.readers, size.cases)), axis=1).astype(np.float64) + 1
    kinds = np.array([["melanocytic-naevus", "seborrhoeic-keratosis"], ["melanoma", "basal-cell-carcinoma"]])
    return TestTable(
        id=1, position=1, title="A drawn test", positive_nodes=("melanoma",), negative_nodes=("melanocytic-naevus",),
        notice="", readers=tuple(f"R{i:04d}" for i in range(1, size.readers + 1)),
        finished=np.ones(size.readers, dtype=bool), n_withdrawn=0, positions=positions,
        cases=CaseTable(
            ids=np.arange(size.cases), numbers=np.arange(1, size.cases + 1), truth=truth,
            diagnoses=tuple(kinds[truth, rng.integers(0, 2, size.cases)].tolist()),
            confirmations=("histopathology",) * size.cases,
            modalities=_labels(("dermoscopy", "clinical"), size.cases, rng),  # type: ignore[arg-type]
            picture_case=np.arange(size.cases), picture_image=read,
            picture_uuids=tuple(uuids[i] for i in read.tolist()),
        ),
        questions=(QuestionTable(1, 1, "Biopsy or reassure?", ("Biopsy",), ("Reassure",), said),),
        model=ModelTable(
            case_scores=full_scores[read], full_truth=full_truth, full_scores=full_scores, full_uuids=uuids,
            full_leaked=np.zeros(size.images, dtype=bool), leaks_checked=True, leaked_cases=(),
            full_read=np.isin(np.arange(size.images), read),
        ),
        answers=_answers(positions, said, rng),
        attributes=Attributes(
            sexes=_labels(("female", "male"), size.cases, rng), ages=_labels(AGES, size.cases, rng),
            sites=_labels(SITES, size.cases, rng), skin_types=_labels(("I", "II", "III", "IV"), size.cases, rng),
            practice=_labels(PRACTICE, size.readers, rng),
            certification=_labels(("board-certified", "not certified"), size.readers, rng),
            specialties=_labels(("dermatology", "general practice", "surgery"), size.readers, rng),
            training=_labels(("none", "course", "certificate"), size.readers, rng),
            countries=_labels(("AT", "DE", "US"), size.readers, rng),
            devices=_labels(("tablet", "laptop"), size.readers, rng),
        ),
    )  # fmt: skip


def _labels(names: Labels, n: int, rng: np.random.Generator) -> Labels:
    return tuple(names[i] for i in rng.integers(0, len(names), n).tolist())


def _answers(positions: Floats, said: Floats, rng: np.random.Generator) -> AnswerTable:
    readers, cases = positions.shape
    order = np.argsort(positions, axis=1)
    positive = np.take_along_axis(said, order, axis=1).ravel() == 1
    begin = np.datetime64(BEGIN.replace(tzinfo=None), "us")
    shown = np.tile(begin + np.arange(cases) * np.timedelta64(10, "s"), readers)
    given = shown + (rng.gamma(4, 2, readers * cases) * 1e6).astype("timedelta64[us]")
    one = np.ones(readers * cases, dtype=np.int64)
    return AnswerTable(
        reader=np.repeat(np.arange(readers), cases), case=order.ravel(),
        position=np.tile(np.arange(1, cases + 1), readers), question=one, revision=one,
        choice=positive.astype(np.int64), choices=("Reassure", "Biopsy"), is_positive=positive,
        arrived=given, shown=shown, given=given,
    )  # fmt: skip
