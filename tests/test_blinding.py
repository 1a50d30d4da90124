"""Blinding: swap every label, replay a reader's session, and not one byte differs; what is hidden is nowhere.

See `blinded_study` (what is hidden), `replay` (the session), `routes` (every address).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.advice import known, saying
from readerstudy.images.models import Image, Reference
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.scoring.models import Score
from readerstudy.studies import protocol
from readerstudy.studies.models import CaseImage, Study, Test
from tests.advice.material import advised, pictures_of, reading_of
from tests.blinded_study import POSITIVE, Planted, plant, swap_labels, swap_truth_of, truths
from tests.builders import accepted_reader, draft_study, image_set
from tests.conftest import signed_in
from tests.readings.conftest import answer
from tests.replay import Comparable, Exchange, Recorder, body_of, join, read_with_advice, whole_session
from tests.routes import READER_ROUTES, Route, every_route, known_values


@pytest.fixture
def planted(administrator: User, researcher: User) -> Planted:
    return plant(administrator, researcher)


def found(hidden: dict[str, str], received: bytes) -> list[str]:
    """What of the hidden is in there."""
    received = received.lower()
    return [what for what, word in hidden.items() if word.lower().encode() in received]


# --- the replay ------------------------------------------------------------------------------------------------------


def session_undone(planted: Planted) -> list[Exchange]:
    """The whole session in this state of the database, which is then as it was before."""
    before = transaction.savepoint()
    exchanges = whole_session(planted.study, planted.token)
    transaction.savepoint_rollback(before)
    cache.clear()
    return exchanges


def differences(one: list[Exchange], other: list[Exchange]) -> list[str]:
    """Requests whose answers differ, random tokens aside."""
    comparable, comparable_too = Comparable(), Comparable()
    pairs = [(comparable(left), comparable_too(right)) for left, right in zip(one, other, strict=True)]
    return [f"{left[0]} / {right[0]}" for left, right in pairs if left != right]


def test_with_every_label_swapped_not_one_byte_differs(planted: Planted) -> None:
    labels = dict(truths())
    scores = dict(Score.objects.values_list("image", "probabilities"))
    others = dict(Answer.objects.values_list("pk", "choice"))
    one = session_undone(planted)
    swap_labels(planted)
    assert dict(truths()) == {image: not positive for image, positive in labels.items()}
    assert len(labels) == 18
    for image, probabilities in Score.objects.values_list("image", "probabilities"):
        assert bytes(probabilities) != bytes(scores[image])
    assert all(choice != others[pk] for pk, choice in Answer.objects.values_list("pk", "choice"))
    assert len(others) == 7
    other = session_undone(planted)

    assert len(one) == len(other) > 90
    assert differences(one, other) == []
    # Tokens have a fixed length, so that even they change no length.
    assert [len(exchange.body) for exchange in one] == [len(exchange.body) for exchange in other]
    pictures = [exchange.body for exchange in one if dict(exchange.headers)["Content-Type"].startswith("image/")]
    assert len(set(pictures)) == 12  # every case of both tests was seen


def test_two_replays_of_the_same_state_are_equal(planted: Planted) -> None:
    assert differences(session_undone(planted), session_undone(planted)) == []


@pytest.mark.parametrize("place", ["page", "api", "picture's header", "order"])
def test_the_replay_notices_a_leak(planted: Planted, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Four deliberate leaks, each of which must show."""
    _leak(place, monkeypatch)
    one = session_undone(planted)
    swap_labels(planted)
    assert differences(one, session_undone(planted)) != []


def _leak(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from readerstudy.readings import api, plans, views

    def is_positive(image: Image) -> bool:
        return Reference.objects.get(image=image.pk).diagnosis in POSITIVE

    if place in ("page", "api"):
        module = views if place == "page" else api
        plain_data = module.standing_data

        def telling(standing: Any) -> dict[str, Any]:
            if standing.current is None:
                return plain_data(standing)
            return {**plain_data(standing), "x": is_positive(standing.current.item.case.images.get())}

        monkeypatch.setattr(module, "standing_data", telling)
    elif place == "picture's header":
        plain_picture = views.picture_for
        shown: list[Image] = []

        def remember(*args: Any) -> Image:
            shown.append(plain_picture(*args))
            return shown[-1]

        def padded(file: Any) -> Iterator[bytes]:
            yield from plain_chunks(file)
            yield b" " * is_positive(shown[-1])

        plain_chunks = views._chunks
        monkeypatch.setattr(views, "picture_for", remember)
        monkeypatch.setattr(views, "_chunks", padded)
    else:

        def sorted_by_truth(numbers: list[int], *, seed: str) -> list[int]:
            position = int(seed.split("/test ")[1].split("/")[0])
            images = {
                link.case.number: link.image
                for link in CaseImage.objects.filter(
                    case__test__position=position, case__test__title=f"Test {position}"
                )
            }
            return sorted(numbers, key=lambda number: is_positive(images[number]))

        monkeypatch.setattr(plans, "draw_order", sorted_by_truth)


def test_the_session_receives_nothing_hidden(planted: Planted) -> None:
    exchanges = whole_session(planted.study, planted.token)
    assert len(exchanges) > 90
    assert {
        exchange.asked: hits for exchange in exchanges if (hits := found(planted.hidden, exchange.everything()))
    } == {}
    assert Answer.objects.filter(submission__item__reading__reader=planted.reader).count() == 12


# --- advice ----------------------------------------------------------------------------------------------------------


def session_with_advice(test: Test, reading: Reading) -> list[Exchange]:
    """As `session_undone`, with nothing remembered in this process either."""
    before = transaction.savepoint()
    assert reading.reader.user is not None
    exchanges = read_with_advice(reading.reader.user, reading)
    transaction.savepoint_rollback(before)
    cache.clear()
    known._known.cache_clear()
    return exchanges


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("probability", 50), ("classes", 50), ("neighbours", 100), ("saliency", 0)],
)
def test_with_every_label_of_the_cases_swapped_advice_is_the_same(administrator: User, kind: str, wrong: int) -> None:
    """Right or wrong on purpose: it hangs on the model alone. Neighbours and their diagnoses belong to another set."""
    test = advised(administrator, kind, wrong=wrong)
    reading = reading_of(test)
    before = dict(Reference.objects.values_list("image", "diagnosis"))
    one = session_with_advice(test, reading)
    assert swap_truth_of(test) == 4
    now = dict(Reference.objects.values_list("image", "diagnosis"))
    assert {image for image in now if now[image] != before[image]} == set(pictures_of(test))
    other = session_with_advice(test, reading)

    assert differences(one, other) == []
    assert [len(exchange.body) for exchange in one] == [len(exchange.body) for exchange in other]
    asked = [exchange for exchange in one if exchange.asked.endswith("/advice/")]
    assert Counter(exchange.status for exchange in asked) == {200: 4, 409: 4 + 6 + 6}
    shown = [exchange for exchange in one if exchange.status == 200 and re.search(r"/advice/\d+/$", exchange.asked)]
    assert len(shown) == {"neighbours": 4 * 6, "saliency": 4}.get(kind, 0)


def test_the_replay_notices_advice_that_knows_the_truth(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """As wrong advice would be that were wrong of the lesion."""

    def knowing(_model: Any, test: Test, images: list[int]) -> float:
        return 0.75 if Reference.objects.get(image=images[0]).diagnosis in test.positive_nodes else 0.25

    monkeypatch.setattr(saying, "_share", knowing)
    test = advised(administrator, "probability")
    reading = reading_of(test)
    one = session_with_advice(test, reading)
    swap_truth_of(test)
    assert differences(one, session_with_advice(test, reading)) != []


# --- every route -----------------------------------------------------------------------------------------------------

METHODS = ("GET", "HEAD", "OPTIONS", "POST")
# Leaving is no way to be told anything, and would end the walk.
NOT_POSTED = {"account_logout"}


@dataclass
class Walk:
    """What was asked and what was found."""

    addresses: dict[str, int]
    statuses: dict[str, set[tuple[str, int]]]
    hits: dict[str, list[str]]


def walk(client: Client, routes: list[Route], planted: Planted, methods: Sequence[str] = METHODS) -> Walk:
    """Every route with every known value, by each of the methods."""
    values = known_values(planted)
    walked = Walk({}, {}, {})
    for route in routes:
        for address in route.addresses(values):
            walked.addresses[route.pattern] = walked.addresses.get(route.pattern, 0) + 1
            for method in methods:
                if method == "POST" and route.name in NOT_POSTED:
                    continue
                response = client.generic(method, address)
                walked.statuses.setdefault(route.name, set()).add((method, response.status_code))
                lines = [f"{name}: {value}" for name, value in response.items()] + [response.cookies.output()]
                if hits := found(planted.hidden, "\n".join(lines).encode() + b"\n" + body_of(response)):
                    walked.hits[f"{method} {address}"] = hits
    return walked


@pytest.fixture
def joined(planted: Planted) -> Client:
    """The reader, joined, in the middle of his first test."""
    browser = Recorder()
    join(browser, planted.study, planted.token)
    first, _second = ensure_readings(planted.reader.user)
    for position in (1, 2):
        answer(first, position)
    return browser.client


def untouched() -> tuple[int, ...]:
    """What a reader's curiosity must not change."""
    return (
        Answer.objects.count(),
        Item.objects.count(),
        Study.objects.filter(state=Study.State.OPEN).count(),
        AuditEntry.objects.exclude(actor=User.objects.get(email="reader.own@example.org")).count(),
    )


def test_no_route_gives_a_reader_anything_hidden(planted: Planted, joined: Client) -> None:
    routes = every_route()
    assert len(routes) > 50
    before = untouched()
    walked = walk(joined, routes, planted)
    assert walked.hits == {}
    assert set(walked.addresses) == {route.pattern for route in routes}
    assert sum(walked.addresses.values()) > 400
    statuses = {name: {status for _method, status in seen} for name, seen in walked.statuses.items()}
    assert {name: seen for name, seen in statuses.items() if max(seen) >= 500} == {}
    assert statuses["read"] >= {200, 404}
    assert statuses["read-picture"] == {200, 404, 405}
    assert statuses["read-advice"] == statuses["read-advice-picture"] == {404, 405, 409}  # no arm of his gives any
    # By no other method than those that the sessions of the replay go through is anything said on his own routes.
    for name, methods in READER_ROUTES.items():
        unknown = {(method, status) for method, status in walked.statuses[name] if method not in methods}
        assert {status for method, status in unknown if method in ("GET", "POST")} <= {405}, name
    # He is still signed in, and nothing was changed: it was he who was refused.
    assert joined.get(reverse("reading-start")).url.startswith("/read/")
    assert untouched() == before
    # To him the pages of the staff do not exist. (OPTIONS says of an API what it is called.)
    staff = {name for name in walked.statuses if name not in READER_ROUTES and not name.startswith("account_")}
    assert len(staff) > 30
    allowed = {(method, status) for method in METHODS for status in (403, 404, 405)} | {("OPTIONS", 200)}
    assert {name: walked.statuses[name] - allowed for name in staff} == {name: set() for name in staff}


def test_nothing_hidden_after_the_study_was_closed_and_unblinded(planted: Planted, joined: Client) -> None:
    protocol.close_study(planted.study, actor=planted.researcher)
    protocol.unblind_study(planted.study, actor=planted.researcher)
    routes = [route for route in every_route() if "item" not in route.parameters]
    walked = walk(joined, routes, planted, methods=["GET"])
    assert len(walked.addresses) > 45
    assert walked.hits == {}


def test_what_is_hidden_from_a_reader_is_there_to_be_seen(
    planted: Planted, administrator: User, researcher: User
) -> None:
    """Without this, the tests above could pass because nothing was planted."""
    routes = [route for route in every_route() if route.parameters in ((), ("pk",)) and "export" not in route.name]
    hits: set[str] = set()
    for user in (administrator, researcher):
        client = signed_in(user)
        for route in routes:
            for address in route.addresses(known_values(planted) if "pk" in route.parameters else {}):
                hits.update(found(planted.hidden, body_of(client.get(address))))
    kinds = {what.partition(" (")[0] for what in hits}
    assert kinds >= {"image set", "set description", "model", "run", "seed", "diagnosis", "upload", "other reader",
                     "foreign study", "problem", "scoring error"}  # fmt: skip


@pytest.mark.parametrize("prefix", ["/", "/media/", "/static/", "/var/media/", "/static/../media/"])
def test_no_stored_file_is_served_under_its_name(planted: Planted, joined: Client, prefix: str) -> None:
    names = list(Image.objects.values_list("file", flat=True))
    assert len(names) == 18
    assert {joined.get(f"{prefix}{name}").status_code for name in names} == {404}


def test_stored_pictures_carry_nothing_but_pixels(planted: Planted) -> None:
    files = list(Image.objects.all())
    assert len(files) == 18
    for image in files:
        with image.file.open("rb") as file:
            assert found(planted.hidden, file.read()) == []


# --- chance ----------------------------------------------------------------------------------------------------------


def test_number_and_position_of_a_case_tell_nothing_of_its_class(administrator: User) -> None:
    """Over 60 studies with seeds of their own: the rank sum of the positive cases is what chance gives.

    For n1 positives among N, the sum of their ranks has mean n1(N + 1)/2 and variance n1 n2 (N + 1)/12 (Wilcoxon 1945).
    The seeds are fixed, so that the test gives the same result every time.
    """
    images = image_set(administrator, diagnoses=["melanoma"] * 7 + ["melanocytic-naevus"] * 7)
    positive = set(Reference.objects.filter(diagnosis="melanoma").values_list("image", flat=True))
    excess = {"number": 0.0, "position": 0.0, "row": 0.0}
    variance = 0.0
    for seed in range(60):
        study = draft_study(administrator, image_sets=[images], sample_size=10, sample_positives=4, seed=seed)
        protocol.open_study(study, actor=administrator)
        (reading,) = ensure_readings(accepted_reader(study, email=f"r{seed}@example.org").user)
        items = list(reading.items.order_by("position").values_list("position", "case__number", "case__images", "case"))
        assert len(items) == 10
        ranks_of_rows = {case: rank for rank, case in enumerate(sorted(item[3] for item in items), start=1)}
        chosen = [item for item in items if item[2] in positive]
        assert len(chosen) == 4
        excess["position"] += sum(item[0] for item in chosen) - 4 * 11 / 2
        excess["number"] += sum(item[1] for item in chosen) - 4 * 11 / 2
        excess["row"] += sum(ranks_of_rows[item[3]] for item in chosen) - 4 * 11 / 2
        variance += 4 * 6 * 11 / 12
    assert {what: abs(total) / sqrt(variance) < 3 for what, total in excess.items()} == dict.fromkeys(excess, True)
