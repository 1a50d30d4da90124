"""What taking part asks of a reader: how many cases, and about how many minutes."""

import math
from dataclasses import dataclass

from readerstudy.readers.models import Reader

# A guess for the invitation, given as "about": one image and one decision between two answers.
SECONDS_PER_ANSWER = 12


@dataclass(frozen=True, slots=True)
class Burden:
    """(title, number of cases) of each test, and the sums."""

    tests: list[tuple[str, int]]
    n_answers: int  # a case is answered once at each stage
    notices: list[str]  # what the images are, where that must be said (drawn pictures and the like)

    @property
    def n_cases(self) -> int:
        return sum(n for _title, n in self.tests)

    @property
    def minutes(self) -> int:
        return max(1, math.ceil(self.n_answers * SECONDS_PER_ANSWER / 60))


def of(reader: Reader) -> Burden:
    """The burden of the tests that the reader is asked to read."""
    # Nothing that tells what is positive.
    columns = ("title", "cases_per_reading", "repeats", "arms_design", "image_set__notice")
    tests = reader.tests.select_related("image_set").only(*columns).order_by("position")
    sizes = [(test, test.n_shown()) for test in tests]
    return Burden(
        tests=[(test.title, n) for test, n in sizes],
        n_answers=sum(n * test.stages.count() for test, n in sizes),
        notices=list(dict.fromkeys(test.image_set.notice for test, _n in sizes if test.image_set.notice)),
    )
