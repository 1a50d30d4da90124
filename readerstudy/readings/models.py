"""What was answered: a reading (one reader, one test), its items in their stored order, and the answers."""

import uuid

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q

from readerstudy.accounts.models import User
from readerstudy.readers.models import Consent, Reader
from readerstudy.studies.models import Case, Choice, Question, Test


class ReadingQuerySet(models.QuerySet["Reading"]):
    def of(self, user: User) -> "ReadingQuerySet":
        """The readings of this person that may be read: agreed to, not withdrawn. Staff read no blinded case.

        Only what a reader may know is loaded: not the test's nodes, its image set's name or the study's seed.
        """
        if user.is_staff_of_studies:
            return self.none()
        return (
            self.filter(reader__user=user, reader__withdrawn_at=None)
            .filter(Exists(Consent.objects.filter(reader=OuterRef("reader"))))
            .select_related("reader", "test__study", "test__image_set")
            .only(
                "uuid", "created_at", "finished_at", "reader__code", "reader__withdrawn_at", "test__title",
                "test__position", "test__study__title", "test__study__state", "test__study__contact",
                "test__image_set__notice",
            )
        )  # fmt: skip

    def with_progress(self) -> "ReadingQuerySet":
        """Each with `n_items` and `n_answered`, in the order in which a person reads them."""
        return self.annotate(
            n_items=Count("items", distinct=True), n_answered=Count("items__answers__item", distinct=True)
        ).order_by(F("finished_at").asc(nulls_first=True), "test__study_id", "test__position")


class Reading(models.Model):
    """One reader's passage through one test. The order was drawn once, from `seed`, and stored as items."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="readings")
    test = models.ForeignKey(Test, on_delete=models.PROTECT, related_name="readings")
    seed = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ["reader", "test"]
        constraints = [models.UniqueConstraint(fields=["reader", "test"], name="reading_once")]

    def __str__(self) -> str:
        return f"{self.reader}, {self.test}"


class ItemQuerySet(models.QuerySet["Item"]):
    def unanswered(self) -> "ItemQuerySet":
        return self.filter(~Exists(Answer.objects.filter(item=OuterRef("pk"))))


class Item(models.Model):
    """One case at its place in a reading, under a random address."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()  # 1, 2, ...
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")

    objects = ItemQuerySet.as_manager()

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

    # Drawn by the browser: a submission (an answer to each question of a case) is stored once, however often it comes.
    submission_id = models.UUIDField()
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
            models.UniqueConstraint(fields=["submission_id", "question"], name="answer_once_in_a_submission"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="answer_revision_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.choice}"
