"""The draws: exact sizes, every element once, the same seed the same list, and what is too few is named."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readerstudy.studies.allocation import Shortage, draw_order, draw_sample, of_each_lesion, shortage
from readerstudy.studies.errors import StudiesError

POSITIVES = list(range(100, 165))  # the paper's keratinocyte test: 65 malignant ...
NEGATIVES = list(range(500, 570))  # ... of 135


def test_a_stratified_sample_has_exactly_the_numbers_asked_for() -> None:
    sample = draw_sample(POSITIVES, NEGATIVES, size=30, n_positive=12, seed="7/test 1/sample")
    assert len(sample) == len(set(sample)) == 30
    assert len(set(sample) & set(POSITIVES)) == 12
    assert len(set(sample) & set(NEGATIVES)) == 18


def test_the_order_is_by_keys_from_random_alone() -> None:
    """The rule that is promised, written down once more: sort by Random(seed).random(), drawn in the order given."""
    chance = random.Random("7/test 1/cases")
    keyed = sorted((chance.random(), item) for item in POSITIVES)
    assert draw_order(POSITIVES, seed="7/test 1/cases") == [item for _key, item in keyed]


def test_a_sample_of_everything_is_a_permutation() -> None:
    everything = draw_sample(POSITIVES, NEGATIVES, size=None, n_positive=None, seed="a")
    assert sorted(everything) == POSITIVES + NEGATIVES
    assert everything != POSITIVES + NEGATIVES
    assert everything == draw_sample(POSITIVES, NEGATIVES, size=135, n_positive=65, seed="a")


def test_without_a_number_of_positives_chance_decides() -> None:
    """Simple random sampling: the number of positives is hypergeometric, here with mean 30 * 65 / 135 = 14.44."""
    drawn = [draw_sample(POSITIVES, NEGATIVES, size=30, n_positive=None, seed=str(seed)) for seed in range(400)]
    n_positive = [sum(item in POSITIVES for item in sample) for sample in drawn]
    # Its variance is 30 * 65/135 * 70/135 * (135 - 30)/(135 - 1) = 5.87; the mean of 400 has a standard error of 0.12.
    assert sum(n_positive) / 400 == pytest.approx(14.44, abs=0.5)
    assert len(set(n_positive)) > 5


@given(
    n_positives=st.integers(0, 30), n_negatives=st.integers(0, 30), size=st.integers(1, 60), seed=st.text(),
    data=st.data(),
)  # fmt: skip
def test_every_draw_is_exact_or_refused(
    n_positives: int, n_negatives: int, size: int, seed: str, data: st.DataObject
) -> None:
    n_positive = data.draw(st.one_of(st.none(), st.integers(0, size)))
    positives, negatives = list(range(n_positives)), list(range(1000, 1000 + n_negatives))
    if shortage(n_positives, n_negatives, size=size, n_positive=n_positive):
        with pytest.raises(StudiesError):
            draw_sample(positives, negatives, size=size, n_positive=n_positive, seed=seed)
        return
    sample = draw_sample(positives, negatives, size=size, n_positive=n_positive, seed=seed)
    assert sample == draw_sample(positives, negatives, size=size, n_positive=n_positive, seed=seed)
    assert len(sample) == len(set(sample)) == size
    assert set(sample) <= {*positives, *negatives}
    if n_positive is not None:
        assert sum(item in positives for item in sample) == n_positive


def test_each_place_is_equally_likely() -> None:
    """Of 3,000 permutations of 6, each item is first about 500 times (binomial, standard deviation 20.4)."""
    first = Counter(draw_order([1, 2, 3, 4, 5, 6], seed=f"{seed}/test 1/reader R01")[0] for seed in range(3000))
    assert len(first) == 6
    assert all(abs(count - 500) < 5 * 20.4 for count in first.values())


@pytest.mark.parametrize(
    ("there", "size", "n_positive", "expected"),
    [
        ((33, 97), 130, 40, Shortage("positive images", 33, 40)),
        ((33, 97), 130, 30, Shortage("negative images", 97, 100)),
        ((33, 97), 131, None, Shortage("images", 130, 131)),
        ((33, 97), 130, 33, None),
        ((33, 97), None, None, None),
    ],
)
def test_what_is_too_few_is_named(
    there: tuple[int, int], size: int | None, n_positive: int | None, expected: Shortage | None
) -> None:
    assert shortage(*there, size=size, n_positive=n_positive) == expected


@pytest.mark.parametrize(("size", "n_positive"), [(None, 3), (0, None), (10, 11), (10, -1)])
def test_numbers_that_contradict_each_other_are_refused(size: int | None, n_positive: int | None) -> None:
    with pytest.raises(StudiesError, match=r"positive images"):
        draw_sample(POSITIVES, NEGATIVES, size=size, n_positive=n_positive, seed="a")


def test_an_image_is_not_offered_twice() -> None:
    with pytest.raises(StudiesError, match="twice"):
        draw_sample([1, 2], [2, 3], size=None, n_positive=None, seed="a")


def test_one_image_of_each_lesion() -> None:
    images = [
        (image, lesion, "clinical") for image, lesion in [(1, "a"), (2, "a"), (3, None), (4, "b"), (5, "a"), (6, None)]
    ]
    chosen = {tuple(of_each_lesion(images, at_most=1, seed=str(seed))) for seed in range(60)}
    # Each picture of lesion a has its turn.
    assert chosen == {((1,), (3,), (4,), (6,)), ((2,), (3,), (4,), (6,)), ((3,), (4,), (5,), (6,))}
    assert of_each_lesion(images, at_most=1, seed="s") == of_each_lesion(images, at_most=1, seed="s")


def test_several_images_of_each_lesion_show_different_kinds_first() -> None:
    kinds = {1: "clinical", 2: "clinical", 3: "dermoscopy", 4: "clinical", 5: "clinical"}
    images = [(image, "a" if image < 5 else None, kind) for image, kind in kinds.items()]
    chosen = {tuple(of_each_lesion(images, at_most=2, seed=str(seed))) for seed in range(60)}
    # Of lesion a the one dermoscopic picture, with each of the three photographs in turn; image 5 stands alone.
    assert chosen == {((1, 3), (5,)), ((2, 3), (5,)), ((3, 4), (5,))}
    assert of_each_lesion(images, at_most=6, seed="s") == [(1, 2, 3, 4), (5,)]
