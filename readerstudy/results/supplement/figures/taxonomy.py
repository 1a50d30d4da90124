"""The taxonomy with training and inference nodes, one case's probabilities summed up it (Extended Data Fig. 1)."""

import html
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.captions import number
from readerstudy.results.figures import BLACK, BLUE, FONT, FONT_SIZE, GREY, LINE, VERMILLION, WIDTH
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.summation import NodeShare, Summation

ROW = 18  # px
INDENT = 0.032  # of the width, for a level of the taxonomy
BARS = (0.72, 0.88)  # from left to right, of the width: a probability of 0 to 1
MOST_LETTERS = 36  # of a root's name; what fits where the figure is narrow, too


def taxonomy_tree(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """The part of the taxonomy that the case's probability lies in, parents above their children."""
    found = numbers.summation
    return drawn(found) if found is not None else None


def drawn(found: Summation) -> go.Figure:
    nodes = found.nodes
    rows = {node.key: row for row, node in enumerate(nodes)}
    figure = go.Figure(_marks(nodes, rows))
    shapes = [shape for node in nodes for shape in (*_branch(node, rows), *_bar(node, rows[node.key]))]
    words = [word for node in nodes for word in _row(node, rows[node.key])]
    words.append(_text(_("probability"), (BARS[0] + BARS[1]) / 2, -1, "center", GREY))
    hidden = {"visible": False, "fixedrange": True}
    top, bottom = 8, 10 + LINE * len(figure.data)
    figure.update_layout(
        width=WIDTH, height=top + ROW * (len(nodes) + 1) + bottom,
        margin={"l": 0, "r": 0, "t": top, "b": bottom, "pad": 0, "autoexpand": False},
        xaxis={**hidden, "range": [0, 1]}, yaxis={**hidden, "range": [len(nodes) - 0.5, -1.5]},
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, paper_bgcolor="white", plot_bgcolor="white",
        hoverlabel={"font": {"family": FONT}}, hovermode="closest", shapes=shapes, annotations=words,
        meta={"shape": "drawing"},
        legend={
            "x": 0, "xanchor": "left", "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom",
            "itemsizing": "trace", "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(0,0,0,0)",
            "traceorder": "normal",
        },
    )  # fmt: skip
    return figure


def _marks(nodes: tuple[NodeShare, ...], rows: dict[str, int]) -> list[go.Scatter]:
    """A mark for each node; its shape says what the node is, so that grey is enough."""
    looks = (
        (_("Training class of the model"), "circle", BLUE, BLUE, lambda n: n.kind == "training" and not n.side),
        (_("Node that the test decides between"), "diamond", "white", VERMILLION,
         lambda n: n.kind != "training" and n.side),
        (_("Training class that the test decides between"), "diamond", VERMILLION, VERMILLION,
         lambda n: n.kind == "training" and n.side),
        (_("Other training classes, together"), "circle", "white", BLUE, lambda n: n.kind == "rest"),
        (_("Other node"), "circle", GREY, GREY, lambda n: n.kind == "inner" and not n.side),
    )  # fmt: skip
    drawn = []
    for name, symbol, fill, line, wanted in looks:
        chosen = [node for node in nodes if wanted(node)]
        if not chosen:
            continue
        drawn.append(
            go.Scatter(
                x=[_x(node) for node in chosen], y=[rows[node.key] for node in chosen], mode="markers", name=name,
                cliponaxis=False,
                marker={
                    "symbol": symbol, "color": fill, "size": 5 if line == GREY else 9,
                    "line": {"color": line, "width": 1.5},
                },
                customdata=[(html.escape(_name(node)), node.probability) for node in chosen],
                hovertemplate="%{customdata[0]}: %{customdata[1]:.3f}<extra></extra>",
            )
        )  # fmt: skip
    return drawn


def _x(node: NodeShare) -> float:
    return 0.025 + INDENT * (node.depth - 1)


def _name(node: NodeShare) -> str:
    if node.kind != "rest":
        return node.name
    return ngettext("%(n)d other class", "%(n)d other classes", node.n_classes) % {"n": node.n_classes}


def _row(node: NodeShare, row: int) -> list[dict[str, Any]]:
    """The name right of the mark, the probability right of its bar."""
    name, letters = _name(node), MOST_LETTERS - 2 * (node.depth - 1)
    short = name if len(name) <= letters else f"{name[: letters - 1].rstrip()}…"
    sign = {"positive": " (+)", "negative": " (−)"}.get(node.side, "")
    return [
        _text(html.escape(short, quote=False) + sign, _x(node) + 0.025, row, "left"),
        _text(number(node.probability), 0.985, row, "right"),
    ]


def _branch(node: NodeShare, rows: dict[str, int]) -> list[dict[str, Any]]:
    """The line from the parent down and to the node."""
    if node.parent not in rows:
        return []
    x, row = _x(node) - INDENT, rows[node.key]
    line = {"color": GREY, "width": 0.75}
    return [
        {"type": "line", "x0": x, "x1": x, "y0": rows[node.parent], "y1": row, "line": line, "layer": "below"},
        {"type": "line", "x0": x, "x1": _x(node), "y0": row, "y1": row, "line": line, "layer": "below"},
    ]


def _bar(node: NodeShare, row: int) -> list[dict[str, Any]]:
    end = BARS[0] + (BARS[1] - BARS[0]) * node.probability
    box = {"type": "rect", "y0": row - 0.32, "y1": row + 0.32, "layer": "below"}
    return [
        {**box, "x0": BARS[0], "x1": BARS[1], "line": {"color": "#b0b0b0", "width": 0.5}},
        {**box, "x0": BARS[0], "x1": end, "line": {"width": 0}, "fillcolor": BLUE if node.kind != "inner" else GREY},
    ]


def _text(text: str, x: float, y: float, anchor: str, colour: str = BLACK) -> dict[str, Any]:
    return {
        "text": text, "x": x, "y": y, "xref": "x", "yref": "y", "showarrow": False, "xanchor": anchor,
        "yanchor": "middle", "borderpad": 0, "font": {"color": colour},
    }  # fmt: skip
