"""What the study's page says of each test: of a draft, what may be drawn; of an open study, what was drawn."""

from dataclasses import dataclass

from readerstudy.images.models import Confirmation, Reference
from readerstudy.images.truth import taxonomy
from readerstudy.studies import design_in_words, eligibility, protocol
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Case, Study, Test


@dataclass(frozen=True, slots=True)
class Overview:
    """One test with its numbers. `n_same_lesion` is None once the sample is drawn."""

    test: Test
    positive: list[str]
    negative: list[str]
    n_positive: int
    n_negative: int
    n_unconfirmed: int
    n_same_lesion: int | None
    other_taxonomy: bool  # the image set was stored under another version of the taxonomy
    lacking: list[str]
    design: list[str]  # in sentences, without what goes without saying

    @property
    def n_images(self) -> int:
        return self.n_positive + self.n_negative


def tests_of(study: Study) -> list[Overview]:
    """The tests of the study, in their order."""
    tests = study.tests.select_related(
        "image_set", "study", "practice_set", "attention_set", "requires"
    ).prefetch_related("stages__questions__choices", "arms")
    return [_drafted(test) if study.state == Study.State.DRAFT else _drawn(test) for test in tests]


def _drafted(test: Test) -> Overview:
    try:
        pool = eligibility.pool_of(test)
    except StudiesError:  # an unknown node: `missing_from_test` names it
        pool = eligibility.Pool()
    n_positive, n_negative = len(pool.positives), len(pool.negatives)
    return Overview(
        test, _names(test.positive_nodes), _names(test.negative_nodes), n_positive, n_negative, pool.n_unconfirmed,
        pool.n_same_lesion, _other_taxonomy(test), protocol.missing_from_test(test),
        design_in_words.sentences(test, drawn=_to_be_drawn(test, n_positive, n_negative)),
    )  # fmt: skip


def _to_be_drawn(test: Test, n_positive: int, n_negative: int) -> tuple[int, int] | None:
    """How many positive and negative cases will be drawn; None where chance will decide."""
    if test.sample_size is None:
        return n_positive, n_negative
    if test.sample_positives is None:
        return None
    return test.sample_positives, test.sample_size - test.sample_positives


def _drawn(test: Test) -> Overview:
    cases = test.cases.filter(kind=Case.Kind.SCORED)
    unconfirmed = Reference.objects.exclude(confirmation=Confirmation.HISTOPATHOLOGY).values("image")
    n_positive, n_negative = (cases.filter(is_positive=sign).count() for sign in (True, False))
    return Overview(
        test, _names(test.positive_nodes), _names(test.negative_nodes), n_positive, n_negative,
        cases.filter(images__in=unconfirmed).distinct().count(), None, _other_taxonomy(test), [],
        design_in_words.sentences(test, drawn=(n_positive, n_negative)),
    )  # fmt: skip


def _names(nodes: list[str]) -> list[str]:
    return [taxonomy().name(node) if node in taxonomy().nodes else node for node in nodes]


def _other_taxonomy(test: Test) -> bool:
    return test.image_set.taxonomy_sha256 != taxonomy().sha256
