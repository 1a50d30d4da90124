"""From the images of the set to the cases read, and from the readers invited to those who finished."""

from dataclasses import dataclass

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.arrays import FlowCounts


@dataclass(frozen=True, slots=True)
class FlowStep:
    """``n`` remain at ``stage``; ``left_out`` (reason, n) went between the stage before and this one."""

    stage: str
    n: int
    left_out: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """``images`` and ``readers``, each from the first stage to the last: every stage is the one before it without those
    left out in between. ``n_cases`` may be fewer than the images read, where a case has several."""

    images: tuple[FlowStep, ...]
    readers: tuple[FlowStep, ...]
    n_cases: int
    n_positive: int
    n_negative: int


def flow(counts: FlowCounts | None, test: TestResult, question: QuestionResult) -> Flow | None:
    """The flow of a test; readers as they answered one question of it. None where nothing was counted."""
    if counts is None:
        return None
    unfit = (
        ("other diagnosis", counts.n_other_diagnosis),
        ("other modality", counts.n_other_modality),
        ("not confirmed by histopathology", counts.n_unconfirmed),
        ("same lesion", counts.n_same_lesion),
    )
    eligible = counts.n_images - sum(n for _reason, n in unfit)
    gone = (("not accepted", counts.n_not_accepted), ("withdrawn", counts.n_withdrawn))
    accepted = counts.n_invited - sum(n for _reason, n in gone)
    n_not_begun = accepted - question.n_partial - question.n_complete
    return Flow(
        images=(
            FlowStep("images", counts.n_images),
            FlowStep("eligible", eligible, _some(unfit)),
            FlowStep("read", counts.n_case_images, _some((("not drawn", counts.n_not_drawn),))),
        ),
        readers=(
            FlowStep("invited", counts.n_invited),
            FlowStep("accepted", accepted, _some(gone)),
            FlowStep("begun", accepted - n_not_begun, _some((("not begun", n_not_begun),))),
            FlowStep("complete", question.n_complete, _some((("incomplete", question.n_partial),))),
        ),
        n_cases=test.n_cases, n_positive=test.n_positive, n_negative=test.n_negative,
    )  # fmt: skip


def _some(reasons: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """The reasons that left anything out."""
    return tuple((reason, n) for reason, n in reasons if n)
