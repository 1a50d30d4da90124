"""What a reader is told, as a piece of the reading page, and its pictures under addresses that tell nothing."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from readerstudy.accounts.access import signed_in
from readerstudy.accounts.models import User
from readerstudy.advice import door, pictures
from readerstudy.advice.door import Told
from readerstudy.advice.errors import AdviceError
from readerstudy.images.truth import name_of
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.progress import Shown
from readerstudy.studies.models import Arm

log = logging.getLogger(__name__)
unkept = cache_control(private=True, no_store=True)


@dataclass(frozen=True, slots=True)
class Bar:
    """A probability in words and as a bar; None: the model does not know this class."""

    name: str
    value: float | None

    @property
    def per_cent(self) -> str:
        return "–" if self.value is None else _("%(n)d %%") % {"n": round(100 * self.value)}


@dataclass(frozen=True, slots=True)
class Picture:
    number: int
    name: str
    width: int
    height: int


@unkept
@require_GET
def piece(request: HttpRequest, uuid: UUID, item: UUID) -> HttpResponse:
    """The advice on one case. A refusal is its reason, as plain text with its status."""
    if not request.user.is_authenticated:  # asked by a script: a page to sign in would be shown as advice
        return _plain(_("Sign in again."), 403)
    try:
        return HttpResponse(_drawn(request, door.told(signed_in(request), uuid, item)))
    except ReadingsError as refusal:
        return _plain(str(refusal), refusal.status)
    except AdviceError as error:
        return _unavailable(error)


@unkept
@require_GET
def picture(request: HttpRequest, uuid: UUID, item: UUID, number: int) -> HttpResponse:
    """A picture of that piece."""
    if not request.user.is_authenticated:
        return _plain(_("Sign in again."), 403)
    try:
        content = pictures.picture_of(door.told(signed_in(request), uuid, item), number)
    except ReadingsError as refusal:
        return _plain(str(refusal), refusal.status)
    except AdviceError as error:
        return _unavailable(error)
    if content is None:
        return _plain(_("There is no such picture."), 404)
    return HttpResponse(content, content_type=pictures.MEDIA_TYPE)


def inside(request: HttpRequest, shown: Shown) -> SafeString:
    """The same piece for the page that works without script; a sentence where it cannot be had."""
    user: User = signed_in(request)
    try:
        return _drawn(request, door.told(user, shown.item.reading.uuid, shown.item.uuid))
    except (AdviceError, ReadingsError) as error:
        log.error("No advice on item %s: %s", shown.item.pk, error)
        return format_html("<p>{}</p>", _("The advice cannot be loaded. Please open this page again."))


def _plain(reason: str, status: int) -> HttpResponse:
    return HttpResponse(reason, status=status, content_type="text/plain; charset=utf-8")


def _unavailable(error: AdviceError) -> HttpResponse:
    log.error("Advice that is due cannot be made: %s", error)
    return _plain(_("The advice cannot be had now."), error.status)


def _drawn(request: HttpRequest, told: Told) -> SafeString:
    reading, item = told.shown.item.reading.uuid, told.shown.item.uuid
    context: dict[str, Any] = {"kind": told.arm.advice, "reading": reading, "item": item, "detail": told.detail}
    if told.arm.advice == Arm.Advice.PROBABILITY:
        names = [name_of(node) for node in told.detail["of"]]
        context["bars"] = [Bar(" / ".join(names), told.detail["probability"])]
    elif told.arm.advice == Arm.Advice.CLASSES:
        context["bars"] = [Bar(name, value) for name, value in told.detail["rows"]]
    elif told.arm.advice == Arm.Advice.NEIGHBOURS:
        sizes = pictures.sizes_of_neighbours(told)
        context["notice"] = told.arm.neighbours_set.notice if told.arm.neighbours_set else ""
        context["pictures"] = [
            Picture(number, name_of(node), *sizes[image])
            for number, (image, node, _cosine) in enumerate(told.detail["images"], start=1)
        ]
    else:
        context["pictures"] = [
            Picture(number, "", *pictures.size_within(one.image.width, one.image.height, pictures.OVERLAY_SIDE))
            for number, one in enumerate(pictures.overlaid(told), start=1)
        ]
    return render_to_string("advice/piece.html", context, request=request)
