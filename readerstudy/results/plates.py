"""A figure with its words: what a page shows, what its files are saved as, and what an export writes."""

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from readerstudy.results.rendering import MEDIA_TYPES, figure_data, unavailable


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
