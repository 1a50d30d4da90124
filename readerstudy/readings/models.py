"""What was answered: a reading (one reader, one test), its items in their stored order, and the answers."""

import uuid

from django.db import models
from django.db.models import Q

from readerstudy.readers.models import Reader
from readerstudy.studies.models import Case, Choice, Question, Test


class Reading(models.Model):
    """One reader's passage through one test. The order was drawn once, from `seed`, and stored as items."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="readings")
    test = models.ForeignKey(Test, on_delete=models.PROTECT, related_name="readings")
    seed = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["reader", "test"]
        constraints = [models.UniqueConstraint(fields=["reader", "test"], name="reading_once")]

    def __str__(self) -> str:
        return f"{self.reader}, {self.test}"


class Item(models.Model):
    """One case at its place in a reading, under a random address."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()  # 1, 2, ...
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["reading", "position"]
        constraints = [
            models.UniqueConstraint(fields=["reading", "position"], name="item_position_once"),
            models.UniqueConstraint(fields=["reading", "case"], name="item_case_once"),
            models.CheckConstraint(condition=Q(position__gte=1), name="item_position_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.reading}, {self.position}"


class Answer(models.Model):
    """One answer. The table only grows: a correction, where the protocol allows one, is the next revision."""

    submission_id = models.UUIDField(unique=True)  # drawn by the browser: the same submission is stored once
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="answers")
    question = models.ForeignKey(Question, on_delete=models.PROTECT, related_name="+")
    choice = models.ForeignKey(Choice, on_delete=models.PROTECT, related_name="+")
    revision = models.PositiveSmallIntegerField(default=1)
    answered_at = models.DateTimeField(auto_now_add=True)  # when it arrived, by the server's clock
    # By the browser's clock, which the server does not trust: when the picture was painted, when the key was pressed.
    client_shown_at = models.DateTimeField(null=True)
    client_answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["item", "question", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["item", "question", "revision"], name="answer_revision_once"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="answer_revision_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.choice}"
