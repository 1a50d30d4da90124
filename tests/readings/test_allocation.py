import threading

import pytest
from django.db import IntegrityError, connection, transaction

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.readers import invitations
from readerstudy.readers.models import Consent, Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Item, Reading
from readerstudy.studies import protocol
from readerstudy.studies.allocation import draw_order
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, image_set, open_study


def stored_order(reading: Reading) -> list[int]:
    return list(reading.items.order_by("position").values_list("case__number", flat=True))


def test_a_reading_has_every_case_once_in_the_order_drawn_from_its_seed(study: Study, reader: Reader) -> None:
    (reading,) = ensure_readings(reader.user)
    assert reading.reader == reader
    numbers = list(study.tests.get().cases.order_by("number").values_list("number", flat=True))
    assert len(numbers) == 7
    assert Reading.objects.get().seed == f"{study.seed}/test 1/reader {reader.code}"
    assert stored_order(reading) == draw_order(numbers, seed=f"2017/test 1/reader {reader.code}")
    assert list(reading.items.values_list("position", flat=True)) == [1, 2, 3, 4, 5, 6, 7]
    assert AuditEntry.objects.filter(action="reading.allocated", target_id=str(reading.pk)).count() == 1


def test_twice_changes_nothing(reader: Reader) -> None:
    (first,) = ensure_readings(reader.user)
    order = list(first.items.values_list("uuid", "case"))
    (second,) = ensure_readings(reader.user)
    assert second == first
    assert list(second.items.values_list("uuid", "case")) == order
    assert Item.objects.count() == 7


def test_readers_get_orders_of_their_own(study: Study) -> None:
    orders = {tuple(stored_order(ensure_readings(accepted_reader(study).user)[0])) for _ in range(5)}
    assert len(orders) > 1  # five equal orders of seven: (1/5040)**4


def test_one_reading_for_each_test_he_was_invited_to(administrator: User) -> None:
    sets = [image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 2) for _ in range(3)]
    study = open_study(administrator, image_sets=sets)
    tests = list(study.tests.all())
    reader = accepted_reader(study, tests=tests[1:])
    assert [reading.test for reading in ensure_readings(reader.user)] == tests[1:]


def test_a_study_joined_later_adds_its_readings(administrator: User, reader: Reader, reading: Reading) -> None:
    other = open_study(administrator, title="another")
    accepted_reader(other, email=reader.email)
    readings = ensure_readings(reader.user)
    assert len(readings) == 2
    assert reading in readings


def test_nothing_before_consent(administrator: User, study: Study) -> None:
    reader, _token = invitations.invite(
        study=study, email="new@example.org", tests=study.tests.all(), actor=administrator
    )
    reader.user = User.objects.create_user("new@example.org")
    reader.save()
    assert not Consent.objects.filter(reader=reader).exists()
    assert ensure_readings(reader.user) == []
    assert not Reading.objects.exists()


def test_nothing_for_who_withdrew(administrator: User, reader: Reader) -> None:
    invitations.withdraw(reader, actor=administrator)
    assert ensure_readings(reader.user) == []
    assert not Reading.objects.exists()


def test_nothing_in_a_closed_study(administrator: User, study: Study, reader: Reader) -> None:
    protocol.close_study(study, actor=administrator)
    assert ensure_readings(reader.user) == []
    assert not Reading.objects.exists()


def test_nothing_for_staff(reader: Reader) -> None:
    User.objects.filter(pk=reader.user.pk).update(is_researcher=True)
    assert ensure_readings(User.objects.get(pk=reader.user.pk)) == []
    assert not Reading.objects.exists()


def test_nothing_for_an_outsider(study: Study, outsider: User) -> None:
    assert ensure_readings(outsider) == []


def test_the_database_refuses_a_second_reading_of_a_test(reader: Reader, reading: Reading) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Reading.objects.create(reader=reader, test=reading.test, seed="another")


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_the_same_moment_make_one_reading(study: Study, reader: Reader) -> None:
    together = threading.Barrier(2)
    made: list[list[int]] = []

    def ask() -> None:
        try:
            together.wait(timeout=10)
            made.append([reading.pk for reading in ensure_readings(reader.user)])
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(made) == 2
    assert made[0] == made[1]
    assert Reading.objects.count() == 1
    assert Item.objects.count() == 7
