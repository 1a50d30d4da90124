"""What taking part asks of a reader: how many cases, and about how many minutes."""

import math
from dataclasses import dataclass

from django.db.models import Count

from readerstudy.readers.models import Reader

# A guess for the invitation, given as "about": one image and one decision between two answers.
SECONDS_PER_CASE = 12


@dataclass(frozen=True, slots=True)
class Burden:
    """(title, number of cases) of each test, and the sums."""

    tests: list[tuple[str, int]]
    notices: list[str]  # what the images are, where that must be said (drawn pictures and the like)

    @property
    def n_cases(self) -> int:
        return sum(n for _title, n in self.tests)

    @property
    def minutes(self) -> int:
        return max(1, math.ceil(self.n_cases * SECONDS_PER_CASE / 60))


def of(reader: Reader) -> Burden:
    """The burden of the tests that the reader is asked to read."""
    tests = reader.tests.annotate(n_cases=Count("cases")).order_by("position")
    rows = list(tests.values_list("title", "n_cases", "image_set__notice"))
    notices = dict.fromkeys(notice for _title, _n, notice in rows if notice)
    return Burden([(title, n) for title, n, _notice in rows], list(notices))
