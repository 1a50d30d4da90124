"""Loading and permission in one: what a reader may not see does not exist."""

from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.readings.progress import ITEMS_IN_SIGHT, upcoming
from readerstudy.studies.models import Study


def reading_for(user: User, uuid: UUID, *, in_closed_study: bool = False) -> Reading:
    """The reader's own reading, agreed to and not withdrawn, else 404.

    Raises ReadingsError "closed", which says how many answers are kept, if the study is no longer open, unless
    `in_closed_study`.
    """
    reading = Reading.objects.of(user).filter(uuid=uuid).first()
    if reading is None:
        raise Http404
    if reading.test.study.state != Study.State.OPEN and not in_closed_study:
        raise closed(reading)
    return reading


def closed(reading: Reading) -> ReadingsError:
    """The refusal for whoever still reads in a study that was closed."""
    kept = Answer.objects.filter(item__reading=reading).values("item").distinct().count()
    if not kept:
        return ReadingsError("closed", _("The study was closed."))
    message = ngettext(
        "The study was closed. Your answer to %(kept)s case is kept.",
        "The study was closed. Your answers to %(kept)s cases are kept.",
        kept,
    )
    return ReadingsError("closed", message % {"kept": kept})


def picture_for(user: User, reading_uuid: UUID, item_uuid: UUID, position: int) -> Image:
    """The picture at `position` of the current case or of the one after it; any other picture is a 404."""
    reading = reading_for(user, reading_uuid)
    item: Item | None = next((item for item in upcoming(reading)[:ITEMS_IN_SIGHT] if item.uuid == item_uuid), None)
    if item is None:
        raise Http404
    shown = item.case.case_images.filter(position=position).values("image")
    image = Image.objects.filter(pk__in=shown).only("file", "media_type").first()
    if image is None:
        raise Http404
    return image
