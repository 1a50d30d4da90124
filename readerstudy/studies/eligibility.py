"""Which lesions a test may be drawn from: by diagnosis, kind of image and confirmation, each lesion once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from model_core.taxonomy import TaxonomyError
from readerstudy.images.models import Confirmation, ImageSet, Modality, Reference
from readerstudy.images.truth import taxonomy
from readerstudy.studies import allocation
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Test

# The order in which the pictures of a case are shown.
SHOWN_IN_ORDER = (Modality.OVERVIEW, Modality.CLINICAL, Modality.DERMOSCOPY)


@dataclass(frozen=True, slots=True)
class Row:
    """One eligible image with what is known of it; the fields in the order by which rows are sorted."""

    pixels_sha256: str
    image: int
    diagnosis: str
    confirmation: str
    patient: str
    lesion: str
    modality: str
    has_facts: bool

    @property
    def lesion_key(self) -> tuple[str, str] | None:
        """Some publishers number lesions within a patient, hence both."""
        return (self.patient, self.lesion) if self.lesion else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lesion with the images (in the order shown) that would be a case, and its class by the reference standard."""

    rows: tuple[Row, ...]
    is_positive: bool

    @property
    def key(self) -> int:
        """The id of its first image: stands for the candidate in a draw."""
        return self.rows[0].image


@dataclass(frozen=True, slots=True)
class Pool:
    """What a test may be drawn from: lesions with at most `images_per_case` images each, by the SHA-256 of pixels."""

    candidates: tuple[Candidate, ...] = ()
    n_same_lesion: int = 0  # images left out, because others of the same lesion are in the pool
    contradicted: tuple[str, ...] = ()  # lesions with both a positive and a negative image

    @property
    def positives(self) -> tuple[int, ...]:
        return tuple(candidate.key for candidate in self.candidates if candidate.is_positive)

    @property
    def negatives(self) -> tuple[int, ...]:
        return tuple(candidate.key for candidate in self.candidates if not candidate.is_positive)

    @property
    def n_unconfirmed(self) -> int:
        """Lesions in the pool with an image whose diagnosis was not confirmed by histopathology."""
        return sum(any(row.confirmation != Confirmation.HISTOPATHOLOGY for row in one.rows) for one in self.candidates)

    @property
    def is_biopsy_proven(self) -> bool:
        return self.n_unconfirmed == 0

    def without_lesions_of(self, rows: Iterable[Row]) -> "Pool":
        """The pool less every lesion that shares a picture, a lesion or a patient with `rows`."""
        pixels, lesions, patients = set(), set(), set()
        for row in rows:
            pixels.add(row.pixels_sha256)
            lesions.add(row.lesion_key)
            patients.add(row.patient)
        kept = tuple(
            one
            for one in self.candidates
            if not any(
                row.pixels_sha256 in pixels
                or (row.lesion and row.lesion_key in lesions)
                or (row.patient and row.patient in patients)
                for row in one.rows
            )
        )
        return replace(self, candidates=kept)


@dataclass(frozen=True, slots=True)
class NodeCount:
    """How many images of a set lie under a node, descendants counted in."""

    node: str
    name: str
    depth: int
    n_images: int
    n_histopathology: int


def seed_of(test: Test, draw: str) -> str:
    """The recorded seed of one draw of a test: `lesions`, `sample`, `cases`, `practice`, ..., or `reader R01`."""
    return f"{test.study.seed}/test {test.position}/{draw}"


def diagnoses_under(nodes: Iterable[str]) -> set[str]:
    """The nodes themselves and every node under them. Raises StudiesError for one that the taxonomy does not know."""
    try:
        return {under for node in nodes for under in taxonomy().descendants(node)}
    except TaxonomyError as error:
        raise StudiesError(str(error)) from error


def overlap(positive: Iterable[str], negative: Iterable[str]) -> list[str]:
    """The names of the diagnoses that are both positive and negative, directly or through a node above them."""
    both = diagnoses_under(positive) & diagnoses_under(negative)
    # The topmost ones say it all.
    return [taxonomy().name(node) for node in taxonomy().nodes if node in both and taxonomy().parent(node) not in both]


def rows_of(test: Test, image_set: ImageSet) -> list[Row]:
    """Every image of the set that fits what the test asks for. Raises StudiesError for a node that is unknown."""
    under = diagnoses_under([*test.positive_nodes, *test.negative_nodes])
    references = Reference.objects.filter(image__image_set=image_set, diagnosis__in=under)
    if test.modality:
        references = references.filter(image__modality=test.modality)
    if test.histopathology_only:
        references = references.filter(confirmation=Confirmation.HISTOPATHOLOGY)
    found = references.values_list(
        "image__pixels_sha256", "image_id", "diagnosis", "confirmation", "patient_id", "lesion_id", "image__modality",
        "image__age", "image__sex", "image__site", "image__skin_type",
    )  # fmt: skip
    rows = [Row(*row[:7], any(fact not in (None, "") for fact in row[7:])) for row in found]
    # By content, so that the same images give the same draw in every database.
    return sorted(rows, key=lambda row: (row.pixels_sha256, row.image))


def pool_of(test: Test, image_set: ImageSet | None = None, *, draw: str = "lesions") -> Pool:
    """What the test may be drawn from, of its own images or of another set (which needs another `draw`).

    Raises StudiesError for a node that the taxonomy does not know.
    """
    rows = rows_of(test, image_set or test.image_set)
    positive = diagnoses_under(test.positive_nodes)
    classes: dict[tuple[str, str], set[bool]] = {}
    for row in rows:
        if row.lesion_key:
            classes.setdefault(row.lesion_key, set()).add(row.diagnosis in positive)
    groups = allocation.of_each_lesion(
        [(row.image, row.lesion_key, row.modality) for row in rows],
        at_most=test.images_per_case,
        seed=seed_of(test, draw),
    )
    by_image = {row.image: row for row in rows}
    candidates = []
    for group in groups:
        shown = sorted(
            (by_image[image] for image in group), key=lambda row: SHOWN_IN_ORDER.index(Modality(row.modality))
        )
        candidates.append(Candidate(tuple(shown), shown[0].diagnosis in positive))
    return Pool(
        candidates=tuple(candidates),
        n_same_lesion=len(rows) - sum(map(len, groups)),
        contradicted=tuple(sorted(lesion for (_patient, lesion), found in classes.items() if len(found) == 2)),
    )


def shortage_sentence(short: allocation.Shortage, image_set: ImageSet) -> str:
    """What is too few, in which image set, in a sentence."""
    sentences = {
        "images": _("The image set “%(set)s” has %(there)d images that fit, %(asked)d were asked for."),
        "positive images": _("The image set “%(set)s” has %(there)d positive images, %(asked)d were asked for."),
        "negative images": _("The image set “%(set)s” has %(there)d negative images, %(asked)d were asked for."),
    }
    return sentences[short.what] % {"set": image_set.name, "there": short.there, "asked": short.asked}


def node_counts(image_set: ImageSet) -> list[NodeCount]:
    """Each node of the taxonomy under which the set has an image, in the taxonomy's order, with its counts."""
    known = taxonomy()
    all_nodes = frozenset(known.nodes)
    everything: Counter[str] = Counter()
    proven: Counter[str] = Counter()
    references = Reference.objects.filter(image__image_set=image_set)
    for diagnosis, confirmation in references.values_list("diagnosis", "confirmation"):
        if diagnosis not in all_nodes:
            continue
        for node in (diagnosis, *known.ancestors(diagnosis)):
            everything[node] += 1
            proven[node] += confirmation == Confirmation.HISTOPATHOLOGY
    return [
        NodeCount(node, known.name(node), known.depth(node), everything[node], proven[node])
        for node in known.nodes
        if everything[node]
    ]
