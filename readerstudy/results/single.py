"""A single figure in answer to a request: HTML at once; PNG, SVG and PDF drawn by a worker, waited for a moment.

Drawing starts a Chromium: two seconds of a machine at rest, many more of a busy one. A web server has few threads, so
no request draws. At most two of a process's threads wait until a worker has drawn; every other request is answered at
once by the page that shows how far it is.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from readerstudy.accounts.access import signed_in
from readerstudy.results import computing
from readerstudy.results.errors import ResultsError
from readerstudy.results.files import StoredFile, at
from readerstudy.results.models import Computation
from readerstudy.results.plates import Plate
from readerstudy.results.rendering import MEDIA_TYPES, as_json, as_page, kept, unavailable
from readerstudy.results.responding import file_response, stored_response
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Test

PATIENCE = 4.0  # seconds that a request waits for a worker
UNTAKEN = 1.5  # seconds after which a figure that no worker has taken is not waited for
PAUSE = 0.1
MOST_WAITING = 2
_waiting = threading.BoundedSemaphore(MOST_WAITING)


@dataclass(frozen=True, slots=True)
class Single:
    """What a figure belongs to: a test, a question of it (its position, 0: none) and a model; the figure's ``name``
    without an ending, its ``title`` and its caption (``words``)."""

    test: Test
    question: int
    model_version: ModelVersion | None
    name: str
    title: str
    words: str


def figure_response(request: HttpRequest, figure: go.Figure, fmt: str, asked: Single) -> HttpResponseBase:
    """The figure as a file of the format png, svg, pdf or html; `?inline` shows it instead of saving it.

    Raises: ResultsError (503) where this machine cannot draw.
    """
    name = f"{asked.name}.{fmt}"
    saved_as = f"study-{asked.test.study_id}-test-{asked.test.position}-{name}"
    if fmt == "html":  # it carries its own script, so it is for saving only
        return file_response(as_page(figure, title=asked.title, text=asked.words), MEDIA_TYPES[fmt], saved_as)
    shown, content = "inline" in request.GET, as_json(figure)
    if path := kept(content, fmt):
        return stored_response(at(path), MEDIA_TYPES[fmt], saved_as, shown=shown)
    if reason := unavailable():
        raise ResultsError(reason, status=503)
    try:
        by = signed_in(request)
        made = computing.picture_of(asked.test, asked.question, name, content, asked.model_version, by=by)
    except computing.StillComputing as still:
        found = _awaited(still.computation)
        if found is None:
            return (
                _in_its_place(still.computation)
                if shown
                else redirect("results-file", asked.test.study_id, still.computation.pk)
            )
        made = found
    return stored_response(made, MEDIA_TYPES[fmt], saved_as, shown=shown)


def plate_response(
    request: HttpRequest, plates: Iterable[Plate], name: str, fmt: str, *,
    test: Test, model_version: ModelVersion | None, question: int = 0,
) -> HttpResponseBase:  # fmt: skip
    """The plate of this name, as `figure_response`. Http404 where there is none."""
    for plate in plates:
        if plate.name == name:
            asked = Single(test, question, model_version, name, plate.title, plate.caption)
            return figure_response(request, plate.figure, fmt, asked)
    raise Http404


def _awaited(row: Computation) -> StoredFile | None:
    """The figure, where a worker has drawn it soon enough, and not too many wait already."""
    if not _waiting.acquire(blocking=False):
        return None
    try:
        begun = time.monotonic()
        while row.is_active and (waited := time.monotonic() - begun) < PATIENCE:
            if row.state == Computation.State.QUEUED and waited > UNTAKEN:
                break
            time.sleep(PAUSE)
            row.refresh_from_db()
        return computing.file_in(row)
    finally:
        _waiting.release()


def _in_its_place(row: Computation) -> HttpResponse:
    """What a page without script shows until the figure is drawn."""
    said = escape(row.error or _("This figure is being drawn. Load the page again in a moment."))
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="420" height="60" role="img">'
        f'<text x="8" y="36" font-family="sans-serif" font-size="13">{said}</text></svg>'
    )
    response = HttpResponse(picture, content_type=MEDIA_TYPES["svg"], status=202)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
