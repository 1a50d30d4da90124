"""Rows to arrays: the only queries of a result. Everything after this is arrays, and needs no database.

The number of queries depends on the number of tests, never on that of readers or cases.
"""

from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.model import class_table
from readerstudy.results.tables.study import images_to_score, study_tables

__all__ = ["case_table", "class_table", "images_to_score", "study_tables"]
