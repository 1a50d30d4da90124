"""Missing answers and the average reader as the plan says; what is fragile is said, and nothing else is."""

import math
from typing import Any

import numpy as np
import pytest

from readerstudy.results.primary.numbers import PlannedTest, primary_analysis
from readerstudy.results.primary.roles import EXPLORATORY, NAMED, QUANTITIES, role_of_figure, role_of_model, roles_of
from readerstudy.studies import plan as planned
from readerstudy.studies.plan import SECONDARY
from tests.results.primary.tables import MATCHED, OF_AUC, plan, table

NAN = math.nan
N = 12
TRUTH = np.repeat([1, 0], N)
# The model at 0.5: 9 of 12 positives, 10 of 12 negatives right.
SCORES = np.concatenate([np.where(np.arange(N) < 9, 0.9, 0.2), np.where(np.arange(N) < 2, 0.8, 0.1)])


def readers(*found: int, r: int = 6) -> np.ndarray:
    """Six readers who find so many of the twelve positives (spread over other cases than the model's) and call two
    negatives positive."""
    rows = []
    for k in range(r):
        yes = (np.arange(N) + k) % N < found[k % len(found)]
        rows.append(np.concatenate([yes, np.arange(N) >= 10]))
    return np.array(rows, dtype=float)


def one(values: dict[str, Any], *arrays: Any, **options: Any) -> PlannedTest:
    found = primary_analysis(plan(**values), [table(*arrays, **options)])
    assert found is not None
    return found.tests[0]


# --- missing answers -------------------------------------------------------------------------------------------------


@pytest.fixture
def gaps() -> np.ndarray:
    """The first reader has answered the negatives and no more than six positives, the last has not begun."""
    said = readers(6)
    said[0, 6:N] = NAN
    said[5] = NAN
    return said


def test_only_complete_readers(gaps: np.ndarray) -> None:
    found = one({}, TRUTH, SCORES, gaps)
    assert (found.n_readers, found.n_left_out, found.n_missing) == (4, 2, 6)
    assert found.difference.value == pytest.approx(9 / 12 - 6 / 12)
    assert "6 answers of readers who have begun are missing; the rule: only readers who answered every case enter." in (
        found.guardrails
    )
    assert any(sentence.startswith("2 of the readers asked do not enter") for sentence in found.guardrails)


def test_each_on_the_cases_answered(gaps: np.ndarray) -> None:
    found = one({"missing": planned.AVAILABLE}, TRUTH, SCORES, gaps)
    assert (found.n_readers, found.n_left_out, found.n_missing) == (5, 1, 6)
    # The first answered the positives 1-6, all of them rightly, as did the model: no difference on these cases.
    assert gaps[0, :6].tolist() == [1] * 6
    assert found.difference.value == pytest.approx((0 + 4 * (9 / 12 - 6 / 12)) / 5)
    assert any("on the cases that he or she answered" in sentence for sentence in found.guardrails)


def test_a_missing_answer_counts_as_right(gaps: np.ndarray) -> None:
    found = one({"missing": planned.COUNTED_RIGHT}, TRUTH, SCORES, gaps)
    assert (found.n_readers, found.n_left_out) == (5, 1)  # who has not begun has no answer that could be missing
    # The first is then right on all twelve.
    assert found.difference.value == pytest.approx(((9 / 12 - 1) + 4 * (9 / 12 - 6 / 12)) / 5)
    assert any("counts as right" in sentence for sentence in found.guardrails)


def test_without_a_gap_the_rules_are_one() -> None:
    found = {
        rule: one({"missing": rule}, TRUTH, SCORES, readers(5, 7))
        for rule in (planned.COMPLETE_READERS, planned.AVAILABLE, planned.COUNTED_RIGHT)
    }
    assert len({test.difference for test in found.values()}) == 1
    assert not any("missing" in sentence for test in found.values() for sentence in test.guardrails)


# --- the average reader ----------------------------------------------------------------------------------------------


def test_only_the_certified_are_averaged() -> None:
    said = readers(4, 10)
    certified = [False, True] * 3
    found = one({"average": planned.CERTIFIED_READERS}, TRUTH, SCORES, said, certified=certified)
    assert (found.n_readers, found.n_left_out, found.comparator) == (3, 3, pytest.approx(10 / 12))
    assert one({}, TRUTH, SCORES, said, certified=certified).comparator == pytest.approx(7 / 12)
    with pytest.raises(ValueError, match="attributes were not read"):
        one({"average": planned.CERTIFIED_READERS}, TRUTH, SCORES, said)
    nobody = one({"average": planned.CERTIFIED_READERS}, TRUTH, SCORES, said, certified=[False] * 6)
    assert (nobody.decision, nobody.n_readers) == ("undefined", 0)
    assert "no reader enters" in nobody.difference.note


# --- what cannot be done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "said", "why"),
    [
        (None, readers(6), "no model has scored this test"),
        (np.full(24, NAN), readers(6), "no case of this test has a score yet"),
        (np.where(TRUTH == 1, 0.5, NAN), readers(6), "a class has no case with a score"),
        (SCORES, np.empty((0, 24)), "no reader enters by the plan's rules"),
        (SCORES, np.full((3, 24), NAN), "no reader enters by the plan's rules"),
    ],
)
@pytest.mark.parametrize("method", [planned.OR_RANDOM, planned.BOOTSTRAP])
def test_what_cannot_be_computed_says_why(scores: Any, said: Any, why: str, method: str) -> None:
    found = one({"method": method, **(MATCHED if method == planned.BOOTSTRAP else {})}, TRUTH, scores, said)
    assert (found.decision, found.difference.note) == ("undefined", why)
    assert math.isnan(found.p)
    assert math.isnan(found.adjusted_p)


def test_a_model_that_cannot_score_the_test() -> None:
    found = one({}, TRUTH, np.full(24, NAN), readers(6), problem="No class lies under melanoma.")
    assert (found.decision, found.difference.note) == ("undefined", "No class lies under melanoma")


def test_readers_who_never_saw_a_positive_have_no_match() -> None:
    said = readers(6)
    said[:, :N] = NAN
    for method in (planned.OR_RANDOM, planned.BOOTSTRAP):
        found = one({"method": method, "missing": planned.AVAILABLE, **MATCHED}, TRUTH, SCORES, said)
        assert found.decision == "undefined"
        assert math.isnan(found.p)


def test_one_reader_and_readers_who_agree() -> None:
    lonely = one({}, TRUTH, SCORES, readers(6)[:1])
    assert lonely.decision == "undefined"  # no variance between readers can be estimated
    same = one({"method": planned.OR_CASES_FIXED}, TRUTH, SCORES, np.tile(readers(6)[0], (6, 1)))
    assert same.decision == "undefined"
    assert "no positive variance" in same.difference.note


# --- guardrails ------------------------------------------------------------------------------------------------------


def many(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n positive and n negative cases on which model and readers differ often."""
    truth = np.repeat([1, 0], n)
    scores = np.where(np.arange(2 * n) % 3 > 0, 0.9, 0.1)
    said = np.array([(np.arange(2 * n) + k) % 4 > 1 for k in range(6)], dtype=float)
    return truth, scores, said


def test_nothing_fragile_nothing_said() -> None:
    assert one({}, *many(60)).guardrails == ()


@pytest.mark.parametrize(
    ("values", "arrays", "options", "sentence"),
    [
        ({}, (*many(60)[:2], many(60)[2][:4]), {}, "Fewer than 5 readers (4): no sound inference to other readers."),
        ({}, many(9), {}, "Fewer than 10 positive cases (9): the result is fragile."),
        ({"endpoint": planned.SPECIFICITY}, many(9), {}, "Fewer than 10 negative cases (9): the result is fragile."),
        ({**OF_AUC, "reference": 0.5}, many(9), {}, "Fewer than 10 negative cases (9): the result is fragile."),
        (MATCHED, many(60), {}, "this test takes it as given, so that its interval is too narrow."),
        ({**MATCHED, "method": planned.BOOTSTRAP}, many(60), {}, "each resample chooses it anew"),
        ({}, (TRUTH, SCORES, readers(6)), {}, "Fewer than 10 discordant pairs between the model and 6 of 6 readers"),
        ({}, many(60), {"leaked": (3, 4)}, "The model has seen 2 of these cases in training"),
        (
            {},
            (many(60)[0], np.where(np.arange(120) == 7, NAN, many(60)[1]), many(60)[2]),
            {},
            "1 case without a score of the model is left out.",
        ),
    ],
)
def test_what_is_fragile_is_said_once(values: Any, arrays: Any, options: Any, sentence: str) -> None:
    found = one(values, *arrays, **options)
    assert sum(sentence in guardrail for guardrail in found.guardrails) == 1, found.guardrails


def test_sensitivity_rests_on_the_positives_alone_unless_it_is_matched() -> None:
    truth, scores, said = many(60)
    few = np.r_[0:60, 60:69]  # nine negatives
    arrays = truth[few], scores[few], said[:, few]
    assert not any("negative" in sentence for sentence in one({}, *arrays).guardrails)
    assert any("10 negative cases (9)" in sentence for sentence in one(MATCHED, *arrays).guardrails)


# --- roles -----------------------------------------------------------------------------------------------------------


def test_what_the_plan_does_not_name_is_exploratory() -> None:
    assert set(roles_of(None).values()) == {EXPLORATORY}
    roles = roles_of(plan(secondary=("auc", "subgroups")))
    assert {name for name, role in roles.items() if role == NAMED} == {"auc", "subgroups"}
    assert set(roles) == set(QUANTITIES) == set(SECONDARY) - {"other questions"}
    assert role_of_model(plan(secondary=("auc",))) == NAMED
    assert role_of_model(plan(secondary=("readers",))) == EXPLORATORY
    # A second question is secondary as a whole, or not at all: naming a quantity names the first question's.
    assert set(roles_of(plan(secondary=("auc", "readers")), first_question=False).values()) == {EXPLORATORY}
    assert set(roles_of(plan(secondary=("other questions",)), first_question=False).values()) == {NAMED}


def test_the_role_of_a_figure() -> None:
    roles = roles_of(plan(secondary=("decisions",)))
    assert role_of_figure(roles, "decision-curve") == role_of_figure(roles, "excisions") == NAMED
    for name in ("forest", "agreement", "pace", "anything new"):
        assert role_of_figure(roles, name) == EXPLORATORY
    assert role_of_figure(roles, "flow") == role_of_figure(roles, "taxonomy") == ""  # no outcome of the study
