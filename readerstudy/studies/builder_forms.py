"""Forms of a test's detail pages: its design, its stages, their questions, its arms."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from model_core.taxonomy import TaxonomyError
from readerstudy.images.models import ImageSet, Modality
from readerstudy.images.truth import taxonomy
from readerstudy.studies import impossible, publications
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft
from readerstudy.studies.models import Arm, Question, Test

NOTHING_CHOSEN = gettext_lazy("none")
# Choices that are offered at once: keys 1 to 9, and one more.
LEAST_ROWS, SPARE_ROWS = 10, 3


class DesignForm(forms.ModelForm):
    """Who reads what, in which arm and order, and how a reading goes. What a choice makes irrelevant is dropped."""

    # Field -> the field on whose value it depends, the values with which it counts, and what it is otherwise.
    DEPENDS: Mapping[str, tuple[str, tuple[str, ...], int | None]] = {
        "cases_per_reading": ("cases_read", ("sample", "disjoint", "batches"), None),
        "positives_per_reading": ("cases_read", ("sample", "disjoint", "batches"), None),
        "most_readings": ("cases_read", ("batches",), 1),
        "block_size": ("arms_design", ("alternating",), None),
        "wash_out_days": ("arms_design", ("crossover",), 0),
        "seconds_per_case": ("time_limit", ("soft", "hard"), None),
    }
    GROUPS = (
        (gettext_lazy("Cases"), (
            "images_per_case", "cases_read", "cases_per_reading", "positives_per_reading", "most_readings", "order",
        )),
        (gettext_lazy("Arms"), ("arms_design", "block_size", "wash_out_days")),
        (gettext_lazy("Answers and time"), ("changes", "time_limit", "seconds_per_case", "break_every")),
        (gettext_lazy("Picture and screen"), ("zoom_allowed", "screen_check")),
        (gettext_lazy("Practice, checks and repeats"), (
            "practice_set", "practice_cases", "attention_set", "attention_cases", "repeats", "repeat_distance",
        )),
        (gettext_lazy("Screening and the end"), ("pass_mark", "requires", "shows_own_result")),
    )  # fmt: skip

    class Meta:
        model = Test
        fields = [
            "images_per_case", "cases_read", "cases_per_reading", "positives_per_reading", "most_readings", "order",
            "arms_design", "block_size", "wash_out_days", "changes", "time_limit", "seconds_per_case", "break_every",
            "zoom_allowed", "screen_check", "practice_set", "practice_cases", "attention_set", "attention_cases",
            "repeats", "repeat_distance", "pass_mark", "requires", "shows_own_result",
        ]  # fmt: skip
        help_texts = {
            "images_per_case": gettext_lazy("Pictures of one lesion: overview, then close-up, then dermoscopy."),
            "positives_per_reading": gettext_lazy("Empty: as chance has it."),
            "block_size": gettext_lazy("After so many cases the next arm begins."),
            "break_every": gettext_lazy("Empty: no break is suggested."),
            "practice_set": gettext_lazy("Practice comes first, with the answer after each case, and is not counted."),
            "attention_set": gettext_lazy("Cases that nobody misses who looks. They are not counted."),
            "repeats": gettext_lazy("So many cases come a second time, to see whether readers answer them alike."),
            "pass_mark": gettext_lazy("For a screening test. Empty: there is nothing to pass."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("practice_set", "attention_set", "requires"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.empty_label = str(NOTHING_CHOSEN)
        earlier = Test.objects.filter(study=self.instance.study_id, position__lt=self.instance.position)
        self.fields["requires"].queryset = earlier  # type: ignore[attr-defined]  # a ModelChoiceField
        for kind in ("practice", "attention"):
            self.fields[f"{kind}_cases"].widget.attrs |= {"data-when": f"{kind}_set", "data-when-values": "*"}
        for name, (on, values, _otherwise) in self.DEPENDS.items():
            self.fields[name].required = False
            self.fields[name].widget.attrs |= {"data-when": on, "data-when-values": " ".join(values)}

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(str(title), [self[name] for name in names]) for title, names in self.GROUPS]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for name, (on, those, otherwise) in self.DEPENDS.items():
            if on in values and values[on] not in those:
                values[name] = otherwise
                self.errors.pop(name, None)
        for kind in ("practice", "attention"):
            if values.get(f"{kind}_set") is None and f"{kind}_cases" in values:
                values[f"{kind}_cases"] = 0
        self._refuse(values)
        return values

    def _refuse(self, values: Mapping[str, Any]) -> None:
        """What the tables would refuse, as a sentence at its field; the tables' own words then stay away."""
        asked = copy(self.instance)
        for name, value in values.items():
            setattr(asked, name, value)
        for name, sentence in impossible.refused_columns(asked):
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, sentence)


class StageForm(forms.Form):
    """What a stage shows. Its questions have forms of their own."""

    instruction = forms.CharField(label=gettext_lazy("What the reader is told"), max_length=300, required=False)
    modalities = forms.MultipleChoiceField(
        label=gettext_lazy("Kinds of picture"), choices=Modality.choices, required=False,
        widget=forms.CheckboxSelectMultiple, help_text=gettext_lazy("None chosen: every picture of the case."),
    )  # fmt: skip
    shows_facts = forms.BooleanField(label=gettext_lazy("Show age, sex, site and skin type"), required=False)
    shows_advice = forms.BooleanField(
        label=gettext_lazy("Show the arm's advice"), required=False,
        help_text=gettext_lazy("Not at the first stage: the unaided answer is committed first."),
    )  # fmt: skip

    def __init__(self, *args: Any, is_first: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_first:
            del self.fields["shows_advice"]

    def draft(self, questions: Sequence[QuestionDraft]) -> StageDraft:
        values = self.cleaned_data
        return StageDraft(
            tuple(questions), values["instruction"], tuple(values["modalities"]), values["shows_facts"],
            values.get("shows_advice", False),
        )  # fmt: skip


def node_named(text: str) -> str:
    """The id of the diagnosis that is meant by an id or a name. Raises forms.ValidationError with what is near."""
    try:
        return taxonomy().find(text)
    except TaxonomyError as error:
        raise forms.ValidationError(str(error)) from error


class QuestionForm(forms.Form):
    """A question but for its choices, which are a formset of `ChoiceForm`."""

    text = forms.CharField(label=gettext_lazy("Question"), max_length=300)
    kind = forms.ChoiceField(label=gettext_lazy("Answered by"), choices=Question.Kind.choices)
    is_required = forms.BooleanField(label=gettext_lazy("Must be answered"), required=False)
    allows_cannot_assess = forms.BooleanField(label=gettext_lazy("“Cannot assess” is an answer"), required=False)
    least = forms.IntegerField(label=gettext_lazy("Lowest value"), required=False)
    least_label = forms.CharField(label=gettext_lazy("Its word"), max_length=60, required=False)
    most = forms.IntegerField(
        label=gettext_lazy("Highest value"), required=False,
        help_text=gettext_lazy("Of a ranking: how many diagnoses at most."),
    )  # fmt: skip
    most_label = forms.CharField(label=gettext_lazy("Its word"), max_length=60, required=False)
    nodes = forms.CharField(
        label=gettext_lazy("Diagnoses to choose from"), required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, each with everything under it. Empty: the whole taxonomy."),
    )  # fmt: skip

    SHOWN_FOR: Mapping[str, tuple[str, ...]] = {
        "least": ("scale",), "least_label": ("scale",), "most": ("scale", "ranking"), "most_label": ("scale",),
        "nodes": ("ranking",),
    }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, kinds in self.SHOWN_FOR.items():
            self.fields[name].widget.attrs |= {"data-when": "kind", "data-when-values": " ".join(kinds)}

    def clean_nodes(self) -> list[str]:
        return [node_named(line.strip()) for line in self.cleaned_data["nodes"].splitlines() if line.strip()]

    def clean(self) -> dict[str, Any]:
        """What the kind of question makes irrelevant is dropped."""
        values = super().clean() or self.cleaned_data
        for name, kinds in self.SHOWN_FOR.items():
            if values.get("kind") not in kinds:
                values[name] = {"nodes": []}.get(name, "" if name.endswith("label") else None)
                self.errors.pop(name, None)
        return values

    def draft(self, choices: Iterable[ChoiceDraft]) -> QuestionDraft:
        values = self.cleaned_data
        chosen = tuple(choices) if values["kind"] in (Question.Kind.DECISION, Question.Kind.CLASSES) else ()
        return QuestionDraft(**values, choices=chosen)

    @staticmethod
    def initial_of(question: QuestionDraft) -> dict[str, Any]:
        names = ("text", "kind", "is_required", "allows_cannot_assess", "least", "least_label", "most", "most_label")
        nodes = "\n".join(_name(node) for node in question.nodes)
        return {name: getattr(question, name) for name in names} | {"nodes": nodes}


def _name(node: str) -> str:
    return taxonomy().name(node) if node in taxonomy().nodes else node


class ChoiceForm(forms.Form):
    """One answer. An empty row is no answer."""

    SIGNS = (("", "–"), ("positive", gettext_lazy("positive")), ("negative", gettext_lazy("negative")))

    label = forms.CharField(label=gettext_lazy("Answer"), max_length=100, required=False)
    sign = forms.ChoiceField(label=gettext_lazy("Counts as"), choices=SIGNS, required=False)
    node = forms.CharField(
        label=gettext_lazy("Diagnosis"), required=False, widget=forms.TextInput(attrs={"list": "diagnoses"})
    )

    def clean_node(self) -> str:
        text = self.cleaned_data["node"].strip()
        return node_named(text) if text else ""

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not values.get("label") and (values.get("sign") or values.get("node")):
            self.add_error("label", _("Write the answer's words."))
        return values

    @staticmethod
    def initial_of(choice: ChoiceDraft) -> dict[str, str]:
        sign = {True: "positive", False: "negative", None: ""}[choice.is_positive]
        return {"label": choice.label, "sign": sign, "node": _name(choice.node)}

    @property
    def draft(self) -> ChoiceDraft | None:
        values = self.cleaned_data
        if not values.get("label"):
            return None
        sign = {"positive": True, "negative": False}.get(values["sign"])
        return ChoiceDraft(values["label"], sign, values["node"])


def choice_forms(data: Any, question: QuestionDraft | None) -> "BaseFormSet[ChoiceForm]":
    """A row for each answer and some to spare, but at least ten."""
    initial = [ChoiceForm.initial_of(choice) for choice in question.choices] if question else []
    extra = max(LEAST_ROWS - len(initial), SPARE_ROWS)
    return formset_factory(ChoiceForm, extra=extra, max_num=200)(data, initial=initial, prefix="choice")


class ArmForm(forms.Form):
    """One arm. An empty row is no arm."""

    title = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, required=False, help_text=gettext_lazy("Readers do not see it.")
    )
    advice = forms.ChoiceField(label=gettext_lazy("Advice"), choices=Arm.Advice.choices, initial=Arm.Advice.NONE)
    model_sha256 = forms.ChoiceField(label=gettext_lazy("Model"), required=False)
    wrong_per_cent = forms.IntegerField(
        label=gettext_lazy("Deliberately wrong, per cent of the cases"), min_value=0, max_value=100, initial=0,
        required=False,
    )  # fmt: skip
    neighbours_set = forms.ModelChoiceField(
        ImageSet.objects.all(), label=gettext_lazy("Similar images come from"), required=False,
        help_text=gettext_lazy("Readers are told their diagnoses: a set that none of the study's tests asks about."),
    )  # fmt: skip

    def __init__(self, *args: Any, models: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = dict(models)
        stored = self.initial.get("model_sha256")
        if stored and stored not in known:  # not registered here, and not silently another one
            known[stored] = _("unknown model %(hash)s…") % {"hash": stored[:12]}
        field = self.fields["model_sha256"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", NOTHING_CHOSEN), *known.items()]
        for name in ("model_sha256", "wrong_per_cent"):
            self.fields[name].widget.attrs |= {
                "data-when": self.add_prefix("advice"),
                "data-when-values": " ".join(value for value in Arm.Advice.values if value != Arm.Advice.NONE),
            }
        self.fields["neighbours_set"].widget.attrs |= {
            "data-when": self.add_prefix("advice"),
            "data-when-values": str(Arm.Advice.NEIGHBOURS.value),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("advice") == Arm.Advice.NONE:
            values |= {"model_sha256": "", "wrong_per_cent": 0}
        if values.get("advice") != Arm.Advice.NEIGHBOURS:
            values["neighbours_set"] = None
        if draft := self.draft:
            for sentence in impossible.refused_arms([draft]):
                self.add_error(None, sentence)
        elif values.get("advice") not in (None, Arm.Advice.NONE):
            self.add_error("title", _("Name the arm."))
        return values

    @property
    def draft(self) -> ArmDraft | None:
        values = self.cleaned_data
        if not values.get("title") or "advice" not in values:
            return None
        wrong = values.get("wrong_per_cent") or 0
        return ArmDraft(
            values["title"], values["advice"], values.get("model_sha256", ""), wrong, values.get("neighbours_set")
        )


def arm_forms(data: Any, arms: Sequence[ArmDraft], models: Mapping[str, str]) -> "BaseFormSet[ArmForm]":
    """A row for each arm and one to spare, but at least two."""
    names = ("title", "advice", "model_sha256", "wrong_per_cent", "neighbours_set")
    initial = [{name: getattr(arm, name) for name in names} for arm in arms]
    made = formset_factory(ArmForm, extra=max(2 - len(arms), 1), max_num=20)
    return made(data, initial=initial, prefix="arm", form_kwargs={"models": models})


class TemplateForm(forms.Form):
    """A published study to start from."""

    publication = forms.ChoiceField(choices=[(one.key, one.title) for one in publications.PUBLICATIONS])
    images = forms.ModelChoiceField(ImageSet.objects.all(), label=gettext_lazy("Image set"), empty_label=None)
    model_sha256 = forms.ChoiceField(label=gettext_lazy("Model that advises"), required=False)

    def __init__(self, *args: Any, models: Mapping[str, str], **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", False)  # the page has one for each publication
        super().__init__(*args, **kwargs)
        field = self.fields["model_sha256"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", NOTHING_CHOSEN), *models.items()]
        field.initial = next(iter(models), "")


class ImportForm(forms.Form):
    """A protocol as JSON."""

    file = forms.FileField(label=gettext_lazy("Protocol (JSON)"))
    keep_seed = forms.BooleanField(
        label=gettext_lazy("Keep its seed"), required=False,
        help_text=gettext_lazy("The same cases are drawn again, and readers get the same orders."),
    )  # fmt: skip


class StageActForm(forms.Form):
    """A button of the page of stages: what is done to which stage, or to which of its questions."""

    act = forms.ChoiceField(choices=[(name, name) for name in ("add", "copy", "up", "remove")])
    stage = forms.IntegerField(required=False, min_value=1)
    question = forms.IntegerField(required=False, min_value=1)
