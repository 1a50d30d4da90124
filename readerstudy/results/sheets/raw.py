"""Tables of what everything was computed from: cases, scores, answers, orders, attributes, and what was left out."""

import math

import numpy as np

from model_core.taxonomy import Taxonomy
from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import CASE_ATTRIBUTES, READER_ATTRIBUTES, ClassTable, TestTable
from readerstudy.results.long_form import COLUMNS
from readerstudy.results.sheets.sheet import Row, Sheet

_IN_TRAINING = ("in_training", "1: the model was trained on this picture, its lesion or its patient")
_SCORE = ("score", "the model's P(positive) / (P(positive) + P(negative)); empty: not scored")


def cases(test: TestResult, table: TestTable) -> Sheet:
    """One row for each case that was read: its truth and the model's score."""
    found = table.cases
    pictures: list[list[str]] = [[] for _case in range(found.n)]
    for index, uuid in zip(found.picture_case.tolist(), found.picture_uuids, strict=True):
        pictures[index].append(uuid)
    scores = table.model.case_scores.tolist() if table.model is not None else [None] * found.n
    leaked = set(table.model.leaked_cases) if table.model is not None else set()
    rows = tuple(
        (number, positive, *texts, " ".join(images), score, number in leaked)
        for number, positive, images, score, *texts in zip(
            found.numbers.tolist(), found.truth.tolist(), pictures, scores, found.diagnoses, found.confirmations,
            found.modalities, strict=True,
        )
    )  # fmt: skip
    columns = (
        ("case", "number of the case"), ("positive", "1: the reference diagnosis is positive; 0: it is negative"),
        ("diagnosis", "reference diagnosis, a node of the taxonomy"), ("confirmation", "how the diagnosis is known"),
        ("modality", "clinical photograph or dermoscopy"), ("images", "names of the case's images"), _SCORE,
        _IN_TRAINING,
    )  # fmt: skip
    return Sheet("cases", columns, rows)


def full_set(test: TestResult, table: TestTable) -> Sheet:
    """One row for each image that the cases were drawn from."""
    rows: tuple[Row, ...] = ()
    if table.model is not None:
        model = table.model
        columns_of = (
            model.full_uuids,
            model.full_truth.tolist(),
            model.full_scores.tolist(),
            model.full_leaked.tolist(),
        )
        rows = tuple(zip(*columns_of, strict=True))
    columns = (
        ("image", "name of the image"),
        ("positive", "1: the reference diagnosis is positive; 0: it is negative"),
        _SCORE,
        _IN_TRAINING,
    )
    return Sheet("full-set", columns, rows)


def answers(test: TestResult, table: TestTable) -> Sheet:
    """Every decision that counts, in long form, earlier revisions included; `responses` has all that was said."""
    columns = (
        ("reader", "the reader's code"), ("case", "number of the case"),
        ("position", "place of the case in the reader's own order"),
        ("question", "number of the question"), ("answer", "the choice made"),
        ("counts_as_positive", "1: the choice counts as positive; 0: as negative"),
        ("revision", "1: first answer; 2, 3, …: corrections"),
        ("changes", "how often the reader changed this answer in all: its last revision less 1"),
        ("is_last", "1: this revision counts; 0: a later one replaced it"),
        ("answered_at", "when it arrived, by the server's clock, UTC"),
        ("client_shown_at", "when the picture was shown, by the reader's own clock"),
        ("client_answered_at", "when the answer was given, by the reader's own clock"),
    )  # fmt: skip
    found = table.answers
    if found is None:
        raise ValueError("the answers were not read: study_tables(..., detailed=True)")
    keys = np.stack([found.reader, found.position, found.question], axis=1)
    is_last = np.append((keys[1:] != keys[:-1]).any(axis=1), True)[: len(keys)]
    # the answers stand by reader, place, question and revision: each one's last is the next that is_last
    last = np.searchsorted(np.flatnonzero(is_last), np.arange(len(keys)))
    changes = found.revision[np.flatnonzero(is_last)[last]] - 1
    numbers = table.cases.numbers[found.case].tolist()
    rows = tuple(
        (table.readers[reader], *rest)
        for reader, *rest in zip(
            found.reader.tolist(), numbers, found.position.tolist(), found.question.tolist(), found.labels,
            found.is_positive.tolist(), found.revision.tolist(), changes.tolist(), is_last.tolist(),
            found.answered_at, found.client_shown_at, found.client_answered_at, strict=True,
        )
    )  # fmt: skip
    return Sheet("answers", columns, rows)


def responses(test: TestResult, table: TestTable) -> Sheet:
    """Everything that was answered, of every kind, arm, stage and revision: also what counts in no accuracy."""
    if table.responses is None:
        raise ValueError("the responses were not read: study_tables(..., long_form=True)")
    return Sheet("responses", tuple((name, what) for name, what, _where in COLUMNS), table.responses)


def order(test: TestResult, table: TestTable) -> Sheet:
    """One row for each case in each reader's own order; a reader who has not begun has one row without a case."""
    rows: list[Row] = []
    numbers = table.cases.numbers.tolist()
    for code, finished, places in zip(table.readers, table.finished.tolist(), table.positions.tolist(), strict=True):
        own = sorted((place, number) for place, number in zip(places, numbers, strict=True) if not math.isnan(place))
        rows += [(code, finished, int(place), number) for place, number in own] or [(code, finished, None, None)]
    columns = (
        ("reader", "the reader's code"), ("finished", "1: the reader came to the end; 0: not yet"),
        ("position", "place of the case in the reader's own order; empty: the reader has not begun"),
        ("case", "number of the case"),
    )  # fmt: skip
    return Sheet("order", columns, tuple(rows))


def attributes(test: TestResult, table: TestTable) -> Sheet:
    """What subgroups are made of, in long form: one row for each thing known of a case or of a reader."""
    found = table.attributes
    if found is None:
        raise ValueError("the attributes were not read: study_tables(..., detailed=True)")
    rows = [
        (unit, name, attribute, label)
        for unit, names, chosen in (
            ("case", table.cases.numbers.tolist(), CASE_ATTRIBUTES),
            ("reader", table.readers, READER_ATTRIBUTES),
        )
        for attribute in chosen
        for name, label in zip(names, getattr(found, attribute), strict=True)
        if label is not None
    ]
    columns = (
        ("of", "case or reader"), ("name", "number of the case, or the reader's code"),
        ("attribute", f"of a case: {', '.join(CASE_ATTRIBUTES)}; of a reader: {', '.join(READER_ATTRIBUTES)}"),
        ("value", "as recorded, ages and years in bands; what is not known has no row"),
    )  # fmt: skip
    return Sheet("attributes", columns, tuple(rows))


def probabilities(test: TestResult, table: TestTable) -> Sheet:
    """One row for each picture of a case: what the model said of each of its training classes."""
    found = table.model.by_class if table.model is not None else None
    columns = [("case", "number of the case"), ("image", "name of the image")]
    if found is None:
        return Sheet("probabilities", tuple(columns), ())
    columns += [(one.id, "probability of this training class (see classes.csv)") for one in found.classes]
    numbers = table.cases.numbers[table.cases.picture_case].tolist()
    rows = tuple(
        (number, uuid, *(_short(value) for value in row))
        for number, uuid, row in zip(numbers, table.cases.picture_uuids, found.probabilities, strict=True)
    )
    return Sheet("probabilities", tuple(columns), rows)


def _short(value: np.float32) -> float:
    """The shortest decimal number that is this one in single precision."""
    return float(str(value))


def flow(test: TestResult, table: TestTable) -> Sheet:
    """What became of the images of the set and of the readers invited."""
    counts = FLOW.items() if table.flow is not None else ()
    columns = (("count", "name of the count"), ("n", "how many"), ("description", "what is counted"))
    return Sheet("flow", columns, tuple((name, getattr(table.flow, name), words) for name, words in counts))


FLOW = {
    "n_images": "images in the set",
    "n_other_diagnosis": "left out, with a diagnosis under none of the test's nodes",
    "n_other_modality": "left out, of another kind than the test's",
    "n_unconfirmed": "left out, not confirmed by histopathology",
    "n_same_lesion": "left out, because another image of the lesion was chosen",
    "n_not_drawn": "eligible and not drawn",
    "n_case_images": "images of the cases",
    "n_invited": "readers invited",
    "n_not_accepted": "who have neither agreed nor begun",
    "n_withdrawn": "who left the study",
}


def classes(found: ClassTable) -> Sheet:
    """The model's training classes, in the order of its outputs."""
    columns = (
        ("class", "id of the class, as in the columns of probabilities.csv"),
        ("node", "the node of the taxonomy that it lies at"),
        ("name", "what a person reads"),
        ("diseases", "the nodes whose images it was trained on as one class"),
        ("n_images", "images that it was trained on"),
    )
    rows = tuple(
        (one.id, one.node, found.taxonomy.class_name(one), " ".join(one.diseases), one.n_images)
        for one in found.classes
    )
    return Sheet("classes", columns, rows)


def taxonomy(found: Taxonomy) -> Sheet:
    """The taxonomy that diagnoses and classes are read by."""
    columns = (
        ("id", "id of the node"),
        ("parent", "id of the node above; empty: a root"),
        ("name", "name of the node"),
    )
    return Sheet("taxonomy", columns, tuple((node.id, node.parent, node.name) for node in found.rows))
