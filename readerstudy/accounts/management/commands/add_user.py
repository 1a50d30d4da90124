"""manage.py add_user EMAIL --role administrator: make somebody who runs studies or analyses them."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from readerstudy.accounts import audit
from readerstudy.accounts.models import User


class Command(BaseCommand):
    help = (
        "Add an administrator (uploads images, runs studies, invites readers) or a researcher (scores images by a "
        "model, sees and exports results). Asks for the password; with --link, or where there is no terminal, prints "
        "a link with which the person sets it, once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--role", action="append", required=True, choices=["administrator", "researcher"],
            help="may be given twice, for both",
        )  # fmt: skip
        parser.add_argument("--name", default="")
        parser.add_argument("--link", action="store_true", help="print a link instead of asking for the password")
        parser.add_argument(
            "--site", default="http://localhost:8000", help="how the address of this server begins, for the link"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        email: str = options["email"].strip().lower()
        if User.objects.filter(email__iexact=email).exists():
            raise CommandError(f"{email} is a user already. A reader of blinded cases is never made staff.")
        by_link = options["link"] or not sys.stdin.isatty()
        user = User(
            email=email,
            name=options["name"],
            is_administrator="administrator" in options["role"],
            is_researcher="researcher" in options["role"],
        )
        password = None if by_link else self._ask(user)
        user.set_password(password)
        with transaction.atomic():
            try:
                user.full_clean()
            except ValidationError as error:
                raise CommandError(f"{email}: {' '.join(error.messages)}") from error
            user.save()
            audit.record("user.added", actor=None, target=user, roles=sorted(set(options["role"])))
        self.stdout.write(f"Added {email} as {' and '.join(sorted(set(options['role'])))}.")
        if by_link:
            keys = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
            address = reverse("account_reset_password_from_key", kwargs=keys)
            self.stdout.write("The password is set, once, at:")
            self.stdout.write(options["site"].rstrip("/") + address)

    def _ask(self, user: User) -> str:
        """The password, typed twice the same and accepted by the validators."""
        while True:
            password = getpass.getpass("Password: ")
            if password != getpass.getpass("Password, again: "):
                self.stderr.write("The two differ. Please try again.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write(" ".join(error.messages))
                continue
            return password
