"""Which images a test may be drawn from: by diagnosis, kind of image, confirmation, and one image of a lesion."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from model_core.taxonomy import TaxonomyError
from readerstudy.images.models import Confirmation, ImageSet, Reference
from readerstudy.images.truth import taxonomy
from readerstudy.studies import allocation
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Test


@dataclass(frozen=True, slots=True)
class Pool:
    """The images that a test may be drawn from (ids, by the SHA-256 of their pixels), at most one of each lesion."""

    positives: tuple[int, ...]
    negatives: tuple[int, ...]
    n_same_lesion: int  # left out, because another image of the same lesion is in the pool
    n_unconfirmed: int  # in the pool, but not confirmed by histopathology
    contradicted: tuple[str, ...]  # lesions with both a positive and a negative image

    @property
    def is_biopsy_proven(self) -> bool:
        return self.n_unconfirmed == 0


@dataclass(frozen=True, slots=True)
class NodeCount:
    """How many images of a set lie under a node, descendants counted in."""

    node: str
    name: str
    depth: int
    n_images: int
    n_histopathology: int


def seed_of(test: Test, draw: str) -> str:
    """The recorded seed of one draw of a test: `lesions`, `sample`, `cases`, or `reader R01`."""
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


def pool_of(test: Test) -> Pool:
    """What the test may be drawn from. Raises StudiesError for a node that the taxonomy does not know."""
    positive, negative = diagnoses_under(test.positive_nodes), diagnoses_under(test.negative_nodes)
    references = Reference.objects.filter(image__image_set=test.image_set, diagnosis__in=positive | negative)
    if test.modality:
        references = references.filter(image__modality=test.modality)
    if test.histopathology_only:
        references = references.filter(confirmation=Confirmation.HISTOPATHOLOGY)
    # By content, so that the same images give the same draw in every database.
    rows = sorted(
        references.values_list(
            "image__pixels_sha256", "image_id", "diagnosis", "confirmation", "patient_id", "lesion_id"
        )
    )
    classes: dict[tuple[str, str], set[bool]] = {}
    for _sha256, _image, diagnosis, _confirmation, patient, lesion in rows:
        if lesion:
            classes.setdefault((patient, lesion), set()).add(diagnosis in positive)
    # Some publishers number lesions within a patient, hence both.
    with_lesion = [(image, (patient, lesion) if lesion else None) for _s, image, _d, _c, patient, lesion in rows]
    chosen = set(allocation.one_of_each_lesion(with_lesion, seed=seed_of(test, "lesions")))
    kept = [row for row in rows if row[1] in chosen]
    return Pool(
        positives=tuple(image for _s, image, diagnosis, *_rest in kept if diagnosis in positive),
        negatives=tuple(image for _s, image, diagnosis, *_rest in kept if diagnosis in negative),
        n_same_lesion=len(rows) - len(kept),
        n_unconfirmed=sum(confirmation != Confirmation.HISTOPATHOLOGY for _s, _i, _d, confirmation, *_rest in kept),
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
