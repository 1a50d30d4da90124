"""Confusion matrices of model and readers side by side (Esteva et al. 2017, Extended Data Fig. 2)."""

import html
import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from readerstudy.results.analysis import QuestionResult, TestResult
from readerstudy.results.captions import number
from readerstudy.results.figures import BLACK, FONT, FONT_SIZE, GREY, WIDTH
from readerstudy.results.supplement.confusions import Confusions
from readerstudy.results.supplement.figures.frame import shade
from readerstudy.results.supplement.numbers import Supplement

SIDE_BY_SIDE = 4  # classes up to which two matrices fit into a column's width
HEAD, KEY, GAP = 42, 17, 30  # px above a matrix, of a line of the key, between two matrices
EDGE = 30  # px left of a matrix, for the numbers of its rows
DARK = 0.55  # from this share on, figures in a cell are white
Matrix = tuple[str, NDArray[np.float64], NDArray[np.int64]]  # title, shares, counts


def confusion_matrices(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """The decision that was asked for; None where neither model nor readers decided."""
    return next((drawn(one) for one in numbers.confusions if one.of == "decision"), None)


def level_matrices(test: TestResult, question: QuestionResult, numbers: Supplement) -> go.Figure | None:
    """The deepest level of the taxonomy whose classes can be shown."""
    levels = [one for one in numbers.confusions if one.of != "decision"]
    return drawn(levels[-1]) if levels else None


def drawn(found: Confusions) -> go.Figure | None:
    """A matrix for the model and one for the readers: rows the truth, columns the answer, each row adding up to 1."""
    matrices = _matrices(found)
    if not matrices:
        return None
    k = len(found.labels)
    across = 2 if k <= SIDE_BY_SIDE else 1
    # as wide as if there were two, so that the cells of two-class matrices are alike on every page
    size = (WIDTH - 2 * EDGE - GAP - 6) / 2 if across == 2 else min(WIDTH - EDGE - 20, 44.0 * k)
    rows = -(-len(matrices) // across)
    keys = [line for i, name in enumerate(found.names, start=1) for line in _key(i, name)]
    keys.append(_("Rows: reference standard; columns: answer"))
    bottom = 30 + KEY * len(keys)
    height = rows * (HEAD + size) + (rows - 1) * GAP + bottom
    figure = go.Figure()
    shapes: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for place, matrix in enumerate(matrices):
        left = EDGE + (place % across) * (size + EDGE + GAP)
        top = HEAD + (place // across) * (HEAD + size + GAP)
        _draw(figure, shapes, words, matrix, (left, top, size), found.names)
    for row, line in enumerate(keys):
        colour = GREY if row == len(keys) - 1 else BLACK
        words.append(_text(line, 4, height - KEY * (len(keys) - row - 0.5), "left", colour=colour))
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        width=WIDTH, height=round(height), margin={"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0, "autoexpand": False},
        xaxis={**hidden, "range": [0, WIDTH]}, yaxis={**hidden, "range": [height, 0]}, showlegend=False,
        font={"family": FONT, "size": FONT_SIZE, "color": BLACK}, paper_bgcolor="white", plot_bgcolor="white",
        hoverlabel={"font": {"family": FONT}}, shapes=shapes, annotations=words, meta={"shape": "fixed"},
    )  # fmt: skip
    return figure


def _matrices(found: Confusions) -> list[Matrix]:
    matrices: list[Matrix] = []
    if found.model is not None:
        title = _("Model<br>mean accuracy %(value)s") % {"value": number(found.model.mean_per_class.value)}
        matrices.append((title, found.model.shares, found.model.counts))
    if found.readers is not None:
        told = {"n": len(found.readers.per_reader), "value": number(found.readers.mean.value)}
        title = _("Readers (n = %(n)d)<br>mean accuracy %(value)s") % told
        matrices.append((title, found.readers.shares, found.readers.counts))
    return matrices


def _key(index: int, name: str) -> list[str]:
    """What the number of a class stands for, in lines that fit into the narrowest figure."""
    indent = "\u00a0" * 5
    lines = textwrap.wrap(f"{index}  {name}", 46, max_lines=2, placeholder=" …", subsequent_indent=indent)
    return [html.escape(line, quote=False) for line in lines]


def _draw(
    figure: go.Figure, shapes: list[dict[str, Any]], words: list[dict[str, Any]], matrix: Matrix,
    where: tuple[float, float, float], names: tuple[str, ...],
) -> None:  # fmt: skip
    """One matrix: cells are rectangles, because plotly's heat map carries a style that the site's policy refuses."""
    title, shares, counts = matrix
    left, top, size = where
    k = len(names)
    cell = size / k
    places, told = [], []
    for i in range(k):
        middle = top + cell * (i + 0.5)
        words.append(_text(str(i + 1), left - 8, middle, "right"))
        words.append(_text(str(i + 1), left + cell * (i + 0.5), top + size + 10, "center"))
        for j in range(k):
            x, share = left + cell * (j + 0.5), float(shares[i, j])
            empty = share != share
            shapes.append({
                "type": "rect", "x0": left + cell * j, "x1": left + cell * (j + 1), "y0": top + cell * i,
                "y1": top + cell * (i + 1), "layer": "below", "line": {"width": 0.5, "color": "#b0b0b0"},
                "fillcolor": "white" if empty else shade(share),
            })  # fmt: skip
            colour = "white" if not empty and share >= DARK else BLACK
            text = "–" if empty else number(share, 2)
            words.append(_text(text, x, middle, "center", colour=colour, size=FONT_SIZE if cell > 40 else 10))
            places.append((x, middle))
            told.append((html.escape(names[i]), html.escape(names[j]), int(counts[i, j])))
    figure.add_scatter(
        x=[x for x, _y in places], y=[y for _x, y in places], mode="markers", customdata=told,
        marker={"opacity": 0, "size": 9, "symbol": "square"}, name=title.partition("<br>")[0],
        hovertemplate=_("truth %(truth)s, said %(said)s: %(n)s")
        % {"truth": "%{customdata[0]}", "said": "%{customdata[1]}", "n": "n = %{customdata[2]}<extra></extra>"},
    )  # fmt: skip
    words.append({**_text(title, left + size / 2, top - 6, "center"), "yanchor": "bottom"})


def _text(text: str, x: float, y: float, anchor: str, *, colour: str = BLACK, size: int = FONT_SIZE) -> dict[str, Any]:
    return {
        "text": text, "x": x, "y": y, "xref": "x", "yref": "y", "showarrow": False, "xanchor": anchor,
        "yanchor": "middle", "borderpad": 0, "font": {"color": colour, "size": size},
    }  # fmt: skip
