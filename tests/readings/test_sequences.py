"""No sequence of requests skips a case, reads one twice or changes an answer: a state machine against a model."""

import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Reading
from readerstudy.studies.models import Study
from tests.builders import accepted_reader
from tests.readings.conftest import answer

CASES = 7
positions = st.integers(1, CASES)
keys = st.integers(1, 2)
submissions = st.integers(0, 9)  # few, so that ids come again


class Requests(RuleBasedStateMachine):
    """`answers` is what must be stored: position -> (submission, key), in the order in which it was given."""

    study: Study

    @initialize()
    def begin(self) -> None:
        self.reading: Reading = ensure_readings(accepted_reader(self.study).user)[0]
        self.answers: dict[int, tuple[int, int]] = {}
        self.ids = [uuid.uuid4() for _ in range(10)]

    @rule(position=positions, submission=submissions, key=keys)
    def submit(self, position: int, submission: int, key: int) -> None:
        before = {used: (at, chosen) for at, (used, chosen) in self.answers.items()}
        try:
            outcome = answer(self.reading, position, key, submission=self.ids[submission]).kind
        except ReadingsError as error:
            outcome = error.code
        if submission in before:
            assert outcome == ("repeated" if before[submission] == (position, key) else "conflict")
        elif position <= len(self.answers):
            assert outcome == "already-answered"
        elif position > len(self.answers) + 1:
            assert outcome == "ahead"
        else:
            assert outcome == "stored"
            self.answers[position] = (submission, key)

    @rule(submission=submissions, key=keys)
    def go_on(self, submission: int, key: int) -> None:
        """The current case, so that readings also come to their end."""
        self.submit(min(len(self.answers) + 1, CASES), submission, key)

    @invariant()
    def stored_is_what_was_acknowledged(self) -> None:
        rows = Answer.objects.filter(submission__item__reading=self.reading).order_by("submission__item__position")
        found = rows.values_list(
            "submission__item__position", "submission_id", "choice__position", "submission__revision"
        )
        assert list(found) == [(at, self.ids[used], key, 1) for at, (used, key) in sorted(self.answers.items())]
        self.reading.refresh_from_db()
        assert (self.reading.finished_at is not None) == (len(self.answers) == CASES)


@pytest.mark.django_db
def test_no_sequence_of_requests_breaks_a_reading(study: Study) -> None:
    machine = type("RequestsOfOneStudy", (Requests,), {"study": study})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=20, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )  # fmt: skip
