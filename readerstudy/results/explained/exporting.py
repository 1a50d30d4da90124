"""Layout and saliency maps of a test as an export's tables, maps and figures."""

from collections.abc import Iterator

from readerstudy.results.explained.numbers import MOST_MAPS
from readerstudy.results.explained.page import Explained, plates
from readerstudy.results.plates import Plate
from readerstudy.results.sheets import Sheet

LAYOUT = (
    ("case", "number of the case"),
    ("x", "its place by t-SNE of the model's last hidden layer; the axes have no unit"),
    ("y", "see x"),
    ("group", "the diagnosis of the second level of the taxonomy, or the side of the test"),
)
SALIENCY = (
    ("case", "number of the case"),
    ("target", "the training class that the map explains: the most probable one (see classes.csv)"),
    ("probability", "the model's probability of that class"),
    ("brightest", "what white stands for in the map: sum over R, G, B in [0, 1] of |d(-log P) / d pixel|; black is 0"),
    ("file", "the map"),
)


def layout_sheet(found: Explained | None) -> Sheet:
    """The places of the cases; without rows where there is no layout."""
    laid = found.embedding if found is not None else None
    if laid is None:
        return Sheet("layout", LAYOUT, ())
    rows = zip(laid.numbers.tolist(), laid.points.tolist(), laid.group.tolist(), strict=True)
    return Sheet("layout", LAYOUT, tuple((number, x, y, laid.groups[group]) for number, (x, y), group in rows))


def saliency_sheet(found: Explained | None) -> Sheet:
    """What each map shows; without rows where there is none."""
    if found is None:
        return Sheet("saliency", SALIENCY, ())
    numbers = found.cases.numbers.tolist()
    rows = tuple(
        (numbers[i], one.target, one.probability, one.brightest, map_name(numbers[i])) for i, one in found.maps.items()
    )
    return Sheet("saliency", SALIENCY, rows)


def map_files(found: Explained) -> Iterator[tuple[str, bytes]]:
    """Each map with its name within the test's folder."""
    for i, one in found.maps.items():
        yield map_name(int(found.cases.numbers[i])), one.png


def map_name(number: int) -> str:
    return f"saliency/case-{number:04d}.png"


def figures(found: Explained) -> Iterator[Plate]:
    """The layout and the plate of maps."""
    return plates(found, MOST_MAPS)
