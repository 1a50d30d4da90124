"""Figures as files. HTML is written here; PNG, SVG and PDF are drawn by a Chromium through kaleido, once each.

Drawing takes seconds, so it happens when somebody asks for the file, and in a worker (`single`); what was drawn once
lies in storage under the hash of the figure, and the same figure is not drawn again.
"""

import asyncio
import hashlib
import html
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib.metadata import PackageNotFoundError, version
from queue import SimpleQueue
from typing import Any

import plotly.graph_objects as go
import plotly.io
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from readerstudy.results.errors import ResultsError
from readerstudy.results.parts import Step

MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "html": "text/html"}
DRAWN = ("png", "svg", "pdf")
PNG_SCALE = 4  # 420 px become 1,680: 480 dpi in a journal's column of 89 mm
SECONDS_TO_START, SECONDS_A_FIGURE = 30, 15
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")

_one_at_a_time = threading.Lock()  # a browser takes 200 MB: one in a process is enough


def browser() -> str | None:
    """The Chromium that kaleido is to start: BROWSER_PATH, or the first of the usual names on the path."""
    if path := os.environ.get("BROWSER_PATH", ""):
        return path
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def unavailable() -> str:
    """Why this machine cannot draw PNG, SVG and PDF, in a sentence; empty where it can."""
    try:
        version("kaleido")
    except PackageNotFoundError:
        return _(
            "This server cannot draw PNG, SVG and PDF: the package kaleido is missing. "
            "Install it with “pip install kaleido”. The HTML figure needs nothing."
        )
    if browser() is None:
        return _(
            "This server cannot draw PNG, SVG and PDF: no Chromium was found. Install one (Debian: “apt-get install "
            "chromium”), or say where it is in BROWSER_PATH. The HTML figure needs nothing."
        )
    return ""


def as_page(figure: go.Figure, *, title: str, text: str, script: str = "") -> bytes:
    """A page that shows the figure without any network: plotly.js is in it, or lies at the path ``script``."""
    body = plotly.io.to_html(
        figure, full_html=False, include_plotlyjs=script or True, div_id="figure", config={"displaylogo": False}
    )
    language = html.escape(get_language() or "en")
    label, research = (
        html.escape(title),
        html.escape(_("Software for research. Not a medical device: no score or answer shown here is a diagnosis.")),
    )
    page = (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{label}</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
        "figure{margin:0}figure>div{overflow-x:auto}</style></head>"
        f'<body><figure><div role="region" tabindex="0" aria-label="{label}">{body}</div>'
        f"<figcaption>{html.escape(text)}</figcaption></figure><p><small>{research}</small></p></body></html>\n"
    )
    return page.encode()


def draw(wanted: Sequence[tuple[go.Figure, str]], step: Step | None = None) -> list[bytes]:
    """Each (figure, format) drawn, in the order given; what storage has already is not drawn again.

    ``step`` is told how many of how many are there, each second, and may stop it by raising: what is drawn is kept.
    Raises: ResultsError (503) where kaleido or Chromium is missing, fails, or takes too long.
    """
    told = {id(figure): as_json(figure) for figure, _fmt in wanted}
    found = []
    for name in drawn_from([(told[id(figure)], fmt) for figure, fmt in wanted], step):
        with default_storage.open(name, "rb") as file:
            found.append(file.read())
    return found


def as_json(figure: go.Figure) -> str:
    """All of a figure as a text: the same figure, the same text."""
    return str(figure.to_json(engine="json"))


def kept(figure: str, fmt: str) -> str:
    """The path in storage of a figure (as JSON) that was drawn before; empty where it was not."""
    name = _name(figure, fmt)
    return name if default_storage.exists(name) else ""


def drawn_from(wanted: Sequence[tuple[str, str]], step: Step | None = None) -> list[str]:
    """The same of figures as JSON: where in storage each is."""
    names = [_name(figure, fmt) for figure, fmt in wanted]
    missing = {name: wanted[i] for i, name in enumerate(names) if not default_storage.exists(name)}
    if missing:
        if reason := unavailable():
            raise ResultsError(reason, status=503)
        there = len(wanted) - len(missing)
        if step is not None:
            step(there, len(wanted))  # before Chromium has started
        _draw(missing, (lambda done: step(there + done, len(wanted))) if step else None)
    return names


def _name(figure: str, fmt: str) -> str:
    """The same figure (as JSON) in the same format by the same software is the same file."""
    made_by = [version("plotly"), version("kaleido") if not unavailable() else "", fmt, str(PNG_SCALE)]
    content = "\n".join([*made_by, figure])
    return f"results/figures/{hashlib.sha256(content.encode()).hexdigest()}.{fmt}"


def _draw(wanted: Mapping[str, tuple[str, str]], tell: Callable[[int], None] | None) -> None:
    """Draw and store each under its name. ``tell`` is told how many are stored."""
    limit = SECONDS_TO_START + SECONDS_A_FIGURE * len(wanted)
    if not _one_at_a_time.acquire(timeout=limit):
        raise ResultsError(_("Other figures are being drawn. Try again in a minute."), status=503)
    drawing = _by_kaleido(list(wanted.values()), limit)
    try:
        for done, name in enumerate(wanted, start=1):
            default_storage.save(name, ContentFile(_next(drawing, limit)))
            if tell is not None:
                tell(done)
    finally:
        drawing.close()
        _one_at_a_time.release()


def _next(drawing: Iterator[bytes], limit: int) -> bytes:
    """What is drawn next. Raises: ResultsError (503)."""
    try:
        return next(drawing)
    except (TimeoutError, FutureTimeoutError):
        message = _("Chromium did not draw the figure within %(seconds)d seconds. Try again, or take the HTML figure.")
        raise ResultsError(message % {"seconds": limit}, status=503) from None
    except Exception as error:  # kaleido and Chromium fail in many ways, and none is the visitor's fault
        message = _("The figure could not be drawn by %(browser)s: %(error)s. The HTML figure needs no browser here.")
        told = {"browser": browser(), "error": str(error).strip().rstrip(".")[:300] or type(error).__name__}
        raise ResultsError(message % told, status=503) from error


def _by_kaleido(wanted: Sequence[tuple[str, str]], seconds: float) -> Generator[bytes, None, None]:
    """Each drawn, as soon as it is, by one Chromium in a thread with an event loop of its own: the caller's thread may
    have one that runs. Closed early, it draws no further."""
    import kaleido  # a second to import

    for talkative in ("kaleido", "choreographer"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    drawn: SimpleQueue[bytes | None] = SimpleQueue()
    stopped = threading.Event()

    async def work() -> None:
        # mathjax=False: without it the page would be fetched from a content delivery network.
        async with kaleido.Kaleido(n=1, timeout=SECONDS_A_FIGURE, mathjax=False, path=browser()) as drawer:
            for figure, fmt in wanted:
                if not stopped.is_set():
                    opts = {"format": fmt, "scale": PNG_SCALE if fmt == "png" else 1}
                    drawn.put(await drawer.calc_fig(json.loads(figure), opts=opts))

    def run() -> None:
        try:
            asyncio.run(asyncio.wait_for(work(), seconds))
        finally:
            drawn.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="kaleido") as pool:
        running = pool.submit(run)
        try:
            while (content := drawn.get()) is not None:
                yield content
            running.result()
        finally:
            stopped.set()


def figure_data(figure: go.Figure) -> dict[str, Any]:
    """What the page's script draws: data and layout as plain JSON values, without a fixed size."""
    content = json.loads(figure.to_json(engine="json"))
    return {"data": content["data"], "layout": content["layout"]}
