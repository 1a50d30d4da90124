"""Rows to arrays: the only queries of a result. Everything after this is arrays, and needs no database.

The number of queries depends on the number of tests, never on that of readers or cases.
"""

from readerstudy.results.tables.answers import AnswerTable, QuestionTable
from readerstudy.results.tables.cases import CaseTable
from readerstudy.results.tables.model import ModelTable
from readerstudy.results.tables.provenance import ImageSetFacts, ModelFacts, Provenance
from readerstudy.results.tables.study import StudyTables, TestTable, images_to_score, study_tables

__all__ = [
    "AnswerTable",
    "CaseTable",
    "ImageSetFacts",
    "ModelFacts",
    "ModelTable",
    "Provenance",
    "QuestionTable",
    "StudyTables",
    "TestTable",
    "images_to_score",
    "study_tables",
]
