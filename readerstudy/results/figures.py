"""The figures of a reader study: finished numbers in, a plotly figure out.

Conventions: colours of Okabe and Ito, which colour-blind people tell apart; what a colour tells, a shape or a dash
tells too, so that the figure can be read in grey; one typeface; equal scales; nothing drawn over a reader's point.
Text carries no markup but line breaks: bold or coloured words would need inline styles, which the site's content
security policy refuses.
"""

import html
import itertools
import textwrap
from collections.abc import Sequence
from typing import Any, Literal, get_args

import plotly.graph_objects as go
from django.utils.formats import get_format
from django.utils.translation import gettext as _

from readerstudy.results.analysis import COMPLETE, NONE, PARTIAL, ModelResult, QuestionResult, ReaderResult, TestResult
from readerstudy.results.captions import interval, number
from readerstudy.results.stats import RocCurve

Convention = Literal["paper", "roc"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)

BLUE, VERMILLION, BLACK, GREY = "#0072B2", "#D55E00", "#000000", "#6b6b6b"  # Okabe and Ito 2008
FONT = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
# A journal's column (89 mm) is 252 points wide: 12 px of 420 come out at 7.2 points there.
WIDTH, FONT_SIZE = 420, 12
LEFT, RIGHT, BOTTOM = 54, 14, 48
LINE = 19  # px of a line of the key
EDGE = 0.02  # the axes reach this far past 0 and 1, so that no mark on the border is cut
Point = tuple[float, float]


def roc_with_readers(
    test: TestResult, question: QuestionResult | None = None, *, convention: Convention = "paper", titled: bool = True
) -> go.Figure:
    """Every reader's point against the model's curve (Esteva et al. 2017, Fig. 3).

    ``question`` is the first of the test where none is given. ``convention``: "paper" has sensitivity on x and
    specificity on y, as Fig. 3 of the paper; "roc" has 1 - specificity on x and sensitivity on y. ``titled``: whether
    the test's title stands over the axes, or only its counts.
    """
    asked = question or test.questions[0]
    traces = [*_curves(test.model, convention), *_readers(asked, convention), *_average(asked, convention)]
    figure = go.Figure([trace for trace, _points in traces])
    covered = [point for _trace, points in traces for point in points]
    head = _head(test, titled=titled)
    top, bottom = 10 + 18 * len(head), BOTTOM + 10 + LINE * len(traces)
    plot = WIDTH - LEFT - RIGHT
    figure.update_layout(
        width=WIDTH, height=top + plot + bottom, separators=separators(),
        margin={"l": LEFT, "r": RIGHT, "t": top, "b": bottom, "pad": 0, "autoexpand": False},
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK},
        paper_bgcolor="white", plot_bgcolor="white", hoverlabel={"font": {"family": FONT}}, hovermode="closest",
        legend={
            "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom", "itemsizing": "trace",
            "itemclick": False, "itemdoubleclick": False, "font": {"size": FONT_SIZE}, "bgcolor": "rgba(0,0,0,0)",
        },
        annotations=[*head, *_labels(test.model, convention, covered)], meta={"convention": convention},
    )  # fmt: skip
    axes(figure, convention)
    return figure


def convention_of(asked: str | None) -> Convention:
    """The axes asked for; those of the paper where none are, or none that there are."""
    return next((known for known in CONVENTIONS if known == asked), CONVENTIONS[0])


def axes(figure: go.Figure, convention: Convention) -> None:
    """Both from 0 to 1, on one scale."""
    common = {
        "range": [-EDGE, 1 + EDGE], "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1], "showgrid": False, "zeroline": False,
        "showline": True, "mirror": True, "linecolor": BLACK, "linewidth": 1, "ticks": "outside", "ticklen": 4,
        "tickcolor": BLACK, "constrain": "domain", "fixedrange": True, "title_standoff": 8,
        "title_font": {"size": FONT_SIZE},
    }  # fmt: skip
    x, y = (_("Sensitivity"), _("Specificity")) if convention == "paper" else (_("1 − specificity"), _("Sensitivity"))
    figure.update_xaxes(title_text=x, constraintoward="left", **common)
    figure.update_yaxes(title_text=y, scaleanchor="x", scaleratio=1, constraintoward="top", **common)


def place(sensitivity: float, specificity: float, convention: Convention) -> Point:
    """Where a point of this sensitivity and specificity is drawn."""
    return (sensitivity, specificity) if convention == "paper" else (1 - specificity, sensitivity)


def _head(test: TestResult, *, titled: bool) -> list[dict[str, Any]]:
    """Title and counts over the axes, a line each, the last line lowest."""
    counts = _("%(n)d cases, %(positive)d positive") % {"n": test.n_cases, "positive": test.n_positive}
    title = textwrap.wrap(test.title, 44, max_lines=3, placeholder=" …") if titled else []
    lines = [(line, 14, BLACK) for line in title]
    return [
        {
            "text": html.escape(text, quote=False), "showarrow": False, "xref": "x domain", "yref": "y domain", "x": 0,
            "y": 1, "xanchor": "left", "yanchor": "bottom", "yshift": 3 + 18 * row, "borderpad": 0,
            "font": {"size": size, "color": colour},
        }
        for row, (text, size, colour) in enumerate([*lines, (counts, FONT_SIZE, GREY)][::-1])
    ]  # fmt: skip


Traces = list[tuple[go.Scatter, list[Point]]]  # a trace, and what of the plane it covers


def _curves(model: ModelResult | None, convention: Convention) -> Traces:
    drawn: Traces = []
    if model is None:
        return drawn
    for curve, name, line in (
        (full_set(model), _("Model, full set"), {"color": GREY, "width": 1.5, "dash": "3px,2px"}),
        (model.sample, _("Model, cases read"), {"color": BLUE, "width": 2.25}),
    ):
        if curve is None or not curve.fpr.size:
            continue
        at = curve.corners()
        points = [
            place(sensitivity, specificity, convention)
            for sensitivity, specificity in zip(curve.tpr[at].tolist(), curve.specificity[at].tolist(), strict=True)
        ]
        trace = go.Scatter(
            x=[x for x, _y in points], y=[y for _x, y in points], mode="lines", name=name, line=line,
            hoverinfo="skip",  # or a reader's point that lies on the curve could not be pointed at
            legendrank=1 if curve is model.sample else 2,
        )  # fmt: skip
        drawn.append((trace, _along(points)))
    return drawn


def full_set(model: ModelResult) -> RocCurve | None:
    """The full set's curve, where the cases read are not themselves the full set."""
    if model.full is None or model.sample is None:
        return model.full
    same = (model.full.n_positive, model.full.n_negative) == (model.sample.n_positive, model.sample.n_negative)
    return None if same else model.full


def _along(points: Sequence[Point]) -> list[Point]:
    """Points on the line through ``points``, never more than 0.02 apart."""
    found: list[Point] = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        steps = max(1, int(max(abs(x1 - x0), abs(y1 - y0)) / 0.02) + 1)
        found += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps + 1)]
    return found


def _readers(question: QuestionResult, convention: Convention) -> Traces:
    drawn: Traces = []
    for state, name, marker in (
        (PARTIAL, _("Unfinished readers"), {"color": "white", "line": {"color": VERMILLION, "width": 1.5}}),
        (COMPLETE, _("Readers"), {"color": VERMILLION, "line": {"color": "white", "width": 0.75}}),
    ):
        readers = [r for r in question.readers if r.state == state and _is_defined(r)]
        if not readers:
            continue
        points = [place(r.point.sensitivity.value, r.point.specificity.value, convention) for r in readers]
        trace = go.Scatter(
            x=[x for x, _y in points], y=[y for _x, y in points], mode="markers", cliponaxis=False,
            name=f"{name} (n = {len(readers)})", marker={"size": 8, "symbol": "circle", "opacity": 0.85, **marker},
            legendrank=3 if state == COMPLETE else 5,
            customdata=[[html.escape(r.code), r.point.n] for r in readers],
            hovertemplate=f"%{{customdata[0]}}, n = %{{customdata[1]}}<br>{_hover(convention)}<extra></extra>",
        )  # fmt: skip
        drawn.append((trace, points))
    return drawn


def _is_defined(reader: ReaderResult) -> bool:
    return reader.state != NONE and reader.point.youden.is_defined


def _average(question: QuestionResult, convention: Convention) -> Traces:
    average = question.average
    if not average.sensitivity.is_defined:
        return []
    x, y = place(average.sensitivity.value, average.specificity.value, convention)
    sd = (average.sensitivity_sd, average.specificity_sd)
    x_sd, y_sd = sd if convention == "paper" else sd[::-1]
    bars: dict[str, Any] = {"type": "data", "color": BLACK, "thickness": 1.5, "width": 4}
    named = _("Average of the readers")
    trace = go.Scatter(
        x=[x], y=[y], mode="markers", name=_("Average reader ± 1 SD"), legendrank=4,
        marker={"size": 12, "symbol": "diamond", "color": BLACK, "line": {"color": "white", "width": 1}},
        error_x={**bars, "array": [x_sd]} if x_sd == x_sd else None,
        error_y={**bars, "array": [y_sd]} if y_sd == y_sd else None,
        hovertemplate=f"{named}<br>{_hover(convention)}<extra></extra>",
    )  # fmt: skip
    reach = [(x - x_sd, y), (x + x_sd, y), (x, y - y_sd), (x, y + y_sd)] if x_sd == x_sd else []
    return [(trace, [(x, y), *reach])]


def separators() -> str:
    """Plotly's decimal and thousands signs, as the reader's language has them."""
    return f"{get_format('DECIMAL_SEPARATOR')}{get_format('THOUSAND_SEPARATOR')}"


def _hover(convention: Convention) -> str:
    sensitivity, specificity = _("sensitivity"), _("specificity")
    if convention == "paper":
        return f"{sensitivity} %{{x:.3f}}, {specificity} %{{y:.3f}}"
    missed = _("1 − specificity")
    return f"{sensitivity} %{{y:.3f}}, {missed} %{{x:.3f}}"


# --- the labels of the curves

LABEL_PX = 34  # two lines of text
LABEL_WIDTH, LABEL_HEIGHT = 0.6, 0.13  # what they take of the axes, on a narrow screen


def _labels(model: ModelResult | None, convention: Convention, covered: Sequence[Point]) -> list[dict[str, Any]]:
    """Each curve's AUC and n, in the corner that no curve, reader or bar comes near; in the middle, if none is free."""
    if model is None:
        return []
    texts = [
        (_curve_label(curve, name), colour)
        for curve, name, colour in (
            (model.sample, _("cases read"), BLUE),
            (full_set(model), _("full set"), GREY),
        )
        if curve is not None and curve.fpr.size
    ]
    x, y = free_corner(covered, LABEL_WIDTH, LABEL_HEIGHT * len(texts), convention)
    labels = []
    for row, (text, colour) in enumerate(texts if y > 0.5 else texts[::-1]):
        labels.append({
            "text": text, "showarrow": False, "xref": "x", "yref": "y", "x": x, "align": "left" if x < 0.5 else "right",
            "y": y, "yshift": (-LABEL_PX if y > 0.5 else LABEL_PX) * row, "xanchor": "left" if x < 0.5 else "right",
            "yanchor": "top" if y > 0.5 else "bottom", "font": {"size": FONT_SIZE, "color": colour},
        })  # fmt: skip
    return labels


def _curve_label(curve: RocCurve, name: str) -> str:
    values = {
        "name": name, "n": curve.n_positive + curve.n_negative, "auc": number(curve.auc.value, 2),
        "interval": interval(curve.auc, 2),
    }  # fmt: skip
    return _("Model, %(name)s (n = %(n)d)<br>AUC %(auc)s (%(interval)s)") % values


def free_corner(covered: Sequence[Point], width: float, height: float, convention: Convention) -> Point:
    """The corner (x, y) whose box of this size covers nothing; the one away from good readers comes first."""
    away, near = ((0.0, 0.0), (1.0, 1.0)) if convention == "paper" else ((1.0, 0.0), (0.0, 1.0))
    other = [(1.0 - away[0], away[1]), (away[0], 1.0 - away[1])]
    counts = []
    for corner_x, corner_y in (away, near, *other):
        inside = sum(abs(x - corner_x) <= width and abs(y - corner_y) <= height for x, y in covered)
        counts.append((inside, (abs(corner_x - 0.01), abs(corner_y - 0.01))))
    return min(counts, key=lambda entry: entry[0])[1]
