"""Over 10,000 simulated readers every design is balanced: exactly where it promises so, else as chance has it."""

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from scipy.stats import chi2

from readerstudy.readings.plans import ArmPlan, Cases, Design, Place, Seeds, plan
from readerstudy.studies.allocation import shares, williams

READERS = 10_000
ALPHA = 0.001  # the seeds are fixed: a test that passes once passes always
CASES = Cases(scored=tuple(range(1, 13)), positives=frozenset((1, 4, 7, 10)), practice=(), attention=())


FEW = replace(CASES, scored=(1, 2), positives=frozenset((1,)))  # where only the arms matter


def of(design: Design, reader: int, number: int = 1, cases: Cases = CASES) -> list[Place]:
    seeds = Seeds(test="11/test 1", reader=f"11/test 1/reader R{reader:02d}")
    made = plan(design, cases, seeds, ordinal=reader, number=number)
    assert made is not None
    return made


def as_a_sample(counts: Counter[int], pool: list[int], m: int) -> bool:
    """Whether each of the n in `pool` was in as many simple random samples of m as chance has it.

    p = m/n, variance p (1 - p) for each reader and covariance -p (1 - p)/(n - 1): the sum of squares over
    N p (1 - p) n/(n - 1) is chi-square with n - 1 degrees of freedom.
    """
    n, p = len(pool), m / len(pool)
    assert sum(counts[case] for case in pool) == READERS * m
    variance = READERS * p * (1 - p) * n / (n - 1)
    return sum((counts[case] - READERS * p) ** 2 for case in pool) / variance < chi2.ppf(1 - ALPHA, n - 1)


def arms(k: int, wrong: int = 0) -> tuple[ArmPlan, ...]:
    return tuple(ArmPlan(position, wrong if position > 1 else 0) for position in range(1, k + 1))


@pytest.mark.parametrize("k", [2, 3])
def test_parallel_arms_are_equal_after_every_run_of_readers(k: int) -> None:
    drawn = [
        of(Design(arms_design="parallel", arms=arms(k)), reader, cases=FEW)[0].arm for reader in range(1, READERS + 1)
    ]
    orders = len(williams(k))
    complete = READERS - READERS % orders
    for start in range(0, complete, orders):
        assert set(Counter(drawn[start : start + orders]).values()) == {orders // k}
    assert max(Counter(drawn).values()) - min(Counter(drawn).values()) <= orders // k


@pytest.mark.parametrize("k", [2, 3])
def test_a_crossovers_sequences_are_equally_many_and_so_is_each_arm_in_each_part(k: int) -> None:
    design = Design(arms_design="crossover", arms=arms(k))
    orders = len(williams(k))
    complete = READERS - READERS % orders
    sequences = [
        tuple(of(design, reader, number, FEW)[0].arm for number in range(1, k + 1)) for reader in range(1, complete + 1)
    ]
    assert {tuple(arm - 1 for arm in sequence if arm) for sequence in sequences} == set(williams(k))
    assert set(Counter(sequences).values()) == {complete // orders}
    for part in range(k):
        assert set(Counter(sequence[part] for sequence in sequences).values()) == {complete // k}


def test_alternating_arms_get_each_case_equally_often() -> None:
    """Of twelve cases in blocks of three each reader reads six in each arm, a simple random sample of them all."""
    design = Design(arms_design="alternating", arms=arms(2, wrong=50), block_size=3)
    counts: Counter[int] = Counter()
    begins: Counter[int | None] = Counter()
    wrong: Counter[int] = Counter()
    for reader in range(1, READERS + 1):
        made = of(design, reader)
        begins[made[0].arm] += 1
        counts.update(place.case for place in made if place.arm == 1)
        wrong.update(place.case for place in made if place.advice_is_wrong)
    assert set(begins.values()) == {READERS // 2}
    assert as_a_sample(counts, list(CASES.scored), 6)
    assert as_a_sample(wrong, list(CASES.scored), 3)  # half of the six with advice


@pytest.mark.parametrize("n_positive", [None, 1])
def test_batches_hold_their_mix_and_each_case_equally_often(n_positive: int | None) -> None:
    design = Design(cases_read="batches", cases_per_reading=4, positives_per_reading=n_positive, most_readings=2)
    counts = {1: Counter[int](), 2: Counter[int]()}
    for reader in range(1, READERS + 1):
        batches = {number: {place.case for place in of(design, reader, number)} for number in (1, 2)}
        assert not batches[1] & batches[2]
        for number, batch in batches.items():
            assert len(batch) == 4
            assert n_positive is None or len(batch & CASES.positives) == n_positive
            counts[number].update(batch)
    yes, no = sorted(CASES.positives), sorted(set(CASES.scored) - CASES.positives)
    for drawn in counts.values():
        if n_positive is None:
            assert as_a_sample(drawn, list(CASES.scored), 4)
        else:
            assert as_a_sample(drawn, yes, 1)
            assert as_a_sample(drawn, no, 3)


def test_disjoint_shares_of_ten_thousand_readers_are_disjoint_and_leave_nothing() -> None:
    yes, no = list(range(READERS)), list(range(READERS, 3 * READERS))
    made = shares(yes, no, size=3, n_positive=1, seed="11/test 1/sample")
    assert len(made) == READERS
    assert all(sum(case < READERS for case in share) == 1 for share in made)
    assert sorted(case for share in made for case in share) == yes + no


def test_the_first_disjoint_share_is_a_simple_random_sample() -> None:
    counts: Counter[int] = Counter()
    for seed in range(READERS):
        counts.update(shares(list(range(6)), list(range(6, 12)), size=3, n_positive=None, seed=str(seed))[0])
    assert as_a_sample(counts, list(range(12)), 3)


def test_repeats_come_of_each_case_equally_often_and_never_too_near() -> None:
    """Of a design in one arm every case but the last `repeat_distance` of the order can come again."""
    design = Design(repeats=2, repeat_distance=3)
    counts: Counter[int] = Counter()
    for reader in range(1, READERS + 1):
        made = of(design, reader)
        again = [at for at, place in enumerate(made) if place.is_repeat]
        assert len(again) == 2
        for at in again:
            first = next(before for before, place in enumerate(made) if place.case == made[at].case)
            assert at - first > 3
        counts.update(made[at].case for at in again)
    assert as_a_sample(counts, list(CASES.scored), 2)


def test_a_stratified_order_puts_each_case_at_each_place_equally_often_within_its_class() -> None:
    """By symmetry: all cases of a class have the same chance of each place."""
    design = Design(order="stratified")
    at_place: Counter[tuple[int, int]] = Counter()
    for reader in range(1, READERS + 1):
        at_place.update((place.case, at) for at, place in enumerate(of(design, reader)))
    for side in (sorted(CASES.positives), sorted(set(CASES.scored) - CASES.positives)):
        statistic, freedom = 0.0, 0
        for at in range(12):
            observed = [at_place[case, at] for case in side]
            mean = sum(observed) / len(side)
            if mean:
                statistic += sum((count - mean) ** 2 for count in observed) / mean
                freedom += len(side) - 1
        assert sum(at_place[case, at] for case, at in product(side, range(12))) == READERS * len(side)
        assert statistic < chi2.ppf(1 - ALPHA, freedom)
