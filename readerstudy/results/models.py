"""Numbers that were computed once, and those that a worker is computing."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from readerstudy.readings.models import Reading
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test


class Computation(models.Model):
    """What is computed of a study, found again by the hash of its inputs. Nothing here that the inputs do not give: a
    row may be deleted at any time. No reader ever sees one."""

    class What(models.TextChoices):
        RESULTS = "results", _("results")
        SUPPLEMENT = "supplement", _("more about a test")
        LAYOUT = "layout", _("layout of the cases")
        EXPORT = "export", _("export")
        TABLE = "table", _("table")
        FIGURE = "figure", _("figure")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    ACTIVE = (State.QUEUED, State.RUNNING)
    ENDED_EARLY = (State.STOPPED, State.FAILED)
    FILES = (What.EXPORT, What.TABLE, What.FIGURE)  # what a worker stores as a file

    what = models.CharField(max_length=12, choices=What)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="computations")
    test = models.ForeignKey(Test, on_delete=models.CASCADE, null=True, related_name="+")
    question = models.PositiveSmallIntegerField(default=0)  # its position; 0: all of them
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, null=True, related_name="+")
    name = models.CharField(max_length=80, blank=True)  # of a file
    language = models.CharField(max_length=10, blank=True)  # of what is written in one
    # SHA-256 of everything that the numbers depend on (tables/inputs.py); of a figure, of its finished content.
    inputs_sha256 = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)  # parts; 0 until the work has begun
    lease = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    rung_at = models.DateTimeField(null=True)  # when a message for it was last sent
    error = models.TextField(blank=True)
    result = models.BinaryField(null=True)  # packing.pack()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "stopped", "failed"]),
                name="computation_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease__isnull=False, lease_expires_at__isnull=False)
                | (~Q(state="running") & Q(lease__isnull=True, lease_expires_at__isnull=True)),
                name="computation_running_means_leased",
            ),
            models.CheckConstraint(
                condition=Q(state="done", result__isnull=False) | (~Q(state="done") & Q(result__isnull=True)),
                name="computation_done_means_a_result",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()} ({self.state})"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def is_file(self) -> bool:
        return self.what in self.FILES

    @property
    def per_cent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


class PackedReading(models.Model):
    """The items and answers of a reading that has ended, as the bytes of arrays (tables/packed.py). Nothing here that
    the reading does not give: a row may be deleted at any time. No reader ever sees one."""

    reading = models.OneToOneField(Reading, on_delete=models.CASCADE, primary_key=True, related_name="+")
    layout = models.PositiveSmallIntegerField()  # packed.LAYOUT
    items = models.BinaryField()
    answers = models.BinaryField()
    times = models.BinaryField()  # of the answers, in their order

    def __str__(self) -> str:
        return f"{self.reading_id}"
