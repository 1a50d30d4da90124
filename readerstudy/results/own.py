"""A reader's own point, for the page that thanks him: after the end of the study, where the protocol shows it.

"After the end" is after unblinding: before that a point would tell what single answers were worth, to him and to
whoever he tells. He is shown his own point and the curve that it is compared with; no other reader's.
"""

from dataclasses import dataclass
from typing import Literal

from readerstudy.readings.models import Reading
from readerstudy.results.access import model_version_for
from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.captions import question_name
from readerstudy.results.computing import StillComputing, results_of
from readerstudy.results.errors import ResultsError
from readerstudy.results.stats import Estimate, RocCurve
from readerstudy.studies.models import Study

SIDE = 100.0  # of the plot's square


@dataclass(frozen=True, slots=True)
class OwnPoint:
    """One question. `x` and `y` place the point in a square of SIDE, its origin above on the left; None: undefined.

    `curve`: the model's on the cases read, as the points of an SVG polyline in that square; "" where there is none.
    """

    question: str
    n_answered: int
    n_cases: int
    sensitivity: Estimate
    specificity: Estimate
    x: float | None
    y: float | None
    curve: str
    auc: Estimate | None


@dataclass(frozen=True, slots=True)
class Own:
    """`state`: later (the study is not over), computing, none (there is nothing to show) or shown."""

    state: Literal["later", "computing", "none", "shown"]
    points: tuple[OwnPoint, ...] = ()


def own_points(reading: Reading) -> Own | None:
    """What this reader is shown of his result in the reading's test; None: the protocol shows him nothing."""
    if not reading.test.shows_own_result:
        return None
    study = Study.objects.get(pk=reading.test.study_id)
    if study.unblinded_at is None:
        return Own("later")
    try:
        results = results_of(study, model_version_for(None, study))
    except StillComputing:
        return Own("computing")
    except ResultsError:
        return Own("none")
    test = next((test for test in results.tests if test.id == reading.test_id), None)
    points = _points(test, reading.reader.code) if test is not None else ()
    return Own("shown" if points else "none", points)


def _points(test: TestResult, code: str) -> tuple[OwnPoint, ...]:
    curve = test.model.sample if test.model is not None else None
    found = (_point(question, code, curve) for question in test.questions)
    return tuple(point for point in found if point is not None)


def _point(question: QuestionResult, code: str, curve: RocCurve | None) -> OwnPoint | None:
    mine = next((reader for reader in question.readers if reader.code == code and reader.n_answered), None)
    if mine is None:
        return None
    sensitivity, specificity = mine.point.sensitivity, mine.point.specificity
    is_defined = sensitivity.is_defined and specificity.is_defined
    return OwnPoint(
        question=question_name(question),
        n_answered=mine.n_answered,
        n_cases=mine.n_cases,
        sensitivity=sensitivity,
        specificity=specificity,
        x=SIDE * (1 - specificity.value) if is_defined else None,
        y=SIDE * (1 - sensitivity.value) if is_defined else None,
        curve=_polyline(curve) if curve is not None else "",
        auc=curve.auc if curve is not None else None,
    )


def _polyline(curve: RocCurve) -> str:
    pairs = zip(curve.fpr.tolist(), curve.tpr.tolist(), strict=True)
    return " ".join(f"{SIDE * fpr:.2f},{SIDE * (1 - tpr):.2f}" for fpr, tpr in pairs)
