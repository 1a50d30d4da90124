"""Forms for inviting, and for joining."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from readerstudy.readers.consent import consent_sha256
from readerstudy.readers.countries import countries
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
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the letter"), choices=settings.LANGUAGES, required=False,
        help_text=gettext_lazy("Who has chosen a language here is written to in that one."),
    )  # fmt: skip

    def __init__(self, study: Study, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tests = self.fields["tests"]
        assert isinstance(tests, forms.ModelMultipleChoiceField)
        tests.queryset = study.tests.all()
        tests.initial = [test.pk for test in study.tests.all()]
        self.fields["language"].initial = get_language()

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


class AgreeForm(TextForm):
    """The agreement alone, of a reader whose consent text was amended."""

    agree = forms.BooleanField(label=gettext_lazy("I have read this and agree to go on."))


class ProfileForm(forms.Form):
    """What a reader says of himself, without a default for anything."""

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
    dermoscopy_training = forms.ChoiceField(
        label=gettext_lazy("Your training in dermoscopy"), choices=Profile.Training.choices, widget=forms.RadioSelect
    )
    country = forms.ChoiceField(
        label=gettext_lazy("Country in which you practise"),
        choices=lambda: [("", "—"), *countries()],
        widget=forms.Select(attrs={"data-countries": ""}),
    )
    device = forms.ChoiceField(
        label=gettext_lazy("What will you read on?"), choices=Profile.Device.choices, widget=forms.RadioSelect
    )

    @classmethod
    def of(cls, profile: Profile, data: Any = None) -> "ProfileForm":
        """To be changed."""
        known = {name: getattr(profile, name) for name in PROFILE}
        return cls(data, initial={**known, "board_certified": "yes" if profile.board_certified else "no"})

    @property
    def profile(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in PROFILE}

    @property
    def profile_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in PROFILE]


PROFILE = tuple(ProfileForm.base_fields)


class JoinForm(ProfileForm, TextForm):
    """The profile, and the agreement."""

    agree = forms.BooleanField(label=gettext_lazy("I have read this and agree to take part."))
