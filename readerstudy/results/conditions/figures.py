"""Two conditions as figures: each reader's way through the ROC plane, and the differences. See results/figures.py.

What a colour tells, an open or a filled mark tells too, so that the figures can be read in grey.
"""

import html
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.results.conditions.comparing import (
    ACCURACY,
    AUC,
    PER_CLASS,
    SENSITIVITY,
    SPECIFICITY,
    Difference,
)
from readerstudy.results.conditions.numbers import COMPLETE, Comparison, ThreadResult
from readerstudy.results.conditions.words import both_names, measure
from readerstudy.results.figures import (
    BLACK,
    BLUE,
    BOTTOM,
    FONT,
    FONT_SIZE,
    GREY,
    LEFT,
    LINE,
    RIGHT,
    VERMILLION,
    WIDTH,
    Convention,
    Point,
    axes,
    place,
)
from readerstudy.results.stats import Estimate
from readerstudy.results.supplement.figures.frame import GREEN, layout, reach

LETTERS = 38  # of a line of the key
SHORTEST = 0.03  # of an arrow: a shorter one would have no shaft
TEXT = (0.09, 0.045)  # what a code takes of the axes
MOST_NAMED = 12  # readers whose codes can stand beside their points
Way = tuple[str, Point, Point]  # a reader's code, from, to
_NOT_DRAWN = (ACCURACY, PER_CLASS, AUC)  # of a forest, where there is another measure


def change(thread: ThreadResult, comparison: Comparison, *, convention: Convention = "paper") -> go.Figure | None:
    """Each reader's arrow from the first condition's point to the second's, and the averages. None without sides."""
    sensitivity, specificity = comparison.difference(SENSITIVITY), comparison.difference(SPECIFICITY)
    if sensitivity is None or specificity is None or not sensitivity.first.is_defined:
        return None
    ways = _ways(sensitivity, specificity, convention)
    first = [start for _code, start, _end in ways] or _points(thread, comparison.first, convention)
    second = [end for _code, _start, end in ways] or _points(thread, comparison.second, convention)
    codes = [code for code, _start, _end in ways]
    names = [_key(text) for text in both_names(thread, comparison)]
    figure = go.Figure(
        [
            _readers(first, codes, names[0], {"color": "white", "line": {"color": BLUE, "width": 1.5}}),
            _readers(second, codes, names[1], {"color": VERMILLION, "line": {"color": "white", "width": 0.75}}),
            _average(sensitivity.first, specificity.first, _("Average, first"), "white", convention),
            # xgettext:no-python-format
            _average(sensitivity.second, specificity.second, _("Average, second (95% intervals)"), BLACK, convention),
        ]
    )
    named = _apart(ways, [point for trace in figure.data[2:] for point in _cross(trace)])
    if 0 < len(named) == len(ways) <= MOST_NAMED:  # all or none: the table names them too
        figure.add_scatter(
            x=[end[0] for _code, _start, end in named], y=[end[1] for _code, _start, end in named],
            text=[html.escape(code) for code, _start, _end in named], mode="text", showlegend=False,
            textposition=[_beside(start, end) for _code, start, end in named], hoverinfo="skip",
            textfont={"color": GREY, "size": FONT_SIZE}, cliponaxis=False,
        )  # fmt: skip
    _frame(figure, lines=sum(name.count("<br>") + 1 for name in names) + 2, convention=convention)
    arrows = [_arrow(start, end, GREY, 1.2) for _code, start, end in ways]
    middle = _way(sensitivity.first.value, specificity.first.value, sensitivity.second.value, specificity.second.value, convention)  # noqa: E501 # fmt: skip
    arrows.append(_arrow(*middle, BLACK, 2.0))
    figure.update_layout(annotations=[one for one in arrows if one])
    axes(figure, convention)
    return figure


def _ways(sensitivity: Difference, specificity: Difference, convention: Convention) -> list[Way]:
    """(code, from, to) of each reader with both measures."""
    other = {one.code: one for one in specificity.readers}
    return [
        (one.code, *_way(one.first, other[one.code].first, one.second, other[one.code].second, convention))
        for one in sensitivity.readers
        if one.code in other
    ]


def _way(
    sensitivity: float, specificity: float, to_sensitivity: float, to_specificity: float, convention: Convention
) -> tuple[Point, Point]:
    return place(sensitivity, specificity, convention), place(to_sensitivity, to_specificity, convention)


def _points(thread: ThreadResult, index: int, convention: Convention) -> list[Point]:
    """The complete readers of one condition, where no reader has both."""
    points = [one.point for one in thread.conditions[index].readers if one.state == COMPLETE and one.point is not None]
    return [place(p.sensitivity.value, p.specificity.value, convention) for p in points if p.youden.is_defined]


def _readers(points: list[Point], codes: list[str], name: str, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[x for x, _y in points], y=[y for _x, y in points], mode="markers", name=name, cliponaxis=False,
        marker={"size": 8, "symbol": "circle", **marker}, customdata=[[html.escape(code)] for code in codes] or None,
        hovertemplate=("%{customdata[0]}<br>" if codes else "") + "%{x:.3f}, %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _average(
    sensitivity: Estimate, specificity: Estimate, name: str, fill: str, convention: Convention
) -> go.Scatter:  # fmt: skip
    x, y = place(sensitivity.value, specificity.value, convention)
    across, along = _reaches(sensitivity), _reaches(specificity)
    if convention != "paper":  # 1 - specificity: what reaches up there reaches down here
        across, along = along[::-1], across
    bars = {"type": "data", "symmetric": False, "color": BLACK, "thickness": 1.25, "width": 4}
    return go.Scatter(
        x=[x], y=[y], mode="markers", name=name, cliponaxis=False,
        marker={"size": 12, "symbol": "diamond", "color": fill, "line": {"color": BLACK, "width": 1.5}},
        error_x={**bars, "array": [across[1]], "arrayminus": [across[0]]},
        error_y={**bars, "array": [along[1]], "arrayminus": [along[0]]},
        hovertemplate=f"{name}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    )  # fmt: skip


def _reaches(estimate: Estimate) -> tuple[float, float]:
    return reach(estimate.value - estimate.low), reach(estimate.high - estimate.value)


def _arrow(start: Point, end: Point, colour: str, width: float) -> dict[str, Any] | None:
    if max(abs(end[0] - start[0]), abs(end[1] - start[1])) < SHORTEST:
        return None
    return {
        "x": end[0], "y": end[1], "ax": start[0], "ay": start[1], "xref": "x", "yref": "y", "axref": "x", "ayref": "y",
        "showarrow": True, "text": "", "arrowhead": 2, "arrowsize": 1, "arrowwidth": width, "arrowcolor": colour,
        "standoff": 4, "startstandoff": 4,
    }  # fmt: skip


def _cross(average: go.Scatter) -> list[Point]:
    """Points along the bars of an average, close enough for no code to fit between."""
    x, y = average.x[0], average.y[0]
    across, along = average.error_x, average.error_y
    return [
        *((at, y) for at in np.linspace(x - across.arrayminus[0], x + across.array[0], 30).tolist()),
        *((x, at) for at in np.linspace(y - along.arrayminus[0], y + along.array[0], 30).tolist()),
    ]


def _apart(ways: list[Way], averages: Sequence[Point]) -> list[Way]:
    """Those whose codes would be written neither over one another nor over a mark or its bars."""
    marks = {*averages, *(point for _code, start, end in ways for point in (start, end))}
    kept: list[Way] = []
    taken: list[Point] = []
    for code, start, end in ways:
        x, y = _written_at(start, end)
        free = all(abs(x - a) > TEXT[0] or abs(y - b) > TEXT[1] for a, b in taken)
        if free and all(abs(x - a) > 0.7 * TEXT[0] or abs(y - b) > 0.8 * TEXT[1] for a, b in marks - {end}):
            kept.append((code, start, end))
            taken.append((x, y))
    return kept


def _beside(start: Point, end: Point) -> str:
    """Where the reader's code stands: on the far side of the arrow's tip, within the axes."""
    across = "left" if end[0] > 0.9 or (end[0] < start[0] and end[0] > 0.1) else "right"
    below = end[1] > 0.95 or (end[1] < start[1] and end[1] > 0.08)
    return f"{'bottom' if below else 'top'} {across}"


def _written_at(start: Point, end: Point) -> Point:
    """The middle of that code."""
    along, across = _beside(start, end).split()
    return (
        end[0] + (0.6 if across == "right" else -0.6) * TEXT[0], end[1] + (0.8 if along == "top" else -0.8) * TEXT[1]
    )  # fmt: skip


def _key(text: str) -> str:
    return "<br>".join(html.escape(line, quote=False) for line in textwrap.wrap(text, LETTERS)) or "–"


def _frame(figure: go.Figure, *, lines: int, convention: Convention) -> None:
    plot, bottom = WIDTH - LEFT - RIGHT, BOTTOM + 10 + LINE * lines
    figure.update_layout(
        width=WIDTH, height=10 + plot + bottom,
        margin={"l": LEFT, "r": RIGHT, "t": 10, "b": bottom, "pad": 0, "autoexpand": False},
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, hoverlabel={"font": {"family": FONT}},
        paper_bgcolor="white", plot_bgcolor="white", hovermode="closest", meta={"convention": convention},
        legend={
            "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom", "itemsizing": "trace",
            "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(0,0,0,0)", "traceorder": "normal",
        },
    )  # fmt: skip


def differences(thread: ThreadResult, comparison: Comparison) -> go.Figure | None:
    """Second minus first of each reader and of all, a lane for each measure. None where no reader has a difference."""
    shown = [one for one in comparison.differences if one.difference.is_defined]
    shown = [one for one in shown if one.measure not in _NOT_DRAWN] or shown
    there = {reader.code for one in shown for reader in one.readers}
    codes = [code for code in comparison.codes if code in there]
    if not codes:
        return None
    rows = [*codes, _("All readers")]
    at = {name: row for row, name in enumerate(rows)}
    looks = [(VERMILLION, "circle"), (BLUE, "square"), (GREEN, "triangle-up"), (BLACK, "diamond")]
    lanes = [(i - (len(shown) - 1) / 2) * 0.26 for i in range(len(shown))]
    figure = go.Figure()
    for one, lane, (colour, symbol) in zip(shown, lanes, looks, strict=False):
        marks = [(reader.code, reader.difference) for reader in one.readers if reader.code in at]
        figure.add_trace(_marks(one, [*marks, (rows[-1], one.difference)], at, lane, colour, symbol))
    layout(figure, rows=max(2 * len(rows), 4), left=110, keys=len(shown))
    figure.update_xaxes(title_text=_("Second minus first"), zeroline=True, zerolinecolor=BLACK)
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(rows))), ticktext=[html.escape(name) for name in rows],
        range=[len(rows) - 0.4, -0.6], ticks="",
    )  # fmt: skip
    figure.add_hline(y=len(codes) - 0.5, line={"color": GREY, "width": 1, "dash": "dot"})
    return figure


def _marks(
    found: Difference, marks: list[tuple[str, Estimate]], at: dict[str, int], lane: float, colour: str, symbol: str
) -> go.Scatter:
    drawn = [(name, one) for name, one in marks if one.is_defined]
    # the pooled one larger than the readers'
    return go.Scatter(
        x=[one.value for _name, one in drawn], y=[at[name] + lane for name, _one in drawn], mode="markers",
        name=html.escape(measure(found.measure)), customdata=[html.escape(name) for name, _one in drawn],
        marker={
            "color": colour, "symbol": symbol, "opacity": 1,
            "size": [11 if at[name] == len(at) - 1 else 7 for name, _one in drawn],
        },
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.25, "width": 0, "color": colour,
            "array": [_reaches(one)[1] for _name, one in drawn],
            "arrayminus": [_reaches(one)[0] for _name, one in drawn],
        },
        hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
    )  # fmt: skip
