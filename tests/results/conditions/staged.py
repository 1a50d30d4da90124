"""Small studies of two stages, of a crossover and of two groups, with answers made through the recording door.

Of every study the truth is known by the case's number; what each reader says is a function of reader, case and
condition, written here as plain sets, so that the expected numbers can be counted by hand or by a plain loop.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from readerstudy.advice.door import told
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.answering import Given
from readerstudy.readings.models import Item, Reading
from readerstudy.readings.progress import Shown, standing
from readerstudy.readings.recording import Sent, record
from readerstudy.studies.models import Question, Stage, Test
from tests.readings.designed import SHA256, take_the_advice

Say = Callable[[Item, Stage], bool]  # whether the reader calls the case positive at this stage


def answer_all(reading: Reading, say: Say, *, sure: int | None = None) -> None:
    """Every case of a reading at each of its stages; on a scale ``sure``, where the stage has one.

    Advice is looked at first; where the arm's model is one that there is not, that it was is written down.
    """
    user = reading.reader.user
    while (shown := standing(Reading.objects.get(pk=reading.pk)).current) is not None:
        if shown.needs_advice and reading.test.arms.exclude(model_sha256=SHA256).filter(advice="probability"):
            told(user, reading.uuid, shown.item.uuid)
        else:
            take_the_advice(shown)
        sent = Sent(
            item=shown.item.uuid, stage=shown.stage.position, submission=uuid4(), answers=given(shown, say, sure)
        )
        record(reading=reading, sent=sent, actor=user)


def given(shown: Shown, say: Say, sure: int | None) -> dict[int, Given]:
    item = Item.objects.select_related("case", "arm").get(pk=shown.item.pk)
    found = {}
    for question in Question.objects.filter(stage=shown.stage):
        if question.kind in (Question.Kind.DECISION, Question.Kind.CLASSES):
            choice = question.choices.get(is_positive=say(item, shown.stage))
            found[question.pk] = Given(choice=choice.pk)
        elif question.kind == Question.Kind.SCALE and sure is not None:
            found[question.pk] = Given(number=sure)
    return found


def read_all(reader: Reader, test: Test, say: Say, *, sure: int | None = None) -> None:
    """Every part of a test, one after the other; a wash-out is over at once."""
    for _part in range(max(1, test.arms.count())):
        ensure_readings(reader.user)
        for reading in Reading.objects.filter(reader=reader, test=test, finished_at=None).order_by("number"):
            Reading.objects.filter(pk=reading.pk, opens_at__gt=timezone.now()).update(
                opens_at=timezone.now() - timedelta(seconds=1)
            )
            answer_all(Reading.objects.get(pk=reading.pk), say, sure=sure)
            Reading.objects.filter(pk=reading.pk, finished_at=None).update(finished_at=timezone.now())
