"""A figure with its words: what a page shows, what its files are saved as, and what an export writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from django.http import Http404, HttpRequest, HttpResponse

from readerstudy.results.rendering import MEDIA_TYPES, figure_data, figure_file, unavailable
from readerstudy.results.responding import file_response


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A figure; ``name`` is its address on a page and its path without an ending in an export.

    ``number``: that of a page that counts its figures S1, S2, ...
    """

    name: str
    title: str
    caption: str
    alternative_text: str
    figure: go.Figure
    number: int | None = None

    @property
    def key(self) -> str:
        """The id of the figure's data within the page."""
        return f"figure-{self.name}"

    @property
    def data(self) -> dict[str, Any]:
        return figure_data(self.figure)


def saving() -> dict[str, Any]:
    """What a page with plates says of their files: the formats, and whether the browser has to draw some of them."""
    return {"formats": list(MEDIA_TYPES), "cannot_draw": unavailable(), "browser_draws": ("png", "svg")}


def plate_file(request: HttpRequest, plates: Iterable[Plate], name: str, fmt: str, *, saved_as: str) -> HttpResponse:
    """The plate of this name as a file; `?inline` shows it instead of saving it. Http404 where there is none.

    An HTML page that carries its own script is for saving only.
    """
    for plate in plates:
        if plate.name == name:
            content = figure_file(plate.figure, fmt, title=plate.title, text=plate.caption)
            shown = "inline" in request.GET and fmt != "html"
            return file_response(content, MEDIA_TYPES[fmt], f"{saved_as}-{name}.{fmt}", shown=shown)
    raise Http404
