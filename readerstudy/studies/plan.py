"""An analysis plan as plain values: what was decided before the first reading. No Django, no database.

The names below are what the protocol document holds; whoever recomputes an export reads them there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Primary endpoints.
SENSITIVITY, SPECIFICITY, BALANCED, AUC = "sensitivity", "specificity", "balanced accuracy", "auc"
CONDITIONS = "conditions"  # not of the model: the primary contrasts of the plan
# Tests.
BOOTSTRAP = "bootstrap over readers and cases"
OR_RANDOM, OR_CASES_FIXED, OR_READERS_FIXED = (
    "obuchowski-rockette, readers and cases random",
    "obuchowski-rockette, cases fixed",
    "obuchowski-rockette, readers fixed",
)
DELONG = "delong"
USTATISTICS = "u-statistics, readers and cases random"
# What a contrast may be measured by: of decisions, those above (AUC: decisions weighed by confidence) and the share of
# right ones; of diagnoses the share of right ones, and its mean over the classes; of a ranking the first n.
ACCURACY, CLASS_ACCURACY, PER_CLASS = "accuracy", "class accuracy", "mean per-class accuracy"
TOP = ("top-1", "top-2", "top-3")
MEASURES = (SENSITIVITY, SPECIFICITY, BALANCED, ACCURACY, AUC, CLASS_ACCURACY, PER_CLASS, *TOP)
CONTRAST_METHODS = (OR_RANDOM, OR_CASES_FIXED, OR_READERS_FIXED, USTATISTICS)
# What a contrast is in the study, and which advice counts where some of it is turned against the model.
PRIMARY, IS_SECONDARY = "primary", "secondary"
ALL_ADVICE, AS_GIVEN, TURNED = "all", "as the model gave it", "turned against the model"
# What is to be shown.
SUPERIORITY, NON_INFERIORITY = "superiority", "non-inferiority"
# Where the model's threshold comes from.
STATED, OTHER_DATA, TEST_SET = "stated beforehand", "chosen on other data", "chosen on the test set"
# Corrections for several tests.
HOLM, HOCHBERG, BONFERRONI = "holm", "hochberg", "bonferroni"
FIXED_SEQUENCE, ALL_TESTS, NO_CORRECTION = "fixed sequence", "every test", "none"
# Missing answers.
COMPLETE_READERS, AVAILABLE, COUNTED_RIGHT = "complete readers", "answered cases", "counted as right"
# Over whom the average reader is the mean.
EVERY_READER, CERTIFIED_READERS = "every reader", "board-certified readers"
# What a plan may name as secondary; everything else is exploratory.
SECONDARY = (
    "readers", "auc", "sensitivity", "specificity", "each reader", "agreement", "pooled", "calibration", "decisions",
    "subgroups", "stages and arms", "other questions",
)  # fmt: skip

REPLICATES = 2000  # of the bootstrap
PRIMARY_ANALYSIS = "primary analysis"  # what `amended` calls everything that decides the primary endpoint


@dataclass(frozen=True, slots=True)
class Under:
    """A condition: at which stage and in which arm which question was answered, by their positions in the test. Arm 0:
    the test has none."""

    stage: int
    arm: int
    question: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """The readers of a test under two of its conditions: the second minus the first.

    ``role``: PRIMARY or IS_SECONDARY. ``test``: its position. ``advice``: which advice of the second condition counts.
    ``margin`` (>= 0) is on the scale of the measure.
    """

    role: str
    test: int
    first: Under
    second: Under
    advice: str
    measure: str
    method: str
    hypothesis: str
    margin: float

    @property
    def bound(self) -> float:
        """What the difference must exceed."""
        return self.margin if self.hypothesis == SUPERIORITY else -self.margin

    @property
    def key(self) -> str:
        """All of it but its role in one line: what an amendment is remembered by."""
        return (
            f"conditions of test {self.test}: {_place(self.first)} to {_place(self.second)}, advice: {self.advice}, "
            f"{self.measure}, {self.method}, {self.hypothesis} {self.margin:g}"
        )

    def document(self) -> dict[str, Any]:
        """As the protocol holds it."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Contrast":
        """KeyError, TypeError: it is none."""
        first, second = (
            Under(**{name: int(document[which][name]) for name in Under.__slots__}) for which in ("first", "second")
        )
        texts = {name: str(document[name]) for name in ("role", "advice", "measure", "method", "hypothesis")}
        margin = document["margin"]
        if isinstance(margin, bool) or not isinstance(margin, int | float):
            raise TypeError("margin: not a number")
        return cls(test=int(document["test"]), first=first, second=second, margin=float(margin), **texts)


def _place(under: Under) -> str:
    return f"question {under.question} at stage {under.stage} in arm {under.arm}"


@dataclass(frozen=True, slots=True)
class Amended:
    """What was not in the plan when the study was opened: a secondary endpoint (a contrast by its `key`), or
    `PRIMARY_ANALYSIS` (which was there, and said something else), with the number and the date (UTC, ISO) of the last
    amendment that changed it."""

    what: str
    amendment: int
    date: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The primary endpoint and how it is decided on.

    ``margin`` (>= 0) and ``reference`` (an AUC) are on the scale of the endpoint, ``alpha`` is two-sided.
    ``threshold``: a case is positive for the model when its score is at least this; None where it is matched to the
    readers on the test set, or none is needed. ``threshold_data`` names the other data that it was chosen on.
    ``amended``: what came after the opening, empty where the plan is the one that the study was opened with.
    ``contrasts``: the readers under two conditions, beside the model or, where the endpoint is CONDITIONS, instead of
    it; then ``method`` and ``hypothesis`` are empty, each contrast has its own.
    """

    endpoint: str
    method: str
    hypothesis: str
    margin: float
    alpha: float
    reference: float | None
    threshold_origin: str
    threshold: float | None
    threshold_data: str
    multiplicity: str
    missing: str
    average: str
    secondary: tuple[str, ...]
    seed: int
    replicates: int = REPLICATES
    amended: tuple[Amended, ...] = ()
    contrasts: tuple[Contrast, ...] = ()

    def amendment_of(self, what: str) -> Amended | None:
        """The amendment that `what` (of `SECONDARY`, or `PRIMARY_ANALYSIS`) came with; None: it was there at first."""
        return next((one for one in self.amended if one.what == what), None)

    @property
    def compares_readers(self) -> bool:
        """Whether its primary endpoint compares the model with readers."""
        return self.endpoint not in (AUC, CONDITIONS)

    @property
    def compares_model(self) -> bool:
        """Whether its primary endpoint is one of the model."""
        return self.endpoint != CONDITIONS

    def contrasts_of(self, role: str) -> tuple[Contrast, ...]:
        return tuple(one for one in self.contrasts if one.role == role)

    @property
    def bound(self) -> float:
        """What the difference (or the AUC minus its stated value) must exceed."""
        return self.margin if self.hypothesis == SUPERIORITY else -self.margin

    def document(self) -> dict[str, Any]:
        """As the protocol holds it."""
        amended = {one.what: {"amendment": one.amendment, "date": one.date} for one in self.amended}
        return {
            "primary_endpoint": self.endpoint, "test": self.method, "hypothesis": self.hypothesis,
            "margin": self.margin, "alpha_two_sided": self.alpha, "reference_auc": self.reference,
            "threshold": {"origin": self.threshold_origin, "value": self.threshold, "data": self.threshold_data},
            "multiplicity": self.multiplicity, "missing_answers": self.missing, "average_reader": self.average,
            "secondary": list(self.secondary), "bootstrap": {"replicates": self.replicates, "seed": self.seed},
            # A plan without contrasts is, to the letter, what it was before there were any: so is its hash.
            **({"contrasts": [one.document() for one in self.contrasts]} if self.contrasts else {}),
            **({"amended": amended} if amended else {}),
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Plan":
        """The plan that a protocol holds. KeyError, TypeError: it is not one."""
        threshold, bootstrap = document["threshold"], document["bootstrap"]
        amended = document.get("amended", {})
        if not isinstance(amended, Mapping):
            raise TypeError("amended: not an object")
        return cls(
            endpoint=document["primary_endpoint"], method=document["test"], hypothesis=document["hypothesis"],
            margin=document["margin"], alpha=document["alpha_two_sided"], reference=document["reference_auc"],
            threshold_origin=threshold["origin"], threshold=threshold["value"], threshold_data=threshold["data"],
            multiplicity=document["multiplicity"], missing=document["missing_answers"],
            average=document["average_reader"], secondary=tuple(document["secondary"]),
            seed=bootstrap["seed"], replicates=bootstrap["replicates"],
            amended=tuple(
                Amended(what, stamp["amendment"], stamp["date"])
                for what, stamp in sorted(amended.items())
            ),
            contrasts=tuple(Contrast.of(one) for one in document.get("contrasts", ())),
        )  # fmt: skip
