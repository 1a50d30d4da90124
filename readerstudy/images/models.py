"""What is shown (ImageSet, Image), what is true of it (Reference, apart), and how it came in (Upload)."""

import secrets
import uuid
from collections.abc import Iterable
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from readerstudy.images.truth import taxonomy


class Modality(models.TextChoices):
    OVERVIEW = "overview", _("overview photograph")
    CLINICAL = "clinical", _("clinical photograph")  # a close-up
    DERMOSCOPY = "dermoscopy", _("dermoscopy")


class Confirmation(models.TextChoices):
    """How the diagnosis is known. Only histopathology makes a case biopsy-proven."""

    HISTOPATHOLOGY = "histopathology", _("histopathology")
    CONFOCAL = "confocal", _("confocal microscopy")
    FOLLOW_UP = "follow-up", _("follow-up")
    CONSENSUS = "consensus", _("expert consensus")
    CLINICAL = "clinical", _("clinical impression")
    SYNTHETIC = "synthetic", _("drawn by a program")
    UNKNOWN = "unknown", _("not stated")


class Sex(models.TextChoices):
    FEMALE = "female", _("female")
    MALE = "male", _("male")
    UNKNOWN = "", _("not stated")


class ImageSet(models.Model):
    """Images with their truth, complete and unchangeable from the moment it exists."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)
    # Drawn pictures and the like: every page that shows them says what they are.
    notice = models.CharField(_("notice"), max_length=200, blank=True)
    # SHA-256 over the sorted (pixels' hash, truth) of every image: two sets with the same content have the same hash.
    sha256 = models.CharField(max_length=64)
    taxonomy_sha256 = models.CharField(max_length=64)
    n_images = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


def image_path(image: "Image", filename: str) -> str:
    """A name that says nothing: a random id, in one of 256 folders. `filename` gives the ending only."""
    return f"images/{image.uuid.hex[:2]}/{image.uuid.hex}.{filename.rpartition('.')[2]}"


class ImageQuerySet(models.QuerySet["Image"]):
    def diagnosed_under(self, nodes: Iterable[str]) -> Self:
        """Images whose diagnosis is one of `nodes` or lies under one. Raises: TaxonomyError for an unknown node."""
        found = taxonomy()
        wanted = {diagnosis for node in nodes for diagnosis in found.descendants(node)}
        return self.filter(reference__diagnosis__in=sorted(wanted))


class Image(models.Model):
    """A picture, pixels only, and the facts that a protocol may show. Nothing here tells the diagnosis."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    image_set = models.ForeignKey(ImageSet, on_delete=models.PROTECT, related_name="images")
    file = models.FileField(upload_to=image_path)
    sha256 = models.CharField(max_length=64)  # of the stored bytes
    # Of the uploaded picture's pixels, upright and in sRGB: one picture has one, however it was compressed.
    pixels_sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    modality = models.CharField(max_length=20, choices=Modality)
    age = models.PositiveSmallIntegerField(null=True, validators=[MaxValueValidator(120)])
    sex = models.CharField(max_length=10, choices=Sex, blank=True)
    site = models.CharField(max_length=80, blank=True)
    skin_type = models.PositiveSmallIntegerField(null=True)  # Fitzpatrick I-VI as 1-6

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["image_set", "pixels_sha256"], name="image_once_in_a_set"),
            models.CheckConstraint(condition=Q(modality__in=Modality.values), name="image_modality_known"),
            models.CheckConstraint(
                condition=Q(skin_type__isnull=True) | Q(skin_type__range=(1, 6)), name="image_skin_type_1_to_6"
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class Reference(models.Model):
    """The reference standard of one image, and whatever could give it away. Never loaded for a reader."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="reference")
    diagnosis = models.CharField(max_length=100, db_index=True)  # a node of the taxonomy
    confirmation = models.CharField(max_length=20, choices=Confirmation)
    original_name = models.CharField(max_length=500)
    source_sha256 = models.CharField(max_length=64)  # of the uploaded bytes
    lesion_id = models.CharField(max_length=100, blank=True)
    patient_id = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(confirmation__in=Confirmation.values), name="confirmation_known"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.diagnosis} ({self.confirmation})"


def staging_path(upload: "Upload", filename: str) -> str:
    """Where a file waits to be checked: under a random name; nothing there is ever served."""
    return f"uploads/{uuid.uuid4().hex}"


def naming_key() -> str:
    return secrets.token_hex(32)


class Upload(models.Model):
    """A ZIP and its manifest on their way to becoming an image set: checked, reported, then stored whole or not.

    CHECKED has no problem and may be stored; one problem makes it REFUSED: everything or nothing.

    The row is the truth of a worker's progress: claimed by a counted UPDATE with a lease (see `lease`), so that of two
    workers one works, and that a worker's death is noticed.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("waiting to be checked")
        CHECKING = "checking", _("being checked")
        CHECKED = "checked", _("ready to be stored")
        REFUSED = "refused", _("has problems")
        STORING = "storing", _("being stored")
        STORED = "stored", _("stored")
        FAILED = "failed", _("failed")

    UNDER_WAY = (State.UPLOADED, State.CHECKING, State.CHECKED, State.STORING)

    name = models.CharField(_("name of the image set"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    notice = models.CharField(_("notice"), max_length=200, blank=True)
    archive = models.FileField(_("ZIP of images"), upload_to=staging_path, blank=True)
    manifest = models.FileField(_("manifest (CSV)"), upload_to=staging_path, blank=True)
    archive_name = models.CharField(max_length=255)  # as the administrator's computer calls them
    manifest_name = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict)  # checks.Report.to_json()
    error = models.TextField(blank=True)  # why it failed
    lease = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    rung_at = models.DateTimeField(null=True)  # when a message for it was last sent
    # The random names of its pictures come from this secret, so that a second attempt writes over the first one's
    # files in place of leaving them behind. Forgotten when the set is stored.
    naming_key = models.CharField(max_length=64, default=naming_key, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    image_set = models.OneToOneField(ImageSet, on_delete=models.PROTECT, null=True, related_name="upload")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["uploaded", "checking", "checked", "refused", "storing", "stored", "failed"]),
                name="upload_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="stored", image_set__isnull=False) | (~Q(state="stored") & Q(image_set__isnull=True)),
                name="upload_stored_means_a_set",
            ),
            models.CheckConstraint(
                condition=Q(lease__isnull=True, lease_expires_at__isnull=True)
                | Q(lease__isnull=False, lease_expires_at__isnull=False, state__in=["checking", "storing"]),
                name="upload_leased_only_while_worked_on",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(state__in=["uploaded", "checking", "checked", "storing"]),
                name="upload_name_once_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def is_worked_on(self) -> bool:
        """Whether a worker has it, or will have it without anybody's doing."""
        return self.state in (self.State.UPLOADED, self.State.CHECKING, self.State.STORING)
