"""The analysis plan as a row: written while the study is a draft, frozen with its protocol."""

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from readerstudy.studies import contrasts, plan


class AnalysisPlan(models.Model):
    """What decides the study, written before it opens: the primary endpoint, its test, and how fragile numbers count.

    The values are those of `plan.Plan`, the form in which the protocol and the results hold it.
    """

    class Endpoint(models.TextChoices):
        SENSITIVITY = plan.SENSITIVITY, _("sensitivity: the model's minus the average reader's")
        SPECIFICITY = plan.SPECIFICITY, _("specificity: the model's minus the average reader's")
        BALANCED = plan.BALANCED, _("(sensitivity + specificity) / 2: the model's minus the average reader's")
        AUC = plan.AUC, _("the model's AUC against a stated value")
        CONDITIONS = plan.CONDITIONS, _("readers under two conditions (stages or arms), as stated below")

    class Method(models.TextChoices):
        BOOTSTRAP = plan.BOOTSTRAP, _("bootstrap over readers and cases, the match redone each time")
        OR_RANDOM = plan.OR_RANDOM, _("Obuchowski-Rockette, readers and cases random")
        OR_CASES_FIXED = plan.OR_CASES_FIXED, _("Obuchowski-Rockette, readers random, these cases only")
        OR_READERS_FIXED = plan.OR_READERS_FIXED, _("Obuchowski-Rockette, cases random, these readers only")
        DELONG = plan.DELONG, _("DeLong, for an AUC")

    class Hypothesis(models.TextChoices):
        SUPERIORITY = plan.SUPERIORITY, _("superiority: better by more than the margin")
        NON_INFERIORITY = plan.NON_INFERIORITY, _("non-inferiority: not worse by the margin or more")

    class Origin(models.TextChoices):
        STATED = plan.STATED, _("a value stated here")
        OTHER_DATA = plan.OTHER_DATA, _("a value chosen on other data, named here")
        TEST_SET = plan.TEST_SET, _("matched to the average reader on the test set itself")

    class Multiplicity(models.TextChoices):
        HOLM = plan.HOLM, _("Holm")
        HOCHBERG = plan.HOCHBERG, _("Hochberg")
        BONFERRONI = plan.BONFERRONI, _("Bonferroni")
        FIXED_SEQUENCE = plan.FIXED_SEQUENCE, _("fixed sequence: the tests in their order, until one fails")
        ALL_TESTS = plan.ALL_TESTS, _("every test must succeed, none corrected")
        NONE = plan.NO_CORRECTION, _("no correction")

    class Missing(models.TextChoices):
        COMPLETE = plan.COMPLETE_READERS, _("only readers who answered every case enter")
        AVAILABLE = plan.AVAILABLE, _("each reader is compared with the model on the cases that he or she answered")
        RIGHT = plan.COUNTED_RIGHT, _("a missing answer of a reader who has begun counts as right")

    class Average(models.TextChoices):
        EVERY = plan.EVERY_READER, _("the mean over every reader, each counting alike")
        CERTIFIED = plan.CERTIFIED_READERS, _("the mean over the board-certified readers, each counting alike")

    study = models.OneToOneField("studies.Study", on_delete=models.CASCADE, related_name="plan")
    endpoint = models.CharField(_("primary endpoint"), max_length=40, choices=Endpoint)
    method = models.CharField(_("test"), max_length=60, choices=Method, blank=True)
    hypothesis = models.CharField(_("to be shown"), max_length=20, choices=Hypothesis, blank=True)
    margin = models.FloatField(_("margin"), default=0.0)
    alpha = models.FloatField(_("alpha, two-sided"), default=0.05)
    reference = models.FloatField(_("stated AUC"), null=True, blank=True)
    threshold_origin = models.CharField(_("the model's threshold"), max_length=30, choices=Origin, blank=True)
    threshold = models.FloatField(_("value of the threshold"), null=True, blank=True)
    threshold_data = models.CharField(_("data that it was chosen on"), max_length=200, blank=True)
    multiplicity = models.CharField(_("correction for several tests"), max_length=20, choices=Multiplicity)
    missing = models.CharField(_("missing answers"), max_length=20, choices=Missing)
    average = models.CharField(_("the average reader"), max_length=30, choices=Average)
    secondary = models.JSONField(_("secondary endpoints"), default=list, blank=True)
    contrasts = models.JSONField(_("between conditions"), default=list, blank=True)  # each a `Contrast.document()`

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    endpoint__in=[plan.SENSITIVITY, plan.SPECIFICITY, plan.BALANCED, plan.AUC, plan.CONDITIONS],
                    method__in=[
                        "", plan.BOOTSTRAP, plan.OR_RANDOM, plan.OR_CASES_FIXED, plan.OR_READERS_FIXED, plan.DELONG,
                    ],
                    hypothesis__in=["", plan.SUPERIORITY, plan.NON_INFERIORITY],
                    multiplicity__in=[
                        plan.HOLM, plan.HOCHBERG, plan.BONFERRONI, plan.FIXED_SEQUENCE, plan.ALL_TESTS,
                        plan.NO_CORRECTION,
                    ],
                    missing__in=[plan.COMPLETE_READERS, plan.AVAILABLE, plan.COUNTED_RIGHT],
                    average__in=[plan.EVERY_READER, plan.CERTIFIED_READERS],
                ),
                name="plan_values_known",
            ),
            models.CheckConstraint(condition=Q(alpha__gt=0, alpha__lt=0.5), name="plan_alpha_in_range"),
            models.CheckConstraint(
                condition=Q(margin__gt=0, margin__lt=1) | Q(hypothesis__in=["", plan.SUPERIORITY], margin=0),
                name="plan_margin_in_range",
            ),
            models.CheckConstraint(
                condition=Q(endpoint=plan.AUC, method=plan.DELONG, reference__isnull=False,
                            reference__gt=0, reference__lt=1, threshold_origin="")
                | (~Q(endpoint=plan.AUC) & ~Q(method=plan.DELONG) & Q(reference=None) & ~Q(threshold_origin=""))
                | Q(endpoint=plan.CONDITIONS, reference=None, threshold_origin=""),
                name="plan_of_an_auc_or_of_decisions",
            ),
            models.CheckConstraint(
                condition=Q(endpoint=plan.CONDITIONS, method="", hypothesis="", margin=0, threshold_origin="")
                | (~Q(endpoint=plan.CONDITIONS) & ~Q(method="") & ~Q(hypothesis="")),
                name="plan_tests_the_model_or_conditions",
            ),
            models.CheckConstraint(
                condition=Q(threshold_origin__in=[plan.STATED, plan.OTHER_DATA], threshold__isnull=False,
                            threshold__gte=0, threshold__lte=1)
                | Q(threshold_origin__in=["", plan.TEST_SET], threshold=None),
                name="plan_threshold_has_its_origin",
            ),
            models.CheckConstraint(
                condition=Q(threshold_origin=plan.OTHER_DATA) & ~Q(threshold_data="")
                | ~Q(threshold_origin=plan.OTHER_DATA) & Q(threshold_data=""),
                name="plan_names_the_other_data",
            ),
            models.CheckConstraint(
                condition=(~Q(threshold_origin=plan.TEST_SET) & ~Q(method=plan.BOOTSTRAP))
                | Q(threshold_origin=plan.TEST_SET, endpoint__in=[plan.SENSITIVITY, plan.SPECIFICITY]),
                name="plan_matches_where_it_can",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"analysis plan of {self.study}"

    @property
    def values(self) -> plan.Plan:
        """The plan as plain values; chance is drawn from the study's seed."""
        return plan.Plan(
            endpoint=self.endpoint, method=self.method, hypothesis=self.hypothesis, margin=self.margin,
            alpha=self.alpha, reference=self.reference, threshold_origin=self.threshold_origin,
            threshold=self.threshold, threshold_data=self.threshold_data, multiplicity=self.multiplicity,
            missing=self.missing, average=self.average, secondary=tuple(self.secondary), seed=self.study.seed,
            contrasts=tuple(plan.Contrast.of(one) for one in self.contrasts),
        )  # fmt: skip

    def clean(self) -> None:
        """What does not fit together, named at the field that is to be changed."""
        wrong: dict[str, object] = {}
        if self.alpha is not None and not 0 < self.alpha < 0.5:
            wrong["alpha"] = _("Between 0 and 0.5, for example 0.05.")
        if self.margin is not None:
            if not 0 <= self.margin < 1:
                wrong["margin"] = _("At least 0 and below 1, for example 0.05.")
            elif self.hypothesis == plan.NON_INFERIORITY and self.margin == 0:
                wrong["margin"] = _("Non-inferiority needs a margin above 0: how much worse would still be acceptable?")
        if self.endpoint == plan.CONDITIONS:
            wrong |= self._wrong_without_the_model()
        else:
            wrong |= {
                name: _("This field is required.") for name in ("method", "hypothesis") if not getattr(self, name)
            }
            wrong |= self._wrong_for_auc() if self.endpoint == plan.AUC else self._wrong_for_readers()
        if sentences := self._wrong_contrasts():
            wrong[NON_FIELD_ERRORS] = sentences
        if unknown := [name for name in self.secondary if name not in plan.SECONDARY]:
            wrong["secondary"] = _("“%(name)s” is not a secondary endpoint.") % {"name": unknown[0]}
        if wrong:
            raise ValidationError(wrong)

    def _wrong_without_the_model(self) -> dict[str, object]:
        of_the_model = ("method", "hypothesis", "reference", "threshold_origin", "threshold", "threshold_data")
        wrong: dict[str, object] = {
            field: _("Only for an endpoint of the model: leave this empty.")
            for field in of_the_model
            if getattr(self, field) not in ("", None)
        }
        if not any(isinstance(one, dict) and one.get("role") == plan.PRIMARY for one in self.contrasts):
            wrong["endpoint"] = _("Say below which two conditions are compared, and that this is primary.")
        return wrong

    def _wrong_contrasts(self) -> list[object]:
        """What no test could make right; whether the tests have these conditions is asked by `contrasts.wrong_with`."""
        try:
            found = [plan.Contrast.of(one) for one in self.contrasts]
        except (KeyError, TypeError, ValueError):
            return [_("What is said of the conditions compared cannot be read.")]
        said: list[object] = [sentence for one in found for sentence in contrasts.wrong_in_itself(one)]
        if len({one.key for one in found}) < len(found):
            said.append(_("The same comparison is planned twice."))
        if found and self.missing == plan.COUNTED_RIGHT:
            said.append(
                _("Missing answers that count as right favour the condition with more of them: choose another rule.")
            )
        return list(dict.fromkeys(said))

    def _wrong_for_auc(self) -> dict[str, object]:
        wrong: dict[str, object] = {}
        if self.method and self.method != plan.DELONG:
            wrong["method"] = _("An AUC is tested by DeLong; the other tests compare the model with readers.")
        if self.reference is None or not 0 < self.reference < 1:
            wrong["reference"] = _("State the AUC that the model is to be compared with, between 0 and 1.")
        for field in ("threshold_origin", "threshold", "threshold_data"):
            if getattr(self, field) not in ("", None):
                wrong[field] = _("An AUC needs no threshold: leave this empty.")
        return wrong

    def _wrong_for_readers(self) -> dict[str, object]:
        wrong: dict[str, object] = {}
        matched = self.threshold_origin == plan.TEST_SET
        if self.method == plan.DELONG:
            wrong["method"] = _("DeLong tests an AUC; choose a test that compares the model with readers.")
        elif self.method == plan.BOOTSTRAP and not matched:
            wrong["method"] = _("This test matches the threshold on the test set; with a stated one, choose another.")
        if self.reference is not None:
            wrong["reference"] = _("Only an AUC is compared with a stated value: leave this empty.")
        if not self.threshold_origin:
            wrong["threshold_origin"] = _("Say where the model's threshold comes from.")
        elif matched and self.endpoint == plan.BALANCED:
            wrong["threshold_origin"] = _("Sensitivity and specificity cannot both be matched: state a threshold.")
        if matched and self.threshold is not None:
            wrong["threshold"] = _("A matched threshold has no value beforehand: leave this empty.")
        elif self.threshold_origin and not matched and (self.threshold is None or not 0 <= self.threshold <= 1):
            wrong["threshold"] = _("State the threshold, a score between 0 and 1.")
        if self.threshold_origin == plan.OTHER_DATA and not self.threshold_data:
            wrong["threshold_data"] = _("Name the data that the threshold was chosen on.")
        elif self.threshold_origin != plan.OTHER_DATA and self.threshold_data:
            wrong["threshold_data"] = _("Only a threshold chosen on other data has a name here: leave this empty.")
        return wrong
