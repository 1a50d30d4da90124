"""The numbers behind a test's figure, against hand-worked values and the room's own statistics on the same arrays.

The study is that of tests/results/conftest.py: positives score 0.9, 0.8, 0.6, 0.3; negatives 0.7, 0.5, 0.3, 0.2, 0.1,
0.05. The average specificity is (5/6 + 3/6) / 2 = 4/6 and the average sensitivity (3/4 + 2/4) / 2 = 0.625.
"""

import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.multitest import multipletests

from readerstudy.results.analysis import analyse
from readerstudy.results.stats import adjust_p, bootstrap_part_minus_whole, net_benefit_of_decisions
from readerstudy.results.supplement.numbers import (
    THRESHOLDS,
    Supplement,
    supplement,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from readerstudy.results.tables import study_tables
from tests.results.conftest import Worked


@pytest.fixture
def numbers(worked: Worked) -> Supplement:
    tables = study_tables(worked.study, worked.model, detailed=True)
    return supplement(tables.tests[0], analyse(tables).tests[0])


def test_thresholds_match_the_average_reader(numbers: Supplement) -> None:
    """Four of six negatives lie below 0.5 (0.3, 0.2, 0.1, 0.05): at 0.5 the specificity is 4/6, three positives stay.

    Three of four positives (0.75 >= 0.625) are reached at 0.6, which leaves one negative (0.7): specificity 5/6.
    """
    assert numbers.against is not None
    strict, lenient = numbers.against.at_specificity, numbers.against.at_sensitivity
    assert 0.3 < strict.threshold <= 0.6
    assert (strict.point.tp, strict.point.fn, strict.point.tn, strict.point.fp) == (3, 1, 4, 2)
    assert lenient.threshold == pytest.approx(0.6)
    assert (lenient.point.tp, lenient.point.fn, lenient.point.tn, lenient.point.fp) == (3, 1, 5, 1)


def test_threshold_where_nothing_is_specific_enough_is_infinite() -> None:
    truth, scores = np.array([1, 0, 1]), np.array([0.2, 0.9, math.nan])
    assert threshold_for_specificity(truth, scores, 1.0) == math.inf
    assert threshold_for_specificity(truth, scores, 0.0) == 0.2
    assert threshold_for_sensitivity(truth, scores, 1.0) == 0.2


def test_mcnemar_is_at_each_readers_own_specificity(numbers: Supplement) -> None:
    """R01 (5/6 specific): the model at 0.6 finds c1-c3, as R01 does: no discordant pair, no p.

    R02 (3/6): the model at a threshold above 0.2 finds all but none above; the lowest threshold with 3 of 6 negatives
    below it is 0.3, where all four positives are called. R02 found c1 and c2: b = 0, c = 2, p = 2 * (1/2)^2 = 0.5.
    """
    assert numbers.against is not None
    first, second = numbers.against.tests
    assert (first.code, first.mcnemar.b, first.mcnemar.c) == ("R01", 0, 0)
    assert math.isnan(first.mcnemar.exact_p)
    assert (second.mcnemar.b, second.mcnemar.c) == (0, 2)
    # corrected over one test only
    assert [second.mcnemar.exact_p, second.holm_p, second.fdr_p] == pytest.approx([0.5, 0.5, 0.5])


def test_model_minus_the_average_reader(numbers: Supplement) -> None:
    """Sensitivity 3/4 - 0.625, specificity 5/6 - 4/6; with cases fixed, a one-sample t over two readers (df 1)."""
    assert numbers.against is not None
    assert numbers.against.sensitivity.main.difference.value == pytest.approx(0.125)
    assert numbers.against.specificity.main.difference.value == pytest.approx(1 / 6)
    assert numbers.against.sensitivity.cases_fixed.df == pytest.approx(1)


def test_agreement_of_the_two(numbers: Supplement, worked: Worked) -> None:
    """Cohen's kappa as scikit-learn has it: yes on c1, c2, c3, c5 against c1, c2, c5, c6, c7."""
    one = [int(i in (1, 2, 3, 5)) for i in range(1, 11)]
    other = [int(i in (1, 2, 5, 6, 7)) for i in range(1, 11)]
    assert numbers.agreement is not None
    assert numbers.agreement.pairs[0, 1] == pytest.approx(cohen_kappa_score(one, other))


def test_majority_counts_a_split_as_positive(numbers: Supplement) -> None:
    """Yes from either: c1, c2, c3 of four; c5, c6, c7 of six. Split: c3, c6, c7."""
    assert numbers.vote is not None
    point = numbers.vote.point
    assert (point.tp, point.fn, point.fp, point.tn, numbers.vote.n_ties) == (3, 1, 3, 3, 3)


def test_readers_net_benefit_is_the_mean_of_each(numbers: Supplement, worked: Worked) -> None:
    table = study_tables(worked.study, worked.model, detailed=True).tests[0]
    rows = [net_benefit_of_decisions(table.cases.truth, row, THRESHOLDS) for row in table.questions[0].decisions]
    expected = [np.mean([row[i].net_benefit.value for row in rows]) for i in range(len(THRESHOLDS))]
    assert numbers.decisions is not None
    assert numbers.decisions.readers == pytest.approx(expected)
    assert numbers.decisions.readers_excisions == pytest.approx((4 / 3 + 5 / 2) / 2)


def test_pace_from_the_browsers_times(numbers: Supplement) -> None:
    """Every answer is given 3 s after the case is shown (tests/results/made.py). Right: R01 8, R02 5 of ten each."""
    assert numbers.pace is not None
    assert (numbers.pace.median, numbers.pace.n_timed, numbers.pace.n_answers) == (3.0, 20, 20)
    assert len(numbers.pace.bins) == 10
    assert sum(part.right.count for part in numbers.pace.bins) == 8 + 5
    assert {part.right.n for part in numbers.pace.bins} == {2}


def test_disagreement(numbers: Supplement, worked: Worked) -> None:
    """At 3 of 4 and 4 of 6 the model calls c1, c2, c3, c5, c6 positive. Both readers miss c4, as the model does; both
    call c5, as it does; both are right on c8-c10, c1, c2: no case divides all of them from the model."""
    assert numbers.disagreement is not None
    assert numbers.disagreement.only_model == ()
    assert numbers.disagreement.only_readers == ()


def test_the_guardrails_are_said(numbers: Supplement) -> None:
    text = " ".join(numbers.notes)
    assert "Fewer than 5 complete readers (2)" in text
    assert "Fewer than 10 positive cases (4)" in text
    assert "Fewer than 10 negative cases (6)" in text
    assert "Fewer than 10 discordant pairs between the model and R02" in text
    assert "No discordant pair between the model and R01" in text
    assert "threshold is chosen on these same cases" in text


def test_without_a_model_the_readers_remain(worked: Worked) -> None:
    tables = study_tables(worked.study, None, detailed=True)
    found = supplement(tables.tests[0], analyse(tables).tests[0])
    assert found.against is None
    assert found.calibration is None
    assert found.decisions is None
    assert found.agreement is not None


def test_without_a_complete_reader_nothing_is_made_up(worked: Worked) -> None:
    tables = study_tables(worked.study, worked.model, detailed=True)
    table = tables.tests[0]
    question = dataclasses.replace(table.questions[0], decisions=np.full((2, 10), np.nan))
    emptied = dataclasses.replace(tables, tests=(dataclasses.replace(table, questions=(question,)),))
    found = supplement(emptied.tests[0], analyse(emptied).tests[0])
    assert (found.codes, found.against, found.agreement, found.vote) == ((), None, None, None)
    assert any("Fewer than 5 complete readers (0)" in note for note in found.notes)


def test_a_part_against_the_whole_moves_together() -> None:
    """The value by scikit-learn; an interval narrower than the part's AUC alone has when it is most of the whole."""
    rng = np.random.default_rng(5)
    truth = np.repeat([1, 0], [60, 140])
    score = rng.normal(size=200) + 1.2 * truth
    part = (rng.random(200) < 0.9).astype(int)
    inside = part == 1
    found = bootstrap_part_minus_whole(truth, score, part, replicates=500)
    expected = roc_auc_score(truth[inside], score[inside]) - roc_auc_score(truth, score)
    assert found.estimate.value == pytest.approx(expected)
    assert found.estimate.low < expected < found.estimate.high
    assert found.estimate.high - found.estimate.low < 0.06  # the part's own AUC has 0.13
    twice = bootstrap_part_minus_whole(truth, score, part, replicates=500)
    assert twice.estimate == found.estimate
    whole = bootstrap_part_minus_whole(truth, score, np.ones(200), replicates=50).estimate
    assert whole.value == 0
    assert not whole.has_interval


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("holm", "holm"), ("hochberg", "simes-hochberg"), ("bonferroni", "bonferroni"),
     ("benjamini-hochberg", "fdr_bh"), ("benjamini-yekutieli", "fdr_by")],
)  # fmt: skip
def test_corrections_equal_those_of_statsmodels(ours: str, theirs: str) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = rng.random(size) ** 3
        assert adjust_p(p, ours) == pytest.approx(multipletests(p, method=theirs)[1], rel=1e-12)
