"""What the model's probabilities are worth: calibration, decision curve, excisions."""

import math

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.figures import BLACK, BLUE, GREY, LEFT, RIGHT, VERMILLION, WIDTH
from readerstudy.results.supplement.figures.frame import layout, name_y, reach
from readerstudy.results.supplement.numbers import THRESHOLDS, Supplement


def calibration_curve(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """Observed against predicted, with the intervals of what was observed, and the line of perfect calibration."""
    found = numbers.calibration
    if found is None:
        return None
    bins = [part for part in found.bins if part.observed.is_defined]
    observed = go.Scatter(
        x=[part.mean_predicted for part in bins], y=[part.observed.value for part in bins], mode="lines+markers",
        # xgettext:no-python-format
        name=_("Model, by bin (bar: 95% interval)"), line={"color": BLUE, "width": 1.5}, marker={"size": 8},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.25, "width": 3, "color": BLUE,
            "array": [reach(part.observed.high - part.observed.value) for part in bins],
            "arrayminus": [reach(part.observed.value - part.observed.low) for part in bins],
        },
        customdata=[part.observed.n for part in bins], cliponaxis=False,
        hovertemplate="%{x:.2f}: %{y:.3f}, n = %{customdata}<extra></extra>",
    )  # fmt: skip
    perfect = go.Scatter(
        x=[0, 1], y=[0, 1], mode="lines", name=_("Perfect calibration"), hoverinfo="skip",
        line={"color": GREY, "width": 1, "dash": "3px,2px"},
    )  # fmt: skip
    figure = go.Figure([perfect, observed])
    layout(figure, rows=0, plot=WIDTH - LEFT - RIGHT, keys=2)
    figure.update_layout(meta={"shape": "square"})
    figure.update_xaxes(title_text=_("Predicted probability"), range=[-0.02, 1.02], constrain="domain")
    name_y(figure, _("Observed share"))
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
    name_y(figure, _("Net benefit"))
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
    name_y(figure, _("Excised per positive found"))
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
    layout(figure, rows=0, plot=260, keys=len(figure.data))
    return figure
