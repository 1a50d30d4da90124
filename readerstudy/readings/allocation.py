"""Who reads what, in which order: drawn once from a recorded seed, stored as rows, never drawn again."""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.models import Consent, Reader
from readerstudy.readings.models import Item, Reading
from readerstudy.studies.allocation import draw_order
from readerstudy.studies.models import Study, Test


def ensure_readings(user: User) -> list[Reading]:
    """Every reading of `user` in an open study, made now where it was not yet made.

    A reading is made for each test of a readership that was agreed to and not withdrawn. Calling it again, or twice at
    the same moment, changes nothing: the reader's row is locked, and a second reading of a test cannot be stored.
    """
    if not user.is_staff_of_studies:
        agreed = Exists(Consent.objects.filter(reader=OuterRef("pk")))
        for reader in Reader.objects.filter(agreed, user=user, withdrawn_at=None, study__state=Study.State.OPEN):
            if _tests_without_reading(reader).exists():
                _make_missing(reader.pk, actor=user)
    return list(Reading.objects.of(user).with_progress().filter(test__study__state=Study.State.OPEN))


def _tests_without_reading(reader: Reader) -> QuerySet[Test]:
    made = Reading.objects.filter(reader=reader).values("test")
    return reader.tests.exclude(pk__in=made).select_related("study").only("position", "study__seed")


def _make_missing(reader_pk: int, *, actor: User) -> None:
    with transaction.atomic():
        reader = Reader.objects.select_for_update().get(pk=reader_pk)
        for test in _tests_without_reading(reader):
            _make(reader, test, actor=actor)


def _make(reader: Reader, test: Test, *, actor: User) -> None:
    """One reading with its items. The draw is over case numbers, so that it does not depend on database ids."""
    seed = f"{test.study.seed}/test {test.position}/reader {reader.code}"
    cases = dict(test.cases.order_by("number").values_list("number", "pk"))
    reading = Reading.objects.create(reader=reader, test=test, seed=seed)
    Item.objects.bulk_create(
        Item(reading=reading, position=position, case_id=cases[number])
        for position, number in enumerate(draw_order(list(cases), seed=seed), start=1)
    )
    audit.record("reading.allocated", actor=actor, target=reading, seed=seed, items=len(cases))
