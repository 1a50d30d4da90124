"""Forms of the study builder."""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.images.models import ImageSet, Modality
from readerstudy.studies import allocation, eligibility, presets, publications
from readerstudy.studies.drafts import QuestionDraft, decision
from readerstudy.studies.models import Question, Study, Test


class NewStudyForm(forms.ModelForm):
    class Meta:
        model = Study
        fields = ["title"]


class StudyForm(forms.ModelForm):
    class Meta:
        model = Study
        fields = ["title", "description", "contact", "consent_text", "seed"]
        widgets = {
            "description": forms.Textarea(attrs={"rows": 5}),
            "consent_text": forms.Textarea(attrs={"rows": 16}),
        }
        help_texts = {
            "description": gettext_lazy("Readers see this before they agree. Say nothing of the cases' diagnoses."),
            "contact": gettext_lazy("A name with an address or a telephone number."),
            "consent_text": gettext_lazy("What readers agree to. Its hash is stored with each agreement."),
            "seed": gettext_lazy("Every random draw of the study follows from this number. It was drawn at random."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.consent_text:
            self.initial["consent_text"] = render_to_string("studies/consent.txt").strip()

    def clean_consent_text(self) -> str:
        # A browser sends CR LF; the text, and with it its hash, is the same from everywhere.
        return self.cleaned_data["consent_text"].replace("\r\n", "\n")


class StartForm(forms.Form):
    """Which images, and from which starting point: sent by GET, before the test's own form is filled in."""

    images = forms.ModelChoiceField(ImageSet.objects.all(), label=gettext_lazy("Image set"), empty_label=None)
    start = forms.ChoiceField(
        label=gettext_lazy("Start from"),
        choices=[("", gettext_lazy("an empty test")), *[(preset.key, preset.title) for preset in presets.TESTS]],
        required=False,
    )
    question = forms.ChoiceField(
        label=gettext_lazy("Question"), choices=[(preset.key, preset.text) for preset in presets.QUESTIONS],
        required=False,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "start_%s")  # stands beside a TestForm, which has a question too
        super().__init__(*args, **kwargs)


class TestForm(forms.ModelForm):
    """A test on the images of one set. `instance` has its study and its image set."""

    positive_nodes = forms.MultipleChoiceField(label=gettext_lazy("positive diagnoses"))
    negative_nodes = forms.MultipleChoiceField(label=gettext_lazy("negative diagnoses"))
    modality = forms.ChoiceField(
        label=gettext_lazy("Kind of image"),
        choices=[("", gettext_lazy("every kind in the set")), *Modality.choices],
        required=False,
    )
    question = forms.CharField(label=gettext_lazy("Question"), max_length=300)
    choice_1 = forms.CharField(label=gettext_lazy("First answer (key 1)"), max_length=100)
    choice_2 = forms.CharField(label=gettext_lazy("Second answer (key 2)"), max_length=100)
    positive_choice = forms.TypedChoiceField(
        label=gettext_lazy("Which answer counts as positive?"),
        choices=[(1, gettext_lazy("the first")), (2, gettext_lazy("the second"))],
        coerce=int,
        widget=forms.RadioSelect,
    )

    class Meta:
        model = Test
        fields = ["title", "modality", "histopathology_only", "sample_size", "sample_positives"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asks = is_simple(self.instance)
        if not self.asks:
            for name in ("question", "choice_1", "choice_2", "positive_choice"):
                del self.fields[name]
        for name in ("positive_nodes", "negative_nodes"):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [(count.node, count.name) for count in self.node_counts]
            field.error_messages["invalid_choice"] = _("“%(value)s” is not a diagnosis of this image set.")

    @cached_property
    def node_counts(self) -> list[eligibility.NodeCount]:
        return eligibility.node_counts(self.instance.image_set)

    @property
    def node_rows(self) -> list[dict[str, Any]]:
        """The table of diagnoses: each node with its counts and whether it is chosen as positive or negative."""
        chosen = {side: set(self[f"{side}_nodes"].value() or []) for side in ("positive", "negative")}
        return [
            {"count": count, "positive": count.node in chosen["positive"], "negative": count.node in chosen["negative"]}
            for count in self.node_counts
        ]

    @cached_property
    def pool(self) -> eligibility.Pool | None:
        """What may be drawn under what the form says; None while it does not say which diagnoses."""
        given = self.cleaned_data if self.is_bound else self.initial
        positive, negative = given.get("positive_nodes"), given.get("negative_nodes")
        if not positive or not negative or eligibility.overlap(positive, negative):
            return None
        asked = Test(
            study=self.instance.study, position=self.instance.position, image_set=self.instance.image_set,
            positive_nodes=positive, negative_nodes=negative, modality=given.get("modality") or "",
            histopathology_only=bool(given.get("histopathology_only")), images_per_case=self.instance.images_per_case,
        )  # fmt: skip
        return eligibility.pool_of(asked)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if (first := values.get("choice_1")) and first == values.get("choice_2"):
            self.add_error("choice_2", _("The two answers must differ."))
        positive, negative = values.get("positive_nodes"), values.get("negative_nodes")
        if positive and negative and (both := eligibility.overlap(positive, negative)):
            self.add_error(
                "negative_nodes", _("“%(names)s” is both positive and negative.") % {"names": "”, “".join(both)}
            )
        self._clean_sample(values.get("sample_size"), values.get("sample_positives"))
        return values

    def _clean_sample(self, size: int | None, n_positive: int | None) -> None:
        """The numbers agree with one another and with what there is."""
        if size is None and n_positive is not None:
            self.add_error("sample_size", _("Say how many cases are drawn in all."))
            return
        if size is not None and n_positive is not None and not 0 < n_positive < size:
            self.add_error(
                "sample_positives", _("Between 1 and %(most)d, so that both classes occur.") % {"most": size - 1}
            )
            return
        if size == 0:
            self.add_error("sample_size", _("At least one case is drawn."))
            return
        if self.pool is None:
            return
        for field, there, what in (
            ("positive_nodes", self.pool.positives, _("positive")),
            ("negative_nodes", self.pool.negatives, _("negative")),
        ):
            if not there:
                self.add_error(field, _("No %(what)s image fits all that is asked for.") % {"what": what})
        short = allocation.shortage(
            len(self.pool.positives), len(self.pool.negatives), size=size, n_positive=n_positive
        )
        if short:
            field = "sample_positives" if short.what == "positive images" else "sample_size"
            self.add_error(field, eligibility.shortage_sentence(short, self.instance.image_set))

    def only_count(self) -> None:
        """Forget what is still wrong with the other fields: only the number of images was asked for."""
        for name in [name for name in self.errors if name not in ("positive_nodes", "negative_nodes")]:
            del self.errors[name]

    @property
    def decision(self) -> QuestionDraft:
        """The question, after validation."""
        values = self.cleaned_data
        labels = [values["choice_1"], values["choice_2"]]
        return decision(
            values["question"],
            [(label, position == values["positive_choice"]) for position, label in enumerate(labels, start=1)],
        )


def is_simple(test: Test) -> bool:
    """Whether the test's own form can hold its question: it has no more than one, a decision of two."""
    if test.pk is None:
        return True
    questions = list(test.questions.prefetch_related("choices"))
    return test.stages.count() <= 1 and (
        not questions
        or (len(questions) == 1 and questions[0].kind == Question.Kind.DECISION and questions[0].choices.count() <= 2)
    )


def initial_from_preset(image_set: ImageSet, study: Study, start: str, question: str) -> dict[str, Any]:
    """What the form of a new test says at first."""
    asked = next((preset for preset in presets.QUESTIONS if preset.key == question), presets.QUESTIONS[0])
    initial: dict[str, Any] = {
        "question": asked.text, "choice_1": asked.positive, "choice_2": asked.negative, "positive_choice": 1,
    }  # fmt: skip
    preset = next((preset for preset in presets.TESTS if preset.key == start), None)
    if preset is None:
        return initial
    test = publications.test_of(preset, study=study, image_set=image_set)
    columns = (
        "title", "positive_nodes", "negative_nodes", "modality", "histopathology_only", "sample_size",
        "sample_positives",
    )  # fmt: skip
    return initial | {name: getattr(test, name) for name in columns}


def initial_from_test(test: Test) -> dict[str, Any]:
    """What the form of an existing test says at first, beside the fields of the test's own row."""
    initial: dict[str, Any] = {"positive_nodes": test.positive_nodes, "negative_nodes": test.negative_nodes}
    question = test.questions.prefetch_related("choices").first()
    if question is None:
        return initial
    initial["question"] = question.text
    for choice in question.choices.all():
        initial[f"choice_{choice.position}"] = choice.label
        if choice.is_positive:
            initial["positive_choice"] = choice.position
    return initial
