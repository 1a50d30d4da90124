"""What an administrator may choose for a test: who reads what, and how it is read. The columns of `Test`, by concern.

Each choice is one that published studies made; all chance in them is drawn once, from the study's seed.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

MOST_IMAGES_OF_A_CASE = 6


class Allotment(models.Model):
    """Who reads which cases, in which order."""

    class Cases(models.TextChoices):
        EVERY = "every", _("every reader reads every case")
        SAMPLE = "sample", _("each reader reads a random sample of his own")
        DISJOINT = "disjoint", _("each case is read by one reader only")
        BATCHES = "batches", _("each reader reads random batches of a fixed mix, as many as he likes")

    class Order(models.TextChoices):
        RANDOM = "random", _("random for each reader")
        STRATIFIED = "stratified", _("random, with the classes spread evenly")

    class Arms(models.TextChoices):
        SINGLE = "single", _("one arm")
        PARALLEL = "parallel", _("each reader in one arm, drawn at random")
        ALTERNATING = "alternating", _("the arms take turns, block by block")
        CROSSOVER = "crossover", _("each reader reads in every arm, in random order, with a wash-out between")

    cases_read = models.CharField(_("who reads what"), max_length=10, choices=Cases, default=Cases.EVERY)
    # Of a sample, a disjoint share or a batch; None where every reader reads every case.
    cases_per_reading = models.PositiveIntegerField(_("cases of a reading"), null=True, blank=True)
    positives_per_reading = models.PositiveIntegerField(_("of these positive"), null=True, blank=True)
    most_readings = models.PositiveSmallIntegerField(_("batches a reader may read"), default=1)
    order = models.CharField(_("order of the cases"), max_length=10, choices=Order, default=Order.RANDOM)
    arms_design = models.CharField(_("arms"), max_length=12, choices=Arms, default=Arms.SINGLE)
    block_size = models.PositiveSmallIntegerField(_("cases of a block"), null=True, blank=True)  # of alternating arms
    wash_out_days = models.PositiveSmallIntegerField(_("days of wash-out"), default=0)  # of a crossover
    repeats = models.PositiveSmallIntegerField(_("hidden repeats"), default=0)
    repeat_distance = models.PositiveSmallIntegerField(_("cases between a case and its repeat, at least"), default=10)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(cases_read="every", cases_per_reading__isnull=True)
                | (~Q(cases_read="every") & Q(cases_per_reading__gte=1)),
                name="%(class)s_cases_per_reading_stated",
            ),
            models.CheckConstraint(
                condition=Q(positives_per_reading__isnull=True)
                | Q(positives_per_reading__lte=F("cases_per_reading"), cases_per_reading__isnull=False),
                name="%(class)s_positives_within_reading",
            ),
            models.CheckConstraint(
                condition=Q(most_readings=1) | Q(cases_read="batches", most_readings__gt=1),
                name="%(class)s_several_readings_are_batches",
            ),
            models.CheckConstraint(
                condition=Q(arms_design="alternating", block_size__gte=1)
                | (~Q(arms_design="alternating") & Q(block_size__isnull=True)),
                name="%(class)s_block_size_of_alternating_arms",
            ),
            models.CheckConstraint(
                condition=Q(wash_out_days=0) | Q(arms_design="crossover"), name="%(class)s_wash_out_of_a_crossover"
            ),
        ]


class Conduct(models.Model):
    """How a reading goes: changes, time, breaks, zoom, the screen, and what the reader learns at the end."""

    class Changes(models.TextChoices):
        NEVER = "never", _("never")
        UNTIL_NEXT = "until-next", _("until the next case is answered")
        UNTIL_END = "until-end", _("until the end of the test")

    class Limit(models.TextChoices):
        NONE = "none", _("none")
        SOFT = "soft", _("the time left is shown, nothing is cut off")
        HARD = "hard", _("when it is up the case is over; the reader may ask for more time")

    class ScreenCheck(models.TextChoices):
        NONE = "none", _("none")
        RECORDED = "recorded", _("recorded, as a covariate")
        REQUIRED = "required", _("must be passed")

    changes = models.CharField(_("an answer may be changed"), max_length=10, choices=Changes, default=Changes.NEVER)
    time_limit = models.CharField(_("time limit"), max_length=4, choices=Limit, default=Limit.NONE)
    seconds_per_case = models.PositiveSmallIntegerField(_("seconds for a case"), null=True, blank=True)
    break_every = models.PositiveSmallIntegerField(_("a break is suggested every … cases"), null=True, blank=True)
    zoom_allowed = models.BooleanField(_("the picture may be enlarged"), default=True)
    screen_check = models.CharField(_("check of the screen"), max_length=10, choices=ScreenCheck, default="none")
    shows_own_result = models.BooleanField(_("readers see their own point after the end"), default=False)
    # A screening test: whoever answers fewer of its cases correctly does not read the tests that require it.
    pass_mark = models.PositiveSmallIntegerField(
        _("correct answers needed to pass, in per cent"), null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )  # fmt: skip

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(time_limit="none", seconds_per_case__isnull=True)
                | (~Q(time_limit="none") & Q(seconds_per_case__gte=5)),
                name="%(class)s_time_limit_in_seconds",
            ),
            models.CheckConstraint(
                condition=Q(break_every__isnull=True) | Q(break_every__gte=1), name="%(class)s_break_every_1_or_more"
            ),
            models.CheckConstraint(
                condition=Q(pass_mark__isnull=True) | Q(pass_mark__range=(1, 100)), name="%(class)s_pass_mark_1_to_100"
            ),
        ]
