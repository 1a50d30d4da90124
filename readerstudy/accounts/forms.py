"""allauth's forms in this project's words: a label says what a field is, so no placeholder repeats it."""

from typing import Any

from allauth.account import forms
from django.utils.translation import gettext_lazy as _


class _OwnWords:
    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in ("email", "login"):
                field.label = _("E-mail address")


class LoginForm(_OwnWords, forms.LoginForm):
    pass


class RequestLoginCodeForm(_OwnWords, forms.RequestLoginCodeForm):
    pass


class ConfirmLoginCodeForm(_OwnWords, forms.ConfirmLoginCodeForm):
    pass


class ResetPasswordForm(_OwnWords, forms.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(_OwnWords, forms.ResetPasswordKeyForm):
    pass
