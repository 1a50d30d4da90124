"""What the readers of a test said under a condition, as matrices (readers, cases) with NaN where nothing was said."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from readerstudy.results.arrays import TestTable
from readerstudy.results.conditions.agreeing import class_of_cases, named_among_first
from readerstudy.results.conditions.table import (
    CLASSES,
    NOT_SAID,
    RANKING,
    SCALE,
    AskedTable,
    Bools,
    ConditionTable,
    Floats,
    Ints,
)
from readerstudy.results.conditions.threads import Condition, Thread, has_nodes, has_sides

SIDES, CLASS = "decision", "class"  # what of an answer is looked at; of a ranking "top-1", "top-3", ...
MOST_NAMED = 3


@dataclass(slots=True, eq=False)
class Said:
    """The answers of a test at its stages and in its arms."""

    test: TestTable
    table: ConditionTable
    _right: dict[tuple[str, int], Floats] = field(default_factory=dict)

    @property
    def truth(self) -> Ints:
        return self.test.cases.truth

    def items(self, condition: Condition) -> Bools:
        """(m,): which items were read under this condition."""
        chosen = self.table.arm == condition.arm
        return chosen if condition.turned is None else chosen & (self.table.turned == condition.turned)

    def assigned(self, condition: Condition) -> Bools:
        """(readers, cases): what was to be read under this condition."""
        return self._matrix(condition, np.ones(len(self.table.reader))) == 1

    def answered(self, thread: Thread, condition: Condition) -> Bools:
        asked = thread.at(condition.stage)
        said = np.array([bool(nodes) for nodes in asked.nodes]) if asked.kind == RANKING else asked.choice != NOT_SAID
        return self._matrix(condition, said.astype(float)) == 1

    def decisions(self, thread: Thread, condition: Condition) -> Floats:
        """1 positive, 0 negative."""
        return self._matrix(condition, _sides(thread.at(condition.stage)))

    def right(self, thread: Thread, condition: Condition, aspect: str) -> Floats:
        """1 right, 0 wrong by this aspect of the answers."""
        asked = thread.at(condition.stage)
        key = (aspect, asked.position)
        if key not in self._right:
            self._right[key] = self._right_of(asked, aspect)
        return self._matrix(condition, self._right[key])

    def _right_of(self, asked: AskedTable, aspect: str) -> Floats:
        """(m,)"""
        case, diagnoses = self.table.case, self.test.cases.diagnoses
        if aspect == SIDES:
            said = _sides(asked)
            return np.where(np.isnan(said), np.nan, said == self.truth[case])
        if aspect == CLASS:
            wanted = class_of_cases(self.table.taxonomy, asked, diagnoses)[case]
            return np.where(
                (asked.choice == NOT_SAID) | (wanted == NOT_SAID), np.nan, asked.choice == wanted
            )  # fmt: skip
        return named_among_first(self.table.taxonomy, asked, case, diagnoses, int(aspect.removeprefix("top-")))

    def answers(self, thread: Thread, condition: Condition, aspect: str) -> Floats:
        """A number for each answer, the same for the same: what tells whether it was changed."""
        asked = thread.at(condition.stage)
        if aspect == SIDES:
            return self.decisions(thread, condition)
        if asked.kind == CLASSES:
            return self._matrix(condition, np.where(asked.choice == NOT_SAID, np.nan, asked.choice))
        known = {node: float(i) for i, node in enumerate(self.table.taxonomy.nodes)}
        first = [known.get(nodes[0], np.nan) if nodes else np.nan for nodes in asked.nodes]
        return self._matrix(condition, np.array(first, dtype=np.float64))

    def advice_right(self, condition: Condition) -> Floats:
        """1 the advice named the case's side, 0 the other one, NaN none."""
        said = self.table.advised
        return self._matrix(condition, np.where(np.isnan(said), np.nan, said == self.truth[self.table.case]))

    def ratings(self, thread: Thread, pair: Sequence[Condition]) -> tuple[Floats, ...]:
        """The decisions weighed by how sure the reader was of them, under each condition; empty where the stages do not
        ask for it on one scale.

        The surest yes is the highest rating, the surest no the lowest: with a scale from a to b a decision of level c
        gets c - a + 1, a negative one the same below 0. The first scale of a stage that the other stage has too counts.
        """
        scales = [[one for one in self.table.asked if one.stage == c.stage and one.kind == SCALE] for c in pair]
        shared = [one for one in scales[0] if all(any(_range(one) == _range(o) for o in there) for there in scales)]
        if not shared:
            return ()
        found = []
        for condition, there in zip(pair, scales, strict=True):
            scale = next(one for one in there if _range(one) == _range(shared[0]))
            level = scale.number - (scale.least or 0) + 1
            said = _sides(thread.at(condition.stage))
            found.append(self._matrix(condition, np.where(said == 1, level, np.where(said == 0, -level, np.nan))))
        return tuple(found)

    def labels(self, thread: Thread) -> tuple[tuple[str, ...], Ints]:
        """The answers of a question of classes, and which of them is right for each case (n,), NOT_SAID for none."""
        asked = thread.asked[0]
        labels = tuple(choice.label for choice in asked.choices)
        return labels, class_of_cases(self.table.taxonomy, asked, self.test.cases.diagnoses)

    def _matrix(self, condition: Condition, values: Floats) -> Floats:
        """(m,) -> (readers, cases)"""
        found = np.full((len(self.test.readers), self.test.cases.n), np.nan)
        chosen = self.items(condition)
        found[self.table.reader[chosen], self.table.case[chosen]] = values[chosen]
        return found


def aspects(thread: Thread) -> tuple[str, ...]:
    """What of the thread's answers can be right or wrong."""
    asked = thread.asked[0]
    if asked.kind == RANKING:
        most = min(min(one.most or 1 for one in thread.asked), MOST_NAMED)
        return ("top-1",) if most == 1 else ("top-1", f"top-{most}")
    return (*([SIDES] if has_sides(asked) else []), *([CLASS] if has_nodes(asked) else []))


def _sides(asked: AskedTable) -> Floats:
    """(m,): 1 positive, 0 negative, NaN nothing said."""
    sides = np.array([*(float(bool(choice.is_positive)) for choice in asked.choices), np.nan])
    return sides[asked.choice]  # NOT_SAID is the last


def _range(scale: AskedTable) -> tuple[object, ...]:
    return scale.least, scale.most, scale.least_label, scale.most_label
