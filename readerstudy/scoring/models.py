"""What the model says: a model version, a run over images, its chunks, and the scores."""

from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from model_core.checkpoint import CheckpointMetadata
from readerstudy.images.models import Image


class ModelVersion(models.Model):
    """A checkpoint, known by the hash of its bytes. Its metadata (classes, preprocessing, card) travels with it."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    file = models.FileField(_("checkpoint"), upload_to="models/")
    sha256 = models.CharField(max_length=64, unique=True)
    metadata = models.JSONField()  # model_core.checkpoint.CheckpointMetadata.to_json()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def checkpoint(self) -> CheckpointMetadata:
        """Classes, taxonomy, preprocessing and training, as they were registered."""
        return CheckpointMetadata.from_json(self.metadata, self.name)

    @property
    def n_classes(self) -> int:
        return len(self.metadata["classes"])


class Validation(models.Model):
    """What `python -m model_core crossvalidate` found of how this model was trained: mean per-class accuracy over
    folds. The newest counts."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="validations")
    rows = models.JSONField()  # of validation.Row
    file_name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)  # of the file
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["model_version", "sha256"], name="validation_once_for_the_same_file")
        ]

    def __str__(self) -> str:
        return f"{self.model_version}, {self.file_name}"


class ScoringRun(models.Model):
    """A request for what a model makes of images. The row is the truth, the queue carries ids only."""

    class Kind(models.TextChoices):
        """What comes out of each image: a row of `Score`, of `Features` or of `SaliencyMap`."""

        SCORES = "scores", _("scores")
        FEATURES = "features", _("features")
        SALIENCY = "saliency", _("saliency maps")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    ACTIVE = (State.QUEUED, State.RUNNING)

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SCORES)
    label = models.CharField(max_length=200)  # what was asked for, in words: "all images of study ..."
    # SHA-256 of the model version and the sorted image ids: the same request is the same run.
    request_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    n_images = models.PositiveIntegerField()  # asked for
    n_present = models.PositiveIntegerField(default=0)  # of these, done by this model before
    # Of these, the ids of the images whose lesion, patient or picture the model was trained on, found when requested.
    in_training = models.JSONField(default=list)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "stopped", "failed"]), name="run_state_known"
            ),
            models.CheckConstraint(condition=Q(kind__in=["scores", "features", "saliency"]), name="run_kind_known"),
            models.UniqueConstraint(
                fields=["request_sha256"],
                condition=Q(state__in=["queued", "running"]),
                name="run_active_once_for_the_same_request",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}, {self.model_version}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE


class Chunk(models.Model):
    """Images of a run that one worker takes at once: claimed by a counted UPDATE, with a lease that runs out."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        CLAIMED = "claimed", _("claimed")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    run = models.ForeignKey(ScoringRun, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    lease = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    rung_at = models.DateTimeField(null=True)  # when a message for it was last sent
    error = models.TextField(blank=True)  # why the last attempt failed

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="chunk_number_once"),
            models.CheckConstraint(
                condition=Q(state="claimed", lease__isnull=False, lease_expires_at__isnull=False)
                | (~Q(state="claimed") & Q(lease__isnull=True, lease_expires_at__isnull=True)),
                name="chunk_claimed_means_leased",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run}, chunk {self.number}"


class RunImage(models.Model):
    """An image asked for in a run, in its chunk; with the reason, if it could not be scored."""

    run = models.ForeignKey(ScoringRun, on_delete=models.CASCADE, related_name="run_images")
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="run_images")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "image"], name="run_image_once")]

    def __str__(self) -> str:
        return f"{self.run}, image {self.image_id}"


class Score(models.Model):
    """The training-class probabilities of one image by one model: k float32, little-endian, in the model's order."""

    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="scores")
    probabilities = models.BinaryField()
    # What it was computed with ("float32", "bfloat16"): the same weights give slightly different numbers.
    precision = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "model_version"], name="score_once")]

    def __str__(self) -> str:
        return f"image {self.image_id} by {self.model_version_id}"


class Features(models.Model):
    """The last hidden layer of one image by one model: float32, little-endian, as many as the network has there."""

    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="features")
    values = models.BinaryField()
    precision = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "features"
        constraints = [models.UniqueConstraint(fields=["image", "model_version"], name="features_once")]

    def __str__(self) -> str:
        return f"features of image {self.image_id} by {self.model_version_id}"


class SaliencyMap(models.Model):
    """Which pixels of one image a model's answer hangs on: a grey PNG in the picture's proportions, black 0, white
    ``brightest`` or more (the L1 norm of the gradient of -log P at the input, over the colours)."""

    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="saliency_maps")
    target = models.CharField(max_length=120)  # the training class whose P it is: the most probable one
    probability = models.FloatField()
    png = models.BinaryField()
    brightest = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "model_version"], name="saliency_map_once")]

    def __str__(self) -> str:
        return f"saliency of image {self.image_id} by {self.model_version_id}"
