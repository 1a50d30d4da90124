"""The figures of a test's own page: finished numbers in, a plotly figure out. Conventions: see results/figures.py."""

import html
import math
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.captions import number
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
    place,
    roc_with_readers,
)
from readerstudy.results.stats import Estimate
from readerstudy.results.supplement.numbers import THRESHOLDS, Supplement

ROW = 19  # px of a row of a forest plot
GREEN = "#009E73"  # Okabe and Ito's bluish green
GREYS = ((0.0, "#ffffff"), (1.0, "#0b3c5d"))  # light to dark: the same order in grey


def forest(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Model minus reader: the sensitivity at each reader's own specificity, and the three averages below."""
    against = numbers.against
    if against is None:
        return None
    rows = [(code, point.sensitivity_difference) for code, point in zip(against.codes, against.matched.readers, strict=True)]  # noqa: E501 # fmt: skip
    average = [(_("Average, matched"), against.matched.average.sensitivity_difference)]
    tests = against.sensitivity
    standalone = [
        (_("Readers, cases random"), tests.main.difference),
        (_("Cases fixed"), tests.cases_fixed.difference),
        (_("Readers fixed"), tests.readers_fixed.difference),
    ]
    names = [name for name, _estimate in [*rows, *average, *standalone]]
    figure = go.Figure(
        [
            _bars(_("Reader"), rows, VERMILLION, "circle"),
            _bars(_("Average reader"), average, BLACK, "diamond"),
            _bars(_("Model − average at one threshold"), standalone, BLUE, "square"),
        ]
    )
    _layout(figure, rows=len(names), left=150, keys=3)
    figure.update_xaxes(title_text=_("Model minus reader"), zeroline=True, zerolinecolor=BLACK)
    _categories(figure, names)
    return figure


def _bars(name: str, rows: list[tuple[str, Estimate]], colour: str, symbol: str) -> go.Scatter:
    """A mark and its interval for each row; a mark without a bar has no interval."""
    drawn = [(label, estimate) for label, estimate in rows if estimate.is_defined]
    return go.Scatter(
        x=[estimate.value for _label, estimate in drawn], y=[html.escape(label) for label, _estimate in drawn],
        name=name, mode="markers", marker={"color": colour, "symbol": symbol, "size": 8},
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.25, "width": 0, "color": colour,
            "array": [_reach(e.high - e.value) for _label, e in drawn],
            "arrayminus": [_reach(e.value - e.low) for _label, e in drawn],
        },
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )  # fmt: skip


def _reach(value: float) -> float:
    return 0.0 if math.isnan(value) else max(value, 0.0)


def subgroup_forest(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Sensitivity and specificity of the average reader, and the model's AUC, in each subgroup."""
    names: list[str] = []
    series: dict[str, list[tuple[str, Estimate]]] = {"sensitivity": [], "specificity": [], "auc": []}
    for attribute in dict.fromkeys(stratum.attribute for stratum in numbers.strata):
        names.append(f"{attribute}:")
        for stratum in numbers.strata:
            for row in stratum.found.rows if stratum.attribute == attribute else ():
                label = f"{row.name.replace('-', ' ') if attribute == 'diagnosis' else row.name} "
                label = label if label not in names or names.index(label) > _last_head(names) else f"{label} "
                names += [label] if label not in names else []
                series[stratum.found.metric].append((label, row.estimate))
    if not names:
        return None
    looks = {
        "sensitivity": (_("Readers, sensitivity"), VERMILLION, "circle"),
        "specificity": (_("Readers, specificity"), BLUE, "square"),
        "auc": (_("Model, AUC"), BLACK, "diamond-open"),
    }
    figure = go.Figure([_bars(looks[key][0], rows, *looks[key][1:]) for key, rows in series.items() if rows])
    # marks of one row would lie on one another: each series has a lane of its own
    for lane, trace in zip((-0.24, 0.0, 0.24), figure.data, strict=False):
        places = {html.escape(name): row for row, name in enumerate(names)}
        trace.customdata = [str(y) for y in trace.y]
        trace.y = [places[y] + lane for y in trace.y]
        trace.marker.size = 6
        trace.hovertemplate = "%{customdata}: %{x:.3f}<extra></extra>"
    _layout(figure, rows=len(names), left=150, keys=len(figure.data))
    figure.update_xaxes(title_text=_("Value (bar: 95% interval)"), range=[-0.02, 1.02])
    texts = [html.escape(name.strip()) for name in names]
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(names))), ticktext=texts, range=[len(names) - 0.4, -0.6], ticks=""
    )
    return figure


def _last_head(names: list[str]) -> int:
    return max(i for i, name in enumerate(names) if name.endswith(":"))


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
                "line": {"width": 0}, "fillcolor": _shade((value - lowest) / (1 - lowest)),
            }
            for x, y, value in cells
        ]
        + _scale()
    )  # fmt: skip
    for value, y in ((lowest, 0.2), (1.0, 0.8)):
        figure.add_annotation(
            text=f"κ {number(value, 1)}", showarrow=False, xref="paper", yref="paper", x=1, y=y, xanchor="left",
            xshift=4, yanchor="top" if y < 0.5 else "bottom", borderpad=0,
        )  # fmt: skip
    _layout(figure, rows=0, plot=WIDTH - LEFT - 60, right=60)
    figure.update_layout(meta={"shape": "square"})
    size = FONT_SIZE if len(codes) <= 12 else 9
    ticks = {
        "tickmode": "array", "tickvals": list(range(len(codes))), "ticktext": codes, "tickfont": {"size": size},
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
            "y1": 0.2 + (i + 1) * step, "line": {"width": 0}, "fillcolor": _shade(i / 19),
        }
        for i in range(20)
    ]  # fmt: skip


def _shade(share: float) -> str:
    """The colour of ``GREYS`` this far between its ends, 0..1."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _at, colour in GREYS]
    mixed = [round(light + (dark - light) * share) for light, dark in zip(*ends, strict=True)]
    return "#" + "".join(f"{value:02x}" for value in mixed)


def pooled_roc(
    test: TestResult, question: QuestionResult, numbers: Supplement, *, convention: Convention = "paper"
) -> go.Figure | None:
    """The majority of the readers beside the single readers and the model."""
    if numbers.vote is None or not numbers.vote.point.youden.is_defined:
        return None
    figure = roc_with_readers(test, question, convention=convention, titled=False)
    point = numbers.vote.point
    x, y = place(point.sensitivity.value, point.specificity.value, convention)
    figure.add_scatter(
        x=[x], y=[y], mode="markers", name=_("Majority of %(n)d readers") % {"n": numbers.vote.n_readers},
        marker={"size": 13, "symbol": "star", "color": GREEN, "line": {"color": BLACK, "width": 1}},
        hovertemplate=f"{_('Majority')}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>", legendrank=6, cliponaxis=False,
    )  # fmt: skip
    figure.update_layout(height=figure.layout.height + LINE, margin={"b": figure.layout.margin.b + LINE})
    return figure


def calibration_curve(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Observed against predicted, with the intervals of what was observed, and the line of perfect calibration."""
    found = numbers.calibration
    if found is None:
        return None
    bins = [part for part in found.bins if part.observed.is_defined]
    observed = go.Scatter(
        x=[part.mean_predicted for part in bins], y=[part.observed.value for part in bins], mode="lines+markers",
        name=_("Model, by bin (bar: 95% interval)"), line={"color": BLUE, "width": 1.5}, marker={"size": 8},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.25, "width": 3, "color": BLUE,
            "array": [_reach(part.observed.high - part.observed.value) for part in bins],
            "arrayminus": [_reach(part.observed.value - part.observed.low) for part in bins],
        },
        customdata=[part.observed.n for part in bins], cliponaxis=False,
        hovertemplate="%{x:.2f}: %{y:.3f}, n = %{customdata}<extra></extra>",
    )  # fmt: skip
    perfect = go.Scatter(
        x=[0, 1], y=[0, 1], mode="lines", name=_("Perfect calibration"), hoverinfo="skip",
        line={"color": GREY, "width": 1, "dash": "3px,2px"},
    )  # fmt: skip
    figure = go.Figure([perfect, observed])
    _layout(figure, rows=0, plot=WIDTH - LEFT - RIGHT, keys=2)
    figure.update_layout(meta={"shape": "square"})
    figure.update_xaxes(title_text=_("Predicted probability"), range=[-0.02, 1.02], constrain="domain")
    _name_y(figure, _("Observed share"))
    figure.update_yaxes(range=[-0.02, 1.02], scaleanchor="x", constraintoward="top")
    return figure


def decision_curve(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Net benefit against the threshold probability: model, mean of the readers, excising all, none."""
    found = numbers.decisions
    if found is None:
        return None
    lines = [
        (_("Model"), [row.net_benefit.value for row in found.model], BLUE, "solid"),
        (_("Average reader"), list(found.readers), VERMILLION, "dash"),
        (_("Excise all"), [row.treat_all for row in found.model], GREY, "dot"),
        (_("Excise none"), [0.0] * len(THRESHOLDS), BLACK, "solid"),
    ]
    figure = _curves(lines)
    highest = max([found.prevalence, *[v for _name, values, _c, _d in lines for v in values if not math.isnan(v)]])
    figure.update_xaxes(title_text=_("Threshold probability"), range=[0, 1])
    _name_y(figure, _("Net benefit"))
    figure.update_yaxes(range=[-0.35 * highest, 1.1 * highest])
    return figure


def excisions(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Lesions excised for one positive found, against the threshold probability."""
    found = numbers.decisions
    if found is None:
        return None
    model = [row.excisions_per_melanoma.value for row in found.model]
    lines = [
        (_("Model"), [value if math.isfinite(value) else math.nan for value in model], BLUE, "solid"),
        (_("Average reader"), [found.readers_excisions] * len(THRESHOLDS), VERMILLION, "dash"),
        (_("Excise all"), [1 / found.prevalence] * len(THRESHOLDS), GREY, "dot"),
    ]
    figure = _curves([line for line in lines if not all(math.isnan(value) for value in line[1])])
    figure.update_xaxes(title_text=_("Threshold probability"), range=[0, 1])
    _name_y(figure, _("Excised per positive found"))
    figure.update_yaxes(rangemode="normal")
    return figure


def _curves(lines: list[tuple[str, list[float], str, str]]) -> go.Figure:
    figure = go.Figure(
        [
            go.Scatter(
                x=list(THRESHOLDS), y=values, mode="lines", name=name, hovertemplate="%{x:.2f}: %{y:.3f}<extra></extra>",  # noqa: E501
                line={"color": colour, "width": 2 if colour == BLUE else 1.5, "dash": dash},
            )
            for name, values, colour, dash in lines
            if values
        ]
    )  # fmt: skip
    _layout(figure, rows=0, plot=260, keys=len(figure.data))
    return figure


def pace_figure(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Seconds (median, quartiles) above and accuracy below, from the first case read to the last."""
    if numbers.pace is None:
        return None
    bins = numbers.pace.bins
    x = [(part.first + part.last) / 2 for part in bins]
    right = [part.right for part in bins]
    figure = go.Figure()
    timed = numbers.pace.n_timed > 0
    if timed:
        figure.add_scatter(
            x=x, y=[part.median for part in bins], mode="lines+markers", name=_("Seconds, median (bar: quartiles)"),
            line={"color": BLUE, "width": 1.5}, marker={"size": 7, "symbol": "square"}, yaxis="y2",
            error_y=_between([part.median for part in bins], [part.lower_quartile for part in bins],
                             [part.upper_quartile for part in bins], BLUE),
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=[share.value for share in right], mode="lines+markers", name=_("Right answers (bar: 95% interval)"),
        line={"color": VERMILLION, "width": 1.5}, marker={"size": 8},
        error_y=_between([s.value for s in right], [s.low for s in right], [s.high for s in right], VERMILLION),
    )  # fmt: skip
    _layout(figure, rows=0, plot=340 if timed else 220, keys=len(figure.data))
    figure.update_xaxes(title_text=_("Position in the reader's own order"), anchor="y")
    _name_y(figure, _("Right answers"), middle=0.23 if timed else 0.5)
    figure.update_layout(yaxis={"domain": [0, 0.46 if timed else 1]})
    if timed:
        _name_y(figure, _("Seconds"), middle=0.77)
        axis = {**_AXIS, "domain": [0.54, 1], "rangemode": "tozero"}
        figure.update_layout(yaxis2={**axis, "anchor": "x"})
    return figure


def _between(values: list[float], low: list[float], high: list[float], colour: str) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "thickness": 1.25, "width": 3, "color": colour,
        "array": [_reach(top - value) for value, top in zip(values, high, strict=True)],
        "arrayminus": [_reach(value - bottom) for value, bottom in zip(values, low, strict=True)],
    }  # fmt: skip


_AXIS: dict[str, Any] = {
    "showgrid": False, "zeroline": False, "showline": True, "mirror": True, "linecolor": BLACK, "linewidth": 1,
    "ticks": "outside", "ticklen": 4, "tickcolor": BLACK, "fixedrange": True,
}  # fmt: skip


def _layout(
    figure: go.Figure, *, rows: int, plot: int = 0, left: int = LEFT, right: int = RIGHT, keys: int = 0
) -> None:
    """One column's width; ``rows`` of a forest, or ``plot`` px of height between the axes; ``keys`` lines of a key."""
    height = plot or ROW * rows + 12
    bottom = BOTTOM + (10 + LINE * keys if keys else 0)
    figure.update_layout(
        width=WIDTH, height=10 + height + bottom, showlegend=keys > 0,
        margin={"l": left, "r": right, "t": 10, "b": bottom, "pad": 0, "autoexpand": False},
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, hoverlabel={"font": {"family": FONT}},
        paper_bgcolor="white", plot_bgcolor="white", hovermode="closest", meta={"shape": "fixed"},
        legend={
            "x": 0, "xanchor": "left", "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom",
            "itemsizing": "trace", "itemclick": False, "itemdoubleclick": False, "bgcolor": "rgba(0,0,0,0)",
            "traceorder": "normal",
        },
    )  # fmt: skip
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS)


def _name_y(figure: go.Figure, text: str, *, middle: float = 0.5) -> None:
    """The title of a y axis, at a fixed distance: plotly's own lands among the marks where margins do not expand."""
    figure.add_annotation(
        text=text, showarrow=False, textangle=-90, xref="paper", x=0, xshift=-LEFT + 10, xanchor="center",
        yref="paper", y=middle, yanchor="middle", borderpad=0,
    )  # fmt: skip


def _categories(figure: go.Figure, names: list[str]) -> None:
    """The rows in this order, from the top."""
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=[html.escape(name) for name in names],
        range=[len(names) - 0.4, -0.6], dtick=1, ticks="",
    )  # fmt: skip


Drawer = Callable[[TestResult, QuestionResult, Supplement], go.Figure | None]
FIGURES: dict[str, Drawer] = {
    "forest": forest,
    "agreement": agreement_map,
    "pooled": pooled_roc,
    "calibration": calibration_curve,
    "decision-curve": decision_curve,
    "excisions": excisions,
    "pace": pace_figure,
    "subgroups": subgroup_forest,
}
