"""The figure says what the numbers say: coordinates, axes, labels, words."""

import io
import math
import re
from typing import Any

import plotly.graph_objects as go
import pytest
from PIL import Image as PillowImage

from readerstudy.results import rendering
from readerstudy.results.analysis import StudyResults, analyse
from readerstudy.results.captions import alternative_text, caption, number
from readerstudy.results.errors import ResultsError
from readerstudy.results.figures import CONVENTIONS, Convention, free_corner, roc_with_readers
from readerstudy.results.tables import study_tables
from readerstudy.studies.models import Study, Test
from tests.builders import accepted_reader
from tests.results import made
from tests.results.conftest import AUC, Worked

no_chromium = pytest.mark.skipif(bool(rendering.unavailable()), reason=rendering.unavailable() or "none")


def results_of(worked: Worked) -> StudyResults:
    return analyse(study_tables(worked.study, worked.model))


def trace(figure: go.Figure, name: str) -> Any:
    found = [trace for trace in figure.data if trace.name.startswith(name)]
    assert len(found) == 1, [trace.name for trace in figure.data]
    return found[0]


def test_points_lie_where_the_numbers_say_in_the_papers_axes(worked: Worked) -> None:
    """Sensitivity on x, specificity on y: the readers (3/4, 5/6) and (2/4, 3/6), their mean (0.625, 2/3)."""
    figure = roc_with_readers(results_of(worked).tests[0])
    readers = trace(figure, "Readers")
    assert list(readers.x) == pytest.approx([3 / 4, 2 / 4])
    assert list(readers.y) == pytest.approx([5 / 6, 3 / 6])
    assert [code for code, _n in readers.customdata] == ["R01", "R02"]
    average = trace(figure, "Average reader")
    assert (average.x[0], average.y[0]) == pytest.approx((0.625, 2 / 3))
    assert average.error_x.array[0] == pytest.approx(0.25 / math.sqrt(2))
    assert average.error_y.array[0] == pytest.approx((1 / 3) / math.sqrt(2))
    assert figure.layout.xaxis.title.text == "Sensitivity"
    assert figure.layout.yaxis.title.text == "Specificity"


def test_points_lie_where_the_numbers_say_in_roc_axes(worked: Worked) -> None:
    figure = roc_with_readers(results_of(worked).tests[0], convention="roc")
    readers = trace(figure, "Readers")
    assert list(readers.x) == pytest.approx([1 / 6, 3 / 6])
    assert list(readers.y) == pytest.approx([3 / 4, 2 / 4])
    average = trace(figure, "Average reader")
    assert average.error_x.array[0] == pytest.approx((1 / 3) / math.sqrt(2))
    assert average.error_y.array[0] == pytest.approx(0.25 / math.sqrt(2))
    assert figure.layout.xaxis.title.text == "1 − specificity"
    assert figure.layout.yaxis.title.text == "Sensitivity"


def _area(xs: Any, ys: Any) -> float:
    """Under a polygon, by trapezoids."""
    return sum((x1 - x0) * (y0 + y1) / 2 for x0, x1, y0, y1 in zip(xs, xs[1:], ys, ys[1:], strict=False))


def test_the_curve_drawn_has_the_area_stated(worked: Worked) -> None:
    for convention in CONVENTIONS:
        curve = trace(roc_with_readers(results_of(worked).tests[0], convention=convention), "Model, cases read")
        assert _area(curve.x, curve.y) == pytest.approx(AUC)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_scales_are_equal(worked: Worked, convention: Convention) -> None:
    layout = roc_with_readers(results_of(worked).tests[0], convention=convention).layout
    assert layout.yaxis.scaleanchor == "x"
    assert layout.yaxis.scaleratio == 1
    assert layout.xaxis.range == layout.yaxis.range
    inner = (layout.width - layout.margin.l - layout.margin.r, layout.height - layout.margin.t - layout.margin.b)
    assert inner[0] == inner[1]


def test_the_label_gives_area_interval_and_n(worked: Worked) -> None:
    figure = roc_with_readers(results_of(worked).tests[0])
    texts = [label.text for label in figure.layout.annotations]
    model = results_of(worked).tests[0].model
    assert model is not None
    assert model.sample is not None
    auc = model.sample.auc
    assert f"Model, cases read (n = 10)<br>AUC 0.85 ({auc.low:.2f} to {auc.high:.2f})" in texts
    assert "10 cases, 4 positive" in texts
    assert "Test 1" in texts


def test_the_full_set_is_drawn_only_where_it_is_more_than_the_sample(worked: Worked) -> None:
    names = [trace.name for trace in roc_with_readers(results_of(worked).tests[0]).data]
    assert names == ["Model, cases read", "Readers (n = 2)", "Average reader ± 1 SD"]


def test_unfinished_readers_are_open_circles(worked: Worked) -> None:
    slow = accepted_reader(worked.study)
    made.read(slow, worked.test, {worked.cases[0]: True, worked.cases[9]: True})
    figure = roc_with_readers(results_of(worked).tests[0])
    unfinished = trace(figure, "Unfinished readers")
    assert (unfinished.x[0], unfinished.y[0]) == (1, 0)
    assert unfinished.marker.color == "white"
    assert len(trace(figure, "Readers").x) == 2


def test_readers_alone_and_a_model_alone(worked: Worked, opened: Study) -> None:
    alone = roc_with_readers(analyse(study_tables(worked.study, None)).tests[0])
    assert [trace.name for trace in alone.data] == ["Readers (n = 2)", "Average reader ± 1 SD"]
    test = results_of(worked).tests[0]
    assert "No reader" not in alternative_text(test, test.questions[0])


def test_nothing_at_all_is_still_a_figure(opened: Study) -> None:
    test = analyse(study_tables(opened, None)).tests[0]
    assert roc_with_readers(test).data == ()
    assert "No reader has answered every case yet." in alternative_text(test, test.questions[0])


def test_a_title_is_text_and_never_markup(worked: Worked) -> None:
    Test.objects.filter(pk=worked.test.pk).update(title="<b>bold</b> & <a href='javascript:1'>x</a>")
    found = results_of(worked).tests[0]
    head = " ".join(label.text for label in roc_with_readers(found).layout.annotations)
    assert "&lt;b&gt;bold" in head
    assert not re.search(r"<(?!br>)", head)


def test_a_long_title_is_cut_to_three_lines(worked: Worked) -> None:
    Test.objects.filter(pk=worked.test.pk).update(title="word " * 39)
    figure = roc_with_readers(results_of(worked).tests[0])
    lines = [label.text for label in figure.layout.annotations if label.font.size == 14]
    assert len(lines) == 3
    assert lines[0].endswith("…")  # the lowest line is the first in the list


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_labels_keep_away_from_what_is_drawn(convention: Convention) -> None:
    corners = {(0, 0), (1, 1), (0, 1), (1, 0)}
    assert len(corners) == 4
    for x, y in corners:
        others = [corner for corner in corners if corner != (x, y)]
        found = free_corner(others, 0.6, 0.26, convention)
        assert (round(found[0]), round(found[1])) == (x, y)


def test_words_are_made_of_the_same_numbers(worked: Worked) -> None:
    results = results_of(worked)
    test = results.tests[0]
    text = alternative_text(test, test.questions[0])
    assert "AUC of 0.854" in text
    assert "2 readers: sensitivity from 0.500 to 0.750, specificity from 0.500 to 0.833." in text
    assert "On average: sensitivity 0.625, specificity 0.667." in text
    assert "Readers below the curve: 1 of 2." in text
    words = caption(test, test.questions[0], results.provenance)
    assert "10 cases, 4 positive and 6 negative" in words
    assert "mean of the 2 readers; its bars are one standard deviation" in words
    assert f"model “{worked.model.name}”" in words
    assert "AUC 0.854" in words
    assert "DeLong" in words


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.5, 3, "0.500"), (1.0, 2, "1.00"), (0.9999, 2, ">0.99"), (0.0001, 3, "<0.001"), (0.0, 3, "0.000"),
        (-0.0125, 3, "−0.013"), (-0.0001, 3, ">−0.001"), (math.nan, 3, "—"),
    ],
)  # fmt: skip
def test_how_a_number_is_written(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


# --- files


def test_html_needs_no_network(worked: Worked) -> None:
    results = results_of(worked)
    page = rendering.as_page(roc_with_readers(results.tests[0]), title="A <test>", text="5 < 6 & so on").decode()
    assert "<title>A &lt;test&gt;</title>" in page
    assert "5 &lt; 6 &amp; so on" in page
    assert "plotly.js v" in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)


@no_chromium
def test_png_svg_and_pdf(worked: Worked) -> None:
    figure = roc_with_readers(results_of(worked).tests[0])
    png, svg, pdf = rendering.draw([(figure, fmt) for fmt in ("png", "svg", "pdf")])
    picture = PillowImage.open(io.BytesIO(png))
    assert picture.size == (4 * figure.layout.width, 4 * figure.layout.height)
    assert len(picture.convert("RGB").getcolors(100_000) or []) > 10
    assert svg.startswith(b"<svg")
    assert "Sensitivity" in svg.decode()
    assert "R01" not in svg.decode()  # hover text is no part of the picture
    assert pdf.startswith(b"%PDF-")


@no_chromium
def test_what_was_drawn_once_is_not_drawn_again(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = roc_with_readers(results_of(worked).tests[0])
    figure.update_layout(title_text="only here")
    calls = []
    original = rendering._by_kaleido

    def counted(wanted: Any, seconds: float) -> Any:
        calls.append(len(wanted))
        return original(wanted, seconds)

    monkeypatch.setattr(rendering, "_by_kaleido", counted)
    first = rendering.draw([(figure, "svg")])
    assert rendering.draw([(figure, "svg")]) == first
    assert calls == [1]


@no_chromium
def test_a_browser_that_ends_at_once_is_a_sentence(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/bin/false")
    figure = roc_with_readers(results_of(worked).tests[0])
    figure.update_layout(title_text="never drawn")
    monkeypatch.setattr(rendering, "SECONDS_TO_START", 5)
    monkeypatch.setattr(rendering, "SECONDS_A_FIGURE", 5)
    with pytest.raises(ResultsError, match=r"/bin/false|did not draw") as refused:
        rendering.draw([(figure, "png")])
    assert refused.value.status == 503


def test_without_a_browser_a_sentence_says_what_to_install(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "browser", lambda: None)
    figure = roc_with_readers(results_of(worked).tests[0])
    figure.update_layout(title_text="no browser")
    with pytest.raises(ResultsError, match=r"Chromium|kaleido"):
        rendering.draw([(figure, "png")])
