"""Blinding in every design: swap the labels of what is judged, replay the session, and not one byte differs.

Practice cases keep their labels: their feedback tells them. What depends on the classes by design (an order without
runs, a fixed mix) was drawn and stored before the labels are swapped, as it is in use.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.advice import known
from readerstudy.images.models import Modality
from readerstudy.readings import api
from readerstudy.readings.allocation import ensure_readings
from readerstudy.studies import amendments, protocol
from readerstudy.studies.models import Arm, Case, CaseImage, Stage, Test
from tests.advice.material import look, pictures_of
from tests.blinded_study import swap_truth_of
from tests.builders import accepted_reader, image_set, model_version
from tests.readings.designed import designed, every_kind, further_cases, second_stage, with_facts
from tests.replay import Comparable, Exchange
from tests.replay_designs import routes_of, session_of
from tests.routes import READER_ROUTES


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still: the date on which a wash-out ends is the same in both sessions."""
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


def in_stages(user: User) -> Test:
    """Two stages, the second with facts and another picture; every kind of question; practice, checks, repeats."""
    test = designed(
        user, diagnoses=2, screen_check="required", break_every=2, changes="until-end", time_limit="soft",
        seconds_per_case=60, order="stratified", repeats=1, repeat_distance=1,
    )  # fmt: skip
    every_kind(test)
    Stage.objects.filter(test=test, position=1).update(modalities=["clinical"])
    second_stage(test)
    more = image_set(user, diagnoses=["melanoma", "melanocytic-naevus"], modality=Modality.DERMOSCOPY).images.all()
    for case, image in zip(test.cases.all(), more, strict=True):
        CaseImage.objects.create(case=case, image=image, position=2)
    further_cases(test, "practice", 1)
    further_cases(test, "attention", 1)
    with_facts(test.study)
    return test


def in_arms(user: User) -> Test:
    """Alternating arms, with each kind of advice, some of it wrong on purpose; a hard limit; changes until the next."""
    test = designed(
        user, diagnoses=5, arms_design="alternating", block_size=1, changes="until-next", time_limit="hard",
        seconds_per_case=60,
    )  # fmt: skip
    second_stage(test, shows_advice=True)
    model = model_version(user)
    others = image_set(user, diagnoses=["melanoma", "melanocytic-naevus"] * 8)
    for position, advice in enumerate(Arm.Advice.values, start=1):
        given = {"model_sha256": model.sha256, "wrong_per_cent": 50} if advice != "none" else {}
        near = {"neighbours_set": others} if advice == "neighbours" else {}
        Arm.objects.create(test=test, position=position, title=advice, advice=advice, **given, **near)
    look(model, pictures_of(test), others)
    with_facts(test.study)
    return test


def in_batches(user: User) -> Test:
    return designed(
        user, diagnoses=4, cases_read="batches", cases_per_reading=2, most_readings=2, screen_check="advised"
    )


def in_a_crossover(user: User) -> Test:
    """Without zoom; the second part waits for the end of the wash-out."""
    return designed(
        user, diagnoses=3, arms=("none", "probability"), arms_design="crossover", wash_out_days=14, zoom_allowed=False
    )


DESIGNS: dict[str, Callable[[User], Test]] = {
    "stages": in_stages, "arms": in_arms, "batches": in_batches, "crossover": in_a_crossover,
}  # fmt: skip


def undone(user: User) -> list[Exchange]:
    """The session, in a state of the database that is then as it was before; nothing is remembered in this process."""
    before = transaction.savepoint()
    exchanges = session_of(user)
    transaction.savepoint_rollback(before)
    cache.clear()
    known._known.cache_clear()
    return exchanges


def prepared(administrator: User, design: str) -> tuple[Test, User]:
    test = DESIGNS[design](administrator)
    user = accepted_reader(test.study, email="reader.own@example.org").user
    assert user is not None
    ensure_readings(user)
    if design == "batches":
        frozen = protocol.frozen(test.study)
        assert frozen is not None
        amendments.amend(
            test.study, base=frozen.sha256, texts={"consent_text": "I agree anew."}, plan={}, reason="Asked for.",
            actor=administrator,
        )  # fmt: skip
    return test, user


def differences(one: list[Exchange], other: list[Exchange]) -> list[str]:
    left, right = Comparable(), Comparable()
    pairs = [(left(a), right(b)) for a, b in zip(one, other, strict=True)]
    return [f"{a[0]} / {b[0]}" for a, b in pairs if a != b]


# What must have been said, not refused, in a design at least: route -> status.
SAID = {
    "stages": {"read": 200, "read-picture": 200, "read-screen": 200, "read-end": 302, "api-read": 200,
               "api-read-events": 200, "api-read-diagnoses": 200},
    "arms": {"read-advice": 200, "read-advice-picture": 200},
    "batches": {"reading-start": 302, "read-another": 302, "home": 200, "agree": 200},
    "crossover": {"language": 302, "reader-profile": 200, "read-withdraw": 200, "read-done": 200, "read": 409,
                  "api-read": 409, "read-picture": 409},
}  # fmt: skip


@pytest.mark.parametrize("design", DESIGNS)
def test_in_every_design_not_one_byte_differs(administrator: User, design: str) -> None:
    test, user = prepared(administrator, design)
    one = undone(user)
    assert swap_truth_of(test) == test.cases.exclude(kind=Case.Kind.PRACTICE).count()
    other = undone(user)
    assert len(one) == len(other) > 100
    assert differences(one, other) == []
    assert [len(exchange.body) for exchange in one] == [len(exchange.body) for exchange in other]
    # Every route of a reader was asked, by every method. A new one is missed here until the session goes through it.
    asked = routes_of(one)
    assert {name: methods - set(asked.get(name, {})) for name, methods in READER_ROUTES.items()} == {
        name: set() for name in READER_ROUTES
    }
    assert {(name, status) for name, status in SAID[design].items() if status in statuses(asked[name])} == set(
        SAID[design].items()
    )


def statuses(asked: dict[str, set[int]]) -> set[int]:
    return set().union(*asked.values())


def test_the_designs_together_hear_something_on_every_route() -> None:
    """But of joining, which the whole session of `test_blinding` goes through."""
    assert {name for said in SAID.values() for name in said} == set(READER_ROUTES) - {"join"}


def test_the_replay_of_a_design_notices_a_leak(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = api.standing_data

    def telling(standing: Any) -> dict[str, Any]:
        current = standing.current
        return {**plain(standing), "x": current is not None and Case.objects.get(pk=current.item.case_id).is_positive}

    monkeypatch.setattr(api, "standing_data", telling)
    test, user = prepared(administrator, "crossover")
    one = undone(user)
    swap_truth_of(test)
    assert differences(one, undone(user)) != []
