"""Numbers are computed once for the same inputs, by whoever may, and found again; nobody else gets to them."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readings.models import Reading
from readerstudy.results import computing, tasks
from readerstudy.results.analysis import StudyResults, analyse
from readerstudy.results.computing import StillComputing, Subject, results_of, supplement_of
from readerstudy.results.encoding import encode
from readerstudy.results.errors import ResultsError
from readerstudy.results.models import Computation
from readerstudy.results.packing import pack, unpack
from readerstudy.results.supplement.numbers import supplement
from readerstudy.results.tables import study_tables
from tests.conftest import signed_in
from tests.results import made
from tests.results.conftest import Worked

Step = computing.Step


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that a message was sent for; nobody hears them."""
    rung: list[int] = []
    monkeypatch.setattr(tasks.compute, "delay", rung.append)
    return rung


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hand-worked study counts as one that no page waits for."""
    monkeypatch.setattr(computing, "MOST_ANSWERS", 0)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was computed, each time that it was."""
    done: list[str] = []
    original = Subject.compute

    def compute(self: Subject, step: Step) -> Any:
        done.append(self.what.value)
        return original(self, step)

    monkeypatch.setattr(Subject, "compute", compute)
    return done


@pytest.fixture
def waiting(worked: Worked, large: None, bells: list[int], django_capture_on_commit_callbacks: Any) -> Computation:
    """The results of the unblinded study, asked for and not computed yet."""
    made.unblind(worked.study)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(StillComputing):
        results_of(worked.study, worked.model)
    return Computation.objects.get()


def correct_an_answer(worked: Worked) -> None:
    item = Reading.objects.all()[0].items.all()[0]
    made.answer(item, worked.test.questions.get(), True, revision=2)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_found_again_is_what_was_computed(worked: Worked) -> None:
    tables = study_tables(worked.study, worked.model, detailed=True)
    results = analyse(tables)
    behind = supplement(tables.tests[0], results.tests[0])
    for value in (results, behind):
        found = unpack(pack(value))
        assert type(found) is type(value)
        assert pack(found) == pack(value)  # every field, every bit of a float, NaN and infinity too
        assert encode(found) == encode(value)


def test_a_second_look_computes_nothing(worked: Worked, computed: list[str]) -> None:
    first, second = (results_of(worked.study, worked.model) for _look in range(2))
    assert encode(first) == encode(second) == encode(analyse(study_tables(worked.study, worked.model)))
    one, other = (supplement_of(worked.test, 1, worked.model) for _look in range(2))
    assert encode(one) == encode(other)
    assert computed == ["results", "supplement"]


def test_page_supplement_and_api_show_what_is_kept(
    worked: Worked, researcher_client: Client, computed: list[str]
) -> None:
    made.unblind(worked.study)
    page, deeper = (
        reverse("results", args=[worked.study.pk]),
        reverse("results-test", args=[worked.study.pk, worked.test.pk]),
    )
    for _look in range(2):
        for address in (page, deeper, reverse("api-results", args=[worked.study.pk])):
            assert researcher_client.get(address).status_code == 200
    assert computed == ["results", "supplement"]


@pytest.mark.parametrize(
    "change",
    [
        lambda w: correct_an_answer(w),
        lambda w: made.unblind(w.study),
        lambda w: w.test.cases.first().images.get().reference.__class__.objects.filter(
            image=w.test.cases.first().images.get()
        ).update(confirmation="consensus"),
        lambda w: type(w.readers[0]).objects.filter(pk=w.readers[0].pk).update(withdrawn_at=timezone.now()),
        lambda w: w.test.questions.get().choices.filter(is_positive=True).update(label="Other"),
    ],
    ids=["an answer", "unblinding", "the truth of a case", "a reader who left", "what a choice is called"],
)  # fmt: skip
def test_what_changes_is_computed_again(worked: Worked, computed: list[str], change: Callable[[Worked], Any]) -> None:
    before = results_of(worked.study, worked.model)
    change(worked)
    worked.study.refresh_from_db()
    after = results_of(worked.study, worked.model)
    assert computed == ["results"] * 2
    assert encode(before) != encode(after)
    assert Computation.objects.count() == 1  # what nobody needs any more is gone


def test_other_code_computes_again(worked: Worked, computed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    results_of(worked.study, worked.model)
    monkeypatch.setattr("readerstudy.results.tables.inputs.code_sha256", lambda: "another")
    results_of(worked.study, worked.model)
    assert computed == ["results"] * 2


def test_bytes_that_are_no_result_are_computed_again(worked: Worked, computed: list[str]) -> None:
    results_of(worked.study, worked.model)
    Computation.objects.update(result=b"nonsense")
    assert isinstance(results_of(worked.study, worked.model), StudyResults)
    assert computed == ["results"] * 2


# --- by a worker ------------------------------------------------------------------------------------------------------


def test_a_large_study_is_left_to_a_worker(waiting: Computation, worked: Worked, bells: list[int]) -> None:
    assert (waiting.state, bells) == ("queued", [waiting.pk])
    with pytest.raises(StillComputing):  # a second request changes nothing
        results_of(worked.study, worked.model)
    assert bells == [waiting.pk]
    tasks.compute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.done, waiting.total, waiting.lease) == ("done", 2, 2, None)
    assert encode(results_of(worked.study, worked.model)) == encode(analyse(study_tables(worked.study, worked.model)))


def test_worker_and_request_give_the_same_numbers(
    worked: Worked, bells: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = encode(supplement_of(worked.test, 1, worked.model))
    Computation.objects.all().delete()
    monkeypatch.setattr(computing, "MOST_ANSWERS", 0)
    with pytest.raises(StillComputing) as still:
        supplement_of(worked.test, 1, worked.model)
    tasks.compute(still.value.computation.pk)
    assert encode(supplement_of(worked.test, 1, worked.model)) == here


def test_a_terminal_computes_what_is_large_itself(
    worked: Worked, large: None, bells: list[int], computed: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    told: list[tuple[int, int]] = []
    with django_capture_on_commit_callbacks(execute=True):
        supplement_of(worked.test, 1, worked.model, here=lambda done, total: told.append((done, total)))
    assert (bells, computed) == ([], ["supplement"])
    assert told[0] == (0, told[-1][1])
    assert told[-1][0] == told[-1][1] > 5
    assert Computation.objects.get().state == "done"


def test_a_second_message_finds_nothing_to_do(waiting: Computation, computed: list[str]) -> None:
    tasks.compute(waiting.pk)
    tasks.compute(waiting.pk)
    assert computed == ["results"]


def test_an_answer_that_comes_meanwhile_throws_the_numbers_away(
    waiting: Computation, worked: Worked, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct_an_answer(worked)
    tasks.compute(waiting.pk)
    assert not Computation.objects.exists()


def test_a_killed_worker_is_replaced(
    waiting: Computation, bells: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    assert computing.claim(waiting.pk) is not None  # and is never heard of again
    assert computing.claim(waiting.pk) is None
    with django_capture_on_commit_callbacks(execute=True):
        assert computing.sweep() == 0
    Computation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert computing.sweep() == 1
    assert bells == [waiting.pk] * 2
    tasks.compute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == ("done", 2)


def test_a_worker_that_wakes_up_late_delivers_nothing(waiting: Computation) -> None:
    late = computing.claim(waiting.pk)
    assert late is not None
    Computation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    other = computing.claim(waiting.pk)
    assert other is not None
    computing.work(late)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.lease) == ("running", other.lease)


def test_what_ends_its_worker_each_time_is_given_up(waiting: Computation) -> None:
    for _attempt in range(computing.MAX_ATTEMPTS):
        assert computing.claim(waiting.pk) is not None
        Computation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert computing.claim(waiting.pk) is None
    waiting.refresh_from_db()
    assert waiting.state == "failed"
    assert "Given up after 3 attempts" in waiting.error


def test_a_worker_that_fails_leaves_the_reason_and_is_asked_again(
    waiting: Computation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Subject, step: Step) -> Any:
        raise MemoryError("too much")

    monkeypatch.setattr(Subject, "compute", broken)
    with pytest.raises(MemoryError):
        tasks.compute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error, waiting.rung_at) == ("queued", "MemoryError: too much", None)
    assert computing.sweep() == 1


def test_what_cannot_be_computed_says_why(waiting: Computation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Subject, step: Step) -> Any:
        raise ResultsError("Case 3 has no reference diagnosis.")

    monkeypatch.setattr(Subject, "compute", refused)
    tasks.compute(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error) == ("failed", "Case 3 has no reference diagnosis.")


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_computes(worked: Worked, computed: list[str]) -> None:
    start = threading.Barrier(2)

    def ask(_n: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(timeout=30)
            return encode(results_of(worked.study, worked.model))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(ask, range(2))
    assert one == other
    assert computed == ["results"]
    assert Computation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_claims(worked: Worked, large: None, bells: list[int]) -> None:
    with pytest.raises(StillComputing) as still:
        results_of(worked.study, worked.model)
    pk = still.value.computation.pk

    def claim(_n: int) -> bool:
        try:
            return computing.claim(pk) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claim, range(4))) == [False, False, False, True]


# --- the pages --------------------------------------------------------------------------------------------------------


def test_the_page_says_how_far_it_is_and_then_shows_the_numbers(
    waiting: Computation, worked: Worked, researcher_client: Client
) -> None:
    page, progress = reverse("results", args=[worked.study.pk]), _address("computation", waiting)
    text = researcher_client.get(page).content.decode()
    assert "being computed" in text
    assert f'hx-get="{progress}"' in text
    assert "htmx" in text.partition("</main>")[2]  # the script that asks
    assert "AUC" not in text
    Computation.objects.update(state="running", lease=uuid.uuid4(), lease_expires_at=timezone.now(), done=1, total=2)
    asked = researcher_client.get(progress, headers={"HX-Request": "true"})
    assert "1 of 2 parts" in asked.content.decode()
    assert "HX-Refresh" not in asked.headers
    Computation.objects.update(state="queued", lease=None, lease_expires_at=None)
    tasks.compute(waiting.pk)
    asked = researcher_client.get(progress, headers={"HX-Request": "true"})
    assert asked.headers["HX-Refresh"] == "true"
    assert researcher_client.get(progress).headers["Location"].startswith(page)  # without script
    assert "AUC" in researcher_client.get(page).content.decode()


def test_downloads_wait_too(waiting: Computation, worked: Worked, researcher_client: Client) -> None:
    answer = researcher_client.get(reverse("results-figure", args=[worked.study.pk, worked.test.pk, "svg"]))
    assert answer.status_code == 503
    assert "Look again in a moment" in answer.content.decode()
    answer = researcher_client.get(reverse("api-results", args=[worked.study.pk]))
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")


def test_stopped_and_asked_again(waiting: Computation, worked: Worked, researcher_client: Client, bells: list[int],
                                 django_capture_on_commit_callbacks: Any, computed: list[str]) -> None:  # fmt: skip
    assert researcher_client.post(_address("computation-stop", waiting)).status_code == 302
    tasks.compute(waiting.pk)
    assert computed == []
    waiting.refresh_from_db()
    assert waiting.state == "stopped"
    assert "Compute again" in researcher_client.get(reverse("results", args=[worked.study.pk])).content.decode()
    assert researcher_client.post(_address("computation-stop", waiting)).status_code == 302  # twice: nothing happens
    with django_capture_on_commit_callbacks(execute=True):
        assert researcher_client.post(_address("computation-again", waiting)).status_code == 302
    assert bells == [waiting.pk] * 2
    tasks.compute(waiting.pk)
    assert computed == ["results"]
    actions = AuditEntry.objects.filter(action__startswith="computation.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["computation.stopped", "computation.asked_again"]


def test_a_worker_is_stopped_between_two_parts(waiting: Computation, researcher: User) -> None:
    claimed = computing.claim(waiting.pk)
    assert claimed is not None
    assert computing.stop(waiting, actor=researcher)
    computing.work(claimed)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.result) == ("stopped", None)


def test_nobody_else_sees_or_stops_it(
    waiting: Computation, worked: Worked, administrator: User, outsider: User
) -> None:
    readers = [reader.user for reader in worked.readers]
    for user in (administrator, outsider, *readers):
        assert user is not None
        client = signed_in(user)
        assert client.get(_address("computation", waiting)).status_code in (403, 404)
        for name in ("computation-stop", "computation-again"):
            assert client.post(_address(name, waiting)).status_code in (403, 404)
    waiting.refresh_from_db()
    assert waiting.state == "queued"
    assert Client().get(_address("computation", waiting)).status_code == 302  # to sign in


def test_wrong_study_wrong_method_wrong_id(waiting: Computation, worked: Worked, researcher_client: Client) -> None:
    assert researcher_client.post(_address("computation", waiting)).status_code == 405
    assert researcher_client.get(_address("computation-stop", waiting)).status_code == 405
    for arguments in ([worked.study.pk + 1, waiting.pk], [worked.study.pk, waiting.pk + 1]):
        assert researcher_client.get(reverse("computation", args=arguments)).status_code == 404


def test_before_unblinding_nothing_is_computed_or_shown(
    worked: Worked, researcher: User, computed: list[str], large: None, bells: list[int]
) -> None:
    client, study = signed_in(researcher), worked.study.pk
    addresses = [
        reverse("results", args=[study]), reverse("results-test", args=[study, worked.test.pk]),
        reverse("api-results", args=[study]), reverse("results-export", args=[study]),
    ]  # fmt: skip
    assert [client.get(address).status_code for address in addresses] == [200, 404, 404, 404]
    assert not Computation.objects.exists()
    # another researcher has looked, and what was computed for that one is there: still not for this one
    other = User.objects.create_user("other@example.org", "a long pass phrase", is_researcher=True)
    looking = signed_in(other)
    looking.post(reverse("results-look", args=[study]), {"reason": "The data safety board asked for it."})
    assert looking.get(addresses[0]).status_code == 200
    row = Computation.objects.get()
    assert row.requested_by == other
    tasks.compute(row.pk)
    assert [client.get(address).status_code for address in addresses] == [200, 404, 404, 404]
    assert "AUC" not in client.get(addresses[0]).content.decode()
    assert client.get(_address("computation", row)).status_code == 404


def _address(name: str, row: Computation) -> str:
    return reverse(name, args=[row.study_id, row.pk])
