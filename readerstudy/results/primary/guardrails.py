"""What makes the primary result fragile, in sentences that are printed with it, each once."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from readerstudy.results.arrays import ModelTable
from readerstudy.results.stats.arrays import FEW_CASES, FEW_DISCORDANT, FEW_READERS
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import Contrast, Plan

MISSING_RULES = {
    planned.COMPLETE_READERS: "only readers who answered every case enter",
    planned.AVAILABLE: "each reader is compared with the model on the cases that he or she answered",
    planned.COUNTED_RIGHT: "each missing answer counts as right, which favours the readers",
}


class ContrastNumbers(Protocol):
    """What is looked at of a comparison of two conditions: `contrasts.ContrastResult`."""

    @property
    def asked(self) -> Contrast: ...
    @property
    def n_readers(self) -> int: ...
    @property
    def n_left_out(self) -> int: ...
    @property
    def n_missing(self) -> int: ...
    @property
    def n_positive(self) -> int: ...
    @property
    def n_negative(self) -> int: ...
    @property
    def n_discordant(self) -> int: ...
    @property
    def paired(self) -> bool: ...


def of_model(model: ModelTable | None) -> list[str]:
    """Cases that it has not scored, or has seen in training."""
    if model is None or model.problem:
        return []
    notes = []
    if n := int(np.isnan(model.case_scores).sum()):
        notes.append(
            f"{n} case{'s' if n != 1 else ''} without a score of the model {'are' if n != 1 else 'is'} left out."
        )
    if n := len(model.leaked_cases):
        notes.append(f"The model has seen {n} of these cases in training: its numbers are not those of unseen images.")
    return notes


def of_sizes(plan: Plan, n_positive: int, n_negative: int) -> list[str]:
    """Few cases in a class that the endpoint rests on; a match rests on both."""
    matched = plan.threshold_origin == planned.TEST_SET
    sizes = []
    if plan.endpoint != planned.SPECIFICITY or matched:
        sizes.append((n_positive, "positive"))
    if plan.endpoint != planned.SENSITIVITY or matched:
        sizes.append((n_negative, "negative"))
    return [
        f"Fewer than {FEW_CASES} {word} cases ({size}): the result is fragile."
        for size, word in sizes
        if size < FEW_CASES
    ]


def of_readers(plan: Plan, n_readers: int, n_left_out: int, n_missing: int) -> list[str]:
    """Few readers, and what became of the answers that are not there."""
    notes = []
    if n_readers < FEW_READERS and plan.method != planned.OR_READERS_FIXED:
        notes.append(f"Fewer than {FEW_READERS} readers ({n_readers}): no sound inference to other readers.")
    if n_missing:
        answers = f"{n_missing} answer{'s' if n_missing != 1 else ''} of readers who have begun"
        notes.append(f"{answers} {'are' if n_missing != 1 else 'is'} missing; the rule: {MISSING_RULES[plan.missing]}.")
    if n_left_out:
        notes.append(
            f"{n_left_out} of the readers asked {'do' if n_left_out != 1 else 'does'} not enter: not begun, "
            "left out by the rule for missing answers, or not among those whom the plan averages."
        )
    return notes


def of_plan(plan: Plan, discordant: Sequence[int]) -> list[str]:
    """A threshold chosen on the test set, and few cases on which a reader and the model differ."""
    notes = []
    if plan.threshold_origin == planned.TEST_SET:
        said = "The model's threshold is chosen on the test set, to match the average reader: "
        if plan.method == planned.BOOTSTRAP:
            notes.append(said + "each resample chooses it anew, so that the interval includes the choice.")
        else:
            notes.append(said + "this test takes it as given, so that its interval is too narrow.")
    few = sum(pairs < FEW_DISCORDANT for pairs in discordant)
    if few:
        readers = f"{few} of {len(discordant)} reader{'s' if len(discordant) != 1 else ''}"
        notes.append(f"Fewer than {FEW_DISCORDANT} discordant pairs between the model and {readers}: fragile.")
    return notes


def of_contrast(plan: Plan, found: ContrastNumbers, sides: Sequence[int], *, same_readers: bool) -> Iterator[str]:
    """Of a comparison of two conditions that rests on the cases of these ``sides`` (1 positive; empty: on all)."""
    for side, n, word in ((1, found.n_positive, "positive "), (0, found.n_negative, "negative ")):
        if side in sides and n < FEW_CASES:
            yield f"Fewer than {FEW_CASES} {word}cases ({n}): the result is fragile."
    if not sides and (n := found.n_positive + found.n_negative) < FEW_CASES:
        yield f"Fewer than {FEW_CASES} cases ({n}): the result is fragile."
    if found.asked.method == planned.OR_READERS_FIXED:
        yield "These readers only: no inference to other readers."
    elif found.n_readers < FEW_READERS:
        yield f"Fewer than {FEW_READERS} readers ({found.n_readers}): no sound inference to other readers."
    if found.asked.method == planned.OR_CASES_FIXED:
        yield "These cases only: no inference to other cases."
    if found.n_missing:
        answers = f"{found.n_missing} answer{'s' if found.n_missing != 1 else ''} of readers who have begun"
        rule = "only readers who answered every case enter"
        if plan.missing == planned.AVAILABLE:
            rule = "each reader counts with the cases that he or she answered"
        yield f"{answers} {'are' if found.n_missing != 1 else 'is'} missing; the rule: {rule}."
    if n := found.n_left_out:
        yield (
            f"{n} of the readers asked {'do' if n != 1 else 'does'} not enter: not begun, left out by the rule for "
            "missing answers, or not among those whom the plan averages."
        )
    if 0 <= found.n_discordant < FEW_DISCORDANT and found.n_readers:
        yield f"Fewer than {FEW_DISCORDANT} answers differ between the conditions ({found.n_discordant}): fragile."
    if found.n_readers and not same_readers:
        yield "Other readers under each condition: the readers' differences are part of the difference."
    elif found.n_readers and not found.paired:
        yield "The readers answered other cases under each condition: the cases' are part of the difference."


def of_family(plan: Plan, *families: int) -> tuple[str, ...]:
    """Several tests without a correction: how many are primary, and how many secondary."""
    if plan.multiplicity != planned.NO_CORRECTION:
        return ()
    return tuple(
        f"{n} tests at alpha {plan.alpha:g} each, not corrected: the chance that at least one succeeds "
        "without a difference is larger than alpha."
        for n in families
        if n > 1
    )
