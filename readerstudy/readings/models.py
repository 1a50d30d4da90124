"""What was answered: a reading (one reader, one test), its items in their stored order, and the answers."""

import uuid

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from readerstudy.accounts.models import User
from readerstudy.readers.models import Consent, Reader
from readerstudy.studies.models import Arm, Case, Choice, Question, Stage, Test

# How a reading goes: the columns of Test that its reader may know.
CONDUCT = (
    "changes", "time_limit", "seconds_per_case", "break_every", "zoom_allowed", "screen_check", "shows_own_result",
    "cases_read", "arms_design", "most_readings",
)  # fmt: skip


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
                "uuid", "number", "created_at", "opens_at", "finished_at", "reader__code", "reader__study",
                "reader__withdrawn_at", "test__title", "test__position", "test__study__title", "test__study__state",
                "test__study__contact", "test__image_set__notice", *(f"test__{name}" for name in CONDUCT),
            )
        )  # fmt: skip

    def with_progress(self) -> "ReadingQuerySet":
        """Each with `n_items` and `n_answered`, in the order in which a person reads them."""
        return self.annotate(
            n_items=Count("items", distinct=True),
            n_answered=Count("items__submissions__item", filter=Q(items__submissions__completes=True), distinct=True),
        ).order_by(F("finished_at").asc(nulls_first=True), "test__study_id", "test__position", "number")


class Reading(models.Model):
    """One reader's passage through cases of a test. The order was drawn once, from `seed`, and stored as items.

    A test with batches or a crossover has several readings of a reader, counted by `number`.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="readings")
    test = models.ForeignKey(Test, on_delete=models.PROTECT, related_name="readings")
    number = models.PositiveSmallIntegerField(default=1)
    # The reader is the n-th who began this test: what is dealt out evenly over readers (arms, disjoint shares) goes by
    # it. None: the reading took place elsewhere.
    ordinal = models.PositiveIntegerField(null=True)
    seed = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)
    opens_at = models.DateTimeField(null=True)  # the end of a wash-out; None: at once
    finished_at = models.DateTimeField(null=True)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ["reader", "test", "number"]
        constraints = [
            models.UniqueConstraint(fields=["reader", "test", "number"], name="reading_once"),
            models.UniqueConstraint(fields=["test", "number", "ordinal"], name="reading_ordinal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.reader}, {self.test}, {self.number}"

    @property
    def is_waiting(self) -> bool:
        """Whether a wash-out is not over yet."""
        return self.opens_at is not None and timezone.now() < self.opens_at


class ItemQuerySet(models.QuerySet["Item"]):
    def unanswered(self) -> "ItemQuerySet":
        """Those whose last stage has no answer yet."""
        return self.filter(~Exists(Submission.objects.filter(item=OuterRef("pk"), completes=True)))


class Item(models.Model):
    """One case at its place in a reading, under a random address. Drawn with the reading, never changed."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()  # 1, 2, ...
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    is_repeat = models.BooleanField(default=False)  # the case was shown before, at an earlier position
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, null=True, related_name="+")
    advice_is_wrong = models.BooleanField(default=False)  # on purpose

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["reading_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["reading", "position"], name="item_position_once"),
            models.UniqueConstraint(fields=["reading", "case", "is_repeat"], name="item_case_once_and_repeated_once"),
            models.CheckConstraint(condition=Q(position__gte=1), name="item_position_from_1"),
            models.CheckConstraint(
                condition=Q(advice_is_wrong=False) | Q(arm__isnull=False), name="item_wrong_advice_in_an_arm"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading}, {self.position}"


class Submission(models.Model):
    """The answers to one stage of an item, committed at once. The table only grows: a change is the next revision."""

    # Drawn by the browser: however often a submission comes, it is stored once.
    id = models.UUIDField(primary_key=True)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="submissions")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="+")
    completes = models.BooleanField()  # it is for the last stage of its item: with it the item is answered
    revision = models.PositiveSmallIntegerField(default=1)
    arrived_at = models.DateTimeField(auto_now_add=True)  # by the server's clock
    # By the browser's clock, which the server does not trust; None where the browser did not say.
    shown_at = models.DateTimeField(null=True)  # the picture was painted
    touched_at = models.DateTimeField(null=True)  # first key or touch
    answered_at = models.DateTimeField(null=True)
    hidden_ms = models.PositiveIntegerField(null=True)  # of that time, the page was hidden
    zoomed = models.BooleanField(null=True)  # the picture was enlarged
    is_late = models.BooleanField(default=False)  # sent by the page because the time was up

    class Meta:
        ordering = ["item_id", "stage_id", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["item", "stage", "revision"], name="submission_revision_once"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="submission_revision_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.item}, stage {self.stage_id}, revision {self.revision}"


class Answer(models.Model):
    """The answer to one question of a submission: a choice, a number, diagnoses in order, a text, or none of these.

    A question that was left out, where the protocol lets it be, has no row. The table only grows.
    """

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="answers")
    question = models.ForeignKey(Question, on_delete=models.PROTECT, related_name="+")
    choice = models.ForeignKey(Choice, on_delete=models.PROTECT, null=True, related_name="+")
    number = models.SmallIntegerField(null=True)
    nodes = models.JSONField(null=True)  # the first is the most likely
    text = models.TextField(null=True)
    cannot_assess = models.BooleanField(default=False)

    class Meta:
        ordering = ["submission_id", "question_id"]  # without joins up to the study
        constraints = [
            models.UniqueConstraint(fields=["submission", "question"], name="answer_once_in_a_submission"),
            models.CheckConstraint(
                condition=Q(
                    choice__isnull=False,
                    number__isnull=True,
                    nodes__isnull=True,
                    text__isnull=True,
                    cannot_assess=False,
                )
                | Q(
                    choice__isnull=True,
                    number__isnull=False,
                    nodes__isnull=True,
                    text__isnull=True,
                    cannot_assess=False,
                )
                | Q(
                    choice__isnull=True,
                    number__isnull=True,
                    nodes__isnull=False,
                    text__isnull=True,
                    cannot_assess=False,
                )
                | Q(
                    choice__isnull=True,
                    number__isnull=True,
                    nodes__isnull=True,
                    text__isnull=False,
                    cannot_assess=False,
                )
                | Q(
                    choice__isnull=True, number__isnull=True, nodes__isnull=True, text__isnull=True, cannot_assess=True
                ),
                name="answer_is_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.submission}: {self.choice or self.number or self.text or self.nodes}"


class SessionEvent(models.Model):
    """What happened in a reading beside its answers, for the record. The table only grows."""

    class Kind(models.TextChoices):
        SCREEN_CHECK = "screen-check", _("the screen was checked")
        BREAK = "break", _("a break was taken")
        MORE_TIME = "more-time", _("more time was asked for")
        ADVICE_SHOWN = "advice-shown", _("advice was shown")
        ADVICE_REFUSED = "advice-refused", _("advice was asked for too early")
        KEYS_CHANGED = "keys-changed", _("keys were changed")

    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="events")
    item = models.ForeignKey(Item, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)
    # Drawn by the browser: however often its report comes, it is stored once. None: the server's own.
    report = models.UUIDField(null=True)

    class Meta:
        ordering = ["reading_id", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["report"], condition=Q(report__isnull=False), name="session_event_report_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading}: {self.kind}"
