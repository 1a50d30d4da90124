"""What is asked: a study, its plan, its tests, their questions and cases, and each frozen version of its protocol."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from readerstudy.images.models import Image, ImageSet, Modality
from readerstudy.studies.analysis_plan import AnalysisPlan

__all__ = ["AnalysisPlan", "Case", "CaseImage", "Choice", "ProtocolVersion", "Question", "Study", "Test"]


class Study(models.Model):
    """One reader study. Its protocol can be edited while DRAFT; from OPEN on it is frozen (see `protocol`)."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("what readers are told about the study"), blank=True)
    contact = models.CharField(_("whom to ask"), max_length=200, blank=True)
    consent_text = models.TextField(_("consent text"), blank=True)
    # Every random draw of the study comes from this number.
    seed = models.PositiveBigIntegerField(_("seed"))
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    unblinded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["draft", "open", "closed"]), name="study_state_known"),
            models.CheckConstraint(
                condition=Q(state="draft", opened_at__isnull=True, closed_at__isnull=True)
                | Q(state="open", opened_at__isnull=False, closed_at__isnull=True)
                | Q(state="closed", opened_at__isnull=False, closed_at__isnull=False),
                name="study_state_agrees_with_its_times",
            ),
            models.CheckConstraint(
                condition=Q(unblinded_at__isnull=True) | Q(state="closed"), name="study_unblinded_only_when_closed"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ProtocolVersion(models.Model):
    """The protocol as it was frozen: the document, its hash, and why it changed. The table only grows."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="protocol_versions")
    number = models.PositiveSmallIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="protocol_version_once"),
            models.CheckConstraint(condition=Q(number=1) | ~Q(reason=""), name="amendment_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.study}, protocol {self.number}"


class Test(models.Model):
    """One reading test: which images, which taxonomy nodes are positive and negative, and how many are drawn."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="tests")
    position = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(_("title"), max_length=200)
    image_set = models.ForeignKey(ImageSet, on_delete=models.PROTECT, related_name="+", verbose_name=_("image set"))
    # Lists of node ids: an image belongs to the test if its diagnosis lies under one of them.
    positive_nodes = models.JSONField(_("positive (malignant) diagnoses"), default=list)
    negative_nodes = models.JSONField(_("negative (benign) diagnoses"), default=list)
    modality = models.CharField(
        _("kind of image"), max_length=20, choices=Modality, blank=True, help_text=_("Empty: every kind in the set.")
    )
    histopathology_only = models.BooleanField(
        _("biopsy-proven images only"),
        default=False,
        help_text=_("Leaves out every image whose diagnosis was not confirmed by histopathology."),
    )
    sample_size = models.PositiveIntegerField(
        _("number of cases"), null=True, blank=True, help_text=_("Drawn at random. Empty: every image that fits.")
    )
    sample_positives = models.PositiveIntegerField(
        _("of these positive"), null=True, blank=True, help_text=_("Empty: as chance has it.")
    )

    class Meta:
        ordering = ["study", "position"]
        constraints = [
            models.UniqueConstraint(fields=["study", "position"], name="test_position_once"),
            models.CheckConstraint(
                condition=Q(sample_positives__isnull=True)
                | Q(sample_size__isnull=False, sample_positives__lte=F("sample_size")),
                name="test_positives_within_sample",
            ),
            models.CheckConstraint(condition=Q(modality__in=["", *Modality.values]), name="test_modality_known"),
        ]

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """What is asked of each case of a test. So far: a decision between choices."""

    test = models.ForeignKey(Test, on_delete=models.CASCADE, related_name="questions")
    position = models.PositiveSmallIntegerField(default=1)
    text = models.CharField(_("question"), max_length=300)

    class Meta:
        ordering = ["test", "position"]
        constraints = [models.UniqueConstraint(fields=["test", "position"], name="question_position_once")]

    def __str__(self) -> str:
        return self.text


class Choice(models.Model):
    """One answer that a question allows, in the order of its key (1, 2, ...)."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="choices")
    position = models.PositiveSmallIntegerField()
    label = models.CharField(_("label"), max_length=100)
    is_positive = models.BooleanField(_("counts as positive"))

    class Meta:
        ordering = ["question", "position"]
        constraints = [
            models.UniqueConstraint(fields=["question", "position"], name="choice_position_once"),
            models.UniqueConstraint(fields=["question", "label"], name="choice_label_once"),
        ]

    def __str__(self) -> str:
        return self.label


class Case(models.Model):
    """One lesion of a test as readers get it. The rows are the result of the draw; `number` tells nothing."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    test = models.ForeignKey(Test, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField()  # drawn at random, so that it says nothing of class or source
    images = models.ManyToManyField(Image, through="CaseImage", related_name="+")

    class Meta:
        ordering = ["test", "number"]
        constraints = [models.UniqueConstraint(fields=["test", "number"], name="case_number_once")]

    def __str__(self) -> str:
        return f"case {self.number}"


class CaseImage(models.Model):
    """A picture of a case, in the order shown."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="case_images")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["case", "position"]
        constraints = [
            models.UniqueConstraint(fields=["case", "position"], name="case_image_position_once"),
            models.UniqueConstraint(fields=["case", "image"], name="case_image_once"),
        ]

    def __str__(self) -> str:
        return f"{self.case}, picture {self.position}"
