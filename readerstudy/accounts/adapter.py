"""How allauth behaves here: nobody signs up; people are invited or made by an administrator."""

import logging
import smtplib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import override

from readerstudy.accounts import language
from readerstudy.accounts.models import User

logger = logging.getLogger(__name__)


class ClosedAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        language.keep_choice(request, user)
        return super().post_login(request, user, **details)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a letter; where the mail server does not take it, say so on the sign-in page (for any address alike)."""
        try:
            with override(language.of_address(email)):
                super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as error:
            logger.exception("A letter could not be sent: %s", template_prefix)
            said = _("The letter could not be sent: the mail server did not take it.")
            messages.error(self.request, said + " " + _("Try again later, or sign in with a password."))
            raise ImmediateHttpResponse(redirect("account_login")) from error
