"""Which questions of the stages belong together, under which conditions they were answered, and what is compared."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from readerstudy.results.conditions.table import (
    CLASSES,
    DECISION,
    NO_ADVICE,
    RANKING,
    ArmFacts,
    AskedTable,
    ConditionTable,
    StageFacts,
)

OTHER_WORDS = "the stages ask it with other answers: each stage's positive answer is taken as the same"
ADVICE = {
    "probability": "the model's probability", "classes": "the model's class probabilities",
    "neighbours": "similar cases", "saliency": "saliency map",
}  # fmt: skip
SINGLE, PARALLEL = "single", "parallel"  # of `Allotment.Arms`
STAGES, ARMS = "stages", "arms"  # what two conditions differ in


@dataclass(frozen=True, slots=True)
class Condition:
    """Under what a question was answered: a stage, in an arm, with the model's advice or with advice turned against it.

    ``arm`` is 0 and ``arm_title`` empty where the test has only one. ``advice``: its kind, empty where none is shown.
    ``turned`` is None where the arm turns no advice, or before it. ``name``: all of this in words, each its own.
    """

    stage: int
    arm: int
    arm_title: str
    shows_facts: bool
    modalities: tuple[str, ...]
    advice: str
    turned: bool | None
    numbered: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Thread:
    """The same question at one stage or several, in their order; ``note`` where it is not quite the same."""

    kind: str
    asked: tuple[AskedTable, ...]
    note: str = ""

    def at(self, stage: int) -> AskedTable:
        return next(one for one in self.asked if one.stage == stage)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conditions to be compared, by their index; ``by``: what they differ in, STAGES or ARMS."""

    first: int
    second: int
    by: str


def threads(table: ConditionTable) -> tuple[Thread, ...]:
    """Questions of one kind with the same answers are one question, wherever they are asked; if two of a stage are
    alike, the one with the same text comes first. Decisions that find no other so are paired in their order."""
    found: list[list[AskedTable]] = []
    for asked in sorted(table.asked, key=lambda one: (one.stage, one.position)):
        if not _is_compared(asked):
            continue
        alike = [one for one in found if _answers(one[0]) == _answers(asked) and one[-1].stage < asked.stage]
        alike.sort(key=lambda one: one[-1].text != asked.text)
        if alike:
            alike[0].append(asked)
        else:
            found.append([asked])
    made = [Thread(one[0].kind, tuple(one)) for one in found]
    return tuple(_with_other_words(made))


def _is_compared(asked: AskedTable) -> bool:
    return asked.kind == RANKING or has_sides(asked) or has_nodes(asked)


def has_sides(asked: AskedTable) -> bool:
    """Whether each of its answers counts as positive or as negative."""
    return asked.kind in (DECISION, CLASSES) and all(one.is_positive is not None for one in asked.choices)


def has_nodes(asked: AskedTable) -> bool:
    """Whether its answers are diagnoses: two at least stand for a node of the taxonomy."""
    return asked.kind == CLASSES and sum(bool(one.node) for one in asked.choices) > 1


def _answers(asked: AskedTable) -> tuple[object, ...]:
    return (asked.kind, asked.choices)


def _with_other_words(found: list[Thread]) -> Iterator[Thread]:
    left = [one for one in found if one.kind == DECISION and len(one.asked) == 1]
    taken: list[Thread] = []
    for thread in found:
        if any(thread is one for one in taken):
            continue
        if any(thread is one for one in left):
            stage = thread.asked[0].stage
            for other in left:
                if other.asked[0].stage > stage and not any(other is one for one in taken):
                    taken.append(other)
                    thread = replace(thread, asked=thread.asked + other.asked, note=OTHER_WORDS)
                    stage = other.asked[0].stage
        yield thread


def conditions(table: ConditionTable, thread: Thread) -> tuple[Condition, ...]:
    """Arm by arm, stage by stage, advice as the model gave it before advice that is turned against it."""
    found = []
    for arm in arms_read(table):
        advised = False
        for stage in table.stages:
            if stage.position not in arm.stages:
                continue
            advised |= stage.shows_advice and arm.advice != NO_ADVICE
            if any(asked.stage == stage.position for asked in thread.asked):
                told_apart = (False, True) if advised and arm.wrong_per_cent else (None,)
                found += [_condition(stage, arm, turned, len(arms_read(table)) > 1) for turned in told_apart]
    names = Counter(_name(one) for one in found)
    numbered = [replace(one, numbered=names[_name(one)] > 1) for one in found]
    return tuple(replace(one, name=_name(one)) for one in numbered)


def arms_read(table: ConditionTable) -> tuple[ArmFacts, ...]:
    """Those in which readers read."""
    return table.arms[:1] if table.arms_design == SINGLE else table.arms


def _condition(stage: StageFacts, arm: ArmFacts, turned: bool | None, several: bool) -> Condition:
    return Condition(
        stage=stage.position, arm=arm.position, arm_title=arm.title if several else "", shows_facts=stage.shows_facts,
        modalities=stage.modalities, advice=arm.advice if stage.shows_advice and arm.advice != NO_ADVICE else "",
        turned=turned,
    )  # fmt: skip


def _name(condition: Condition) -> str:
    """Plain English, for files; `words.condition_name` is the same in the page's language."""
    parts = ["clinical facts"] if condition.shows_facts else []
    parts += [f"advice: {ADVICE.get(condition.advice, condition.advice)}"] if condition.advice else []
    name = f"with {' and '.join(parts)}" if parts else "image alone"
    name += f" ({', '.join(condition.modalities)})" if condition.modalities else ""
    name += {None: "", False: ", as the model gave it", True: ", turned against the model"}[condition.turned]
    name += f", arm “{condition.arm_title}”" if condition.arm_title else ""
    return name + (f" (stage {condition.stage})" if condition.numbered else "")


def pairs(table: ConditionTable, found: Sequence[Condition]) -> tuple[Pair, ...]:
    """What is compared: in each arm each stage with the next, and the first with the last; between arms what was said
    last, where one of the two was advised. The condition without advice, or the earlier one, comes first."""
    made: list[Pair] = []
    last: dict[int, list[int]] = {}
    for arm in table.arms:
        at: dict[int, list[int]] = {}
        for index, one in enumerate(found):
            if one.arm == arm.position:
                at.setdefault(one.stage, []).append(index)
        stages = list(at)
        steps = [*pairwise(stages), *([(stages[0], stages[-1])] if len(stages) > 2 else [])]
        for earlier, later in steps:
            made += _matched(found, at[earlier], at[later], STAGES)
        if stages:
            last[arm.position] = at[stages[-1]]
    advises = {arm.position: arm.advice != NO_ADVICE for arm in table.arms}
    for first, second in combinations(last, 2):
        if advises[first] or advises[second]:
            unaided_second = advises[first] and not advises[second]
            ordered = (second, first) if unaided_second else (first, second)
            made += _matched(found, last[ordered[0]], last[ordered[1]], ARMS)
    return tuple(made)


def _matched(found: Sequence[Condition], first: Sequence[int], second: Sequence[int], by: str) -> Iterator[Pair]:
    """Turned advice with turned, the model's with the model's, and either with what was said without the difference."""
    for i in first:
        for j in second:
            if found[i].turned == found[j].turned or None in (found[i].turned, found[j].turned):
                yield Pair(i, j, by)
