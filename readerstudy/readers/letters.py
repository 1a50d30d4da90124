"""The letter with the link. Sent after the transaction that made the link: a mail server may take its time."""

import smtplib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string
from django.utils.translation import override

from readerstudy.accounts import language
from readerstudy.readers import burden
from readerstudy.readers.models import Reader


@dataclass(frozen=True, slots=True)
class Link:
    """A fresh link, shown once; `problem` says why its letter could not be sent, "" where it was."""

    reader: Reader
    address: str
    problem: str = ""


def send(links: Iterable[Link]) -> list[Link]:
    """Send each link to its reader, over one connection. A letter that cannot be sent keeps no other back."""
    mail = get_connection()
    sent = []
    for link in links:
        try:
            with override(language.of_address(link.reader.email, link.reader.language)):
                letter = _letter(link, mail)
            letter.send()
        except (OSError, smtplib.SMTPException) as error:
            sent.append(replace(link, problem=str(error) or type(error).__name__))
        else:
            sent.append(link)
    return sent


def _letter(link: Link, mail: Any) -> EmailMultiAlternatives:
    study = link.reader.study
    context = {
        "study": study,
        "address": link.address,
        "burden": burden.of(link.reader),
        "days": settings.INVITATION_DAYS,
        "again": link.reader.user_id is not None,
    }
    subject = " ".join(render_to_string("readers/letter_subject.txt", context).split())
    text = render_to_string("readers/letter.txt", context)
    letter = EmailMultiAlternatives(subject, text, to=[link.reader.email], connection=mail)
    letter.attach_alternative(render_to_string("readers/letter.html", context), "text/html")
    return letter
