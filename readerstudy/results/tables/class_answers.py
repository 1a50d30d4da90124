"""What readers answered where the question was which of several classes it is: rows to arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readerstudy.images.truth import taxonomy
from readerstudy.readers.models import Reader
from readerstudy.results.tables.answers import places
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.counted import counted_readings, still_said
from readerstudy.results.tables.packed import items_and_answers
from readerstudy.studies.models import Question, Test


@dataclass(frozen=True, slots=True, eq=False)
class ClassAnswers:
    """One question whose choices are the nodes of one level of the taxonomy. ``truth`` (n,): the node that the case's
    diagnosis is or lies under, None where it is none of them; ``said`` (r, n): the node answered, None no answer;
    ``codes`` (r,) of the readers."""

    test: str
    question: str
    level: int
    nodes: tuple[str, ...]
    truth: NDArray[np.object_]
    said: NDArray[np.object_]
    codes: tuple[str, ...]


def class_answers(test: Test) -> list[ClassAnswers]:
    """Of each such question of a test that was asked before any advice; cases and readers as `counted` says."""
    asked = test.questions.filter(kind=Question.Kind.CLASSES, stage__shows_advice=False)
    questions = [(q, level) for q in asked.prefetch_related("choices") if (level := _level(q))]
    if not questions:
        return []
    cases, readings = case_table(test), counted_readings(test)
    codes = dict(Reader.objects.filter(pk__in={reader for _pk, reader, _ended in readings}).values_list("pk", "code"))
    readers = sorted(codes, key=codes.__getitem__)
    index = {reader: i for i, reader in enumerate(readers)}
    items, rows = items_and_answers(test, [q for q, _level in questions], timed=False)
    rows = still_said(test, [q for q, _level in questions], rows)
    rows = rows[np.argsort(rows["revision"], kind="stable")]  # the last written, below, is the last revision
    where = places(items, {pk: index[reader] for pk, reader, _ended in readings}, cases)
    at, here = where.find(rows["item"])
    found = []
    for question, level in questions:
        nodes = {choice.pk: choice.node for choice in question.choices.all()}
        said = np.full((len(readers), cases.n), None, dtype=object)
        mine = here & (rows["question"] == question.pk)
        said[where.reader[at[mine]], where.case[at[mine]]] = [nodes[pk] for pk in rows["choice"][mine].tolist()]
        truth = np.array([_above(diagnosis, set(nodes.values())) for diagnosis in cases.diagnoses], dtype=object)
        names = tuple(codes[reader] for reader in readers)
        found.append(ClassAnswers(test.title, question.text, level, tuple(nodes.values()), truth, said, names))
    return found


def _level(question: Question) -> int:
    """The level of the taxonomy that all its choices are nodes of; 0 where there is none."""
    known, nodes = taxonomy(), [choice.node for choice in question.choices.all()]
    depths = {known.depth(node) if node in known.nodes else 0 for node in nodes}
    return depths.pop() if len(depths) == 1 and len(nodes) > 1 else 0


def _above(diagnosis: str, nodes: set[str]) -> str | None:
    known = taxonomy()
    path = (diagnosis, *known.ancestors(diagnosis)) if diagnosis in known.nodes else ()
    return next((node for node in path if node in nodes), None)
