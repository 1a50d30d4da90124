"""Conditions against each other: against scikit-learn, statsmodels, scipy, and plain loops of another form."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

from model_core.taxonomy import Taxonomy
from readerstudy.results.analysis import analyse_tests
from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.agreeing import agrees
from readerstudy.results.conditions.numbers import Comparison, conditions_of
from readerstudy.results.conditions.table import ChoiceFacts
from readerstudy.results.stats import mrmc
from readerstudy.results.tables.advised import side_named
from tests.results.conditions.arrays import two_arms, two_stages
from tests.results.primary.tables import plan, table

TRUTH = np.array([1] * 14 + [0] * 22)


def drawn(n_readers: int = 6, *, seed: int = 3, gain: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """(readers, cases) of decisions 0 and 1, before and after: correlated, better after."""
    chance = np.random.default_rng(seed)
    base = 1.0 * TRUTH + 0.5 * chance.normal(size=TRUTH.size) + 0.6 * chance.normal(size=(n_readers, TRUTH.size))
    after = base + gain * (TRUTH - 0.5) + 0.3 * chance.normal(size=base.shape)
    return (base > 0.5).astype(float), (after > 0.5).astype(float)


def only(test: TestTable) -> Comparison:
    """The only comparison of a test of two stages, or of its two arms."""
    found = conditions_of(test, "exploratory")
    assert found is not None
    (thread,) = found.threads
    (comparison,) = [one for one in thread.comparisons if one.by == thread.comparisons[-1].by]
    return comparison


def test_differences_are_those_of_the_readers_own_answers() -> None:
    before, after = drawn()
    found = only(two_stages(TRUTH, 1 - before, 1 - after))  # the first choice counts as positive
    assert found.paired
    for measure, cases in (("sensitivity", TRUTH == 1), ("specificity", TRUTH == 0), ("accuracy", TRUTH >= 0)):
        difference = found.difference(measure)
        assert difference is not None
        right = [(said == TRUTH)[:, cases].mean(axis=1) for said in (before, after)]
        assert difference.first.value == pytest.approx(right[0].mean())
        assert difference.second.value == pytest.approx(right[1].mean())
        assert difference.difference.value == pytest.approx((right[1] - right[0]).mean())
        assert len(difference.readers) == 6
        for i, reader in enumerate(difference.readers):
            one, other = (said[i] == TRUTH for said in (before, after))
            counts = [[int((a & b & cases).sum()) for b in (other, ~other)] for a in (one, ~one)]
            assert reader.difference.value == pytest.approx(right[1][i] - right[0][i])
            if counts[0][1] + counts[1][0]:
                assert reader.p == pytest.approx(mcnemar(counts, exact=True).pvalue)
            else:
                assert math.isnan(reader.p)


def test_the_test_of_the_share_of_right_answers_is_that_of_leaving_out_each_case_in_turn() -> None:
    before, after = drawn()
    found = only(two_stages(TRUTH, 1 - before, 1 - after)).difference("accuracy")
    assert found is not None
    other = mrmc(TRUTH, np.stack([after, before]), metric=lambda truth, said: float((truth == said).mean()))
    assert other.differences[0].p == pytest.approx(found.p)
    assert [found.difference.low, found.difference.high] == pytest.approx(
        [other.differences[0].estimate.low, other.differences[0].estimate.high]
    )
    assert 0 < found.p < 0.05


def test_auc_weighs_decisions_by_confidence() -> None:
    before, after = drawn(3)
    chance = np.random.default_rng(5)
    sure = chance.integers(1, 6, size=(2, 3, TRUTH.size))
    found = only(two_stages(TRUTH, 1 - before, 1 - after, sure=sure)).difference("auc")
    assert found is not None
    for i, reader in enumerate(found.readers):
        values = [
            roc_auc_score(TRUTH, np.where(said[i] == 1, level[i], -level[i]))
            for said, level in zip((before, after), sure, strict=True)
        ]
        assert [reader.first, reader.second] == pytest.approx(values)
        assert reader.difference.value == pytest.approx(values[1] - values[0])


def test_changed_answers_are_counted_one_by_one() -> None:
    before, after = drawn(4, gain=0.2)
    (found,) = only(two_stages(TRUTH, 1 - before, 1 - after)).switches
    names = {(True, True): "stayed_right", (True, False): "to_wrong", (False, True): "to_right", (False, False): "stayed_wrong"}  # noqa: E501 # fmt: skip
    totals = dict.fromkeys(names.values(), 0)
    for i, reader in enumerate(found.readers):
        counts = dict.fromkeys(names.values(), 0)
        for case, truth in enumerate(TRUTH):
            counts[names[bool(before[i, case] == truth), bool(after[i, case] == truth)]] += 1
        assert {name: getattr(reader, name) for name in counts} == counts
        assert reader.net == pytest.approx((counts["to_right"] - counts["to_wrong"]) / TRUTH.size)
        totals = {name: totals[name] + counts[name] for name in counts}
    assert {name: getattr(found.whole, name) for name in totals} == totals
    assert totals["to_right"] > 0 < totals["to_wrong"]
    assert found.corrected.value == pytest.approx(np.mean([reader.corrected.value for reader in found.readers]))


def test_what_is_undefined_says_why() -> None:
    perfect = np.tile(TRUTH, (2, 1)).astype(float)
    found = only(two_stages(TRUTH, 1 - perfect, 1 - perfect))
    (switches,) = found.switches
    assert math.isnan(switches.corrected.value)
    assert switches.corrected.note == "no first answer was wrong"
    sensitivity = found.difference("sensitivity")
    assert sensitivity is not None
    assert sensitivity.difference.value == 0
    assert math.isnan(sensitivity.p)
    assert "only 2 readers (fewer than 5)" in sensitivity.note
    nobody = only(two_stages(TRUTH, np.full((2, TRUTH.size), np.nan), np.full((2, TRUTH.size), np.nan)))
    assert [math.isnan(one.difference.value) for one in nobody.differences] == [True] * 3
    assert nobody.differences[0].note == "no reader has answered every case under both conditions"
    only_benign = two_stages(np.zeros(9, int), np.zeros((2, 9)), np.ones((2, 9)))
    sensitivity = only(only_benign).difference("sensitivity")
    assert sensitivity is not None
    assert math.isnan(sensitivity.difference.value)
    assert sensitivity.note == "no positive case was read under these conditions"
    assert conditions_of(table(TRUTH, None, np.zeros((2, TRUTH.size))), "exploratory") is None


def test_the_plan_says_what_they_are() -> None:
    before, after = drawn(2)
    test = two_stages(TRUTH, 1 - before, 1 - after)
    for secondary, role in (((), "exploratory"), (("stages and arms",), "secondary")):
        found = analyse_tests((test,), plan(secondary=secondary))[0].conditions
        assert found is not None
        assert found.role == role


def test_who_has_not_finished_a_condition_is_in_no_comparison() -> None:
    before, after = drawn(3)
    after[2, 5] = np.nan
    found = only(two_stages(TRUTH, 1 - before, 1 - after))
    assert found.codes == ("R01", "R02")


def test_a_crossover_pairs_cases_and_alternating_arms_do_not() -> None:
    before, after = drawn(6)
    crossed = only(two_arms(TRUTH, {1: 1 - before, 2: 1 - after}, "crossover"))
    assert (crossed.by, crossed.paired, crossed.n_cells) == ("arms", True, before.size)
    staged = only(two_stages(TRUTH, 1 - before, 1 - after))
    one, other = crossed.difference("sensitivity"), staged.difference("sensitivity")
    assert one == other
    even = np.arange(TRUTH.size) % 2 == 0
    said = {1: np.where(even, 1 - before, np.nan), 2: np.where(even, np.nan, 1 - after)}
    alternating = only(two_arms(TRUTH, said, "alternating"))
    assert not alternating.paired
    assert alternating.switches == ()
    difference = alternating.difference("sensitivity")
    assert difference is not None
    shares = [
        said[:, (TRUTH == 1) & half].mean(axis=1) for said, half in ((before, even), (after, ~even))
    ]  # fmt: skip
    assert difference.difference.value == pytest.approx((shares[1] - shares[0]).mean())
    # a reader's z: two independent samples of cases, sample variances over n (Wald with n - 1)
    reader = difference.readers[0]
    own = (before[0, (TRUTH == 1) & even], after[0, (TRUTH == 1) & ~even])
    variance = sum(np.var(values, ddof=1) / values.size for values in own)
    half = (reader.difference.high - reader.difference.low) / 2
    assert half == pytest.approx(1.959963984540054 * math.sqrt(variance))


def test_parallel_groups_by_u_statistics_as_a_plain_loop_has_them() -> None:
    """Unbiased variance of a mean over readers and cases crossed, and of two groups that read the same cases, from the
    mean products of pairs of answers (Gallas et al. 2009, Commun Stat A 38:2586-2603, their moments by loops)."""
    before, after = (said[:, ::3] for said in drawn(6))
    truth = TRUTH[::3]
    nobody = np.full((3, truth.size), np.nan)
    said = {1: np.vstack([1 - before[:3], nobody]), 2: np.vstack([nobody, 1 - after[3:]])}
    found = only(two_arms(truth, said, "parallel")).difference("accuracy")
    assert found is not None
    one, other = (before[:3] == truth).astype(float), (after[3:] == truth).astype(float)
    variance = own_variance(one) + own_variance(other) - 2 * shared_cases(one, other)
    assert found.difference.value == pytest.approx(other.mean() - one.mean())
    assert found.readers == ()
    assert (found.difference.value / found.statistic) ** 2 == pytest.approx(variance)


def own_variance(right: np.ndarray) -> float:
    """The mean's square minus the unbiased estimate of the square of its expectation."""
    r, n = right.shape
    pairs = itertools.product(itertools.product(range(r), range(n)), repeat=2)
    apart = [right[i, a] * right[j, b] for (i, a), (j, b) in pairs if i != j and a != b]
    return float(right.mean() ** 2 - np.mean(apart))


def shared_cases(one: np.ndarray, other: np.ndarray) -> float:
    n = one.shape[1]
    apart = [
        one[i, a] * other[j, b]
        for i, j, a, b in itertools.product(range(len(one)), range(len(other)), range(n), range(n))
        if a != b
    ]
    return float(one.mean() * other.mean() - np.mean(apart))


CLASSES = (
    ChoiceFacts("Melanoma", True, "melanoma"), ChoiceFacts("Naevus", False, "melanocytic-naevus"),
    ChoiceFacts("Seborrhoeic keratosis", False, "seborrhoeic-keratosis"),
)  # fmt: skip


def test_classes_are_right_by_side_and_by_diagnosis() -> None:
    diagnoses = ["melanoma"] * 6 + ["melanocytic-naevus"] * 9 + ["seborrhoeic-keratosis"] * 5
    kinds = np.repeat([0, 1, 2], [6, 9, 5])
    truth = (kinds == 0).astype(int)
    chance = np.random.default_rng(8)
    said = [np.where(chance.random((5, 20)) < share, kinds, chance.integers(0, 3, (5, 20))) for share in (0.3, 0.7)]
    found = only(two_stages(truth, *said, kind="classes", choices=CLASSES, diagnoses=diagnoses))
    assert [one.measure for one in found.differences] == [
        "sensitivity", "specificity", "accuracy", "class accuracy", "mean per-class accuracy"
    ]  # fmt: skip
    per_class = found.difference("mean per-class accuracy")
    assert per_class is not None
    values = np.array([[balanced_accuracy_score(kinds, row) for row in one] for one in said])
    assert [[one.first, one.second] for one in per_class.readers] == [pytest.approx(row) for row in values.T]
    assert per_class.p == pytest.approx(ttest_1samp(values[1] - values[0], 0).pvalue)
    right = found.difference("class accuracy")
    assert right is not None
    assert right.second.value == pytest.approx((said[1] == kinds).mean())
    by_side, by_class = found.switches
    assert by_side.whole.to_other_wrong == 0
    changed = (said[0] != kinds) & (said[1] != kinds) & (said[0] != said[1])
    assert by_class.whole.to_other_wrong == changed.sum() > 0


def test_a_ranking_is_right_among_the_first_or_the_first_three() -> None:
    first = [["melanocytic-naevus melanoma", "melanoma", "seborrhoeic-keratosis dermatofibroma melanocytic-naevus"]]
    second = [["melanoma", "melanoma", "melanocytic-naevus"]]
    diagnoses = ["melanoma", "melanoma", "melanocytic-naevus"]
    test = two_stages([1, 1, 0], first * 2, second * 2, kind="ranking", diagnoses=diagnoses)
    found = only(test)
    values = {one.measure: (one.first.value, one.second.value) for one in found.differences}
    assert values == {"top-1": (pytest.approx(1 / 3), 1.0), "top-3": (1.0, 1.0)}
    top_1 = found.switches[0]
    assert (top_1.whole.to_right, top_1.whole.to_wrong, top_1.whole.stayed_right) == (4, 0, 2)


@pytest.mark.parametrize(
    ("named", "reference", "right"),
    [
        ("melanoma", "melanoma", True),
        ("melanocytic-naevus", "benign-melanocytic", True),  # more exact than the reference
        ("benign-melanocytic", "melanocytic-naevus", True),  # less exact
        ("benign", "melanocytic-naevus", False),  # a root names no diagnosis
        ("melanoma", "melanocytic-naevus", False),
        ("unknown here", "melanoma", False),
    ],
)
def test_a_diagnosis_agrees_by_the_taxonomy(named: str, reference: str, right: bool) -> None:
    assert agrees(Taxonomy.default(), named, reference) is right


SIDES = {"Melanoma": True, "Naevus": False, "melanoma": True, "melanocytic-naevus": False, "dermatofibroma": False}


@pytest.mark.parametrize(
    ("detail", "side"),
    [
        ({"advice": "probability", "probability": 0.51}, 1),
        ({"advice": "probability", "probability": 0.2}, 0),
        ({"advice": "probability", "probability": None}, math.nan),
        ({"advice": "classes", "rows": [["Melanoma", 0.3], ["Naevus", 0.6], ["Other", None]]}, 0),
        ({"advice": "classes", "rows": [["Other", 0.9], ["Melanoma", 0.1]]}, math.nan),
        ({"advice": "neighbours", "images": [["a", "melanoma", 1], ["b", "melanoma", 1]]}, 1),
        ({"advice": "neighbours", "images": [["a", "melanoma", 0.9], ["b", "dermatofibroma", 0.8]]}, math.nan),
        ({"advice": "saliency", "pictures": [1]}, math.nan),
    ],
)  # fmt: skip
def test_the_side_that_advice_named(detail: dict[str, Any], side: float) -> None:
    assert side_named(detail, SIDES) == pytest.approx(side, nan_ok=True)
