"""What the figures of a test's own page share: their frame, axes and bars. Conventions: see results/figures.py."""

import html
import math
from typing import Any

import plotly.graph_objects as go

from readerstudy.results.figures import BLACK, BOTTOM, FONT, FONT_SIZE, LEFT, LINE, RIGHT, WIDTH, separators
from readerstudy.results.stats import Estimate

ROW = 19  # px of a row of a forest plot
GREEN = "#009E73"  # Okabe and Ito's bluish green
GREYS = ((0.0, "#ffffff"), (1.0, "#0b3c5d"))  # light to dark: the same order in grey


AXIS: dict[str, Any] = {
    "showgrid": False, "zeroline": False, "showline": True, "mirror": True, "linecolor": BLACK, "linewidth": 1,
    "ticks": "outside", "ticklen": 4, "tickcolor": BLACK, "fixedrange": True, "title": {"font": {"size": FONT_SIZE}},
}  # fmt: skip


def layout(
    figure: go.Figure, *, rows: int, plot: int = 0, left: int = LEFT, right: int = RIGHT, keys: int = 0, row: int = ROW
) -> None:
    """One column's width; ``rows`` of a forest, ``row`` px each, or ``plot`` px of height between the axes; ``keys``
    lines of a key."""
    height = plot or row * rows + 12
    bottom = BOTTOM + (10 + LINE * keys if keys else 0)
    figure.update_layout(
        width=WIDTH, height=10 + height + bottom, showlegend=keys > 0, separators=separators(),
        margin={"l": left, "r": right, "t": 10, "b": bottom, "pad": 0, "autoexpand": False},
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, hoverlabel={"font": {"family": FONT}},
        paper_bgcolor="white", plot_bgcolor="white", hovermode="closest", meta={"shape": "fixed"},
        legend={
            "x": 0, "xanchor": "left", "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom",
            "itemsizing": "trace", "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(0,0,0,0)",
            "traceorder": "normal",
        },
    )  # fmt: skip
    figure.update_xaxes(**AXIS)
    figure.update_yaxes(**AXIS)


def name_y(figure: go.Figure, text: str, *, middle: float = 0.5) -> None:
    """The title of a y axis, at a fixed distance: plotly's own lands among the marks where margins do not expand."""
    figure.add_annotation(
        text=text, showarrow=False, textangle=-90, xref="paper", x=0, xshift=-LEFT + 10, xanchor="center",
        yref="paper", y=middle, yanchor="middle", borderpad=0,
    )  # fmt: skip


def categories(figure: go.Figure, names: list[str]) -> None:
    """The rows in this order, from the top."""
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=[html.escape(name) for name in names],
        range=[len(names) - 0.4, -0.6], dtick=1, ticks="",
    )  # fmt: skip


def bars(name: str, rows: list[tuple[str, Estimate]], colour: str, symbol: str) -> go.Scatter:
    """A mark and its interval for each row; a mark without a bar has no interval."""
    drawn = [(label, estimate) for label, estimate in rows if estimate.is_defined]
    return go.Scatter(
        x=[estimate.value for _label, estimate in drawn], y=[html.escape(label) for label, _estimate in drawn],
        name=name, mode="markers", marker={"color": colour, "symbol": symbol, "size": 8},
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.25, "width": 0, "color": colour,
            "array": [reach(e.high - e.value) for _label, e in drawn],
            "arrayminus": [reach(e.value - e.low) for _label, e in drawn],
        },
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )  # fmt: skip


def reach(value: float) -> float:
    return 0.0 if math.isnan(value) else max(value, 0.0)


def between(values: list[float], low: list[float], high: list[float], colour: str) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "thickness": 1.25, "width": 3, "color": colour,
        "array": [reach(top - value) for value, top in zip(values, high, strict=True)],
        "arrayminus": [reach(value - bottom) for value, bottom in zip(values, low, strict=True)],
    }  # fmt: skip


def shade(share: float) -> str:
    """The colour of ``GREYS`` this far between its ends, 0..1."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _at, colour in GREYS]
    mixed = [round(light + (dark - light) * share) for light, dark in zip(*ends, strict=True)]
    return "#" + "".join(f"{value:02x}" for value in mixed)
