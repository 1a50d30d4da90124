"""Forms for inviting, and for joining."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.readers.invitations import consent_sha256
from readerstudy.readers.models import Profile
from readerstudy.studies.models import Study, Test

MOST_AT_ONCE = 200


class InviteForm(forms.Form):
    emails = forms.CharField(
        label=gettext_lazy("E-mail addresses"),
        help_text=gettext_lazy("One or many, each on a line of its own or apart by commas."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
    tests = forms.ModelMultipleChoiceField(
        Test.objects.none(), label=gettext_lazy("Tests"), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, study: Study, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tests = self.fields["tests"]
        assert isinstance(tests, forms.ModelMultipleChoiceField)
        tests.queryset = study.tests.all()
        tests.initial = [test.pk for test in study.tests.all()]

    def clean_emails(self) -> list[str]:
        """The addresses in lower case, each once; "Name <address>" is taken as the address."""
        text = re.sub(r"[^,;\n]*<([^<>]*)>", r"\1", self.cleaned_data["emails"])
        emails = list(dict.fromkeys(part.lower() for part in re.split(r"[\s,;]+", text) if part))
        if not emails:
            raise ValidationError(_("Give at least one address."))
        if len(emails) > MOST_AT_ONCE:
            raise ValidationError(_("At most %(most)d at once.") % {"most": MOST_AT_ONCE})
        wrong = []
        for email in emails:
            try:
                validate_email(email)
            except ValidationError:
                wrong.append(_("“%(email)s” is not an e-mail address.") % {"email": email})
        if wrong:
            raise ValidationError(wrong)
        return emails


class TextForm(forms.Form):
    """Which consent text the page showed: an agreement to another text is refused."""

    text_sha256 = forms.CharField(widget=forms.HiddenInput, max_length=64)

    @classmethod
    def showing(cls, study: Study, data: Any = None) -> "TextForm":
        return cls(data, initial={"text_sha256": consent_sha256(study)})


class JoinForm(TextForm):
    """The profile, without a default for anything, and the agreement."""

    specialty = forms.ChoiceField(
        label=gettext_lazy("Your specialty"), choices=Profile.Specialty.choices, widget=forms.RadioSelect
    )
    board_certified = forms.TypedChoiceField(
        label=gettext_lazy("Are you board-certified in it?"),
        choices=[("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    years_of_practice = forms.IntegerField(
        label=gettext_lazy("Years of practice"), min_value=0, max_value=80,
        help_text=gettext_lazy("After your degree; in full years."),
    )  # fmt: skip
    agree = forms.BooleanField(label=gettext_lazy("I have read this and agree to take part."))

    @property
    def profile(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("specialty", "board_certified", "years_of_practice")}
