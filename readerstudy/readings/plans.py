"""What one reading of a test holds, drawn from seeds: pure functions, no Django, no database.

A plan is over case numbers, so that the same seeds give the same rows in every database. Seeds are text: that of the
test is "STUDY/test POSITION", that of a reader "STUDY/test POSITION/reader CODE", that of his reading number n > 1 the
same with "/reading n"; each draw adds its own word (sample, arms, repeats, attention, wrong, practice).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from readerstudy.studies.allocation import (
    arm_order,
    draw_order,
    draw_some,
    intersperse,
    place_repeats,
    shares,
    spread_order,
)


@dataclass(frozen=True, slots=True)
class ArmPlan:
    position: int
    wrong_per_cent: int = 0


@dataclass(frozen=True, slots=True)
class Design:
    """The choices of `studies.designs.Allotment` that decide what a reading holds. `arms` in their order."""

    cases_read: str = "every"  # or sample, disjoint, batches
    cases_per_reading: int | None = None
    positives_per_reading: int | None = None
    most_readings: int = 1
    order: str = "random"  # or stratified
    arms_design: str = "single"  # or parallel, alternating, crossover
    arms: tuple[ArmPlan, ...] = ()
    block_size: int | None = None
    repeats: int = 0
    repeat_distance: int = 10

    @property
    def needs_classes(self) -> bool:
        """Whether a draw depends on the cases' classes."""
        return self.order == "stratified" or self.positives_per_reading is not None

    @property
    def n_readings(self) -> int:
        """How many readings one reader can have."""
        if self.arms_design == "crossover":
            return max(1, len(self.arms))
        return self.most_readings if self.cases_read == "batches" else 1


@dataclass(frozen=True, slots=True)
class Cases:
    """The numbers of a test's cases by what they are for, each rising; `positives`: of the scored ones, if needed."""

    scored: tuple[int, ...]
    positives: frozenset[int] = frozenset()
    practice: tuple[int, ...] = ()
    attention: tuple[int, ...] = ()

    def sides(self, some: Sequence[int]) -> tuple[list[int], list[int]]:
        return [case for case in some if case in self.positives], [case for case in some if case not in self.positives]


@dataclass(frozen=True, slots=True)
class Seeds:
    """Of a test, and of a reader in it."""

    test: str
    reader: str

    def reading(self, number: int) -> str:
        return self.reader if number == 1 else f"{self.reader}/reading {number}"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a reading: a case (by number), the arm (by position) in which it is read."""

    case: int
    arm: int | None = None
    is_repeat: bool = False
    advice_is_wrong: bool = False


def plan(design: Design, cases: Cases, seeds: Seeds, *, ordinal: int, number: int = 1) -> list[Place] | None:
    """The places of the `number`-th reading of the `ordinal`-th reader of a test, in their order.

    None: there are no cases left for it. Raises StudiesError where the design asks for what its cases do not allow.
    """
    chosen = _chosen(design, cases, seeds, ordinal=ordinal, number=number)
    if chosen is None:
        return None
    seed = seeds.reading(number)
    if design.order == "stratified":
        positives, negatives = cases.sides(chosen)
        order = spread_order(positives, negatives, seed=seed)
    else:
        order = draw_order(chosen, seed=seed)
    arms = _arms(design, seeds, len(order), ordinal=ordinal, number=number)
    places = [Place(case, arm) for case, arm in zip(order, arms, strict=True)]
    places = _with_wrong_advice(design, places, f"{seed}/wrong")
    places = _with_repeats(design, places, f"{seed}/repeats")
    places = _with_attention_checks(cases, places, f"{seed}/attention")
    return _practice(design, cases, arms, number, f"{seed}/practice") + places


def _chosen(design: Design, cases: Cases, seeds: Seeds, *, ordinal: int, number: int) -> list[int] | None:
    """The cases of the reading, rising."""
    if design.cases_read == "every":
        return list(cases.scored)
    # Whoever reads in every arm reads the same cases in each.
    batch = number if design.arms_design != "crossover" else 1
    seed, index = {
        "sample": (f"{seeds.reader}/sample", 0),
        "batches": (f"{seeds.reader}/sample", batch - 1),
        "disjoint": (f"{seeds.test}/shares", ordinal - 1),
    }[design.cases_read]
    positives, negatives = cases.sides(cases.scored)
    size = design.cases_per_reading or len(cases.scored)
    drawn = shares(positives, negatives, size=size, n_positive=design.positives_per_reading, seed=seed)
    return sorted(drawn[index]) if index < len(drawn) else None


def _arms(design: Design, seeds: Seeds, n: int, *, ordinal: int, number: int) -> list[int | None]:
    """The arm of each of n places."""
    if not design.arms:
        return [None] * n
    if design.arms_design == "single":
        return [design.arms[0].position] * n
    order = arm_order(len(design.arms), ordinal=ordinal, seed=f"{seeds.test}/arms")
    sequence = [design.arms[index].position for index in order]
    if design.arms_design == "parallel":
        return [sequence[0]] * n
    if design.arms_design == "crossover":
        return [sequence[number - 1]] * n
    size = design.block_size or 1
    # The next batch begins with the next arm.
    return [sequence[(place // size + number - 1) % len(sequence)] for place in range(n)]


def _with_wrong_advice(design: Design, places: list[Place], seed: str) -> list[Place]:
    """With the advice of the stated share of each arm's cases wrong on purpose."""
    wrong: set[int] = set()
    for arm in design.arms:
        own = [index for index, place in enumerate(places) if place.arm == arm.position]
        wrong.update(draw_some(own, per_cent=arm.wrong_per_cent, seed=f"{seed}/arm {arm.position}"))
    return [replace(place, advice_is_wrong=index in wrong) for index, place in enumerate(places)]


def _with_repeats(design: Design, places: list[Place], seed: str) -> list[Place]:
    found = place_repeats(
        [place.arm for place in places], repeats=design.repeats, distance=design.repeat_distance, seed=seed
    )
    repeated = {gap: [index for at, index in found if at == gap] for gap, _index in found}
    made: list[Place] = []
    for gap in range(len(places) + 1):
        made += [replace(places[index], is_repeat=True) for index in repeated.get(gap, ())]
        made += places[gap : gap + 1]
    return made


def _with_attention_checks(cases: Cases, places: list[Place], seed: str) -> list[Place]:
    """With the attention checks at places of their own, read like those beside them."""
    checks = draw_order(cases.attention, seed=seed)
    gaps = intersperse(len(places), len(checks), seed=f"{seed}/places")
    at = {gap: [case for case, other in zip(checks, gaps, strict=True) if other == gap] for gap in gaps}
    made: list[Place] = []
    for gap in range(len(places) + 1):
        beside = places[min(gap, len(places) - 1)].arm if places else None
        made += [Place(case, beside) for case in at.get(gap, ())]
        made += places[gap : gap + 1]
    return made


def _practice(design: Design, cases: Cases, arms: Sequence[int | None], number: int, seed: str) -> list[Place]:
    """The practice cases: before the first batch, and before each part of a crossover, whose arm is a new one."""
    if number > 1 and design.arms_design != "crossover":
        return []
    return [Place(case, arms[0] if arms else None) for case in draw_order(cases.practice, seed=seed)]
