"""Readers beside the model: McNemar's tests, the matched points, one model against many readers, readers pooled."""

import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from readerstudy.results import stats
from readerstudy.results.stats.mrmc_anova import modality_mean

NAN = math.nan


def test_mcnemar_of_fagerland_lydersen_and_laake():
    # BMC Med Res Methodol 2013; 13:91, airway hyper-responsiveness before and after transplantation: 1 and 7 discordant
    # of 21 pairs. Printed: asymptotic P = 0.034, continuity-corrected 0.077, exact 0.070, mid-P 0.039.
    (found,) = stats.mcnemar_from_counts([1], [7], [21])
    printed = found.chi_square_p, found.corrected_p, found.exact_p, found.mid_p
    assert [round(p, 3) for p in printed] == [0.034, 0.077, 0.070, 0.039]
    assert found.difference.value == pytest.approx(-6 / 21)
    assert "fewer than 10" in found.note


def test_mcnemar_equals_statsmodels(rng):
    b, c = rng.integers(0, 30, 20), rng.integers(1, 30, 20)
    ours = stats.mcnemar_from_counts(b, c, b + c + 5)
    assert len(ours) == 20
    for one, i, j in zip(ours, b, c, strict=True):
        table = [[5, i], [j, 0]]
        assert one.exact_p == pytest.approx(mcnemar(table, exact=True).pvalue)
        assert one.chi_square_p == pytest.approx(mcnemar(table, exact=False, correction=False).pvalue)
        if i != j:
            assert one.corrected_p == pytest.approx(mcnemar(table, exact=False, correction=True).pvalue)


def test_bonett_price_worked_by_hand():
    # b = 3, c = 1, n = 20: p12 = 4 / 22, p21 = 2 / 22; 0.0909 +- 1.96 sqrt((6 / 22 - (2 / 22)^2) / 22)
    (found,) = stats.mcnemar_from_counts([3], [1], [20])
    half = 1.959963984540054 * math.sqrt((6 / 22 - (2 / 22) ** 2) / 22)
    assert (found.difference.low, found.difference.high) == pytest.approx((2 / 22 - half, 2 / 22 + half))


def test_no_discordant_pair_is_no_test():
    (found,) = stats.mcnemar_reader_vs_model([1, 1, 0], [1, 0, 1], [1, 0, 1])
    assert (found.b, found.c, found.n) == (0, 0, 2)
    assert math.isnan(found.exact_p)
    assert math.isnan(found.adjusted_p)
    assert found.difference.value == 0
    assert found.difference.low < 0 < found.difference.high
    assert "no discordant pair" in found.note


def test_each_reader_on_the_cases_that_were_answered():
    truth = [1, 1, 1, 1, 0, 0]
    readers = [[1, 0, NAN, 1, 0, 1], [NAN] * 6]
    model = [1, 1, 1, 0, 0, 0]
    sensitivity = stats.mcnemar_reader_vs_model(truth, readers, model)
    assert [(m.b, m.c, m.n) for m in sensitivity] == [(1, 1, 3), (0, 0, 0)]
    assert "no case was answered by both" in sensitivity[1].note
    assert math.isnan(sensitivity[1].difference.low)
    (specificity, _) = stats.mcnemar_reader_vs_model(truth, readers, model, endpoint="specificity")
    assert (specificity.b, specificity.c, specificity.n) == (0, 1, 2)
    (accuracy, _) = stats.mcnemar_reader_vs_model(truth, readers, model, endpoint="accuracy")
    assert (accuracy.b, accuracy.c, accuracy.n) == (1, 2, 5)


def test_corrections_leave_out_what_was_not_tested():
    # Holm on 0.01, 0.04, 0.03: 3 x 0.01, then max(2 x 0.03), then 0.06; the NaN does not count
    assert stats.adjust_p([0.01, NAN, 0.04, 0.03]) == pytest.approx([0.03, NAN, 0.06, 0.06], nan_ok=True)
    assert np.isnan(stats.adjust_p([NAN, NAN])).all()


def test_cochran_q_worked_by_hand():
    # 3 readers, 4 cases, right or wrong: rows 1110, 1100, 0100; column sums 2, 3, 1, 0, row sums 3, 2, 1
    # Q = (k - 1)(k sum R^2 - N^2) / (k N - sum C^2) = 2 (3 x 14 - 36) / (3 x 6 - 14) = 3
    found = stats.cochran_q([1, 1, 1, 1], [[1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]])
    assert (found.statistic, found.df) == pytest.approx((3, 2))
    assert "fragile" in found.note
    assert math.isnan(stats.cochran_q([1, 1], [[1, 1], [1, 1]]).p)


@pytest.fixture
def study(rng):
    truth = np.arange(120) < 50
    model = rng.normal(size=120) + 2 * truth
    decisions = (rng.normal(size=(6, 120)) + 1.2 * truth > 0.6).astype(float)
    return truth, model, decisions


def test_matched_points_lie_on_the_models_curve(study):
    truth, model, decisions = study
    found, curve = stats.at_matched(truth, model, decisions, replicates=200), stats.roc(truth, model)
    points = stats.operating_points(truth, decisions)
    assert len(found.readers) == 6
    for match, point in zip(found.readers, points, strict=True):
        assert match.sensitivity == pytest.approx(point.sensitivity.value)
        assert match.model_sensitivity.value == pytest.approx(float(curve.sensitivity_at(point.specificity.value)))
        assert match.model_specificity.value == pytest.approx(float(curve.specificity_at(point.sensitivity.value)))
        gain = match.model_sensitivity.value - match.sensitivity
        assert match.sensitivity_difference.value == pytest.approx(gain)
        assert match.position == ("below" if gain > 0 else "above" if gain < 0 else "on")
    average = stats.average_reader(points)
    assert found.average.specificity == pytest.approx(average.specificity.value)
    assert found.average.model_sensitivity.value == pytest.approx(
        float(curve.sensitivity_at(average.specificity.value))
    )
    assert found.n_below + found.n_above + found.n_on == 6


def test_match_of_each_resample_equals_a_loop(study):
    truth, model, decisions = study
    decisions[0, ::3] = NAN

    def gain(t, rows):
        score, said = rows
        seen = ~np.isnan(said)
        point = stats.operating_point(t[seen], said[seen])
        return float(stats.roc(t[seen], score[seen]).sensitivity_at(point.specificity.value)) - point.sensitivity.value

    from readerstudy.results.stats.matched_draws import Match
    from readerstudy.results.stats.resampling import CaseSampler, resampled_rows

    pos, neg = next(CaseSampler(truth).chunks(25, np.random.default_rng(3)))
    drawn, _ = Match.of(truth, model, decisions).drawn(pos, neg, None)
    where_pos, where_neg = np.flatnonzero(truth), np.flatnonzero(~truth)
    for b in range(25):
        cases = np.concatenate([where_pos[resampled_rows(pos[b])], where_neg[resampled_rows(neg[b])]])
        loop = [gain(truth[cases], (model[cases], row[cases])) for row in decisions]
        assert drawn[2, b] - drawn[0, b] == pytest.approx(loop)


def test_a_reader_who_is_the_model_lies_on_its_curve(study):
    truth, model, _ = study
    found = stats.at_matched(truth, model, (model > 1).astype(float), replicates=100)
    assert found.readers[0].position == "on"
    # in a resample the curve can rise at the reader's specificity, never fall
    assert found.readers[0].sensitivity_difference.value == found.readers[0].sensitivity_difference.low == 0
    assert found.n_on == 1
    assert math.isnan(found.sign_test.p)


def test_readers_below_the_curve_beyond_chance(study, rng):
    truth, model, _ = study
    guessing = (rng.random((8, 120)) < 0.5).astype(float)
    found = stats.at_matched(truth, model, guessing, replicates=300)
    assert found.n_below == found.n_below_beyond_chance == 8
    assert found.sign_test.p == pytest.approx(2 / 2**8)  # two-sided: all of eight on one side
    assert found.below.value == 1


def test_readers_who_answered_little(study):
    truth, model, decisions = study
    decisions[0, ::2] = NAN
    decisions[1, truth] = NAN
    found = stats.at_matched(truth, model, decisions, replicates=100)
    assert found.n_undefined == 1
    assert found.readers[1].position == "undefined"
    assert found.readers[1].sensitivity_difference.note
    assert found.readers[0].sensitivity_difference.n == 60
    assert "answers are missing" in found.note


def test_more_is_drawn_anew_the_wider_the_interval_of_the_average(study):
    truth, model, decisions = study
    decisions[0], decisions[1] = 1, 0  # two readers who could not differ more
    widths = []
    for options in ({}, {"over": "readers and cases"}):
        average = stats.at_matched(truth, model, decisions, replicates=500, **options).average
        widths.append(average.sensitivity_difference.high - average.sensitivity_difference.low)
    assert widths[1] > 1.2 * widths[0]


# RJafroc 1.3.2 on Hupse and Karssemeijer's study, PCL at FPF 0.2 (Chakraborty, RJafrocBook, appendix to the chapter on
# standalone CAD): nine radiologists, CAD 0.59166667, variance 0.0053445377 and Cov2 0.0030657054 of the differences
RADIOLOGISTS = np.array([0.69453125, 0.65, 0.80625, 0.725, 0.65982143, 0.76845238, 0.7375, 0.675, 0.675])
DIFFERENCES = RADIOLOGISTS - 0.59166667
MATRIX = np.full((9, 9), 0.0030657054) + np.eye(9) * (0.0053445377 - 0.0030657054)


def test_one_treatment_random_readers_random_cases_of_rjafroc():
    found = modality_mean("", DIFFERENCES, MATRIX, readers="random", cases="random", level=0.95, n=200, bounds=(-1, 1))
    assert found.estimate.value == pytest.approx(0.11850612)
    assert found.estimate.value / found.se == pytest.approx(2.0390389, rel=1e-7)
    assert found.df == pytest.approx(937.24371, rel=1e-7)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.004448434, 0.232563801), rel=1e-6)


def test_one_treatment_random_readers_fixed_cases_of_rjafroc():
    found = modality_mean("", DIFFERENCES, MATRIX, readers="random", cases="fixed", level=0.95, n=200, bounds=(-1, 1))
    assert found.estimate.value / found.se == pytest.approx(6.7083568, rel=1e-7)
    assert found.df == 8
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.077769525, 0.159242710), rel=1e-6)


@pytest.mark.parametrize("covariance", ["jackknife", "delong", "unbiased"])
def test_standalone_equals_two_treatments_with_the_model_repeated(rng, covariance):
    # Chakraborty: "2T-RRRC", the model repeated once a reader as a second treatment, gives the same numbers
    truth = np.arange(60) < 25
    model = rng.normal(size=60) + 2 * truth
    ratings = np.round(rng.normal(size=(7, 60)) + rng.normal(size=(7, 1)) * 0.5 * truth + truth, 1)
    found = stats.standalone_vs_readers(truth, model, ratings, covariance=covariance)
    two = stats.mrmc(truth, np.stack([np.tile(model, (7, 1)), ratings]), covariance=covariance)
    assert found.main.difference.value == pytest.approx(two.differences[0].estimate.value)
    assert found.main.test.p == pytest.approx(two.equality.p)
    assert found.main.df == pytest.approx(two.equality.df2)
    assert found.main.difference.low == pytest.approx(two.differences[0].estimate.low)
    fixed = stats.mrmc(truth, np.stack([np.tile(model, (7, 1)), ratings]), covariance=covariance, cases="fixed")
    assert found.cases_fixed.test.p == pytest.approx(fixed.equality.p)
    assert (found.main.variant, found.cases_fixed.variant, found.readers_fixed.variant) == (
        "1T-RRRC", "1T-RRFC", "1T-FRRC"
    )  # fmt: skip
    assert found.per_reader_difference == pytest.approx(found.model - found.per_reader)


def test_standalone_with_one_reader_is_delong():
    rng = np.random.default_rng(8)
    truth = np.arange(60) < 25
    scores = rng.normal(size=(2, 60)) + truth
    found = stats.standalone_vs_readers(truth, scores[0], scores[1:], covariance="delong")
    paired = stats.delong(truth, scores).compare()
    assert found.readers_fixed.test.statistic == pytest.approx(paired.statistic)
    assert math.isnan(found.main.test.p)
    assert "one reader" in found.main.difference.note


def test_standalone_compares_a_partial_reader_on_his_own_cases(rng):
    truth = np.arange(60) < 25
    model = rng.normal(size=60) + 2 * truth
    ratings = rng.normal(size=(5, 60)) + truth
    ratings[0, ::2] = NAN
    ratings[1] = NAN
    found = stats.standalone_vs_readers(truth, model, ratings)
    odd = np.arange(60) % 2 == 1
    own = stats.delong(truth[odd], [model[odd], ratings[0, odd]]).auc
    assert found.per_reader_difference[0] == pytest.approx(own[0] - own[1])
    assert found.n_readers == 4
    assert "1 reader left out" in found.note
    assert math.isnan(found.per_reader[1])


def test_standalone_of_decisions(rng):
    truth = np.arange(60) < 25
    model = (rng.normal(size=60) + 2 * truth > 1).astype(float)
    decisions = (rng.normal(size=(6, 60)) + truth > 0.5).astype(float)
    found = stats.standalone_vs_readers(truth, model, decisions, metric="sensitivity")
    assert found.model == pytest.approx(model[truth].mean())
    assert found.readers_mean == pytest.approx(decisions[:, truth].mean())
    assert (found.n_positive, found.n_negative) == (25, 0)


def test_votes_and_their_ties():
    truth = [1, 1, 0, 0, 1]
    decisions = [[1, 1, 0, 1, NAN], [1, 0, 0, 0, NAN], [0, NAN, NAN, 0, NAN], [1, NAN, 0, 1, NAN]]
    votes = {ties: stats.majority_vote(truth, decisions, ties=ties) for ties in ("positive", "negative", "missing")}
    assert votes["positive"].share == pytest.approx([0.75, 0.5, 0, 0.5, NAN], nan_ok=True)
    assert votes["positive"].n_ties == 2
    assert [v.point.sensitivity.value for v in votes.values()] == [1, 0.5, 1]
    assert [v.point.specificity.value for v in votes.values()] == [0.5, 1, 1]
    assert votes["missing"].point.n_missing == 3
    assert votes["positive"].curve.n_excluded == 1


def test_readers_with_the_model(rng):
    truth = np.arange(80) < 40
    model = rng.normal(size=80) + 1.5 * truth
    ratings = rng.normal(size=(5, 80)) + truth
    decisions = (ratings > 0.5).astype(float)
    decisions[0, 0] = NAN
    found = stats.pooled(truth, decisions, ratings=ratings, model=model, threshold=0.7)
    assert found.with_model is not None
    for i, (either, both) in enumerate(zip(found.with_model.either, found.with_model.both, strict=True)):
        own = stats.operating_point(truth, decisions[i])
        assert either.sensitivity.value >= own.sensitivity.value >= both.sensitivity.value
        assert either.specificity.value <= own.specificity.value <= both.specificity.value
    assert found.with_model.either[0].n_missing == 1
    assert found.with_model.fused.auc.value > stats.roc(truth, model).auc.value
    assert found.mean_rating is not None
    assert found.mean_rating.auc.value == pytest.approx(stats.roc(truth, ratings.mean(axis=0)).auc.value)
    assert stats.pooled(truth, decisions).with_model is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stats.mcnemar_from_counts([3], [4], [5]), "do not exceed n"),
        (lambda: stats.mcnemar_reader_vs_model([1], [1], [1], endpoint="x"), "sensitivity"),
        (lambda: stats.mcnemar_reader_vs_model([1], [1], [1], test="x"), "mid-p"),
        (lambda: stats.mcnemar_reader_vs_model([1], [1], [1, 1]), "model has shape"),
        (lambda: stats.adjust_p([0.1], "x"), "benjamini-hochberg"),
        (lambda: stats.adjust_p([2]), "outside 0..1"),
        (lambda: stats.at_matched([1, 0], [1, 2], [[1, 0]], over="x"), "readers and cases"),
        (lambda: stats.at_matched([1, 0], [1], [[1, 0]]), "model has shape"),
        (lambda: stats.standalone_vs_readers([1, 0], [1], [[1, 0]]), "model has shape"),
        (lambda: stats.majority_vote([1], [[1]], ties="x"), "missing"),
        (lambda: stats.pooled([1], [[1]], model=[1]), "threshold is missing"),
    ],
)
def test_wrong_input_names_the_culprit(call, told):
    with pytest.raises(stats.StatsError, match=told):
        call()


def test_the_average_alone_has_the_same_numbers(study):
    truth, model, decisions = study
    decisions = decisions.astype(float)
    decisions[0, 3] = NAN
    for over in ("cases", "readers and cases"):
        whole = stats.at_matched(truth, model, decisions, over=over, replicates=200, seed=3)
        average, note = stats.average_matched(truth, model, decisions, over=over, replicates=200, seed=3)
        assert average == whole.average
        assert note == whole.note
