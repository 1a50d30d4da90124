"""A study of every design and what was drawn for its readers, as plain values; as a program, of a database of its own.

READERSTUDY_VAR=... READERSTUDY_DATABASE_URL=... python -m tests.readings.drawn
"""

import itertools
import json
import sys
from typing import Any

if __name__ == "__main__":
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "readerstudy.settings"
    django.setup()

from django.core.management import call_command
from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings, next_batch
from readerstudy.readings.models import Item, Reading
from readerstudy.studies import protocol
from readerstudy.studies.models import Arm, CaseImage, Study, Test
from tests import builders
from tests.builders import accepted_reader, draft_study, image_set
from tests.readings.designed import SHA256, second_stage

DESIGNS: tuple[dict[str, Any], ...] = (
    {"order": "stratified", "repeats": 2, "repeat_distance": 2, "practice_cases": 2, "attention_cases": 2},
    {"cases_read": "sample", "cases_per_reading": 6, "positives_per_reading": 2, "arms_design": "parallel"},
    {"cases_read": "disjoint", "cases_per_reading": 3, "positives_per_reading": 1},
    {"cases_read": "batches", "cases_per_reading": 4, "positives_per_reading": 1, "most_readings": 2},
    {"arms_design": "alternating", "block_size": 3},
    {"arms_design": "crossover"},
)
READERS = 3


def rows(user: User) -> dict[str, list[list[Any]]]:
    """The cases and items of a new study of all designs, whose few readers are at its end; no id of the database."""
    builders._serial = itertools.count(1)  # pictures and addresses of people are numbered by it
    study = opened(user)
    for _reader in range(READERS):
        reader = accepted_reader(study)
        assert reader.user is not None
        while open_readings := [reading for reading in ensure_readings(reader.user) if reading.finished_at is None]:
            Reading.objects.filter(pk__in=[reading.pk for reading in open_readings]).update(finished_at=timezone.now())
        for reading in Reading.objects.filter(reader=reader, test__cases_read="batches"):
            next_batch(reading, actor=reader.user)
    cases = CaseImage.objects.filter(case__test__study=study).order_by("case__test__position", "case__number")
    items = Item.objects.filter(reading__test__study=study).order_by(
        "reading__test__position", "reading__reader__code", "reading__number", "position"
    )
    return {
        "cases": [list(row) for row in cases.values_list(
            "case__test__position", "case__number", "case__kind", "case__is_positive", "image__sha256",
        )],
        "items": [list(row) for row in items.values_list(
            "reading__test__position", "reading__reader__code", "reading__number", "reading__ordinal", "reading__seed",
            "position", "case__number", "arm__position", "is_repeat", "advice_is_wrong",
        )],
    }  # fmt: skip


def opened(user: User) -> Study:
    classes = ["melanoma"] * 4 + ["melanocytic-naevus"] * 8
    sets = [image_set(user, diagnoses=classes) for _design in DESIGNS]
    further = image_set(user, diagnoses=["melanoma", "melanocytic-naevus"] * 4)
    study = draft_study(user, image_sets=sets, seed=918_273)
    for test, columns in zip(study.tests.order_by("position"), DESIGNS, strict=True):
        named = {f"{kind}_set": further for kind in ("practice", "attention") if f"{kind}_cases" in columns}
        Test.objects.filter(pk=test.pk).update(**columns, **named)
        if "arms_design" in columns:
            second_stage(test, shows_facts=False, shows_advice=True)
            Arm.objects.create(test=test, position=1, title="alone")
            Arm.objects.create(
                test=test, position=2, title="told", advice="probability", model_sha256=SHA256, wrong_per_cent=25
            )
    protocol.open_study(study, actor=user)
    return Study.objects.get(pk=study.pk)


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    json.dump(rows(User.objects.create_user("admin@example.org", is_administrator=True)), sys.stdout)
