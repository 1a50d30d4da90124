"""Agreement between readers, as a map of pairs."""

import html
import math
from typing import Any

import plotly.graph_objects as go

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.captions import number
from readerstudy.results.figures import FONT_SIZE, GREY, LEFT, WIDTH
from readerstudy.results.supplement.figures.frame import layout, shade
from readerstudy.results.supplement.numbers import Supplement

MOST_NAMED = 28  # readers whose codes fit below one another


def agreement_map(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Cohen's kappa of each pair of readers."""
    if numbers.agreement is None:
        return None
    codes = [html.escape(code) for code in numbers.codes]
    pairs = [[None if math.isnan(value) else value for value in row] for row in numbers.agreement.pairs.tolist()]
    lowest = min([value for row in pairs for value in row if value is not None] + [0.0])
    cells = [(x, y, value) for y, row in enumerate(pairs) for x, value in enumerate(row) if value is not None]
    # plotly's heat map is a picture with a style of its own, which the site's policy refuses: cells are rectangles
    figure = go.Figure(
        go.Scatter(
            x=[x for x, _y, _value in cells], y=[y for _x, y, _value in cells], mode="markers",
            marker={
                "color": [value for _x, _y, value in cells], "opacity": 0, "size": 9, "symbol": "square",
            },
            customdata=[(codes[y], codes[x]) for x, y, _value in cells],
            hovertemplate="%{customdata[0]}, %{customdata[1]}: κ = %{marker.color:.2f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        shapes=[
            {
                "type": "rect", "x0": x - 0.47, "x1": x + 0.47, "y0": y - 0.47, "y1": y + 0.47, "layer": "below",
                "line": {"width": 0}, "fillcolor": shade((value - lowest) / (1 - lowest)),
            }
            for x, y, value in cells
        ]
        + [
            {
                "type": "line", "x0": x - 0.3, "x1": x + 0.3, "y0": y + 0.3, "y1": y - 0.3, "layer": "below",
                "line": {"color": GREY, "width": 1},
            }
            for y, row in enumerate(pairs) for x, value in enumerate(row) if value is None
        ]
        + _scale()
    )  # fmt: skip
    for value, y in ((lowest, 0.2), (1.0, 0.8)):
        figure.add_annotation(
            text=f"κ {number(value, 1)}", showarrow=False, xref="paper", yref="paper", x=1, y=y, xanchor="left",
            xshift=4, yanchor="top" if y < 0.5 else "bottom", borderpad=0,
        )  # fmt: skip
    layout(figure, rows=0, plot=WIDTH - LEFT - 60, right=60)
    figure.update_layout(meta={"shape": "square"})
    size = FONT_SIZE if len(codes) <= 12 else 9
    named = range(0, len(codes), -(-len(codes) // MOST_NAMED))
    ticks = {
        "tickmode": "array", "tickvals": list(named), "ticktext": [codes[i] for i in named], "tickfont": {"size": size},
    }  # fmt: skip
    edge = len(codes) - 0.5
    figure.update_xaxes(tickangle=-90, constrain="domain", range=[-0.5, edge], **ticks)
    figure.update_yaxes(range=[edge, -0.5], scaleanchor="x", **ticks)
    return figure


def _scale() -> list[dict[str, Any]]:
    """The scale of shades beside the axes, from the lowest below to 1 above; plotly's own carries an inline style."""
    step = 0.6 / 20
    return [
        {
            "type": "rect", "xref": "paper", "yref": "paper", "x0": 1.03, "x1": 1.07, "y0": 0.2 + i * step,
            "y1": 0.2 + (i + 1) * step, "line": {"width": 0}, "fillcolor": shade(i / 19),
        }
        for i in range(20)
    ]  # fmt: skip
