"""The numbers of a reader study: arrays in, frozen dataclasses out; numpy, scipy, statsmodels, scikit-learn, no Django.

Conventions. Truth is 1 for positive (malignant) and 0 for negative; a higher score or rating means more likely
positive; NaN is a missing score, rating or answer. Readers are rows, cases are columns; several modalities come first:
(t, r, n). Every estimate names its interval's method, its n, and in ``note`` whatever is undefined, clipped, left out
or fragile. Undefined is NaN. Anything random takes ``seed``. A wrong argument raises ``StatsError``.
"""

from readerstudy.results.stats.agreement import (
    Agreement,
    Kappa,
    agreement,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    intra_reader,
)
from readerstudy.results.stats.binormal import BinormalCurve, binormal, binormal_auc
from readerstudy.results.stats.bootstrap import Bootstrap, bootstrap
from readerstudy.results.stats.bootstrap_roc import (
    BootstrapComparison,
    bootstrap_auc,
    bootstrap_curve,
    bootstrap_difference,
    reading_partial_auc,
    reading_sensitivity,
    reading_specificity,
)
from readerstudy.results.stats.calibration import (
    Calibration,
    CalibrationBin,
    NetBenefit,
    calibration,
    net_benefit,
    net_benefit_of_decisions,
)
from readerstudy.results.stats.confusion import Confusion, confusion, confusion_from_counts
from readerstudy.results.stats.delong import AucComparison, DeLong, compare_unpaired, delong, delong_unpaired
from readerstudy.results.stats.estimate import Estimate, Proportion, StatsError, Test
from readerstudy.results.stats.icc import icc_agreement
from readerstudy.results.stats.intervals import mean_interval, proportion, proportion_limits, proportions
from readerstudy.results.stats.krippendorff import krippendorff_alpha
from readerstudy.results.stats.margin import against_bound
from readerstudy.results.stats.matched import Matched, MatchedPoint, at_matched, average_matched
from readerstudy.results.stats.mcnemar import (
    McNemar,
    adjust_p,
    cochran_q,
    mcnemar_from_counts,
    mcnemar_reader_vs_model,
)
from readerstudy.results.stats.mrmc import DbmComponents, Mrmc, mrmc
from readerstudy.results.stats.mrmc_anova import (
    EqualityTest,
    MeanSquares,
    ModalityDifference,
    ModalityMean,
    OrComponents,
)
from readerstudy.results.stats.mrmc_moments import Moments
from readerstudy.results.stats.mrmc_ustat import MrmcUstat, UstatResult, mrmc_ustat
from readerstudy.results.stats.operating_points import (
    AverageReader,
    OperatingPoint,
    average_reader,
    operating_point,
    operating_points,
    points_from_counts,
)
from readerstudy.results.stats.pooled import Pooled, Vote, WithModel, majority_vote, mean_rating, pooled, with_model
from readerstudy.results.stats.power import Power, power, sample_size
from readerstudy.results.stats.power_roc import RocPower, power_one_roc, sample_size_one_roc, sample_size_two_roc
from readerstudy.results.stats.roc import CurvePoint, PartialAuc, RocCurve, roc
from readerstudy.results.stats.sroc import Sroc, sroc
from readerstudy.results.stats.standalone import StandaloneTest, StandaloneVsReaders, standalone_vs_readers
from readerstudy.results.stats.subgroups import Subgroup, Subgroups, reader_subgroups, subgroups
from readerstudy.results.stats.subset import bootstrap_part_minus_whole
from readerstudy.results.stats.venkatraman import venkatraman

__all__ = [
    "Agreement",
    "AucComparison",
    "AverageReader",
    "BinormalCurve",
    "Bootstrap",
    "BootstrapComparison",
    "Calibration",
    "CalibrationBin",
    "Confusion",
    "CurvePoint",
    "DbmComponents",
    "DeLong",
    "EqualityTest",
    "Estimate",
    "Kappa",
    "Matched",
    "MatchedPoint",
    "McNemar",
    "MeanSquares",
    "ModalityDifference",
    "ModalityMean",
    "Moments",
    "Mrmc",
    "MrmcUstat",
    "NetBenefit",
    "OperatingPoint",
    "OrComponents",
    "PartialAuc",
    "Pooled",
    "Power",
    "Proportion",
    "RocCurve",
    "RocPower",
    "Sroc",
    "StandaloneTest",
    "StandaloneVsReaders",
    "StatsError",
    "Subgroup",
    "Subgroups",
    "Test",
    "UstatResult",
    "Vote",
    "WithModel",
    "adjust_p",
    "against_bound",
    "agreement",
    "at_matched",
    "average_matched",
    "average_reader",
    "binormal",
    "binormal_auc",
    "bootstrap",
    "bootstrap_auc",
    "bootstrap_curve",
    "bootstrap_difference",
    "bootstrap_part_minus_whole",
    "calibration",
    "cochran_q",
    "cohen_kappa",
    "compare_unpaired",
    "confusion",
    "confusion_from_counts",
    "conger_kappa",
    "delong",
    "delong_unpaired",
    "fleiss_kappa",
    "icc_agreement",
    "intra_reader",
    "krippendorff_alpha",
    "majority_vote",
    "mcnemar_from_counts",
    "mcnemar_reader_vs_model",
    "mean_interval",
    "mean_rating",
    "mrmc",
    "mrmc_ustat",
    "net_benefit",
    "net_benefit_of_decisions",
    "operating_point",
    "operating_points",
    "points_from_counts",
    "pooled",
    "power",
    "power_one_roc",
    "proportion",
    "proportion_limits",
    "proportions",
    "reader_subgroups",
    "reading_partial_auc",
    "reading_sensitivity",
    "reading_specificity",
    "roc",
    "sample_size",
    "sample_size_one_roc",
    "sample_size_two_roc",
    "sroc",
    "standalone_vs_readers",
    "subgroups",
    "venkatraman",
    "with_model",
]
