"""Our answers to the entries of expected.json about curves, proportions, agreement, calibration and planning."""

from collections.abc import Callable
from typing import Any

import numpy as np

from readerstudy.results import stats
from tests.results.stats import answers_mrmc, datasets

PAIRS = (("s100b", "ndka"), ("wfns", "ndka"), ("s100b", "wfns"))


def asah() -> dict[str, Any]:
    truth, scores = datasets.asah()
    answers: dict[str, Any] = {}
    for name, score in scores.items():
        curve, result = stats.roc(truth, score), stats.delong(truth, score)
        answers |= {
            f"asah.{name}.auc": curve.auc.value, f"asah.{name}.delong_var": result.covariance[0, 0],
            f"asah.{name}.delong_ci95": [curve.auc.low, curve.auc.high],
        }  # fmt: skip
    for one, other in PAIRS:
        result = stats.delong(truth, [scores[one], scores[other]])
        paired, unpaired = result.compare(0, 1), result.compare(0, 1, paired=False)
        key = f"asah.paired.{one}-{other}"
        answers |= {
            f"{key}.z": paired.statistic, f"{key}.p": paired.p, f"{key}.auc_difference": paired.difference.value,
            f"{key}.difference_ci95": [paired.difference.low, paired.difference.high],
            f"{key}.covariance": paired.covariance,
        }  # fmt: skip
        key = f"asah.unpaired.{one}-{other}"
        answers |= {f"{key}.D": unpaired.statistic, f"{key}.df": unpaired.df, f"{key}.p": unpaired.p}
    curve = stats.roc(truth, scores["s100b"])
    partial, best = curve.partial_auc((0.9, 1.0)), curve.youden()
    return answers | {
        "asah.s100b.pauc_spec_1_0.9": partial.raw, "asah.s100b.pauc_spec_1_0.9_mcclish": partial.mcclish,
        "asah.s100b.pauc_sens_1_0.9": curve.partial_auc((0.9, 1.0), "sensitivity").raw,
        "asah.s100b.youden.threshold": best.threshold, "asah.s100b.youden.sensitivity": best.sensitivity,
        "asah.s100b.youden.specificity": best.specificity,
        "asah.s100b.sens_at_spec_0.90": float(curve.sensitivity_at(0.9)),
        "asah.s100b.spec_at_sens_0.90": float(curve.specificity_at(0.9)),
        "asah.ndka.sens_at_spec_0.80": float(stats.roc(truth, scores["ndka"]).sensitivity_at(0.8)),
    }  # fmt: skip


def asah_resampled() -> dict[str, Any]:
    truth, scores = datasets.asah()
    many = {"replicates": 6000, "seed": 42}
    auc = stats.bootstrap_auc(truth, scores["s100b"], **many).estimate
    at_80, at_90 = stats.bootstrap_curve(truth, scores["s100b"], stats.reading_sensitivity([0.8, 0.9]), **many)
    pair = [scores["s100b"], scores["ndka"]]
    areas = stats.bootstrap_difference(truth, pair, **many).test
    at_point = stats.bootstrap_difference(truth, pair, stats.reading_sensitivity(0.9), **many).test
    shape = stats.venkatraman(truth, *pair, permutations=2000, seed=42)
    return {
        "asah.s100b.boot_stratified_ci95": [auc.low, auc.high],
        "asah.s100b.boot_sens_at_spec_0.8.ci95": [at_80.estimate.low, at_80.estimate.high],
        "asah.s100b.boot_sens_at_spec_0.9.ci95": [at_90.estimate.low, at_90.estimate.high],
        "asah.boot_test.s100b-ndka.z": areas.statistic, "asah.boot_test.s100b-ndka.p": areas.p,
        "asah.boot_test_at_spec0.9.s100b-ndka.z": at_point.statistic,
        "asah.venkatraman.s100b-ndka.E": shape.statistic, "asah.venkatraman.s100b-ndka.p": shape.p,
    }  # fmt: skip


def asah_power() -> dict[str, Any]:
    truth, scores = datasets.asah()
    m, n = int(truth.sum()), int((~truth).sum())
    auc = stats.roc(truth, scores["s100b"]).auc.value
    answers: dict[str, Any] = {"asah.power.one_roc_s100b": stats.power_one_roc(auc, m, n).power}
    for variance in ("delong", "obuchowski"):
        size = stats.sample_size_two_roc(truth, [scores["ndka"], scores["wfns"]], power=0.9, variance=variance)
        answers[f"asah.power.two_roc_ndka_wfns.power0.9.{variance}"] = [size.n_positive, size.n_negative]
    return answers


def published() -> dict[str, Any]:
    """Entries that need no dataset."""
    size = stats.sample_size_one_roc(0.73, power=0.9, ratio=72 / 41)
    answers: dict[str, Any] = {"power.one_roc.auc0.73.power0.9.kappa72_41": [size.n_positive, size.n_negative]}
    named = {
        "exact": "clopper-pearson", "wilson": "wilson", "agresti-coull": "agresti-coull", "asymptotic": "wald",
        "logit": "logit", "cloglog": "cloglog", "bayes": "jeffreys-shortest",
    }  # fmt: skip
    for k, n in ((34, 41), (0, 20), (20, 20)):
        for theirs, ours in named.items():
            if k == 34 or theirs in ("exact", "wilson"):
                low, high = stats.proportion_limits(k, n, method=ours)
                answers[f"binom.{k}of{n}.{theirs}"] = [float(low), float(high)]
    raw = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    answers["padjust.p"] = raw  # the input itself
    corrections = {
        "bonferroni": "bonferroni", "holm": "holm", "BH": "benjamini-hochberg", "hochberg": "hochberg",
        "BY": "benjamini-yekutieli",
    }  # fmt: skip
    for theirs, ours in corrections.items():
        answers[f"padjust.{theirs}"] = stats.adjust_p(raw, ours).tolist()
    for word, k, n in (("sensitivity", 38, 40), ("specificity", 46, 60)):
        found = stats.proportion(k, n)
        key = f"literature.haenssle2020.cnn_{word}_wilson95"
        answers[key] = {"count": found.count, "n": found.n, "ci": [found.low, found.high]}
    return answers


def vandyke() -> dict[str, Any]:
    truth, ratings, *_ = datasets.multireader("vandyke.csv")
    first, decisions = ratings[0], (ratings >= 3).astype(float)
    points = stats.operating_points(truth, decisions[0])
    average, mean = stats.average_reader(points), stats.mean_rating(truth, first).auc
    vote = stats.majority_vote(truth, decisions[0]).point
    own, fleiss = stats.agreement(decisions[0]), stats.fleiss_kappa(decisions[0])
    pair = stats.cohen_kappa(decisions[0, 0], decisions[0, 1])
    answers: dict[str, Any] = {
        "majority_vote_counts": {"tp": vote.tp, "fn": vote.fn, "tn": vote.tn, "fp": vote.fp},
        "mean_rating_auc": mean.value, "mean_rating_auc_ci95": [mean.low, mean.high],
        "reader_counts_ge3": [
            {"reader": i + 1, "TP": p.tp, "FN": p.fn, "FP": p.fp, "TN": p.tn} for i, p in enumerate(points)
        ],
        "sens_mean": average.sensitivity.value, "sens_sd": average.sensitivity_sd,
        "spec_mean": average.specificity.value, "spec_sd": average.specificity_sd,
        "agreement.fleiss_bin": fleiss.estimate.value, "agreement.fleiss_bin_z": fleiss.test.statistic,
        "agreement.fleiss_rating": stats.fleiss_kappa(first).estimate.value,
        "agreement.conger_bin": stats.conger_kappa(decisions[0]).value,
        "agreement.cohen_bin_r1r2": pair.estimate.value, "agreement.cohen_bin_r1r2_p": pair.test.p,
        "agreement.psych_cohen_ci": [pair.estimate.low, pair.estimate.value, pair.estimate.high],
        "agreement.icc21": stats.icc_agreement(first).value, "agreement.percent_agree": 100 * own.all_agree.value,
    }  # fmt: skip
    for theirs, ours in (("squared", "quadratic"), ("equal", "linear")):
        answers[f"agreement.wkappa_{theirs}_r1r2"] = stats.cohen_kappa(first[0], first[1], weights=ours).estimate.value
    # R's irr has a convention of its own for complete answers of more than two readers: see krippendorff_alpha
    for name, rows, scale in (
        ("nominal_bin", decisions[0], "nominal"), ("ordinal_rating", first, "ordinal"),
        ("interval_rating", first, "interval"),
    ):  # fmt: skip
        answers[f"agreement.kripp_{name}"] = stats.krippendorff_alpha(rows, scale, as_irr=True).value
    answers = {f"vandyke.treatment1.{name}": value for name, value in answers.items()}
    for reader in range(5):
        for word, endpoint in (("sens", "sensitivity"), ("spec", "specificity")):
            # b counts "T1 positive, T2 negative": among positives that is T1 right, among negatives T1 wrong
            (found,) = stats.mcnemar_reader_vs_model(
                truth, decisions[0, reader], decisions[1, reader], endpoint=endpoint, correction=None
            )
            b, c = (found.b, found.c) if word == "sens" else (found.c, found.b)
            answers[f"vandyke.mcnemar.t1_vs_t2.reader{reader + 1}.{word}"] = {
                "b": b, "c": c, "p_exact": found.exact_p, "p_chi": found.chi_square_p, "p_cc": found.corrected_p,
                "chi": found.chi_square,
            }  # fmt: skip
    return answers


def decision_curves() -> dict[str, Any]:
    truth, probability = datasets.decision_curve_example()
    return _net_benefits(
        "dcurves.df_binary", truth, {"cancerpredmarker": probability}, (0.05, 0.1, 0.15, 0.2, 0.35, 0.5)
    )


def _net_benefits(
    prefix: str, truth: np.ndarray, scores: dict[str, np.ndarray], thresholds: tuple[float, ...]
) -> dict[str, float]:
    answers = {}
    for name, score in scores.items():
        for found in stats.net_benefit(truth, score, thresholds):
            answers |= {
                f"{prefix}.{name}.{found.threshold:g}.net_benefit": found.net_benefit.value,
                f"{prefix}.all.{found.threshold:g}.net_benefit": found.treat_all,
                f"{prefix}.none.{found.threshold:g}.net_benefit": found.treat_none,
            }
    return answers


def lesions() -> dict[str, Any]:
    data = datasets.lesions()
    truth, adae, crowd, tiny = data["truth"], data["adae"], data["crowd"], data["tiny"]
    answers: dict[str, Any] = {}
    for name, mask in (("all", np.ones_like(tiny)), ("le5mm", tiny), ("gt5mm", ~tiny)):
        result = stats.delong(truth[mask], [adae[mask], crowd[mask]])
        (one, other), paired = result.ci(), result.compare(0, 1)
        own = {
            "n": int(mask.sum()), "n_pos": result.n_positive, "z": paired.statistic, "p": paired.p,
            "diff_ci": [paired.difference.low, paired.difference.high],
        }  # fmt: skip
        for who, estimate, score in (("adae", one, adae[mask]), ("crowd", other, crowd[mask])):
            own |= {
                f"auc_{who}": estimate.value, f"ci_{who}": [estimate.low, estimate.high],
                f"brier_{who}": stats.calibration(truth[mask], score).brier.value,
                f"sens_at_spec80_{who}": float(stats.roc(truth[mask], score).sensitivity_at(0.8)),
            }  # fmt: skip
        answers |= {f"isic_lesion_size.{name}.{key}": value for key, value in own.items()}
    unpaired = stats.delong_unpaired(truth[tiny], adae[tiny], truth[~tiny], adae[~tiny])
    key, found = "isic_lesion_size.le5mm_vs_gt5mm.adae.unpaired_delong", stats.calibration(truth, adae)
    answers |= {f"{key}.D": unpaired.statistic, f"{key}.df": unpaired.df, f"{key}.p": unpaired.p}
    answers |= {
        "isic_lesion_size.ece_adae_equalwidth10_floor": found.ece,
        "isic_lesion_size.adae.calibration_slope": found.slope.value,
        "isic_lesion_size.adae.calibration_slope_se": found.slope_se,
        "isic_lesion_size.adae.calibration_intercept_with_slope": found.intercept.value,
        "isic_lesion_size.adae.calibration_intercept_in_the_large": found.in_the_large.value,
    }
    scores = {"adae_score": adae, "crowd_score": crowd}
    return answers | _net_benefits("isic_lesion_size.dca", truth, scores, (0.01, 0.05, 0.1, 0.2, 0.3))


# which answers need which dataset, and which function gives them; the longest prefix of an id decides
FAMILIES: dict[str, Callable[[], dict[str, Any]]] = {
    "asah.": asah,
    "asah.s100b.boot": asah_resampled,
    "asah.boot": asah_resampled,
    "asah.venkatraman": asah_resampled,
    "asah.power": asah_power,
    "power.": published,
    "binom.": published,
    "padjust.": published,
    "literature.": published,
    "vandyke.": vandyke,
    "vandyke.reader1.": answers_mrmc.mrmcaov_vandyke,
    "dcurves.": decision_curves,
    "isic_lesion_size.": lesions,
    "iowa.": answers_mrmc.iowa,
    "mrmcaov.vandyke.": answers_mrmc.mrmcaov_vandyke,
    "mrmcaov.vandyke.binormal_auc": answers_mrmc.mrmcaov_vandyke_binormal,
    "mrmcaov.cc0_example.": answers_mrmc.mrmcaov_cc0,
    "imrmc.vandyke": answers_mrmc.imrmc_vandyke,
    "imrmc_java.": answers_mrmc.imrmc_java,
    "imrmc.cc0_example": answers_mrmc.imrmc_cc0,
    "imrmc.cc0_example_missing": answers_mrmc.imrmc_cc0_missing,
}
