"""The pages of a reading. Everything works as plain forms; the script of the page talks to `api` instead."""

import json
import uuid as uuids
from collections.abc import Iterator
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from readerstudy.accounts.access import signed_in
from readerstudy.readings.access import picture_for, reading_for
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.forms import SubmissionForm
from readerstudy.readings.models import Reading
from readerstudy.readings.progress import standing
from readerstudy.readings.recording import record_answer
from readerstudy.readings.serializers import standing_data
from readerstudy.studies.models import Study

unkept = cache_control(private=True, no_store=True)


@unkept
@login_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """To the first unfinished test, else home."""
    unfinished = (reading for reading in ensure_readings(signed_in(request)) if reading.finished_at is None)
    if reading := next(unfinished, None):
        return redirect("read", reading.uuid)
    return redirect("home")


@unkept
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def read(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The current case; or, posted, the answer to it."""
    reading = None
    try:
        reading = reading_for(signed_in(request), uuid)
        if request.method == "POST":
            return _answer(request, reading)
        return _page(request, reading)
    except ReadingsError as error:
        if reading is None or error.code in ("closed", "withdrawn"):
            return render(request, "readings/closed.html", {"reason": str(error)}, status=error.status)
        return _page(request, reading, refusal=error)


def _answer(request: HttpRequest, reading: Reading) -> HttpResponse:
    form = SubmissionForm(request.POST)
    if not form.is_valid():
        raise ReadingsError("malformed", _("The answer came incomplete and was not stored. Please answer again."))
    outcome = record_answer(
        reading=reading,
        item_uuid=form.cleaned_data["item"],
        submission_id=form.cleaned_data["submission"],
        choices=form.cleaned_data["choices"],
        actor=signed_in(request),
    )
    if outcome.kind == "already-answered":
        messages.info(
            request,
            _("Case %(position)s had been answered already. The first answer stands.") % {"position": outcome.position},
        )
    return redirect("read", reading.uuid)


def _page(request: HttpRequest, reading: Reading, *, refusal: ReadingsError | None = None) -> HttpResponse:
    now = standing(reading)
    if now.current is None:
        return redirect("read-done", reading.uuid)
    context = {
        "reading": reading,
        "now": now,
        "pictures": now.current.case.case_images.all(),
        "state_json": json.dumps(standing_data(now)),
        "submission": uuids.uuid4(),
        "refusal": refusal,
    }
    return render(request, "readings/read.html", context, status=refusal.status if refusal else 200)


@unkept
@login_required
@require_safe
def picture(request: HttpRequest, uuid: UUID, item: UUID, position: int) -> HttpResponseBase:
    """A picture's bytes, under an address and with headers that tell nothing."""
    try:
        image = picture_for(signed_in(request), uuid, item, position)
    except ReadingsError as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    # Not FileResponse: it would name the file.
    response = StreamingHttpResponse(_chunks(image.file), content_type=image.media_type)
    response["Content-Length"] = str(image.file.size)
    return response


def _chunks(file: FieldFile) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream.chunks()


@unkept
@login_required
@require_safe
def done(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Thanks, own progress over the tests, and the way to the next one."""
    reading = reading_for(signed_in(request), uuid, in_closed_study=True)
    if reading.items.unanswered().exists():
        return redirect("read", reading.uuid)
    readings = list(
        Reading.objects.of(signed_in(request)).with_progress().filter(reader=reading.reader).order_by("test__position")
    )
    study_is_open = reading.test.study.state == Study.State.OPEN
    unfinished = (other for other in readings if other.finished_at is None)
    context = {"reading": reading, "readings": readings, "next": next(unfinished, None) if study_is_open else None}
    return render(request, "readings/done.html", context)
