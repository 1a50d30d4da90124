"""Readers and model against each other: forest plots, the pooled readers, time and accuracy over position."""

import html

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.figures import BLACK, BLUE, LINE, VERMILLION, Convention, place, roc_with_readers
from readerstudy.results.stats import Estimate
from readerstudy.results.supplement.figures.frame import AXIS, GREEN, bars, between, categories, layout, name_y
from readerstudy.results.supplement.numbers import Supplement

LANES = 24  # px of a row with three marks, one below the other


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
            bars(_("Reader"), rows, VERMILLION, "circle"),
            bars(_("Average reader"), average, BLACK, "diamond"),
            bars(_("Model − average at one threshold"), standalone, BLUE, "square"),
        ]
    )
    layout(figure, rows=len(names), left=150, keys=3)
    figure.update_xaxes(title_text=_("Sensitivity, model minus reader"), zeroline=True, zerolinecolor=BLACK)
    categories(figure, names)
    return figure


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
    figure = go.Figure([bars(looks[key][0], rows, *looks[key][1:]) for key, rows in series.items() if rows])
    # marks of one row would lie on one another: each series has a lane of its own
    for lane, trace in zip((-0.24, 0.0, 0.24), figure.data, strict=False):
        places = {html.escape(name): row for row, name in enumerate(names)}
        trace.customdata = [str(y) for y in trace.y]
        trace.y = [places[y] + lane for y in trace.y]
        trace.marker.size = 6
        trace.hovertemplate = "%{customdata}: %{x:.3f}<extra></extra>"
    layout(figure, rows=len(names), left=150, keys=len(figure.data), row=LANES)
    # xgettext:no-python-format
    figure.update_xaxes(title_text=_("Value (bar: 95% interval)"), range=[-0.02, 1.02])
    texts = [html.escape(name.strip()) for name in names]
    figure.update_yaxes(
        tickmode="array", tickvals=list(range(len(names))), ticktext=texts, range=[len(names) - 0.4, -0.6], ticks=""
    )
    return figure


def _last_head(names: list[str]) -> int:
    return max(i for i, name in enumerate(names) if name.endswith(":"))


def pooled_roc(
    test: TestResult, question: QuestionResult, numbers: Supplement, *, convention: Convention = "paper"
) -> go.Figure | None:
    """The majority of the readers beside the single readers and the model."""
    if numbers.vote is None or not numbers.vote.point.youden.is_defined:
        return None
    figure = roc_with_readers(test, question, convention=convention, titled=False)
    point = numbers.vote.point
    x, y = place(point.sensitivity.value, point.specificity.value, convention)
    named = _("Majority")
    figure.add_scatter(
        x=[x], y=[y], mode="markers", name=_("Majority of %(n)d readers") % {"n": numbers.vote.n_readers},
        marker={"size": 13, "symbol": "star", "color": GREEN, "line": {"color": BLACK, "width": 1}},
        hovertemplate=f"{named}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>", legendrank=6, cliponaxis=False,
    )  # fmt: skip
    figure.update_layout(height=figure.layout.height + LINE, margin={"b": figure.layout.margin.b + LINE})
    return figure


_FRAME = {"color": BLACK, "width": 1}


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
            error_y=between([part.median for part in bins], [part.lower_quartile for part in bins],
                             [part.upper_quartile for part in bins], BLUE),
        )  # fmt: skip
    figure.add_scatter(
        # xgettext:no-python-format
        x=x, y=[share.value for share in right], mode="lines+markers", name=_("Right answers (bar: 95% interval)"),
        line={"color": VERMILLION, "width": 1.5}, marker={"size": 8},
        error_y=between([s.value for s in right], [s.low for s in right], [s.high for s in right], VERMILLION),
    )  # fmt: skip
    layout(figure, rows=0, plot=340 if timed else 220, keys=len(figure.data))
    figure.update_xaxes(title_text=_("Position in the reader's own order"), anchor="y")
    name_y(figure, _("Share of right answers"), middle=0.23 if timed else 0.5)
    figure.update_layout(yaxis={"domain": [0, 0.46 if timed else 1]})
    if timed:
        name_y(figure, _("Seconds"), middle=0.77)
        figure.update_layout(yaxis2={**AXIS, "domain": [0.54, 1], "rangemode": "tozero", "anchor": "x"})
        # the x axis below draws the lines of its own panel only
        for height in (0.54, 1):
            figure.add_shape(
                type="line", xref="paper", yref="paper", x0=0, x1=1, y0=height, y1=height, line=_FRAME
            )  # fmt: skip
    return figure
