"""Who reads what, in which order: drawn once from a recorded seed, stored as rows, never drawn again. See `plans`."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.readers.models import Consent, Reader
from readerstudy.readings.models import Item, Reading
from readerstudy.readings.plans import ArmPlan, Cases, Design, Place, Seeds, plan
from readerstudy.readings.screening import has_passed
from readerstudy.studies.models import Case, Study, Test

# What a draw depends on: not what is positive.
_COLUMNS = (
    "position", "study__seed", "cases_read", "cases_per_reading", "positives_per_reading", "most_readings", "order",
    "arms_design", "block_size", "wash_out_days", "repeats", "repeat_distance", "requires", "requires__pass_mark",
)  # fmt: skip


def ensure_readings(user: User) -> list[Reading]:
    """Every reading of `user` in an open study, made now where it was not yet made.

    A reading is made for each test of a readership that was agreed to and not withdrawn, and the next part of a
    crossover when the one before it is finished. Calling it again, or twice at the same moment, changes nothing: the
    reader's row is locked, and a second reading of a test under the same number cannot be stored.
    """
    if not user.is_staff_of_studies:
        agreed = Exists(Consent.objects.filter(reader=OuterRef("pk")))
        for reader in Reader.objects.filter(agreed, user=user, withdrawn_at=None, study__state=Study.State.OPEN):
            if _due(reader):
                with transaction.atomic():
                    locked = Reader.objects.select_for_update().get(pk=reader.pk)
                    for test, before in _due(locked):
                        _make(locked, test, before, actor=user)
    return list(Reading.objects.of(user).with_progress().filter(test__study__state=Study.State.OPEN))


def next_batch(reading: Reading, *, actor: User) -> Reading | None:
    """The reader's next batch of the test of this reading, made now; None: he may read no further one now."""
    with transaction.atomic():
        locked = Reader.objects.select_for_update().get(pk=reading.reader_id)
        last = _last_to_go_on_from(locked, reading)
        return _make(locked, _test(last.test_id), last, actor=actor) if last is not None else None


def may_read_another(reading: Reading) -> bool:
    """Whether `next_batch` would make one."""
    last = _last_to_go_on_from(reading.reader, reading)
    if last is None:
        return False
    test = _test(last.test_id)
    return _plan(reading.reader, test, ordinal=last.ordinal or 1, number=last.number + 1) is not None


def _last_to_go_on_from(reader: Reader, reading: Reading) -> Reading | None:
    """The reader's last batch of this test, if it is finished and another one is allowed."""
    test = reading.test
    if test.cases_read != Test.Cases.BATCHES or test.arms_design == Test.Arms.CROSSOVER:
        return None
    if reader.withdrawn_at is not None or not Study.objects.filter(pk=reader.study_id, state=Study.State.OPEN).exists():
        return None
    last = Reading.objects.filter(reader=reader, test=test.pk).order_by("-number").first()
    return last if last and last.finished_at is not None and last.number < design_of(test).n_readings else None


def _due(reader: Reader) -> list[tuple[Test, Reading | None]]:
    """The tests of which a reading is to be made now, each with the reading before it."""
    last = {reading.test_id: reading for reading in Reading.objects.filter(reader=reader).order_by("number")}
    tests = reader.tests.select_related("study", "requires").only(*_COLUMNS)
    due: list[tuple[Test, Reading | None]] = []
    for test in tests.order_by("position"):
        before = last.get(test.pk)
        if before is None:
            if test.requires is None or has_passed(reader, test.requires):
                due.append((test, None))
        elif _goes_on(test, before):
            due.append((test, before))
    return due


def _goes_on(test: Test, before: Reading) -> bool:
    """Whether another part of a crossover follows this one, which is over."""
    crossover = test.arms_design == Test.Arms.CROSSOVER and before.finished_at is not None
    return crossover and before.number < design_of(test).n_readings


def _test(pk: int) -> Test:
    return Test.objects.select_related("study", "requires").only(*_COLUMNS).get(pk=pk)


def _make(reader: Reader, test: Test, before: Reading | None, *, actor: User) -> Reading | None:
    """One reading with its items; None where no cases are left for it."""
    number = 1 if before is None else before.number + 1
    ordinal = _ordinal(test, before)
    places = _plan(reader, test, ordinal=ordinal, number=number)
    if places is None:
        return None
    opens_at = None
    if before is not None and before.finished_at is not None and test.wash_out_days:
        opens_at = before.finished_at + timedelta(days=test.wash_out_days)
    seed = _seeds(reader, test).reading(number)
    reading = Reading.objects.create(
        reader=reader, test=test, number=number, ordinal=ordinal, seed=seed, opens_at=opens_at
    )
    _store(reading, places)
    audit.record(
        "reading.allocated", actor=actor, target=reading, seed=seed, items=len(places), number=number, ordinal=ordinal
    )
    return reading


def _ordinal(test: Test, before: Reading | None) -> int:
    """The reader's place among those who began this test; the test's row is held, so that two do not get the same."""
    if before is not None and before.ordinal is not None:
        return before.ordinal
    Test.objects.select_for_update(no_key=True).only("pk").get(pk=test.pk)
    return (Reading.objects.filter(test=test).aggregate(last=Max("ordinal"))["last"] or 0) + 1


def _plan(reader: Reader, test: Test, *, ordinal: int, number: int) -> list[Place] | None:
    design = design_of(test)
    return plan(design, cases_of(test, design), _seeds(reader, test), ordinal=ordinal, number=number)


def _seeds(reader: Reader, test: Test) -> Seeds:
    of_test = f"{test.study.seed}/test {test.position}"
    return Seeds(test=of_test, reader=f"{of_test}/reader {reader.code}")


def design_of(test: Test) -> Design:
    """A test's choices as `plans` takes them."""
    arms = test.arms.order_by("position").values_list("position", "wrong_per_cent")
    return Design(
        cases_read=test.cases_read, cases_per_reading=test.cases_per_reading,
        positives_per_reading=test.positives_per_reading, most_readings=test.most_readings, order=test.order,
        arms_design=test.arms_design, arms=tuple(ArmPlan(position, wrong) for position, wrong in arms),
        block_size=test.block_size, repeats=test.repeats, repeat_distance=test.repeat_distance,
    )  # fmt: skip


def cases_of(test: Test, design: Design) -> Cases:
    """A test's cases as `plans` takes them; their classes are looked up only where the design draws by class."""
    numbers: dict[str, list[int]] = {kind: [] for kind in Case.Kind.values}
    for number, kind in test.cases.order_by("number").values_list("number", "kind"):
        numbers[kind].append(number)
    positives: list[int] = []
    if design.needs_classes:
        positives += test.cases.filter(kind=Case.Kind.SCORED, is_positive=True).values_list("number", flat=True)
    return Cases(
        scored=tuple(numbers[Case.Kind.SCORED]), positives=frozenset(positives),
        practice=tuple(numbers[Case.Kind.PRACTICE]), attention=tuple(numbers[Case.Kind.ATTENTION]),
    )  # fmt: skip


def _store(reading: Reading, places: Sequence[Place]) -> None:
    cases = dict(reading.test.cases.values_list("number", "pk"))
    arms = dict(reading.test.arms.values_list("position", "pk"))
    Item.objects.bulk_create(
        Item(
            reading=reading, position=position, case_id=cases[place.case], is_repeat=place.is_repeat,
            arm_id=None if place.arm is None else arms[place.arm], advice_is_wrong=place.advice_is_wrong,
        )
        for position, place in enumerate(places, start=1)
    )  # fmt: skip
