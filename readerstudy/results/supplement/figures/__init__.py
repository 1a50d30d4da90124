"""The figures of a test's own page: finished numbers in, a plotly figure out, None where there are no numbers."""

from collections.abc import Callable

import plotly.graph_objects as go

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.supplement.figures.accuracy import forest, pace_figure, pooled_roc, subgroup_forest
from readerstudy.results.supplement.figures.agreement import agreement_map
from readerstudy.results.supplement.figures.confusion import confusion_matrices, level_matrices
from readerstudy.results.supplement.figures.decisions import calibration_curve, decision_curve, excisions
from readerstudy.results.supplement.figures.flow import flow_diagram
from readerstudy.results.supplement.figures.taxonomy import taxonomy_tree
from readerstudy.results.supplement.numbers import Supplement

Drawer = Callable[[TestResult, QuestionResult, Supplement], go.Figure | None]
FIGURES: dict[str, Drawer] = {
    "forest": forest,
    "flow": flow_diagram,
    "agreement": agreement_map,
    "pooled": pooled_roc,
    "confusion": confusion_matrices,
    "levels": level_matrices,
    "taxonomy": taxonomy_tree,
    "calibration": calibration_curve,
    "decision-curve": decision_curve,
    "excisions": excisions,
    "pace": pace_figure,
    "subgroups": subgroup_forest,
}
