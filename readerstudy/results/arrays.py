"""A study as arrays: what the tables are read into and every number is computed from. No database, no Django."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.taxonomy import Taxonomy, TrainingClass
from readerstudy.results.conditions.table import ConditionTable
from readerstudy.studies.plan import Plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]
Labels = tuple[str | None, ...]  # None: not known


@dataclass(frozen=True, slots=True)
class ImageSetFacts:
    name: str
    sha256: str
    n_images: int
    notice: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model version: its weights' SHA-256, what its outputs are and how an image is prepared for it."""

    id: int
    name: str
    sha256: str
    architecture: str
    n_classes: int
    taxonomy_sha256: str
    preprocessing: dict[str, object]


@dataclass(frozen=True, slots=True)
class AmendmentFacts:
    """An amendment (1, 2, ...) of the protocol: the hash that it made, when (UTC, ISO), why, and the paths of the
    document that it changed."""

    number: int
    protocol_sha256: str
    at: str
    reason: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the numbers rest on. ``protocol_number`` is None while the study is a draft; ``amendments`` led from the
    protocol that the study was opened with to the one in force; ``differs`` names the places where the database no
    longer agrees with the frozen protocol, and is normally empty; ``interim`` is true until the study is unblinded."""

    study_id: int
    study_title: str
    state: str
    interim: bool
    seed: int
    protocol_number: int | None
    protocol_sha256: str
    amendments: tuple[AmendmentFacts, ...]
    differs: tuple[str, ...]
    taxonomy_sha256: str
    image_sets: tuple[ImageSetFacts, ...]
    model: ModelFacts | None
    software: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class CaseTable:
    """The n cases of a test, by number.

    ``ids``, ``numbers`` and ``truth`` (1 positive, 0 negative) are (n,); so are the texts ``diagnoses``,
    ``confirmations`` and ``modalities``, which are those of the first picture. Of the p pictures, ``picture_case`` (p,)
    is the index of the case, ``picture_image`` (p,) the id of the image and ``picture_uuids`` its public name.
    """

    ids: Ints
    numbers: Ints
    truth: Ints
    diagnoses: tuple[str, ...]
    confirmations: tuple[str, ...]
    modalities: tuple[str, ...]
    picture_case: Ints
    picture_image: Ints
    picture_uuids: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.ids)

    def only(self, index: int) -> "CaseTable":
        """The one case at ``index``."""
        one, mine = slice(index, index + 1), np.flatnonzero(self.picture_case == index)
        return CaseTable(
            ids=self.ids[one], numbers=self.numbers[one], truth=self.truth[one], diagnoses=self.diagnoses[one],
            confirmations=self.confirmations[one], modalities=self.modalities[one],
            picture_case=np.zeros(mine.size, np.int64), picture_image=self.picture_image[mine],
            picture_uuids=tuple(self.picture_uuids[i] for i in mine.tolist()),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class QuestionTable:
    """A question and the last answer of each reader to each case.

    ``decisions`` (readers, cases): 1 the answer counts as positive, 0 as negative, NaN there is none. ``stage`` at
    which it was asked, 0 where the test has one only; ``after_advice``: the reader had been told what the model says.
    """

    id: int
    position: int
    text: str
    positive_labels: tuple[str, ...]
    negative_labels: tuple[str, ...]
    decisions: Floats
    stage: int = 0
    after_advice: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTable:
    """Every answer, revisions included, by reader, position, question and revision.

    ``reader`` and ``case`` (m,) are indices into the test's readers and cases, ``choice`` into ``choices``, which are
    words. Times (m,) are UTC in microseconds: ``arrived`` by the server's clock, ``shown`` and ``given`` by the
    browser's, NaT where it sent none.
    """

    reader: Ints
    case: Ints
    position: Ints
    question: Ints
    revision: Ints
    choice: Ints
    choices: tuple[str, ...]
    is_positive: NDArray[np.bool_]
    arrived: Times
    shown: Times
    given: Times

    @property
    def labels(self) -> tuple[str, ...]:
        """The choice made, in words."""
        return tuple(self.choices[i] for i in self.choice.tolist())

    @property
    def answered_at(self) -> tuple[datetime | None, ...]:
        return moments(self.arrived)

    @property
    def client_shown_at(self) -> tuple[datetime | None, ...]:
        return moments(self.shown)

    @property
    def client_answered_at(self) -> tuple[datetime | None, ...]:
        return moments(self.given)


def times(texts: Iterable[str | None]) -> Times:
    """ISO 8601 texts in UTC, with or without a Z; nothing is NaT. Raises: ValueError for what is no time."""
    return np.array([text.removesuffix("Z") if text else "NaT" for text in texts], dtype="datetime64[us]")


def moments(values: Times) -> tuple[datetime | None, ...]:
    """The same as Python's own, aware of their zone; None for NaT."""
    return tuple(None if value is None else value.replace(tzinfo=UTC) for value in values.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class ClassTable:
    """What a model said of the p pictures of a test's cases: ``probabilities`` (p, k) of its k training ``classes``, a
    row of NaN where a picture has no score. ``taxonomy`` is the one that the classes are read by."""

    taxonomy: Taxonomy
    classes: tuple[TrainingClass, ...]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ModelTable:
    """A model's scores in a test: P(positive) / (P(positive) + P(negative)), by the training classes under its nodes.

    ``case_scores`` (n_cases,), the mean over a case's pictures, NaN where one is not scored. The full set is every
    image that the test could have drawn (at most one of a lesion), positives first, then by SHA-256: ``full_truth`` and
    ``full_scores`` (N,), ``full_read`` (which of them are pictures of the cases) where details were asked for, and
    ``full_uuids`` where names were asked for. ``problem`` says why this model cannot score
    this test at all, and is empty where it can. ``leaked_cases`` and ``n_leaked_full`` are what it had seen in
    training: the picture, its lesion or its patient; ``leaks_checked`` is false where its checkpoint does not say.
    ``by_class`` is read where details were asked for.
    """

    case_scores: Floats
    full_truth: Ints
    full_scores: Floats
    full_uuids: tuple[str, ...]
    full_leaked: NDArray[np.bool_]
    leaks_checked: bool
    leaked_cases: tuple[int, ...]
    problem: str = ""
    by_class: ClassTable | None = None
    full_read: NDArray[np.bool_] | None = None

    @property
    def n_leaked_full(self) -> int:
        return int(self.full_leaked.sum())


@dataclass(frozen=True, slots=True)
class Attributes:
    """Labels of the n cases (``sexes``, ``ages``, ``sites``, ``skin_types``: of the first picture) and of the r readers
    (``practice``, ``certification``, ``specialties``, ``training`` in dermoscopy, ``countries`` by ISO 3166-1,
    ``devices``: the newest profile), in the order of the test's tables."""

    sexes: Labels
    ages: Labels
    sites: Labels
    skin_types: Labels
    practice: Labels
    certification: Labels
    specialties: Labels
    training: Labels
    countries: Labels
    devices: Labels


CASE_ATTRIBUTES = ("sexes", "ages", "sites", "skin_types")
READER_ATTRIBUTES = ("practice", "certification", "specialties", "training", "countries", "devices")


@dataclass(frozen=True, slots=True)
class FlowCounts:
    """What became of the images of a test's set and of the readers asked to read it.

    Each image that is not a case is counted once, at the first rule that leaves it out: ``n_other_diagnosis`` under
    none of the test's nodes (or without a reference), ``n_other_modality``, ``n_unconfirmed`` (where histopathology is
    asked for), ``n_same_lesion`` (another image of the lesion was chosen), ``n_not_drawn``. ``n_not_accepted`` have
    neither agreed nor begun; ``n_withdrawn`` left the study, before or after that.
    """

    n_images: int
    n_other_diagnosis: int
    n_other_modality: int
    n_unconfirmed: int
    n_same_lesion: int
    n_not_drawn: int
    n_case_images: int
    n_invited: int
    n_not_accepted: int
    n_withdrawn: int


@dataclass(frozen=True, slots=True, eq=False)
class TestTable:
    """One test. Readers are those asked to read it, by code, without the ``n_withdrawn`` who left the study.

    ``positions`` (readers, cases): the place of the case in the reader's own order, NaN where it is not in it (all of a
    row, where the reader has not begun); ``finished`` (readers,): whether the reader came to the end. ``answers`` are
    those that count; ``responses`` is every answer of any kind, a row of ``long_form.COLUMNS`` each; ``conditions`` is
    what was answered at each stage and in each arm, None where the test has one of each.
    """

    __test__ = False  # pytest: no test class

    id: int
    position: int
    title: str
    positive_nodes: tuple[str, ...]
    negative_nodes: tuple[str, ...]
    notice: str
    cases: CaseTable
    readers: tuple[str, ...]
    finished: NDArray[np.bool_]
    n_withdrawn: int
    positions: Floats
    questions: tuple[QuestionTable, ...]
    model: ModelTable | None
    answers: AnswerTable | None
    attributes: Attributes | None = None
    responses: tuple[tuple[Any, ...], ...] | None = None
    flow: FlowCounts | None = None
    conditions: ConditionTable | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StudyTables:
    """Everything that the results of a study are computed from. ``plan`` is that of the protocol in force, None where
    it has none; ``partial``: not all tests of the study are here, so that its primary analysis cannot be done."""

    provenance: Provenance
    tests: tuple[TestTable, ...]
    plan: Plan | None = None
    partial: bool = False
