"""What a reading holds: what each design promises, balance over many readers, and the draws written down once more."""

import itertools
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from readerstudy.readings.plans import ArmPlan, Cases, Design, Place, Seeds, plan
from readerstudy.studies.allocation import (
    arm_order,
    draw_some,
    intersperse,
    longest_run,
    place_repeats,
    shares,
    spread_order,
    williams,
)
from readerstudy.studies.errors import StudiesError

CASES = Cases(
    scored=tuple(range(1, 41)), positives=frozenset(range(3, 41, 3)), practice=(41, 42), attention=(43, 44, 45)
)
TWO = (ArmPlan(1), ArmPlan(2, wrong_per_cent=25))
READERS = 10_000
ALPHA = 0.001  # the seeds are fixed: a test that passes once passes always


def seeds(reader: int = 1) -> Seeds:
    return Seeds(test="2017/test 1", reader=f"2017/test 1/reader R{reader:02d}")


def of(design: Design, *, reader: int = 1, number: int = 1, cases: Cases = CASES) -> list[Place]:
    made = plan(design, cases, seeds(reader), ordinal=reader, number=number)
    assert made is not None
    return made


def runs(values: Sequence[Hashable]) -> dict[Hashable, int]:
    """The longest run of each value."""
    longest: dict[Hashable, int] = {}
    for value, group in itertools.groupby(values):
        longest[value] = max(longest.get(value, 0), len(list(group)))
    return longest


def is_chance(observed: Sequence[int], variance: float, *, freedom: int) -> bool:
    """Whether counts that should be alike differ no more than chance has them differ: sum of (O - E)^2 / variance."""
    mean = sum(observed) / len(observed)
    return sum((count - mean) ** 2 for count in observed) / variance < chi2.ppf(1 - ALPHA, freedom)


# --- what holds for every design --------------------------------------------------------------------------------------

designs = st.builds(
    Design,
    cases_read=st.sampled_from(["every", "sample", "disjoint", "batches"]),
    cases_per_reading=st.integers(8, 20),
    positives_per_reading=st.none() | st.integers(0, 6),
    most_readings=st.integers(1, 3),
    order=st.sampled_from(["random", "stratified"]),
    arms_design=st.sampled_from(["single", "parallel", "alternating", "crossover"]),
    arms=st.sampled_from([(), TWO[:1], TWO, (*TWO, ArmPlan(3, 50))]),
    block_size=st.integers(1, 7),
    repeats=st.integers(0, 3),
    repeat_distance=st.integers(0, 4),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(designs, st.integers(1, 4), st.data())
def test_every_reading_holds_what_its_design_promises(design: Design, ordinal: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, design.n_readings))
    try:
        made = plan(design, CASES, seeds(ordinal), ordinal=ordinal, number=number)
    except StudiesError:  # blocks of another arm leave no place for so many repeats
        assert design.arms_design == "alternating"
        assert design.repeats
        return
    if made is None:
        assert design.cases_read in ("disjoint", "batches")
        return
    assert made == plan(design, CASES, seeds(ordinal), ordinal=ordinal, number=number)
    scored = [place for place in made if place.case in CASES.scored]
    first = [place for place in scored if not place.is_repeat]
    size = len(CASES.scored) if design.cases_read == "every" else design.cases_per_reading
    assert len({place.case for place in first}) == len(first) == size
    if design.cases_read != "every" and design.positives_per_reading is not None:
        assert sum(place.case in CASES.positives for place in first) == design.positives_per_reading
    _check_repeats(design, made)
    assert sorted(place.case for place in made if place.case in CASES.attention) == list(CASES.attention)
    practice = [place.case for place in made if place.case in CASES.practice]
    assert sorted(practice) == (list(CASES.practice) if number == 1 or design.arms_design == "crossover" else [])
    assert [place.case for place in made[: len(practice)]] == practice
    assert {place.arm for place in made} <= ({arm.position for arm in design.arms} or {None})
    for arm in design.arms:
        own = [place for place in first if place.arm == arm.position]
        assert sum(place.advice_is_wrong for place in own) == int(len(own) * arm.wrong_per_cent / 100 + 0.5)
    assert not any(place.advice_is_wrong for place in made if place.case not in CASES.scored)


def _check_repeats(design: Design, made: list[Place]) -> None:
    repeats = [(at, place) for at, place in enumerate(made) if place.is_repeat]
    assert len(repeats) == design.repeats
    assert len({place.case for _at, place in repeats}) == len(repeats)
    for at, place in repeats:
        before = made.index(replace(place, is_repeat=False))  # in the same arm, with the same advice
        between = [other for other in made[before + 1 : at] if other.case in CASES.scored]
        assert len(between) >= design.repeat_distance


# --- arms -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(1, 9))
def test_orders_of_arms_are_balanced_for_place_and_for_what_came_before(k: int) -> None:
    """Williams (1949): each treatment once at each place (in each square), and after each other one equally often."""
    orders = williams(k)
    squares = 1 if k % 2 == 0 or k == 1 else 2
    assert len(orders) == len(set(orders)) == squares * k
    assert all(sorted(order) == list(range(k)) for order in orders)
    for place in range(k):
        assert Counter(order[place] for order in orders) == dict.fromkeys(range(k), squares)
    follows = Counter(pair for order in orders for pair in itertools.pairwise(order))
    assert follows == dict.fromkeys(itertools.permutations(range(k), 2), squares)
    with pytest.raises(StudiesError, match="0 arms"):
        williams(0)


@pytest.mark.parametrize(("k", "per_run"), [(2, 2), (3, 6), (4, 4)])
def test_ten_thousand_readers_are_spread_evenly_over_the_orders_of_arms(k: int, per_run: int) -> None:
    """Permuted blocks: after each complete run exactly even; within a run each order comes first as often as chance
    has it, with the variance n p (1 - p) of a binomial and k - 1 degrees of freedom (multinomial: variance n p)."""
    drawn = [arm_order(k, ordinal=ordinal, seed="7/test 1/arms") for ordinal in range(1, READERS + 1)]
    complete = READERS - READERS % per_run
    for start in range(0, complete, per_run):
        assert len(set(drawn[start : start + per_run])) == per_run
    counts = Counter(drawn[:complete])
    assert set(counts.values()) == {complete // per_run}
    first = Counter(drawn[0:complete:per_run])
    n_runs = complete // per_run
    assert is_chance([first[order] for order in williams(k)], n_runs / per_run, freedom=per_run - 1)


def test_parallel_arms_are_as_large_as_each_other_after_every_pair_of_readers() -> None:
    design = Design(arms_design="parallel", arms=TWO)
    arms = [of(design, reader=reader)[-1].arm for reader in range(1, 41)]
    assert all({arms[at], arms[at + 1]} == {1, 2} for at in range(0, 40, 2))
    assert len({tuple(arms[at : at + 2]) for at in range(0, 40, 2)}) == 2  # and not always in the same order


def test_a_crossover_reads_the_same_cases_in_every_arm() -> None:
    design = Design(
        cases_read="sample", cases_per_reading=12, positives_per_reading=4, arms_design="crossover", arms=TWO
    )
    parts = [[place for place in of(design, number=number) if place.case in CASES.scored] for number in (1, 2)]
    assert {place.case for place in parts[0]} == {place.case for place in parts[1]}
    assert [place.case for place in parts[0]] != [place.case for place in parts[1]]
    assert sorted(tuple({place.arm for place in part}) for part in parts) == [(1,), (2,)]


def test_alternating_arms_take_turns_block_by_block_and_batch_by_batch() -> None:
    design = Design(
        cases_read="batches", cases_per_reading=12, most_readings=3, arms_design="alternating", arms=TWO, block_size=4
    )
    plain = replace(CASES, practice=(), attention=())
    arms = [[place.arm for place in of(design, number=number, cases=plain)] for number in (1, 2, 3)]
    a, b = arms[0][0], arms[0][4]
    assert arms == [[a] * 4 + [b] * 4 + [a] * 4, [b] * 4 + [a] * 4 + [b] * 4, [a] * 4 + [b] * 4 + [a] * 4]


# --- who reads what ---------------------------------------------------------------------------------------------------


def test_disjoint_shares_are_disjoint_and_end_with_the_cases() -> None:
    design = Design(cases_read="disjoint", cases_per_reading=13)
    found = [plan(design, CASES, seeds(reader), ordinal=reader) for reader in range(1, 6)]
    sets = [{place.case for place in made if place.case in CASES.scored} for made in found if made]
    assert [len(one) for one in sets] == [13, 13, 13]
    assert len(set().union(*sets)) == 39
    assert found[3:] == [None, None]


def test_batches_of_a_fixed_mix_do_not_overlap_and_end_with_the_rarer_class() -> None:
    """13 positives, 27 negatives, batches of 10 with 4 positives: min(13 // 4, 27 // 6) = 3 batches."""
    design = Design(cases_read="batches", cases_per_reading=10, positives_per_reading=4, most_readings=5)
    found = [plan(design, CASES, seeds(), ordinal=1, number=number) for number in range(1, 5)]
    sets = [{place.case for place in made if place.case in CASES.scored} for made in found if made]
    assert [(len(one), len(one & CASES.positives)) for one in sets] == [(10, 4)] * 3
    assert len(set().union(*sets)) == 30
    assert found[3] is None


@pytest.mark.parametrize(("size", "n_positive"), [(0, None), (5, 6), (5, -1)])
def test_a_share_that_cannot_be_is_refused(size: int, n_positive: int | None) -> None:
    with pytest.raises(StudiesError, match="cannot be in a share"):
        shares([1, 2], [3, 4], size=size, n_positive=n_positive, seed="x")


def test_ten_thousand_samples_hold_each_case_as_often_as_chance_has_it() -> None:
    """Simple random samples of m of n: a case is in with p = m/n, variance p (1 - p) for each reader and covariance
    -p (1 - p)/(n - 1), so that (n - 1)/n times the sum of squares over N p (1 - p) is chi-square with n - 1 degrees.

    With a fixed mix the same holds within each class.
    """
    for positives_per_reading in (None, 4):
        design = Design(cases_read="sample", cases_per_reading=10, positives_per_reading=positives_per_reading)
        counts: Counter[int] = Counter()
        for reader in range(1, READERS + 1):
            counts.update(place.case for place in of(design, reader=reader) if place.case in CASES.scored)
        sides = [(list(CASES.scored), 10)]
        if positives_per_reading is not None:
            yes, no = CASES.sides(CASES.scored)
            sides = [(yes, 4), (no, 6)]
        for pool, m in sides:
            n, p = len(pool), m / len(pool)
            assert sum(counts[case] for case in pool) == READERS * m
            variance = READERS * p * (1 - p) * n / (n - 1)
            assert is_chance([counts[case] for case in pool], variance, freedom=n - 1)


def test_over_ten_thousand_readers_each_case_comes_at_each_place_equally_often() -> None:
    """A uniform permutation puts a case at each of n places with probability 1/n: chi-square with n - 1 degrees."""
    places = np.zeros((40, 40), dtype=int)
    plain = replace(CASES, practice=(), attention=())
    for reader in range(1, READERS + 1):
        for at, place in enumerate(of(Design(), reader=reader, cases=plain)):
            places[place.case - 1, at] += 1
    assert (places.sum(axis=1) == READERS).all()
    below = sum(is_chance(row.tolist(), READERS / 40, freedom=39) for row in places)
    assert below == 40  # each at 0.001: one of forty fails with a probability of 4 %, with these seeds none


# --- in which order ---------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10**6))
def test_a_spread_order_has_no_longer_run_than_its_construction_allows(n: int, other: int, seed: int) -> None:
    positives, negatives = list(range(n)), list(range(100, 100 + other))
    order = spread_order(positives, negatives, seed=str(seed))
    assert sorted(order) == positives + negatives
    longest = runs([case < 100 for case in order])
    assert longest.get(True, 0) <= longest_run(n, other)
    assert longest.get(False, 0) <= longest_run(other, n)


def test_the_longest_runs_worked_by_hand() -> None:
    """65 positives and 70 negatives: ceil(65 / 2) = 33 blocks with at most ceil(65 / 33) = 2 positives and
    ceil(70 / 33) = 3 negatives each; at the seam of two blocks twice as many meet."""
    assert longest_run(65, 70) == 4
    assert longest_run(70, 65) == 6
    assert longest_run(10, 0) == 10
    assert longest_run(3, 200) == 3  # two blocks of at most two: no more than there are
    assert longest_run(200, 3) == 200
    assert longest_run(0, 7) == 0


def test_a_spread_order_does_not_tell_what_comes_next() -> None:
    """20 against 20: the next case is of the same class now and then; in strict turns it never would be."""
    same = total = 0
    for seed in range(300):
        signs = [case < 100 for case in spread_order(list(range(20)), list(range(100, 120)), seed=str(seed))]
        same += sum(a == b for a, b in itertools.pairwise(signs))
        total += len(signs) - 1
    assert 0.3 < same / total < 0.5  # 19/39 = 0.487 in an order without any spreading


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(0, 8), st.integers(0, 12), st.integers(1, 3), st.integers(0, 10**6))
def test_repeats_keep_their_distance(n: int, repeats: int, distance: int, k: int, seed: int) -> None:
    arms = [at // 5 % k for at in range(n)]
    able = [at for at in range(n) if any(arms[min(gap, n - 1)] == arms[at] for gap in range(at + distance + 1, n + 1))]
    if repeats > len(able):
        with pytest.raises(StudiesError, match=f"Of {n} cases {len(able)} can be shown again"):
            place_repeats(arms, repeats=repeats, distance=distance, seed=str(seed))
        return
    found = place_repeats(arms, repeats=repeats, distance=distance, seed=str(seed))
    assert len({at for _gap, at in found}) == repeats == len(found)
    assert all(gap - at - 1 >= distance for gap, at in found)
    assert all(arms[min(gap, n - 1)] == arms[at] for gap, at in found)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(0, 10))
def test_attention_checks_lie_one_in_each_stretch_and_never_first(n: int, k: int) -> None:
    gaps = intersperse(n, k, seed="x")
    assert len(gaps) == k
    assert all(1 <= gap <= n for gap in gaps)
    if k <= n:
        assert all(number * n // k < gap <= (number + 1) * n // k for number, gap in enumerate(gaps))


def test_wrong_advice_is_rounded_half_up() -> None:
    assert [len(draw_some(range(n), per_cent=25, seed="x")) for n in (0, 1, 2, 6, 10)] == [0, 0, 1, 2, 3]


# --- the draws, written down once more --------------------------------------------------------------------------------


def keyed(items: Sequence[Any], seed: str) -> list[Any]:
    """The rule that is promised: by Random(seed).random(), drawn in the order given."""
    chance = random.Random(seed)
    return [item for _key, _at, item in sorted((chance.random(), at, item) for at, item in enumerate(items))]


def test_a_batch_in_blocks_with_repeats_and_checks_is_drawn_by_the_stated_rules() -> None:
    """One rich design, by hand from the text of `plans` and `allocation`: not by their functions."""
    design = Design(
        cases_read="batches", cases_per_reading=12, positives_per_reading=4, most_readings=3, order="stratified",
        arms_design="alternating", arms=TWO, block_size=6, repeats=2, repeat_distance=2,
    )  # fmt: skip
    reader, seed = "2017/test 1/reader R03", "2017/test 1/reader R03/reading 2"
    yes = keyed(sorted(CASES.positives), f"{reader}/sample/positive")[4:8]
    no = keyed(sorted(set(CASES.scored) - CASES.positives), f"{reader}/sample/negative")[8:16]
    # Two blocks: one for every two of the four positives. Each gets two positives and four negatives.
    blocks: list[list[int]] = [[], []]
    for name, pool in (("positive", sorted(yes)), ("negative", sorted(no))):
        turns = keyed([0, 1], f"{seed}/blocks/{name}")
        for at, case in enumerate(keyed(pool, f"{seed}/{name}")):
            blocks[turns[at % 2]].append(case)
    order = [case for at in (0, 1) for case in keyed(blocks[at], f"{seed}/block {at + 1}")]
    # The third reader is the first of the second run of two; the second batch begins with the second arm.
    sequence = keyed([(0, 1), (1, 0)], "2017/test 1/arms/run 2")[0]
    arms = [TWO[sequence[(at // 6 + 1) % 2]].position for at in range(12)]
    wrong = keyed([at for at in range(12) if arms[at] == 2], f"{seed}/wrong/arm 2")[:2]  # 25 % of 6 is 1.5
    expected = [
        Place(case, arm, advice_is_wrong=at in wrong) for at, (case, arm) in enumerate(zip(order, arms, strict=True))
    ]
    # A repeat at gap g of index i: g >= i + 3, in a block of its arm; those of the first block only before index 6.
    gaps = {at: [g for g in range(at + 3, 13) if arms[min(g, 11)] == arms[at]] for at in range(12)}
    chosen = keyed([at for at in range(12) if gaps[at]], f"{seed}/repeats")[:2]
    inserted = sorted(((keyed(gaps[at], f"{seed}/repeats/{at}")[0], at) for at in chosen), reverse=True)
    with_repeats = list(expected)
    for gap, at in inserted:
        with_repeats.insert(gap, replace(expected[at], is_repeat=True))
    # 14 places, three checks: one in each of the gaps 1-4, 5-9, 10-14.
    checks = keyed(CASES.attention, f"{seed}/attention")
    stretches = [range(1, 5), range(5, 10), range(10, 15)]
    at_gap = [keyed(stretch, f"{seed}/attention/places/{n}")[0] for n, stretch in enumerate(stretches, start=1)]
    whole = list(with_repeats)
    for gap, case in sorted(zip(at_gap, checks, strict=True), reverse=True):
        whole.insert(gap, Place(case, with_repeats[min(gap, 13)].arm))
    assert of(design, reader=3, number=2) == whole
