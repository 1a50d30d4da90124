"""What the sample size is computed from: a pilot, the difference to be found, and the numbers of readers."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.results.power.numbers import Pilot
from readerstudy.results.stats import OrComponents
from readerstudy.studies.models import Test

COMPONENTS = ("modality_reader", "error", "cov1", "cov2", "cov3")
MOST_ROWS = 12


class PilotChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Test) -> str:
        return f"{obj.study.title}: {obj.title}"


class PowerForm(forms.Form):
    """Sent by GET: it stores nothing. Either a pilot is chosen, or its components are typed in."""

    pilot = PilotChoice(
        Test.objects.none(), label=gettext_lazy("Pilot"), required=False, empty_label=gettext_lazy("typed in below"),
        help_text=gettext_lazy("A test of an unblinded study: its readers against its model."),
    )  # fmt: skip
    modality_reader = forms.FloatField(label=gettext_lazy("Variance, modality × reader"), required=False)
    error = forms.FloatField(label=gettext_lazy("Error variance"), required=False)
    cov1 = forms.FloatField(label=gettext_lazy("Cov1 (same reader, other modality)"), required=False)
    cov2 = forms.FloatField(label=gettext_lazy("Cov2 (other reader, same modality)"), required=False)
    cov3 = forms.FloatField(label=gettext_lazy("Cov3 (both other)"), required=False)
    pilot_cases = forms.IntegerField(
        label=gettext_lazy("Cases that these come from"), required=False, min_value=2, max_value=1_000_000
    )
    difference = forms.FloatField(
        label=gettext_lazy("Difference to be found"), min_value=-1, max_value=1, initial=0.1,
        help_text=gettext_lazy("What you take to be the truth: model minus average reader, on the endpoint's scale."),
    )  # fmt: skip
    n_readers = forms.CharField(
        label=gettext_lazy("Numbers of readers"), initial="5, 10, 15, 20, 25", max_length=100,
        help_text=gettext_lazy("Separated by commas."),
    )  # fmt: skip
    n_cases = forms.IntegerField(
        label=gettext_lazy("Number of cases"), required=False, min_value=2, max_value=100_000,
        help_text=gettext_lazy("Shows the power with so many cases. Empty: only how many are needed."),
    )  # fmt: skip
    target = forms.FloatField(label=gettext_lazy("Power"), initial=0.8, min_value=0.01, max_value=0.999)

    def __init__(self, *args: Any, pilots: Any, **kwargs: Any) -> None:
        kwargs["use_required_attribute"] = False
        super().__init__(*args, **kwargs)
        field = self.fields["pilot"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = pilots

    def clean_n_readers(self) -> list[int]:
        counts = []
        for part in self.cleaned_data["n_readers"].replace(";", ",").split(","):
            text = part.strip()
            if not (text.isascii() and text.isdigit() and 2 <= int(text[:6]) <= 10_000):
                raise forms.ValidationError(_("“%(text)s” is no number of readers from 2 to 10000.") % {"text": text})
            counts.append(int(text))
        if len(counts) > MOST_ROWS:
            raise forms.ValidationError(_("At most %(most)d numbers.") % {"most": MOST_ROWS})
        return sorted(set(counts))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("pilot") is None and "pilot" not in self.errors:
            for name in (*COMPONENTS, "pilot_cases"):
                if values.get(name) is None and name not in self.errors:
                    self.add_error(name, _("Choose a pilot above, or type this in."))
        return values

    @property
    def typed(self) -> Pilot:
        """The components typed in, after validation. The component between readers plays no part in a difference."""
        values = self.cleaned_data
        return Pilot(OrComponents(0.0, *(values[name] for name in COMPONENTS)), values["pilot_cases"])
