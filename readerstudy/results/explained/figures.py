"""The layout of the cases with picture insets (Esteva et al. 2017, Fig. 4), and a plate of saliency maps (Extended Data
Fig. 3): coordinates and pictures in, a plotly figure out. Conventions: see results/figures.py."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from readerstudy.results.explained.numbers import Embedding
from readerstudy.results.figures import BLACK, FONT, FONT_SIZE, GREY, LINE, WIDTH

# Okabe and Ito's eight, each with a shape of its own, so that grey is enough
LOOKS = (
    ("#D55E00", "circle"), ("#0072B2", "square"), ("#009E73", "triangle-up"), ("#E69F00", "diamond"),
    ("#56B4E9", "triangle-down"), ("#CC79A7", "cross"), ("#000000", "x"), ("#F0E442", "star"),
)  # fmt: skip
INSET, MARGIN = 92, 8  # px: an inset's side, and what surrounds it
FIELD = 300  # px of height between the two rows of insets
PAIR_GAP, CAPTION = 12, 43  # px between the pairs of a plate, and below a picture for its words
KEY_LETTERS, WORDS_LETTERS = 44, 20  # of a line of the key, and below a picture: what fits where it is narrow, too


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its map, as data URIs, with the words below them."""

    words: tuple[str, str]
    picture: str
    map: str


def layout_figure(found: Embedding, pictures: Mapping[int, str]) -> go.Figure:
    """Each case a mark at its place; ``pictures`` (index of the case -> data URI) stand around, tied to their marks."""
    x, y = _placed(found.points)
    figure = go.Figure()
    keys: list[str] = []
    for group, name in enumerate(found.groups):
        here = np.flatnonzero((found.group == group) & np.isfinite(x))
        colour, symbol = LOOKS[group % len(LOOKS)]
        if here.size:
            keys.append("<br>".join(_lines(f"{name} (n\u00a0=\u00a0{here.size})", KEY_LETTERS)))
            figure.add_scatter(
                x=x[here].tolist(), y=y[here].tolist(), mode="markers", name=keys[-1],
                marker={"color": colour, "symbol": symbol, "size": 7, "line": {"color": BLACK, "width": 0.5}},
                customdata=found.numbers[here].tolist(), hovertemplate=_("case %(n)s") % {"n": "%{customdata}"}
                + "<extra></extra>",
            )  # fmt: skip
    images, shapes = _insets(found, pictures, x, y)
    height = 2 * (INSET + 2 * MARGIN) + FIELD
    key = 6 + LINE * sum(name.count("<br>") + 1 for name in keys)
    _canvas(figure, height, key)
    figure.update_layout(images=images, shapes=shapes)
    return figure


def _placed(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places in px between the two rows of insets, both directions on one scale."""
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    room = np.array([WIDTH - 4 * MARGIN, FIELD - 2 * MARGIN])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    middle = np.array([WIDTH / 2, INSET + 2 * MARGIN + FIELD / 2])
    placed = (points - (low + high) / 2) * scale * np.array([1, -1]) + middle
    return placed[:, 0], placed[:, 1]


def _insets(
    found: Embedding, pictures: Mapping[int, str], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those of higher points stand above, those of lower ones below, each row from left to right as its points."""
    shown = sorted((i for i in found.insets if i in pictures), key=lambda i: y[i])
    half = -(-len(shown) // 2)
    images: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    step = (WIDTH - INSET - 2 * MARGIN) / max(1, half - 1)
    for row, chosen in enumerate((shown[:half], shown[half:])):
        top = MARGIN if row == 0 else INSET + 3 * MARGIN + FIELD
        for place, i in enumerate(sorted(chosen, key=lambda i: x[i])):
            left = MARGIN + place * step if half > 1 else (WIDTH - INSET) / 2
            edge = top + INSET if row == 0 else top
            colour = LOOKS[int(found.group[i]) % len(LOOKS)][0]
            images.append(_image(pictures[i], left, top, INSET))
            frame = {"color": colour, "width": 2}
            shapes += [
                {"type": "rect", "x0": left, "x1": left + INSET, "y0": top, "y1": top + INSET, "line": frame},
                {
                    "type": "line", "x0": left + INSET / 2, "x1": float(x[i]), "y0": edge, "y1": float(y[i]),
                    "line": {"color": GREY, "width": 0.75}, "layer": "below",
                },
            ]  # fmt: skip
    return images, shapes


def saliency_plate(pairs: Sequence[Pair]) -> go.Figure | None:
    """Pictures and their maps side by side, three pairs in a row; None where there is none."""
    if not pairs:
        return None
    side = (WIDTH - 2 * MARGIN - 2 * PAIR_GAP) / 6
    rows = -(-len(pairs) // 3)
    figure = go.Figure(go.Scatter(x=[None], y=[None], hoverinfo="skip", showlegend=False))
    images, words = [], []
    for place, pair in enumerate(pairs):
        left = MARGIN + (place % 3) * (2 * side + PAIR_GAP)
        top = MARGIN + (place // 3) * (side + CAPTION + MARGIN)
        images += [_image(pair.picture, left, top, side), _image(pair.map, left + side, top, side)]
        for line, text in enumerate([pair.words[0], *_lines(pair.words[1], WORDS_LETTERS)]):
            words.append({
                "text": text, "x": left, "y": top + side + 9 + 13 * line,
                "xref": "x", "yref": "y", "showarrow": False, "xanchor": "left", "yanchor": "middle", "borderpad": 0,
                "font": {"size": FONT_SIZE - 1, "color": BLACK if line == 0 else GREY},
            })  # fmt: skip
    _canvas(figure, MARGIN + rows * (side + CAPTION + MARGIN), 0)
    figure.update_layout(images=images, annotations=words)
    return figure


def _lines(text: str, letters: int) -> list[str]:
    """In two lines at most."""
    wrapped = textwrap.wrap(text, letters, max_lines=2, placeholder=" …")
    return [html.escape(line, quote=False) for line in wrapped]


def _image(source: str, left: float, top: float, side: float) -> dict[str, Any]:
    return {
        "source": source, "x": left, "y": top, "sizex": side, "sizey": side, "xref": "x", "yref": "y",
        "xanchor": "left", "yanchor": "top", "sizing": "contain", "layer": "above",
    }  # fmt: skip


def _canvas(figure: go.Figure, height: float, key: int) -> None:
    """Axes in px from the upper left corner, without any mark of their own: what t-SNE's axes measure is nothing."""
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        width=WIDTH, height=round(height) + key,
        margin={"l": 0, "r": 0, "t": 0, "b": key, "pad": 0, "autoexpand": False},
        xaxis={**hidden, "range": [0, WIDTH]}, yaxis={**hidden, "range": [height, 0]}, showlegend=key > 0,
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, paper_bgcolor="white", plot_bgcolor="white",
        hoverlabel={"font": {"family": FONT}}, hovermode="closest", meta={"shape": "drawing"},
        legend={
            "x": 0, "xanchor": "left", "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom",
            "itemsizing": "trace", "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(0,0,0,0)",
            "traceorder": "normal",
        },
    )  # fmt: skip
