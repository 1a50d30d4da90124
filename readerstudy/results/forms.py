"""Looking at results before the study is unblinded needs a reason, in words."""

from django import forms
from django.utils.translation import gettext_lazy as _

MIN_REASON = 10


class LookForm(forms.Form):
    reason = forms.CharField(
        label=_("Why do you look at results before the study is unblinded?"),
        help_text=_("This is recorded with your name and the time, for good."),
        min_length=MIN_REASON,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
