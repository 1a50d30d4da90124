"""Loading and permission in one: what a reader may not see does not exist."""

from uuid import UUID

from django.http import Http404
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.readers.consent import agreed_to_current_text
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.models import Reading, Submission
from readerstudy.readings.progress import screen_checked, seen
from readerstudy.studies.models import Study, Test


def reading_for(user: User, uuid: UUID, *, to_confirm: bool = False, to_answer: bool = False) -> Reading:
    """The reader's own reading, agreed to and not withdrawn, else 404.

    Raises ReadingsError, unless `to_confirm` what is past: "closed", which says how many answers are kept, if the study
    is no longer open; "not-yet", with the date, before a wash-out is over; and, unless `to_answer` what was shown
    already, "consent" where the text that the reader agreed to is in force no longer.
    """
    reading = Reading.objects.of(user).filter(uuid=uuid).first()
    if reading is None:
        raise Http404
    if not to_confirm:
        refuse_closed(reading)
        refuse_before_its_time(reading)
        if not to_answer and must_agree_again(reading):
            raise ReadingsError("consent", _("The consent text has changed: please read it before the next case."))
    return reading


def must_agree_again(reading: Reading) -> bool:
    """Whether an amended consent text is to be agreed to before another case is shown.

    The answers to what was in sight before are taken: they were given under the text that was agreed to.
    """
    return reading.finished_at is None and not agreed_to_current_text(reading.reader)


def refuse_closed(reading: Reading) -> None:
    """Raise the refusal for whoever still reads in a study that was closed."""
    if reading.test.study.state == Study.State.OPEN:
        return
    kept = Submission.objects.filter(item__reading=reading).values("item").distinct().count()
    if not kept:
        raise ReadingsError("closed", _("The study was closed."))
    message = ngettext(
        "The study was closed. Your answer to %(kept)s case is kept.",
        "The study was closed. Your answers to %(kept)s cases are kept.",
        kept,
    )
    raise ReadingsError("closed", message % {"kept": kept})


def refuse_before_its_time(reading: Reading) -> None:
    """Raise the refusal, with the date, for whoever would read before the wash-out is over."""
    if reading.opens_at is not None and timezone.now() < reading.opens_at:
        when = date_format(timezone.localtime(reading.opens_at), "DATETIME_FORMAT")
        raise ReadingsError("not-yet", _("This part of the test can be read from %(when)s on.") % {"when": when})


def picture_for(user: User, reading_uuid: UUID, item_uuid: UUID, position: int) -> Image:
    """The picture at `position` of a case that is in sight, if it is shown at the stage that is; any other is a 404."""
    reading = reading_for(user, reading_uuid)
    if reading.test.screen_check == Test.ScreenCheck.REQUIRED and not screen_checked(reading):
        raise Http404
    found = seen(reading, item_uuid)
    shown = [picture.image_id for picture in found.pictures if picture.position == position] if found else []
    image = Image.objects.filter(pk__in=shown).only("file", "media_type").first()
    if image is None:
        raise Http404
    return image
