"""An acknowledged answer is never lost, never doubled, never overwritten."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Reading, Submission
from readerstudy.readings.recording import Outcome, Telemetry
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, add_question
from tests.readings.conftest import answer, answer_all, choices_of, item_at


def stored() -> list[tuple[Any, ...]]:
    return list(
        Answer.objects.order_by("pk").values_list(
            "submission_id", "submission__item", "question", "choice", "submission__revision"
        )
    )


def refused(call: Callable[[], Outcome]) -> str:
    """The code of the refusal; asserts that nothing was written."""
    before = (stored(), AuditEntry.objects.count())
    with pytest.raises(ReadingsError) as refusal:
        call()
    assert (stored(), AuditEntry.objects.count()) == before
    return refusal.value.code


def test_an_answer_is_stored_with_its_times_and_its_audit_entry(reading: Reading) -> None:
    submission = uuid.uuid4()
    shown, pressed = datetime(2026, 3, 1, 9, 0, tzinfo=UTC), datetime(2026, 3, 1, 9, 0, 7, tzinfo=UTC)
    outcome = answer(reading, 1, key=2, submission=submission, telemetry=Telemetry(shown, shown, pressed, 1200, True))
    assert outcome == Outcome("stored", 1, finished=False)
    made = Answer.objects.get()
    sent = made.submission
    assert (sent.pk, sent.item, sent.revision, sent.stage.position) == (submission, item_at(reading, 1), 1, 1)
    assert sent.completes
    assert made.choice.label == "Reassure the patient"
    assert (sent.shown_at, sent.touched_at, sent.answered_at) == (shown, shown, pressed)
    assert (sent.hidden_ms, sent.zoomed, sent.is_late) == (1200, True, False)
    assert sent.arrived_at is not None
    entry = AuditEntry.objects.get(action="answer.recorded")
    assert (entry.actor, entry.target_id) == (reading.reader.user, str(reading.pk))
    assert entry.details == {"item": 1, "stage": 1, "revision": 1, "submission": str(submission)}


def test_the_same_submission_again_gives_the_stored_result(reading: Reading) -> None:
    submission = uuid.uuid4()
    answer(reading, 1, submission=submission)
    answer(reading, 2)
    before = (stored(), AuditEntry.objects.count())
    assert len(before[0]) == 2
    assert answer(reading, 1, submission=submission) == Outcome("repeated", 1, finished=False)
    assert (stored(), AuditEntry.objects.count()) == before


@pytest.mark.parametrize("difference", [{"key": 2}, {"position": 2}])
def test_the_same_id_with_another_content_is_refused(reading: Reading, difference: dict[str, int]) -> None:
    submission = uuid.uuid4()
    answer(reading, 1, submission=submission)
    changed = {"position": 1, "key": 1, **difference}
    assert refused(lambda: answer(reading, **changed, submission=submission)) == "conflict"


def test_an_id_of_another_reader_is_refused(study: Study, reading: Reading) -> None:
    submission = uuid.uuid4()
    answer(reading, 1, submission=submission)
    (other,) = ensure_readings(accepted_reader(study).user)
    assert refused(lambda: answer(other, 1, submission=submission)) == "conflict"


def test_an_answered_case_keeps_its_first_answer(reading: Reading) -> None:
    answer(reading, 1, key=1)
    before = stored()
    assert answer(reading, 1, key=2) == Outcome("already-answered", 1, finished=False)
    assert stored() == before


def test_no_case_is_skipped(reading: Reading) -> None:
    assert refused(lambda: answer(reading, 2)) == "ahead"
    answer(reading, 1)
    assert refused(lambda: answer(reading, 7)) == "ahead"


def test_a_case_of_another_reading_is_unknown(study: Study, reading: Reading) -> None:
    (other,) = ensure_readings(accepted_reader(study).user)
    assert refused(lambda: answer(reading, 1, item=item_at(other, 1).uuid)) == "unknown"
    assert refused(lambda: answer(reading, 1, item=uuid.uuid4())) == "unknown"


def test_each_question_needs_one_of_its_own_answers(administrator: User, reading: Reading) -> None:
    (question,) = reading.test.questions.all()
    stranger = add_question(reading.test, text="Malignant or benign?", answers=["malignant"])
    strange = stranger.choices.get()
    right = question.choices.get(position=1).pk
    wrong = [
        {},
        {question.pk: right},
        {stranger.pk: strange.pk},
        {question.pk: strange.pk, stranger.pk: right},
        {question.pk: 0, stranger.pk: strange.pk},
        {question.pk: right, stranger.pk: strange.pk, 0: right},
    ]
    assert len(wrong) == 6
    for choices in wrong:
        assert refused(lambda choices=choices: answer(reading, 1, choices=choices)) == "malformed"
    both = {question.pk: right, stranger.pk: strange.pk}
    assert answer(reading, 1, choices=both).kind == "stored"
    assert Answer.objects.count() == 2
    assert len(set(Answer.objects.values_list("submission_id"))) == 1


def test_the_last_answer_finishes_the_reading_once(reading: Reading) -> None:
    for position in range(1, 7):
        assert not answer(reading, position).finished
    reading.refresh_from_db()
    assert reading.finished_at is None
    submission = uuid.uuid4()
    assert answer(reading, 7, submission=submission) == Outcome("stored", 7, finished=True)
    reading.refresh_from_db()
    first = reading.finished_at
    assert first is not None
    assert answer(reading, 7, submission=submission) == Outcome("repeated", 7, finished=True)
    assert answer(reading, 7) == Outcome("already-answered", 7, finished=True)
    reading.refresh_from_db()
    assert reading.finished_at == first
    assert AuditEntry.objects.filter(action="reading.finished").count() == 1


def test_a_closed_study_takes_no_answer_but_confirms_a_stored_one(
    administrator: User, study: Study, reading: Reading
) -> None:
    submission = uuid.uuid4()
    answer(reading, 1, submission=submission)
    protocol.close_study(study, actor=administrator)
    assert refused(lambda: answer(reading, 2)) == "closed"
    assert answer(reading, 1, submission=submission).kind == "repeated"


def test_who_withdrew_gives_no_answer(administrator: User, reader: Reader, reading: Reading) -> None:
    invitations.withdraw(reader, actor=administrator)
    assert refused(lambda: answer(reading, 1)) == "withdrawn"


def test_the_database_refuses_to_change_or_delete_an_answer(reading: Reading) -> None:
    answer(reading, 1, key=1)
    other = choices_of(reading, 2).popitem()[1]
    with pytest.raises(DatabaseError), transaction.atomic():
        Answer.objects.update(choice=other)
    with pytest.raises(DatabaseError), transaction.atomic():
        Answer.objects.all().delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        Submission.objects.update(revision=2)
    made = Submission.objects.get()
    (question, choice) = choices_of(reading, 2).popitem()
    with pytest.raises(IntegrityError), transaction.atomic():  # a second answer to a question of a submission
        Answer.objects.create(submission=made, question_id=question, choice_id=choice)
    with pytest.raises(IntegrityError), transaction.atomic():  # a second submission under the same revision
        Submission.objects.create(id=uuid.uuid4(), item=made.item, stage=made.stage, completes=True)
    assert Answer.objects.get().choice.position == 1


def test_nothing_remains_of_an_answer_that_fails_half_way(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_details: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("readerstudy.readings.recording.audit.record", fail)
    with pytest.raises(RuntimeError):
        answer(reading, 1)
    assert not Answer.objects.exists()


# --- at the same moment ----------------------------------------------------------------------------------------------


def at_once(calls: list[Callable[[], Outcome]]) -> list[Outcome | ReadingsError]:
    together = threading.Barrier(len(calls))
    results: list[Outcome | ReadingsError] = []

    def run(call: Callable[[], Outcome]) -> None:
        try:
            together.wait(timeout=10)
            results.append(call())
        except ReadingsError as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == len(calls)
    return results


@pytest.mark.django_db(transaction=True)
def test_the_same_submission_four_times_at_once_is_stored_once(reading: Reading) -> None:
    values = {"submission": uuid.uuid4(), "item": item_at(reading, 1).uuid, "choices": choices_of(reading)}
    results = at_once([lambda: answer(reading, 1, **values)] * 4)
    assert sorted(result.kind for result in results if isinstance(result, Outcome)) == ["repeated"] * 3 + ["stored"]
    assert Answer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_devices_at_once_store_one_answer(reading: Reading) -> None:
    values = {"item": item_at(reading, 1).uuid}
    one, other = choices_of(reading, 1), choices_of(reading, 2)
    results = at_once(
        [
            lambda: answer(reading, 1, **values, choices=one, submission=uuid.uuid4()),
            lambda: answer(reading, 1, **values, choices=other, submission=uuid.uuid4()),
        ]
    )
    assert sorted(result.kind for result in results if isinstance(result, Outcome)) == ["already-answered", "stored"]
    assert Answer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_last_answers_at_once_finish_once(reading: Reading) -> None:
    for position in range(1, 7):
        answer(reading, position)
    values = {"item": item_at(reading, 7).uuid, "choices": choices_of(reading)}
    results = at_once([lambda: answer(reading, 7, **values, submission=uuid.uuid4()) for _ in range(2)])
    assert all(isinstance(result, Outcome) and result.finished for result in results)
    assert AuditEntry.objects.filter(action="reading.finished").count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_id_from_two_readers_at_once_is_stored_for_one(study: Study, reading: Reading) -> None:
    (other,) = ensure_readings(accepted_reader(study).user)
    submission = uuid.uuid4()
    results = at_once([lambda: answer(reading, 1, submission=submission),
                       lambda: answer(other, 1, submission=submission)])  # fmt: skip
    assert sorted(type(result).__name__ for result in results) == ["Outcome", "ReadingsError"]
    assert Answer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_answer_is_stored_after_the_study_was_closed(administrator: User, study: Study, reading: Reading) -> None:
    """However closing and answering fall together: an answer that is there was stored before `closed_at`."""

    def close() -> Outcome:
        protocol.close_study(study, actor=administrator)
        return Outcome("stored", 0, finished=False)

    answer_all_but_last = range(1, 7)
    for position in answer_all_but_last:
        answer(reading, position)
    at_once([close, lambda: answer(reading, 7)])
    study.refresh_from_db()
    assert Answer.objects.count() in (6, 7)
    assert not Answer.objects.filter(submission__arrived_at__gt=study.closed_at).exists()


def test_answering_everything_leaves_each_case_with_one_answer(reading: Reading) -> None:
    answer_all(reading)
    assert list(Submission.objects.order_by("item__position").values_list("item__position", "revision")) == [
        (position, 1) for position in range(1, 8)
    ]
