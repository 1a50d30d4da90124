"""The results as flat tables for a spreadsheet or a script, each column with its description."""

from collections.abc import Callable

from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import TestTable
from readerstudy.results.sheets.numbers import curve, readers, summary
from readerstudy.results.sheets.raw import (
    answers,
    attributes,
    cases,
    classes,
    flow,
    full_set,
    order,
    probabilities,
    responses,
    taxonomy,
)
from readerstudy.results.sheets.sheet import DANGEROUS, Sheet, dictionary

__all__ = ["DANGEROUS", "DETAILED", "LONG_FORM", "SHEETS", "Sheet", "classes", "dictionary", "taxonomy"]

SHEETS: dict[str, Callable[[TestResult, TestTable], Sheet]] = {
    "readers": readers,
    "summary": summary,
    "curve": curve,
    "cases": cases,
    "full-set": full_set,
    "order": order,
    "answers": answers,
    "responses": responses,
    "attributes": attributes,
    "probabilities": probabilities,
    "flow": flow,
}
DETAILED = frozenset({"answers", "attributes", "full-set", "probabilities", "flow"})  # study_tables(..., detailed=True)
LONG_FORM = frozenset({"responses"})  # study_tables(..., long_form=True)
