"""The flow diagram: images of the set to cases read, readers invited to readers who finished, with each exclusion."""

import textwrap
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.figures import BLACK, FONT, FONT_SIZE, GREY, WIDTH
from readerstudy.results.supplement.flow import Flow, FlowStep
from readerstudy.results.supplement.numbers import Supplement
from readerstudy.results.supplement.words import flow_reason, flow_stage

MAIN, ASIDE = (0.02, 0.43), (0.52, 0.98)  # from left to right, of the figure's width
TEXT = 16  # px of a line
PAD, GAP = 14, 22  # px within a box, above and below its lines; between two boxes
COLUMNS = 25  # characters of a line: what fits where the figure is narrow, too


def flow_diagram(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """STARD's diagram, for images and for readers."""
    found = numbers.flow
    if found is None:
        return None
    drawing = _Drawing()
    drawing.heading(_("Images"))
    drawing.chain(found.images, found)
    drawing.heading(_("Readers"))
    drawing.chain(found.readers, found)
    return drawing.figure()


class _Drawing:
    """Boxes from top to bottom; ``y`` is where the next one begins, in px."""

    def __init__(self) -> None:
        self.y = 4.0
        self.shapes: list[dict[str, Any]] = []
        self.words: list[dict[str, Any]] = []

    def heading(self, text: str) -> None:
        self._text(text, MAIN[0], self.y + TEXT / 2, anchor="left", colour=GREY)
        self.y += TEXT + 8

    def chain(self, steps: tuple[FlowStep, ...], found: Flow) -> None:
        """One box below the other; what was left out in between stands at the side."""
        middle = sum(MAIN) / 2
        above = None
        for step in steps:
            if above is not None:
                top = self.y
                if step.left_out:
                    lines = [line for reason, n in step.left_out for line in _wrapped(flow_reason(reason), n)]
                    self.y += GAP / 2
                    height = self._box(ASIDE, lines, align="left")
                    self._arrow((middle, self.y + height / 2), (ASIDE[0], self.y + height / 2))
                    self.y += height + GAP / 2
                else:
                    self.y += GAP
                self._arrow((middle, top), (middle, self.y))
            above = step
            lines = _wrapped(flow_stage(step.stage, found), step.n)
            self.y += self._box(MAIN, lines, align="center")
        self.y += GAP

    def figure(self) -> go.Figure:
        height = round(self.y)
        figure = go.Figure(go.Scatter(x=[None], y=[None], hoverinfo="skip", showlegend=False))
        hidden = {"visible": False, "fixedrange": True}
        figure.update_layout(
            width=WIDTH, height=height, margin={"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0, "autoexpand": False},
            xaxis={**hidden, "range": [0, 1]}, yaxis={**hidden, "range": [height, 0]},
            font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, paper_bgcolor="white", plot_bgcolor="white",
            shapes=self.shapes, annotations=self.words, meta={"shape": "drawing"}, showlegend=False,
        )  # fmt: skip
        return figure

    def _box(self, across: tuple[float, float], lines: list[str], *, align: str) -> float:
        """Draws a box at ``y`` and returns its height."""
        height = TEXT * len(lines) + PAD
        self.shapes.append({
            "type": "rect", "x0": across[0], "x1": across[1], "y0": self.y, "y1": self.y + height,
            "line": {"color": BLACK, "width": 1}, "fillcolor": "white",
        })  # fmt: skip
        x = sum(across) / 2 if align == "center" else across[0] + 0.02
        for row, line in enumerate(lines):
            self._text(line, x, self.y + PAD / 2 + TEXT * (row + 0.5), anchor=align)
        return height

    def _text(self, text: str, x: float, y: float, *, anchor: str, colour: str = BLACK) -> None:
        self.words.append({
            "text": text, "x": x, "y": y, "xref": "x", "yref": "y", "showarrow": False, "xanchor": anchor,
            "yanchor": "middle", "borderpad": 0, "font": {"color": colour},
        })  # fmt: skip

    def _arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.words.append({
            "text": "", "x": end[0], "y": end[1], "ax": start[0], "ay": start[1], "xref": "x", "yref": "y",
            "axref": "x", "ayref": "y", "showarrow": True, "arrowhead": 2, "arrowsize": 1, "arrowwidth": 1,
            "arrowcolor": BLACK,
        })  # fmt: skip


def _wrapped(text: str, n: int) -> list[str]:
    # no-break spaces: a number stays with its n
    return textwrap.wrap((_("%(what)s: n = %(n)d") % {"what": text, "n": n}).replace("n = ", "n\u00a0=\u00a0"), COLUMNS)
