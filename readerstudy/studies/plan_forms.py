"""The form of an analysis plan: what is planned of the model, and what of readers under two conditions."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.forms import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.studies import contrast_wording, contrasts, plan, presets, wording
from readerstudy.studies.contrasts import Option
from readerstudy.studies.document import designs_of
from readerstudy.studies.models import AnalysisPlan
from readerstudy.studies.plan import Contrast, Under

# What an endpoint that is not of the model makes irrelevant, and what it is then.
OF_THE_MODEL: Mapping[str, Any] = {
    "method": "", "hypothesis": "", "margin": 0.0, "reference": None, "threshold_origin": "", "threshold": None,
    "threshold_data": "",
}  # fmt: skip
MOST = 9  # contrasts of a plan: more than that decide nothing
PARTS = ("of", "role", "measure", "method", "hypothesis", "margin")


class Role(TextChoices):
    PRIMARY = plan.PRIMARY, gettext_lazy("primary")
    SECONDARY = plan.IS_SECONDARY, gettext_lazy("secondary")


class PlanForm(forms.ModelForm):
    """The analysis plan of a study; one that has none begins with the preset's.

    Where a test has several stages or arms there are rows for contrasts: those that are planned, and an empty one.
    """

    secondary = forms.MultipleChoiceField(
        label=gettext_lazy("Secondary endpoints"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=list(wording.SECONDARY.items()),
        help_text=gettext_lazy("What is neither primary nor ticked here is labelled exploratory."),
    )  # fmt: skip

    class Meta:
        model = AnalysisPlan
        fields = [
            "endpoint", "method", "hypothesis", "margin", "alpha", "reference", "threshold_origin", "threshold",
            "threshold_data", "multiplicity", "missing", "average", "secondary",
        ]  # fmt: skip
        help_texts = {
            "endpoint": gettext_lazy("Of the first question of each test."),
            "margin": gettext_lazy("On the scale of the endpoint: 0.05 is five percentage points. 0 for superiority."),
            "reference": gettext_lazy("For an AUC only."),
            "threshold_origin": gettext_lazy(
                "A case is positive for the model when its score is at least the threshold. Matched: sensitivity at "
                "the average reader's specificity, or specificity at the average reader's sensitivity. Not for an AUC."
            ),
            "threshold": gettext_lazy("Between 0 and 1. Empty where it is matched."),
            "threshold_data": gettext_lazy("Of a threshold chosen on other data: their name, and where to find them."),
            "multiplicity": gettext_lazy("Over the tests of this study; with one test it changes nothing."),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("use_required_attribute", False)
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial = {**self.initial, **presets.PLAN}
        self.fields["method"].required = self.fields["hypothesis"].required = True
        self.designs = designs_of(self.instance.study)
        self.planned = [Contrast.of(one) for one in self.instance.contrasts]
        known = list(dict.fromkeys([*contrasts.options(self.designs), *map(Option.of, self.planned)]))
        self._options = {option.value: option for option in known}
        if self._options:
            self._add_contrasts()
        else:
            endpoint = self.fields["endpoint"]
            assert isinstance(endpoint, forms.ChoiceField)
            endpoint.choices = [one for one in AnalysisPlan.Endpoint.choices if one[0] != plan.CONDITIONS]

    def _add_contrasts(self) -> None:
        """A row for each contrast that is planned or was sent, and an empty one."""
        sent = sum(f"contrast_{n}_of" in self.data for n in range(1, MOST + 1))
        self.n_contrasts = min(max(len(self.planned) + 1, sent), MOST)
        self.fields["endpoint"].help_text = _("Of the model: for the first question of each test.")
        self.fields["multiplicity"].help_text = _(
            "Over the tests of this study and the primary comparisons below; over the secondary ones by themselves."
        )
        for name in OF_THE_MODEL:
            self.fields[name].widget.attrs |= {"data-when": "endpoint", "data-when-not": plan.CONDITIONS}
        for number in range(1, self.n_contrasts + 1):
            made = self._row(number)
            for part in PARTS[1:]:
                made[part].widget.attrs |= {"data-when": f"contrast_{number}_of", "data-when-values": "*"}
            self.fields |= {f"contrast_{number}_{part}": field for part, field in made.items()}
            if number <= len(self.planned):
                one = self.planned[number - 1]
                values = (Option.of(one).value, *(getattr(one, part) for part in PARTS[1:]))
                self.initial.update({f"contrast_{number}_{p}": v for p, v in zip(PARTS, values, strict=True)})

    def _row(self, number: int) -> dict[str, forms.Field]:
        told = [(value, contrast_wording.option(one, self.designs)) for value, one in self._options.items()]
        nothing = _("none") if number <= len(self.planned) else _("no (further) comparison")
        role = Role.PRIMARY if number == 1 and not self.planned else Role.SECONDARY
        return {
            "of": forms.ChoiceField(
                label=_("What is compared"), choices=[("", nothing), *told], required=False,
            ),
            "role": forms.ChoiceField(label=_("It is"), choices=Role.choices, required=False, initial=role),
            "measure": forms.ChoiceField(
                label=_("Measured by"), choices=list(contrast_wording.MEASURES.items()), required=False
            ),
            "method": forms.ChoiceField(
                label=_("Test"), choices=list(contrast_wording.METHODS.items()), required=False
            ),
            "hypothesis": forms.ChoiceField(
                label=_("To be shown"), choices=AnalysisPlan.Hypothesis.choices, required=False
            ),
            "margin": forms.FloatField(label=_("Margin"), required=False, initial=0.0),
        }  # fmt: skip

    # --- for the page ------------------------------------------------------------------------------------------------

    @property
    def plain(self) -> list[BoundField]:
        """The fields of the plan's own row."""
        return [field for field in self if not field.name.startswith("contrast_")]

    @property
    def contrast_rows(self) -> list[list[BoundField]]:
        numbers = range(1, self.n_contrasts + 1) if self._options else ()
        return [[self[f"contrast_{number}_{part}"] for part in PARTS] for number in numbers]

    # --- what was sent -----------------------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("endpoint") == plan.CONDITIONS:
            for name, otherwise in OF_THE_MODEL.items():
                values[name] = otherwise
                self.errors.pop(name, None)
        self.instance.contrasts = [one.document() for one in self._contrasts(values)]
        return values

    def _contrasts(self, values: Mapping[str, Any]) -> Iterator[Contrast]:
        """Those that were chosen; what is wrong with one is said at its row."""
        for number in range(1, self.n_contrasts + 1) if self._options else ():
            name = f"contrast_{number}_"
            chosen = self._options.get(values.get(f"{name}of", ""))
            if chosen is None or f"{name}margin" in self.errors:
                continue
            first, second = (Under(one.stage, one.arm, one.question) for one in (chosen.first, chosen.second))
            found = Contrast(
                role=values.get(f"{name}role") or plan.IS_SECONDARY, test=chosen.test, first=first, second=second,
                advice=chosen.advice, measure=values.get(f"{name}measure", ""), method=values.get(f"{name}method", ""),
                hypothesis=values.get(f"{name}hypothesis", ""), margin=values.get(f"{name}margin") or 0.0,
            )  # fmt: skip
            wrong = [*contrasts.wrong_in_itself(found)] or [contrasts.wrong_with(found, self.designs)]
            for sentence in filter(None, wrong):
                self.add_error(f"{name}of", sentence)
            if not any(wrong):
                yield found

    @property
    def values(self) -> dict[str, Any]:
        """The columns of the plan, after validation."""
        columns = {name: self.cleaned_data[name] for name in self.Meta.fields}
        return {**columns, "contrasts": self.instance.contrasts}
