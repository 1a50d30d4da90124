"""Extended Data Table 2 of a study and a model as a page and as a sheet."""

from django.utils.translation import gettext as _

from readerstudy.results.captions import number
from readerstudy.results.sheets import Sheet
from readerstudy.results.tables.class_answers import class_answers
from readerstudy.results.validation.numbers import HERE, PAPER, STUDY, Accuracy, Line, Validation, table
from readerstudy.scoring.models import ModelVersion
from readerstudy.scoring.validation import rows_of
from readerstudy.studies.models import Study

COLUMNS = (
    ("source", "paper: Esteva et al. 2017, Extended Data Table 2; model: its cross-validation; study: its readers"),
    ("who", "the reader, the readers of a test, or how the network was trained"),
    ("level", "level of the taxonomy: 1 the topmost"),
    ("mean_per_class_accuracy", "mean over the classes of the share answered rightly; over folds or readers: its mean"),
    ("sd", "standard deviation over folds or readers"),
    ("n", "how many images, folds or readers"),
    ("unit", "of n"),
)


def validation_of(study: Study, model_version: ModelVersion | None) -> Validation:
    """Every row that there is."""
    rows = rows_of(model_version) if model_version is not None else ()
    answers = [one for test in study.tests.order_by("position") for one in class_answers(test)]
    return table(rows, answers)


def validation_sheet(found: Validation) -> Sheet:
    rows = tuple(
        (line.source, line.who, level, cell.value, cell.sd, cell.n, cell.unit)
        for line in found.lines
        for level, cell in sorted(line.cells.items())
    )
    return Sheet("validation", COLUMNS, rows)


def heads(found: Validation) -> list[str]:
    """What stands above each level's column."""
    told = [(level, "/".join(map(str, found.classes[level]))) for level in found.levels]
    return [_("Level %(level)d: %(classes)s classes") % {"level": level, "classes": classes} for level, classes in told]


def lines(found: Validation) -> list[tuple[str, str, list[str]]]:
    """(source, who, a text for each level) of each row."""
    sources = {PAPER: _("Esteva et al. 2017"), HERE: _("this model"), STUDY: _("this study's readers")}
    return [
        (sources[line.source], _who(line), [_cell(line.cells.get(level)) for level in found.levels])
        for line in found.lines
    ]


def _who(line: Line) -> str:
    told = {
        "direct": _("CNN, trained on the classes directly"),
        "partition": _("CNN, trained on the partition"),
        "labels": _("CNN, trained on the labels"),
        "dermatologist 1": _("Dermatologist 1"),
        "dermatologist 2": _("Dermatologist 2"),
    }
    return line.who if line.source == STUDY else told.get(line.who, line.who)


def _cell(found: Accuracy | None) -> str:
    if found is None:
        return "–"
    units = {"images": _("images"), "folds": _("folds"), "readers": _("readers")}
    spread = "" if found.sd != found.sd else f" ± {number(100 * found.sd, 1)}"
    return f"{number(100 * found.value, 1)}{spread} % ({found.n} {units[found.unit]})"
