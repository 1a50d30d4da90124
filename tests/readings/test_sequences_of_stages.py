"""No sequence of requests skips a stage, reads a case twice, changes a locked answer, or sees anything early.

A state machine over the wire (API and picture addresses) against a model: seven cases at two stages, of which the
second shows facts, another picture and advice, which is asked for at any time and without which the second stage takes
no answer; under each of the three rules for changes.
"""

import json
import uuid
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from readerstudy.accounts.models import User
from readerstudy.images.models import Modality
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.studies.models import Arm, CaseImage, Choice, Stage, Test
from tests.advice.material import ask, look, refusals, shown_events
from tests.builders import accepted_reader, image_set, model_version
from tests.conftest import signed_in
from tests.readings.conftest import picture
from tests.readings.designed import designed, second_stage, with_facts

CASES = 7
positions = st.integers(1, CASES)
stages = st.integers(1, 3)  # there is no third
keys = st.integers(1, 2)
submissions = st.integers(0, 11)  # few, so that ids come again; further ones are new each time


def prepared(administrator: User) -> Test:
    test = designed(administrator)
    second_stage(test, shows_advice=True)
    Stage.objects.filter(test=test, position=1).update(modalities=["clinical"])
    model = model_version(administrator)
    Arm.objects.create(test=test, advice="probability", model_sha256=model.sha256)
    more = image_set(administrator, diagnoses=["melanoma"] * CASES, modality=Modality.DERMOSCOPY).images.all()
    for case, image in zip(test.cases.all(), more, strict=True):
        CaseImage.objects.create(case=case, image=image, position=2)
    look(model, list(CaseImage.objects.filter(case__test=test).values_list("image", flat=True)))
    with_facts(test.study)
    return test


class Requests(RuleBasedStateMachine):
    """`stored`: (position, stage) -> [(submission, key), ...], a further one for each change, in the order of answers.

    `n` stages are answered; number n + 1, counted through the cases, is the only one that can be answered next.
    """

    test: Test
    changes: str
    reached: Counter[str]

    @initialize()
    def begin(self) -> None:
        reader = accepted_reader(self.test.study)
        assert reader.user is not None
        self.reading: Reading = ensure_readings(reader.user)[0]
        self.client: Client = signed_in(reader.user)
        self.api = reverse("api-read", args=[self.reading.uuid])
        self.items: list[Item] = list(self.reading.items.order_by("position").select_related("reading"))
        rows = Choice.objects.filter(question__test=self.test).values_list(
            "question__stage__position", "position", "pk"
        )
        self.choices = {(stage, key): pk for stage, key, pk in rows}
        self.questions = dict(self.test.questions.values_list("stage__position", "pk"))
        self.ids = [uuid.uuid4() for _ in range(12)]
        self.stored: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.used: dict[int, tuple[int, int, int]] = {}  # submission -> (position, stage, key)
        self.ended = False
        self.told: dict[int, None] = {}  # positions, in the order in which advice was first seen
        self.n_refused = 0

    @property
    def n(self) -> int:
        return len(self.stored)

    def may_change(self, position: int) -> bool:
        if self.changes == "never" or self.ended or (position, 2) not in self.stored:
            return False
        return self.changes == "until-end" or self.n == 2 * position

    def send(self, position: int, stage: int, submission: int, key: int, replaces: uuid.UUID | None = None) -> str:
        answers = {str(self.questions.get(stage, 0)): {"choice": self.choices.get((stage, key), 0)}}
        data: dict[str, Any] = {
            "item": str(self.items[position - 1].uuid), "stage": stage, "submission": str(self.ids[submission]),
            "answers": answers, "replaces": str(replaces) if replaces else None,
        }  # fmt: skip
        reply = self.client.post(self.api, data, content_type="application/json").json()
        return str(reply.get("outcome") or reply["code"])

    def expected(self, position: int, stage: int, submission: int, key: int) -> str | None:
        """What an id that came before, or a stage that is not there, is answered; None: it depends on the rule."""
        if submission in self.used:
            return "repeated" if self.used[submission] == (position, stage, key) else "conflict"
        return "unknown" if stage == 3 else None

    def remember(self, position: int, stage: int, submission: int, key: int) -> None:
        self.stored.setdefault((position, stage), []).append((submission, key))
        self.used[submission] = (position, stage, key)

    @rule(position=positions, stage=stages, submission=submissions, key=keys)
    def answer(self, position: int, stage: int, submission: int, key: int) -> None:
        outcome = self.send(position, stage, submission, key)
        place = 2 * (position - 1) + stage
        if known := self.expected(position, stage, submission, key):
            assert outcome == known
        elif place == self.n + 1 and stage == 2 and position not in self.told:
            assert outcome == "ahead"
            self.reached["unadvised"] += 1
        elif place == self.n + 1:
            assert outcome == "stored"
            self.remember(position, stage, submission, key)
        else:
            assert outcome == ("already-answered" if place <= self.n else "ahead")

    @rule(key=keys)
    def hurry(self, key: int) -> None:
        """Both stages of a case at once, the second before its advice was asked for."""
        if self.n < 2 * CASES:
            self.answer(self.n // 2 + 1, self.n % 2 + 1, self.new_id(), key)
        if self.n % 2:
            self.answer(self.n // 2 + 1, 2, self.new_id(), key)

    def new_id(self) -> int:
        self.ids.append(uuid.uuid4())
        return len(self.ids) - 1

    @rule(steps=st.integers(1, 4), key=keys)
    def go_on(self, steps: int, key: int) -> None:
        """The stages that are due, under new ids, so that readings also come to their end."""
        for _step in range(min(steps, 2 * CASES - self.n)):
            self.answer(self.n // 2 + 1, self.n % 2 + 1, self.new_id(), key)
            if self.n % 2:
                self.ask_for_advice(0, a_picture=False)

    @rule(key=keys)
    def read_to_the_end(self, key: int) -> None:
        if self.n % 2:
            self.ask_for_advice(0, a_picture=False)
        self.go_on(2 * CASES, key)
        self.change(CASES, 2, self.new_id(), 3 - key, newest=True)
        self.end()

    @rule(back=st.integers(0, 2), key=keys)
    def change_lately(self, back: int, key: int) -> None:
        """One of the last answered cases, one more of them answered first, so that answers are changed."""
        if self.n % 2:
            self.ask_for_advice(0, a_picture=False)
        self.go_on(2 - self.n % 2, key)
        self.change(max(self.n // 2 - back, 1), 2, self.new_id(), key, newest=True)

    @rule(position=positions, stage=stages, submission=submissions, key=keys, newest=st.booleans())
    def change(self, position: int, stage: int, submission: int, key: int, newest: bool) -> None:
        """Under the id of what is replaced: the newest revision, or the first."""
        before = self.stored.get((position, stage))
        replaced = self.ids[before[-1 if newest else 0][0]] if before else uuid.uuid4()
        outcome = self.send(position, stage, submission, key, replaced)
        if known := self.expected(position, stage, submission, key):
            assert outcome == known
        elif stage == 1 or not self.may_change(position):
            assert outcome == "locked"
        elif before is not None and replaced == self.ids[before[-1][0]]:
            assert outcome == "stored"
            self.remember(position, stage, submission, key)
            self.reached["changed"] += 1
        else:
            assert outcome == "conflict"

    @rule()
    def end(self) -> None:
        response = self.client.post(reverse("read-end", args=[self.reading.uuid]))
        over = self.n == 2 * CASES
        expected = "read-done" if over else "read"
        assert response.url == reverse(expected, args=[self.reading.uuid])
        self.ended = self.ended or over
        self.reached["over" if over else "too early"] += 1

    @rule(ahead=st.integers(-2, 2))
    def look(self, ahead: int) -> None:
        """At the pictures of a case, so many after the one that is due."""
        due = self.n // 2 + 1
        position = min(max(due + ahead, 1), CASES)
        seen = [self.client.get(picture(self.items[position - 1], at)).status_code == 200 for at in (1, 2)]
        second = self.may_change(position) or (position == due and self.n % 2 == 1)
        assert seen == [second or position in (due, due + 1), second]

    @rule(ahead=st.integers(-2, 2), a_picture=st.booleans())
    def ask_for_advice(self, ahead: int, a_picture: bool) -> None:
        """On a case so many after the one that is due; a picture of it (there is none) by the same rule."""
        due = self.n // 2 + 1
        position = min(max(due + ahead, 1), CASES)
        item = self.items[position - 1]
        status = ask(self.client, item, 1 if a_picture else None).status_code
        if self.may_change(position) or (position == due and self.n % 2 == 1):
            assert status == (404 if a_picture else 200)
            self.told.setdefault(position)
            self.reached["told"] += 1
        else:
            assert status == 409
            self.n_refused += 1
            self.reached["refused"] += 1

    @invariant()
    def what_was_told_and_refused_is_recorded(self) -> None:
        assert [event.item.position for event in shown_events(self.reading) if event.item] == list(self.told)
        assert len(refusals(self.reading)) == self.n_refused

    @invariant()
    def stored_is_what_was_acknowledged(self) -> None:
        rows = Answer.objects.filter(submission__item__reading=self.reading)
        found = rows.values_list(
            "submission__item__position", "submission__stage__position", "submission__revision", "submission_id",
            "choice__position",
        )  # fmt: skip
        assert sorted(found) == sorted(
            (position, stage, revision, self.ids[submission], key)
            for (position, stage), given in self.stored.items()
            for revision, (submission, key) in enumerate(given, start=1)
        )
        self.reading.refresh_from_db()
        over = self.n == 2 * CASES and (self.changes == "never" or self.ended)
        assert (self.reading.finished_at is not None) == over

    @invariant()
    def nothing_is_seen_early(self) -> None:
        state = self.client.get(self.api).json()
        current, following = state["current"], state["next"]
        if self.n == 2 * CASES:
            assert (current, following) == (None, None)
        else:
            assert (current["position"], current["stage"]) == (self.n // 2 + 1, self.n % 2 + 1)
            assert (current["advice"], bool(current["facts"])) == ((True, True) if self.n % 2 else (False, False))
            assert len(current["pictures"]) == 1 + self.n % 2
        if following:
            assert (following["stage"], following["advice"], following["facts"]) == (1, False, [])
            assert len(following["pictures"]) == 1
        changeable = [place["position"] for place in state["changeable"]]
        assert changeable == [position for position in range(1, CASES + 1) if self.may_change(position)]
        assert "upper back" not in json.dumps(following)


@pytest.mark.django_db
@pytest.mark.parametrize("changes", ["never", "until-next", "until-end"])
def test_no_sequence_of_requests_breaks_a_reading_in_stages(administrator: User, changes: str) -> None:
    test = prepared(administrator)
    Test.objects.filter(pk=test.pk).update(changes=changes)
    machine = type("RequestsOfOneTest", (Requests,), {"test": test, "changes": changes, "reached": Counter()})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10, stateful_step_count=20, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )  # fmt: skip
    assert machine.reached["too early"]
    assert machine.reached["over"]
    assert machine.reached["told"]
    assert machine.reached["refused"]
    assert machine.reached["unadvised"]
    assert bool(machine.reached["changed"]) == (changes != "never")
