"""Who is asked: a reader (a person in a study, under a code), invitation, consent and profile."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from readerstudy.studies.models import ProtocolVersion, Study, Test


class Reader(models.Model):
    """A person who reads in one study. Results and exports know the code only."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="readers")
    code = models.CharField(_("code"), max_length=20)  # R01, R02, ... within the study
    email = models.EmailField(_("e-mail address"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="readerships")
    tests = models.ManyToManyField(Test, related_name="readers", verbose_name=_("tests"))
    language = models.CharField(_("language"), max_length=10, blank=True, default="")  # of the letters to him
    created_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["study", "code"]
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="reader_code_once_in_a_study"),
            models.UniqueConstraint("study", Lower("email"), name="reader_email_once_in_a_study"),
            models.UniqueConstraint(
                fields=["study", "user"], condition=Q(user__isnull=False), name="reader_user_once_in_a_study"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Invitation(models.Model):
    """A link that works once. Only the hash of its token is kept."""

    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="invitations")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"invitation of {self.reader}"


class Consent(models.Model):
    """That a reader agreed, to which text, when. The table only grows."""

    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="consents")
    protocol_version = models.ForeignKey(ProtocolVersion, on_delete=models.PROTECT, related_name="+")
    text_sha256 = models.CharField(max_length=64)
    agreed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reader", "text_sha256"], name="consent_once_for_a_text"),
        ]

    def __str__(self) -> str:
        return f"consent of {self.reader}"


class Profile(models.Model):
    """What a reader says of himself before the first case. The table only grows; the newest row counts."""

    class Specialty(models.TextChoices):
        DERMATOLOGY = "dermatology", _("dermatology")
        GENERAL_PRACTICE = "general-practice", _("general practice")
        OTHER = "other", _("other")

    class Training(models.TextChoices):
        NONE = "none", _("none")
        COURSE = "course", _("one course or several")
        CERTIFICATE = "certificate", _("a certificate or diploma")

    class Device(models.TextChoices):
        PHONE = "phone", _("a phone")
        TABLET = "tablet", _("a tablet")
        LAPTOP = "laptop", _("a laptop")
        DESKTOP = "desktop", _("a desktop computer")

    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="profiles")
    specialty = models.CharField(_("specialty"), max_length=20, choices=Specialty)
    board_certified = models.BooleanField(_("board-certified"))
    years_of_practice = models.PositiveSmallIntegerField(_("years of practice"))
    # Empty: not known, of readers of published data.
    dermoscopy_training = models.CharField(_("training in dermoscopy"), max_length=12, choices=Training, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)  # ISO 3166-1
    device = models.CharField(_("device"), max_length=8, choices=Device, blank=True)  # by the reader's own word
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["reader", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(years_of_practice__lte=80), name="profile_years_of_practice_to_80"),
            models.CheckConstraint(
                condition=Q(specialty__in=["dermatology", "general-practice", "other"]), name="profile_specialty_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    dermoscopy_training__in=["", "none", "course", "certificate"],
                    device__in=["", "phone", "tablet", "laptop", "desktop"],
                ),
                name="profile_training_and_device_known",
            ),
        ]

    def __str__(self) -> str:
        return f"profile of {self.reader}"
