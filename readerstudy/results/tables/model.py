"""What a model says of a test: P(positive) of each case, and of every image that the test could have drawn."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max, Min, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from model_core.taxonomy import TaxonomyError, TrainingClass
from readerstudy.images.models import Image
from readerstudy.images.truth import taxonomy
from readerstudy.results.arrays import CaseTable, ClassTable, Floats, Ints, ModelTable
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.scoring.scores import can_check_leaks, leaks, scores_of
from readerstudy.studies.eligibility import pool_of, seed_of
from readerstudy.studies.models import Test

Singles = NDArray[np.float32]
SCORE = np.dtype("<f4")  # of Score.probabilities
ROWS_AT_ONCE = 4096
MANY_IMAGES = 20_000  # of which what takes seconds to find is kept


def images_of(test: Test) -> tuple[Ints, Ints]:
    """The full set of a test: ids of the positive and of the negative images that it could have drawn.

    To find them takes seconds among 100,000 images, and of an image set, which cannot change, they are always the same:
    of a large one they are kept.
    """
    if Image.objects.filter(image_set=test.image_set_id).count() < MANY_IMAGES:
        return _drawable(test)
    told = [
        *_set(test), taxonomy().sha256, test.positive_nodes, test.negative_nodes, test.modality,
        test.histopathology_only, test.images_per_case, seed_of(test, "lesions"),
    ]  # fmt: skip
    return cast(tuple[Ints, Ints], cache.get_or_set(_key("images-of", told), lambda: _drawable(test), timeout=None))


def _drawable(test: Test) -> tuple[Ints, Ints]:
    pool = pool_of(test)
    return np.array(pool.positives, dtype=np.int64), np.array(pool.negatives, dtype=np.int64)


def _set(test: Test) -> list[Any]:
    """The image set by its content, and as these rows: the names of its images are random."""
    images = Image.objects.filter(image_set=test.image_set_id)
    rows = images.aggregate(n=Count("pk"), first=Min("pk"), last=Max("pk"))
    return [test.image_set.sha256, rows, str(images.values_list("uuid", flat=True).get(pk=rows["first"]))]


def _key(what: str, told: list[Any]) -> str:
    return f"{what}-{hashlib.sha256(repr(told).encode()).hexdigest()}"


def model_table(
    model_version: ModelVersion, test: Test, cases: CaseTable, *, detailed: bool, named: bool
) -> ModelTable:
    """The scores of a model in a test; a model that cannot score it gives NaN everywhere and the reason."""
    positives, negatives = images_of(test)
    image_ids = np.concatenate([positives, negatives])
    problem, ids, shares = "", np.empty(0, dtype=np.int64), np.empty(0)
    try:
        ids, shares = _shares(model_version, test)
    except TaxonomyError as error:
        problem = str(error)
    leaked = _leaked(model_version, test, np.concatenate([image_ids, cases.picture_image]))
    leaked_pictures = np.isin(cases.picture_image, leaked)
    return ModelTable(
        case_scores=_means(_lookup(cases.picture_image, ids, shares), cases.picture_case, cases.n),
        full_truth=np.repeat([1, 0], [len(positives), len(negatives)]),
        full_scores=_lookup(image_ids, ids, shares),
        full_uuids=_names(test, image_ids) if named else (),
        full_leaked=np.isin(image_ids, leaked),
        leaks_checked=can_check_leaks(model_version),
        leaked_cases=tuple(np.unique(cases.numbers[cases.picture_case[leaked_pictures]]).tolist()),
        problem=problem,
        by_class=class_table(model_version, cases) if detailed else None,
        full_read=np.isin(image_ids, cases.picture_image) if detailed else None,
    )


def class_table(model_version: ModelVersion, cases: CaseTable) -> ClassTable:
    """What the model said of the pictures of these cases, by training class."""
    classes = tuple(model_version.checkpoint.classes)
    known = scores_of(model_version, cases.picture_image.tolist())
    nothing = np.full(len(classes), np.nan, np.float32)
    rows = [known.get(image, nothing) for image in cases.picture_image.tolist()]
    return ClassTable(taxonomy(), classes, np.array(rows, np.float32).reshape(-1, len(classes)))


def _leaked(model_version: ModelVersion, test: Test, image_ids: Ints) -> Ints:
    """Of many images what was found once is kept: neither the checkpoint nor what it was asked of can change."""

    def find() -> Ints:
        return np.array(leaks(model_version, image_ids.tolist()), dtype=np.int64)

    if not can_check_leaks(model_version):
        return np.empty(0, dtype=np.int64)
    if image_ids.size < MANY_IMAGES:
        return find()
    told = [*_set(test), model_version.sha256, hashlib.sha256(image_ids.tobytes()).hexdigest()]
    return cast(Ints, cache.get_or_set(_key("leaks", told), find, timeout=None))


def _names(test: Test, image_ids: Ints) -> tuple[str, ...]:
    """Read as text: Python's own of 100,000 names take half a second."""
    rows = Image.objects.filter(image_set=test.image_set).annotate(name=Cast("uuid", TextField()))
    names = dict(rows.order_by().values_list("pk", "name"))
    return tuple([_dashed(names[pk]) for pk in image_ids.tolist()])


def _dashed(name: str) -> str:
    """SQLite keeps the 32 digits alone."""
    return name if "-" in name else f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def _shares(model_version: ModelVersion, test: Test) -> tuple[Ints, Floats]:
    """(image ids, rising; P(positive) share of each) of the images of the test's set that the model has scored."""
    classes = model_version.checkpoint.classes
    ids: list[int] = []
    shares = [_share(classes, np.empty((0, len(classes)), SCORE), test)]  # says what is wrong before there is a score
    for some, probabilities in _batches(model_version, test, len(classes)):
        ids += some
        shares.append(_share(classes, probabilities, test))
    return np.array(ids, dtype=np.int64), np.concatenate(shares)


def _share(classes: Sequence[TrainingClass], probabilities: Singles, test: Test) -> Floats:
    return taxonomy().restricted_share(classes, probabilities, test.positive_nodes, test.negative_nodes)


def _batches(model_version: ModelVersion, test: Test, k: int) -> Iterator[tuple[Sequence[int], Singles]]:
    """Image ids and their (m, k) training-class probabilities, a few thousand at once."""
    scores = Score.objects.filter(model_version=model_version, image__image_set=test.image_set).order_by("image_id")
    rows = scores.values_list("image_id", "probabilities").iterator(chunk_size=ROWS_AT_ONCE)
    while some := list(itertools.islice(rows, ROWS_AT_ONCE)):
        ids, data = zip(*some, strict=True)
        yield ids, np.frombuffer(b"".join(data), SCORE).reshape(-1, k)


def _lookup(wanted: Ints, ids: Ints, values: Floats) -> Floats:
    """The value of each wanted id, NaN where there is none; ``ids`` rising."""
    if not ids.size:
        return np.full(wanted.size, np.nan)
    found = np.minimum(np.searchsorted(ids, wanted), ids.size - 1)
    return np.where(ids[found] == wanted, values[found], np.nan)


def _means(pictures: Floats, picture_case: Ints, n_cases: int) -> Floats:
    """The mean over the pictures of each case: one without a score makes it NaN."""
    sums, counts = np.zeros(n_cases), np.zeros(n_cases)
    np.add.at(sums, picture_case, pictures)
    np.add.at(counts, picture_case, 1)
    return np.divide(sums, counts, out=np.full(n_cases, np.nan), where=counts > 0)
