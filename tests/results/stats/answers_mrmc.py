"""Our answers to the multi-reader entries of expected.json, under the ids used there."""

from typing import Any

import numpy as np

from readerstudy.results import stats
from readerstudy.results.stats.mrmc_ustat import bdg_degrees_of_freedom
from tests.results.stats import datasets

COVARIANCES = {"jackknife": "jackknife", "DeLong": "delong", "unbiased": "unbiased"}
EFFECTS = {"rrrc": {}, "frrc": {"readers": "fixed"}, "rrfc": {"cases": "fixed"}}


def sensitivity_at_80(truth: np.ndarray, ratings: np.ndarray) -> float:
    """MRMCaov's empirical_sens(spec = 0.8): R's approx(ties = "ordered") averages tied points before it interpolates,
    where pROC and our curve take the upper end of a vertical step."""
    curve = stats.roc(truth, ratings)
    fpr = np.unique(curve.fpr)
    return float(np.interp(0.2, fpr, [curve.tpr[curve.fpr == x].mean() for x in fpr]))


def obuchowski_rockette(prefix: str, found: stats.Mrmc) -> dict[str, Any]:
    c, e, ms = found.components, found.equality, found.mean_squares
    answers: dict[str, Any] = {
        "per_reader": [
            {"treatment": modality, "reader": reader, "value": found.per_reader[i, j]}
            for i, modality in enumerate(found.modalities)
            for j, reader in enumerate(found.reader_names)
        ],
        "component.reader": c.reader, "component.treatment:reader": c.modality_reader, "component.Error": c.error,
        "component.Cov1": c.cov1, "component.Cov2": c.cov2, "component.Cov3": c.cov3,
        "global.MS(T)": ms.modality, "global.MS(T:R)": ms.modality_reader, "global.Denominator": e.denominator,
        "global.Cov1": c.cov1, "global.Cov2": c.cov2, "global.Cov3": c.cov3,
        "global.F": e.statistic, "global.X2": e.statistic, "global.df1": e.df1, "global.df": e.df1,
        "global.df2": e.df2, "global.p-value": e.p,
    }  # fmt: skip
    for d in found.differences:
        answers |= _difference(f"diff[{d.first} - {d.second}]", d)
    for d in found.reader_differences:
        answers |= _difference(f"reader_diff[{d.reader} {d.first} - {d.second}]", d)
    for mean in found.means:
        answers |= {
            f"mean[{mean.modality}].{name}": value
            for name, value in {
                "Estimate": mean.estimate.value, "StdErr": mean.se, "df": mean.df, "MS(R)": mean.ms_reader,
                "Cov2": mean.cov2, "Var(Error)": mean.error, "CI.Lower": mean.estimate.low,
                "CI.Upper": mean.estimate.high, "_row": mean.modality,
            }.items()
        }  # fmt: skip
    return {f"{prefix}.{name}": value for name, value in answers.items()}


def _difference(key: str, d: stats.ModalityDifference) -> dict[str, float]:
    return {
        f"{key}.Estimate": d.estimate.value, f"{key}.StdErr": d.se, f"{key}.df": d.df, f"{key}.t": d.statistic,
        f"{key}.z": d.statistic, f"{key}.p-value": d.p, f"{key}.CI.Lower": d.estimate.low,
        f"{key}.CI.Upper": d.estimate.high,
    }  # fmt: skip


def mrmcaov_vandyke() -> dict[str, Any]:
    truth, ratings, modalities, readers, _ = datasets.multireader("vandyke.csv")
    names: dict[str, Any] = {"modalities": modalities, "reader_names": readers}
    answers: dict[str, Any] = {}
    for theirs, ours in COVARIANCES.items():
        for effect, options in EFFECTS.items():
            found = stats.mrmc(truth, ratings, covariance=ours, **options, **names)
            answers |= obuchowski_rockette(f"mrmcaov.vandyke.auc.{theirs}.{effect}", found)
        for design, column in (("casesNestedInReaders", "case2"), ("casesNestedInTests", "case3")):
            nested_truth, nested, *_ = datasets.multireader("vandyke.csv", column)
            if ours != "delong":
                found = stats.mrmc(nested_truth, nested, covariance=ours, **names)
                answers |= obuchowski_rockette(f"mrmcaov.vandyke.auc.{theirs}.{design}", found)
        one = stats.mrmc(
            truth, ratings[:, :1], readers="fixed", covariance=ours, modalities=modalities, reader_names=readers[:1]
        )
        answers |= obuchowski_rockette(f"mrmcaov.vandyke.reader1.srmc.auc.{theirs}", one)
    decisions = (ratings >= 3).astype(float)
    for short, metric in (("sens", "sensitivity"), ("spec", "specificity")):
        for effect in ("rrrc", "frrc"):
            found = stats.mrmc(truth, decisions, metric=metric, **EFFECTS[effect], **names)
            answers |= obuchowski_rockette(f"mrmcaov.vandyke.{short}_ge3.jackknife.{effect}", found)
    found = stats.mrmc(truth, ratings, metric=sensitivity_at_80, **names)
    answers |= obuchowski_rockette("mrmcaov.vandyke.sens_at_spec80_empirical.jackknife.rrrc", found)
    for theirs, ours in COVARIANCES.items():
        own = stats.mrmc(truth, ratings[:1, :1], readers="fixed", covariance=ours).means[0]
        answers |= {
            f"vandyke.reader1.treatment1.stmc.auc.{theirs}.{name}": value
            for name, value in {
                "empirical_auc": own.estimate.value, "StdErr": own.se, "CI.Lower": own.estimate.low,
                "CI.Upper": own.estimate.high,
            }.items()
        }  # fmt: skip
    return answers


def mrmcaov_vandyke_binormal() -> dict[str, Any]:
    truth, ratings, modalities, readers, _ = datasets.multireader("vandyke.csv")
    found = stats.mrmc(truth, ratings, metric=stats.binormal_auc, modalities=modalities, reader_names=readers)
    return obuchowski_rockette("mrmcaov.vandyke.binormal_auc.jackknife.rrrc", found)


def mrmcaov_cc0() -> dict[str, Any]:
    truth, ratings, modalities, readers, _ = datasets.multireader("imrmc_example_cc0.csv")
    answers: dict[str, Any] = {}
    for theirs, ours in COVARIANCES.items():
        found = stats.mrmc(truth, ratings, covariance=ours, modalities=modalities, reader_names=readers)
        answers |= obuchowski_rockette(f"mrmcaov.cc0_example.auc.{theirs}.rrrc", found)
    return answers


def iowa() -> dict[str, Any]:
    """The Iowa program prints what MRMCaov prints, fewer digits, and the Dorfman-Berbaum-Metz components."""
    truth, ratings, *_ = datasets.multireader("vandyke.csv")
    random = stats.mrmc(truth, ratings)
    c, dbm, e = random.components, random.dbm, random.equality
    answers: dict[str, Any] = {
        "VarR": c.reader, "VarTR": c.modality_reader, "COV1": c.cov1, "COV2": c.cov2, "COV3": c.cov3,
        "VarError": c.error, "DBM.VarC": dbm.case, "DBM.VarTC": dbm.modality_case, "DBM.VarRC": dbm.reader_case,
        "DBM.VarTRC": dbm.modality_reader_case, "RRRC.MS_T": random.mean_squares.modality, "RRRC.F": e.statistic,
        "RRRC.F_p": e.p, "RRRC.ddf": e.df2, "RRRC.MS_error": e.denominator,
    }  # fmt: skip
    for mean in random.means:
        answers |= {
            f"RRRC.single[{mean.modality}].{name}": value
            for name, value in {
                "auc": mean.estimate.value, "se": mean.se, "df": mean.df, "lo": mean.estimate.low,
                "hi": mean.estimate.high, "cov2": mean.cov2,
            }.items()
        }  # fmt: skip
    for effect, options in EFFECTS.items():
        found = stats.mrmc(truth, ratings, **options)
        d = found.differences[0]
        answers |= {
            f"{effect.upper()}.{name}": value
            for name, value in {
                "diff": d.estimate.value, "se": d.se, "df": d.df, "t_or_z": d.statistic, "p": d.p,
                "lo": d.estimate.low, "hi": d.estimate.high,
            }.items()
        }  # fmt: skip
        if effect == "frrc":
            answers |= {"FRRC.X2": found.equality.statistic, "FRRC.X2_p": found.equality.p}
    return {f"iowa.vandyke.{name}": value for name, value in answers.items()}


def ustatistics(prefix: str, found: stats.MrmcUstat) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    average = {mean.first: mean.estimate.value for mean in found.means}
    for result in (*found.means, *found.differences):
        second = result.second or result.first
        key, parts = f"{prefix}[{result.first}|{second}]", found.moments[result.first, second]
        answers |= {
            f"{key}.{name}": value
            for name, value in {
                "AUC.1": average[result.first], "AUC.2": average[second], "covAUC": parts.covariance,
                "covAUC.biased": parts.biased_covariance, "botCInormal": result.normal.low,
                "topCInormal": result.normal.high, "pValueNormal": result.normal_test.p,
                "botCIBDG": result.estimate.low, "topCIBDG": result.estimate.high, "pValueBDG": result.test.p,
                "dfBDG": bdg_degrees_of_freedom(parts.covariance, parts.components, parts.sizes),
            }.items()
        }  # fmt: skip
        answers |= {f"{key}.M{i + 1}": parts.unbiased[i] for i in range(8)}
        answers |= {f"{key}.M{i + 1}.coeff": parts.coefficients[i] for i in range(8)}
        if result.second:
            answers |= {
                f"{key}.AUC1minusAUC2": result.estimate.value, f"{key}.varAUC1minusAUC2": result.variance,
                f"{key}.varAUC1minusAUC2.biased": result.biased_variance, f"{key}.dfBDG.diff": result.df,
            }  # fmt: skip
    return answers


def imrmc_vandyke() -> dict[str, Any]:
    truth, ratings, *_ = datasets.multireader("vandyke.csv")
    decisions, names = (ratings >= 3).astype(float), ["m1", "m2"]
    answers = ustatistics("imrmc.vandyke", stats.mrmc_ustat(truth, ratings, modalities=names))
    for part, metric in (("tpf", "sensitivity"), ("fpf", "specificity")):
        found = stats.mrmc_ustat(truth, decisions, metric=metric, modalities=names)
        answers |= ustatistics(f"imrmc.vandyke.ge3.df.{part}", found)
    return answers


def imrmc_java() -> dict[str, Any]:
    """iMRMC's Java program: U-statistics, and Hillis' degrees of freedom (of the unbiased Obuchowski-Rockette fit) with
    the U-statistics' variance; its t intervals use floor(df), its p values do too."""
    from scipy.stats import t

    truth, ratings, *_ = datasets.multireader("vandyke.csv")
    found = stats.mrmc_ustat(truth, ratings, modalities=["m1", "m2"])
    fit = stats.mrmc(truth, ratings, covariance="unbiased")
    frees = [mean.df for mean in fit.means] + [fit.equality.df2]
    answers: dict[str, Any] = {}
    for result, df in zip((*found.means, *found.differences), frees, strict=True):
        key = f"imrmc_java.vandyke[{result.first}|{result.second or 'NO_MOD'}]"
        se, half = result.variance**0.5, t.ppf(0.975, np.floor(df)) * result.variance**0.5
        value = result.estimate.value
        answers |= {
            f"{key}.varAUCA": found.moments[result.first, result.first].covariance, f"{key}.dfBDG": result.df,
            f"{key}.pValueBDG": result.test.p, f"{key}.dfHillis": df, f"{key}.botCIHillis": value - half,
            f"{key}.topCIHillis": value + half, f"{key}.AUCAminusAUCB": value,
            f"{key}.pValueHillis": 2 * t.sf(abs(value - (0 if result.second else 0.5)) / se, np.floor(df)),
            f"{key}.varAUCAminusAUCB": result.variance,
        }  # fmt: skip
    return answers


def imrmc_cc0() -> dict[str, Any]:
    truth, ratings, modalities, readers, _ = datasets.multireader("imrmc_example_cc0.csv")
    answers = ustatistics("imrmc.cc0_example", stats.mrmc_ustat(truth, ratings, modalities=modalities))
    matrix = stats.mrmc(truth, ratings, covariance="unbiased").covariance
    cells = [(reader, modality) for modality in modalities for reader in readers]
    for i, (reader, modality) in enumerate(cells):
        for j, (other, second) in enumerate(cells):
            key = f"imrmc.cc0_example.perReader[{reader},{modality}|{other},{second}].covAUC"
            answers[key] = matrix[i, j]
    return answers


def imrmc_cc0_missing() -> dict[str, Any]:
    name = "imrmc_example_cc0"
    truth, ratings, modalities, *_ = datasets.multireader(f"{name}.csv", dropped=f"{name}_dropped.csv")
    return ustatistics("imrmc.cc0_example_missing", stats.mrmc_ustat(truth, ratings, modalities=modalities))
