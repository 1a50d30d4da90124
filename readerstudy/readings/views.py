"""The pages of a reading. Everything works as plain forms; the script of the page talks to `api` instead."""

import json
import uuid as uuids
from collections.abc import Callable, Iterator
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from readerstudy.accounts.access import signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.readers import invitations
from readerstudy.readers.errors import ReadersError
from readerstudy.readings import events, recording
from readerstudy.readings.access import picture_for, reading_for
from readerstudy.readings.allocation import ensure_readings, may_read_another, next_batch
from readerstudy.readings.asking import AskedStage, keys_of
from readerstudy.readings.errors import ReadingsError
from readerstudy.readings.forms import ScreenForm, SubmissionForm
from readerstudy.readings.models import Reading, SessionEvent
from readerstudy.readings.progress import Shown, Standing, screen_check, seen, standing
from readerstudy.readings.recording import record
from readerstudy.readings.serializers import case_data, standing_data
from readerstudy.studies.models import Study, Test

unkept = cache_control(private=True, no_store=True)
Advice = Callable[[HttpRequest, Shown], str]  # a piece of the page, given by the roof: it comes from a room above


@unkept
@login_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """To the first unfinished test, else home."""
    readings = ensure_readings(signed_in(request))
    unfinished = (reading for reading in readings if reading.finished_at is None and not reading.is_waiting)
    if reading := next(unfinished, None):
        return redirect("read", reading.uuid)
    return redirect("home")


@unkept
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def read(request: HttpRequest, uuid: UUID, advice: Advice) -> HttpResponse:
    """The current case at its stage; or, posted, the answer to it.

    With ?item= a case that was answered: to change its answer, or to read what a practice case is.
    """
    reading = None
    try:
        reading = reading_for(signed_in(request), uuid, to_answer=request.method == "POST")
        if request.method == "POST":
            return _answer(request, reading)
        return _page(request, reading, advice)
    except ReadingsError as error:
        if reading is None or error.code in ("closed", "withdrawn"):
            return _refused(request, error, uuid)
        return _page(request, reading, advice, refusal=error)


def _refused(request: HttpRequest, error: ReadingsError, uuid: UUID) -> HttpResponse:
    if error.code == "consent":
        reading = reading_for(signed_in(request), uuid, to_confirm=True)
        return redirect("agree", reading.test.study_id)
    return render(request, "readings/closed.html", {"reason": str(error), "code": error.code}, status=error.status)


def _answer(request: HttpRequest, reading: Reading) -> HttpResponse:
    form = SubmissionForm(request.POST, questions=reading.test.questions.all())
    if not form.is_valid():
        raise ReadingsError("malformed", _("The answer came incomplete and was not stored. Please answer again."))
    sent = form.sent()
    outcome = record(reading=reading, sent=sent, actor=signed_in(request))
    if outcome.kind == "already-answered":
        messages.info(
            request,
            _("Case %(position)s had been answered already. The first answer stands.") % {"position": outcome.position},
        )
    elif (practised := standing(reading).feedback) is not None and practised.uuid == sent.item:
        return redirect(f"{reverse('read', args=[reading.uuid])}?item={practised.uuid}")
    return redirect("read", reading.uuid)


def _page(
    request: HttpRequest, reading: Reading, advice: Advice, *, refusal: ReadingsError | None = None
) -> HttpResponse:
    reading.refresh_from_db(fields=["finished_at"])
    now = standing(reading)
    if now.screen_check == "due" and now.current is not None:
        return redirect("read-screen", reading.uuid)
    if "item" in request.GET and refusal is None:
        return _again(request, now, advice)
    if now.current is None:
        if now.may_end:
            return render(request, "readings/end.html", {"reading": reading, "now": now, "refusal": refusal})
        return redirect("read-done", reading.uuid)
    return _case(request, now, now.current, advice, refusal=refusal)


def _again(request: HttpRequest, now: Standing, advice: Advice) -> HttpResponse:
    """An answered case: its answer to be changed, or what was to be learned from it. Any other leads to the current."""
    try:
        item = UUID(request.GET["item"])
    except ValueError:
        item = None
    if now.feedback is not None and now.feedback.uuid == item:
        practised = seen(now.reading, item)
        context = {"reading": now.reading, "now": now, "shown": practised, "text": now.feedback.case.feedback}
        return render(request, "readings/feedback.html", context)
    found = seen(now.reading, item) if item in {may.uuid for may in now.changeable} and item else None
    return _case(request, now, found, advice) if found else redirect("read", now.reading.uuid)


def _case(
    request: HttpRequest, now: Standing, shown: Shown, advice: Advice, *, refusal: ReadingsError | None = None
) -> HttpResponse:
    stage = next(stage for stage in now.stages if stage.pk == shown.stage.pk)
    stages = [AskedStage.of(stage) for stage in now.stages]
    forward = _("Next case") if shown.is_last else _("Go on")
    context = {
        "reading": now.reading,
        "now": now,
        "shown": shown,
        "asked": AskedStage.of(stage, shown.given),
        "send": forward if shown.given is None else _("Change the answer"),
        "stages": stages,  # the script takes its questions from there
        "is_rich": any(one.is_rich for one in stages),  # the same for every case: the picture keeps its place
        "state_json": json.dumps(standing_data(now)),
        "again_json": json.dumps(None if shown.given is None else case_data(shown)),
        "keys": keys_of(now.reading, now.stages),
        "advice": advice(request, shown) if shown.needs_advice else "",  # for whoever reads without script
        "submission": uuids.uuid4(),
        "refusal": refusal,
    }
    return render(request, "readings/read.html", context, status=refusal.status if refusal else 200)


@unkept
@login_required
@require_http_methods(["POST"])
def end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The reader says that he is done: from now on nothing can be changed."""
    try:
        reading = reading_for(signed_in(request), uuid, to_answer=True)
        recording.end(reading=reading, actor=signed_in(request))
    except ReadingsError as error:
        if error.code == "ahead":
            messages.info(request, str(error))
            return redirect("read", uuid)
        return _refused(request, error, uuid)
    return redirect("read-done", uuid)


@unkept
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def screen(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The check of the screen, as a plain form; what was seen is recorded, and whether it passed."""
    refusal = failed = None
    try:
        reading = reading_for(signed_in(request), uuid)
        if request.method == "POST":
            failed = _report_screen(reading, ScreenForm(request.POST))
    except ReadingsError as error:
        if error.code not in ("malformed", "conflict"):
            return _refused(request, error, uuid)
        refusal = error
    if reading.test.screen_check == Test.ScreenCheck.NONE or screen_check(reading) == "done":
        return redirect("read", uuid)
    context = {
        "reading": reading,
        "form": ScreenForm(initial={"report": uuids.uuid4()}),
        "refusal": refusal,
        "failed": failed.detail if failed else None,
        "too_small": failed is not None and events.is_too_small(failed.detail),
        "least": events.NARROWEST,
    }
    return render(request, "readings/screen.html", context, status=refusal.status if refusal else 200)


def _report_screen(reading: Reading, form: ScreenForm) -> SessionEvent:
    if not form.is_valid():
        raise ReadingsError("malformed", _("Please answer every question of the check."))
    return events.report(
        reading=reading,
        kind=SessionEvent.Kind.SCREEN_CHECK,
        detail=form.detail(),
        report_uuid=form.cleaned_data["report"],
    )


@unkept
@login_required
@require_http_methods(["POST"])
def another(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The next batch of a test whose readers may read several."""
    reading = reading_for(signed_in(request), uuid, to_confirm=True)
    made = next_batch(reading, actor=signed_in(request))
    return redirect("read", made.uuid) if made else redirect("read-done", uuid)


@unkept
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(ReadersError, back="home")
def withdraw(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The reader leaves the study: asked once more, then for good."""
    reading = reading_for(signed_in(request), uuid, to_confirm=True)
    if request.POST.get("sure") != "yes":
        status = 400 if request.method == "POST" else 200
        return render(request, "readings/withdraw.html", {"reading": reading}, status=status)
    try:
        invitations.withdraw(reading.reader, actor=signed_in(request))
    except ReadersError:
        reading.reader.refresh_from_db(fields=["withdrawn_at"])
        if reading.reader.withdrawn_at is None:
            raise  # the study is unblinded: he has not left
    messages.success(request, _("You have withdrawn from “%(study)s”. Thank you.") % {"study": reading.test.study})
    return redirect("home")


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
def done(request: HttpRequest, uuid: UUID, own: Callable[[Reading], object]) -> HttpResponse:
    """Thanks, own progress over the tests, the way to the next one; own result, where the protocol shows it.

    `own`: what there is of that, for templates/results/own.html. The results' room knows it; the roof passes it in.
    """
    reading = reading_for(signed_in(request), uuid, to_confirm=True)
    if reading.finished_at is None:
        return redirect("read", reading.uuid)
    study_is_open = reading.test.study.state == Study.State.OPEN
    if study_is_open:
        ensure_readings(signed_in(request))  # the next part of a crossover begins to wait
    readings = list(Reading.objects.of(signed_in(request)).with_progress().filter(reader=reading.reader))
    readings.sort(key=lambda other: (other.test.position, other.number))
    unfinished = [other for other in readings if other.finished_at is None]
    context = {
        "reading": reading,
        "readings": readings,
        "next": next((other for other in unfinished if not other.is_waiting), None) if study_is_open else None,
        "waiting": [other for other in unfinished if other.is_waiting] if study_is_open else [],
        "may_read_another": study_is_open and may_read_another(reading),
        "own": own(reading),
    }
    return render(request, "readings/done.html", context)
