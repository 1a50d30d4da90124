"""What is asked: a study, its plan, its tests, their questions and cases, and each frozen version of its protocol."""

import uuid
from collections import Counter

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from readerstudy.images.models import Image, ImageSet, Modality
from readerstudy.studies.analysis_plan import AnalysisPlan
from readerstudy.studies.designs import MOST_IMAGES_OF_A_CASE, Allotment, Conduct

__all__ = [
    "AnalysisPlan", "Arm", "Case", "CaseImage", "Choice", "ProtocolVersion", "Question", "Stage", "Study", "Test",
]  # fmt: skip


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


class Test(Allotment, Conduct):
    """One reading test: which images, which taxonomy nodes are positive and negative, and how many are drawn.

    Who reads which of its cases, and how, is in `designs`.
    """

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
    # Pictures of one lesion, overview first, then close-up, then dermoscopy.
    images_per_case = models.PositiveSmallIntegerField(_("pictures of a case, at most"), default=1)
    # Practice with feedback and attention checks: cases of their own, in no result.
    practice_set = models.ForeignKey(
        ImageSet, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("practice images")
    )
    practice_cases = models.PositiveSmallIntegerField(_("practice cases"), default=0)
    attention_set = models.ForeignKey(
        ImageSet, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("images of attention checks"),
    )  # fmt: skip
    attention_cases = models.PositiveSmallIntegerField(_("attention checks"), default=0)
    requires = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("only for readers who passed"),
    )  # fmt: skip

    class Meta:
        ordering = ["study", "position"]
        constraints = [
            *Allotment.Meta.constraints,
            *Conduct.Meta.constraints,
            models.CheckConstraint(
                condition=Q(images_per_case__range=(1, MOST_IMAGES_OF_A_CASE)), name="test_images_per_case_1_to_6"
            ),
            models.CheckConstraint(
                condition=Q(practice_cases=0, practice_set__isnull=True)
                | Q(practice_cases__gte=1, practice_set__isnull=False),
                name="test_practice_cases_from_a_set",
            ),
            models.CheckConstraint(
                condition=Q(attention_cases=0, attention_set__isnull=True)
                | Q(attention_cases__gte=1, attention_set__isnull=False),
                name="test_attention_checks_from_a_set",
            ),
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

    def n_shown(self) -> int:
        """How many cases one reader is shown: in every part of a crossover, in one batch; practice, checks and repeats
        counted in. 0 before the cases are drawn.
        """
        kinds = Counter(self.cases.values_list("kind", flat=True))
        if not kinds:
            return 0
        drawn = kinds[Case.Kind.SCORED] if self.cases_per_reading is None else self.cases_per_reading
        shown = drawn + self.repeats + kinds[Case.Kind.PRACTICE] + kinds[Case.Kind.ATTENTION]
        return shown * (self.arms.count() if self.arms_design == self.Arms.CROSSOVER else 1)


class Arm(models.Model):
    """A condition under which cases of a test are read: what the reader is told beside the picture, if anything."""

    class Advice(models.TextChoices):
        NONE = "none", _("none")
        PROBABILITY = "probability", _("the model's probability of the positive class")
        CLASSES = "classes", _("the model's probability of each class")
        NEIGHBOURS = "neighbours", _("the most similar images with a known diagnosis")
        SALIENCY = "saliency", _("where the model looked")

    test = models.ForeignKey(Test, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(_("title"), max_length=100)  # readers do not see it
    advice = models.CharField(_("advice"), max_length=12, choices=Advice, default=Advice.NONE)
    # The model that advises, by the hash of its file: the protocol names exactly these weights.
    model_sha256 = models.CharField(_("model"), max_length=64, blank=True)
    wrong_per_cent = models.PositiveSmallIntegerField(
        _("deliberately wrong advice, in per cent of the cases"), default=0
    )
    # Where the most similar images come from: a set of which readers may know the diagnoses, none of the study's own.
    neighbours_set = models.ForeignKey(
        ImageSet, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("images with a known diagnosis"),
    )  # fmt: skip

    class Meta:
        ordering = ["test", "position"]
        constraints = [
            models.UniqueConstraint(fields=["test", "position"], name="arm_position_once"),
            models.CheckConstraint(
                condition=Q(neighbours_set__isnull=True) | Q(advice="neighbours"), name="arm_neighbours_from_a_set"
            ),
            models.CheckConstraint(
                condition=Q(advice="none", model_sha256="", wrong_per_cent=0)
                | (~Q(advice="none") & ~Q(model_sha256="")),
                name="arm_advice_comes_from_a_model",
            ),
            models.CheckConstraint(condition=Q(wrong_per_cent__lte=100), name="arm_wrong_advice_to_100_per_cent"),
        ]

    def __str__(self) -> str:
        return self.title


class Stage(models.Model):
    """What is shown of a case at once, and asked about it. Its answers are locked before the next stage is shown."""

    test = models.ForeignKey(Test, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField(default=1)
    instruction = models.CharField(_("what the reader is told"), max_length=300, blank=True)
    modalities = models.JSONField(_("kinds of picture"), default=list, blank=True)  # empty: every picture of the case
    shows_facts = models.BooleanField(_("age, sex, site and skin type are shown"), default=False)
    shows_advice = models.BooleanField(_("the arm's advice is shown"), default=False)

    class Meta:
        ordering = ["test", "position"]
        constraints = [
            models.UniqueConstraint(fields=["test", "position"], name="stage_position_once"),
            models.CheckConstraint(
                condition=Q(shows_advice=False) | Q(position__gt=1), name="stage_advice_after_an_unaided_answer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.test}, stage {self.position}"

    @property
    def modality_names(self) -> list[str]:
        """The kinds of picture in words."""
        return [str(Modality(kind).label) for kind in self.modalities if kind in Modality.values]


class Question(models.Model):
    """What is asked of each case at one stage of its test. `position` counts through the whole test."""

    class Kind(models.TextChoices):
        DECISION = "decision", _("a decision of two")
        CLASSES = "classes", _("one of several classes")
        RANKING = "ranking", _("a ranked differential diagnosis")
        SCALE = "scale", _("a scale")  # confidence, trust
        TEXT = "text", _("free text")

    test = models.ForeignKey(Test, on_delete=models.CASCADE, related_name="questions")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="questions")
    position = models.PositiveSmallIntegerField(default=1)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.DECISION)
    text = models.CharField(_("question"), max_length=300)
    is_required = models.BooleanField(_("must be answered"), default=True)
    allows_cannot_assess = models.BooleanField(_("“cannot assess” is an answer"), default=False)
    # Of a scale: whole numbers from `least` to `most`, with a word for each end.
    least = models.SmallIntegerField(_("lowest value"), null=True, blank=True)
    most = models.SmallIntegerField(_("highest value"), null=True, blank=True)  # of a ranking: so many diagnoses
    least_label = models.CharField(_("its word"), max_length=60, blank=True)
    most_label = models.CharField(_("its word"), max_length=60, blank=True)
    # Of a ranking: the taxonomy nodes under which diagnoses are searched; empty: all.
    nodes = models.JSONField(_("diagnoses to choose from"), default=list, blank=True)

    class Meta:
        ordering = ["test", "position"]
        constraints = [
            models.UniqueConstraint(fields=["test", "position"], name="question_position_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["decision", "classes", "text"], least__isnull=True, most__isnull=True)
                | Q(kind="ranking", least__isnull=True, most__range=(1, 10))
                | Q(kind="scale", least__isnull=False, most__gt=F("least")),
                name="question_range_fits_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.text


class Choice(models.Model):
    """One answer that a question allows, in the order of its key (1, 2, ...)."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="choices")
    position = models.PositiveSmallIntegerField()
    label = models.CharField(_("label"), max_length=100)
    # Of a decision, and of classes where they are to be read as a decision as well; else None.
    is_positive = models.BooleanField(_("counts as positive"), null=True)
    node = models.CharField(_("diagnosis"), max_length=100, blank=True)  # a taxonomy node, of classes

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

    class Kind(models.TextChoices):
        SCORED = "scored", _("counted")
        PRACTICE = "practice", _("practice")
        ATTENTION = "attention", _("attention check")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    test = models.ForeignKey(Test, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField()  # drawn at random, so that it says nothing of class or source
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SCORED)
    # The class by the reference standard, for what must be known while the study is open and is never shown before an
    # answer: stratified draws, the feedback of practice, attention checks, a pass mark.
    is_positive = models.BooleanField()
    feedback = models.CharField(max_length=200, blank=True)  # what a reader of a practice case is told after it
    images = models.ManyToManyField(Image, through="CaseImage", related_name="+")

    class Meta:
        ordering = ["test", "number"]
        constraints = [
            models.UniqueConstraint(fields=["test", "number"], name="case_number_once"),
            models.CheckConstraint(
                condition=Q(feedback="") | Q(kind="practice"), name="case_feedback_in_practice_only"
            ),
        ]

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
