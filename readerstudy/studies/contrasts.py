"""Which conditions of a test can be compared, and by what: on tests as the protocol holds them (`document`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.studies import plan
from readerstudy.studies.plan import Contrast, Under

Facts = Mapping[str, Any]  # a test, an arm, a stage or a question of a protocol
NO_ARM: Facts = {"position": 0, "title": "", "advice": "none", "wrong_per_cent": 0}
OTHER_READERS = "parallel"  # the design in which each arm has readers of its own
MEASURES: Mapping[str, str | Promise] = {
    plan.SENSITIVITY: gettext_lazy("sensitivity"),
    plan.SPECIFICITY: gettext_lazy("specificity"),
    plan.BALANCED: gettext_lazy("mean of sensitivity and specificity"),
    plan.ACCURACY: gettext_lazy("share of right decisions"),
    plan.AUC: gettext_lazy("AUC of decisions weighed by confidence"),
    plan.CLASS_ACCURACY: gettext_lazy("share of right diagnoses"),
    plan.PER_CLASS: gettext_lazy("mean per-class accuracy"),
    "top-1": gettext_lazy("right diagnosis named first"),
    "top-2": gettext_lazy("right diagnosis among the first 2"),
    "top-3": gettext_lazy("right diagnosis among the first 3"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """Two conditions that can be compared; ``value`` names them in a form."""

    test: int
    first: Under
    second: Under
    advice: str

    @property
    def value(self) -> str:
        places = "/".join(f"{one.stage}.{one.arm}.{one.question}" for one in (self.first, self.second))
        return f"{self.test}/{places}/{self.advice}"

    @classmethod
    def of(cls, contrast: Contrast) -> "Option":
        return cls(contrast.test, contrast.first, contrast.second, contrast.advice)


def options(tests: Sequence[Facts]) -> list[Option]:
    """Every two conditions that can be compared, test by test: stages in each arm, then what was said last in two arms,
    of which one gives advice. The earlier stage and the arm without advice come first."""
    return [option for test in tests for option in (*_of_stages(test), *_of_arms(test))]


def _of_stages(test: Facts) -> Iterator[Option]:
    for arm in arms_read(test):
        for one, other in combinations(stages_read(test, arm), 2):
            for asked, again in _matched(one["questions"], other["questions"]):
                first = Under(one["position"], arm["position"], asked["position"])
                second = Under(other["position"], arm["position"], again["position"])
                for advice in _advice(test, second):
                    yield Option(test["position"], first, second, advice)


def _of_arms(test: Facts) -> Iterator[Option]:
    for one, other in combinations(arms_read(test), 2):
        if _gives(one) and not _gives(other):
            one, other = other, one
        elif not _gives(other):
            continue
        last = [stages_read(test, arm)[-1:] for arm in (one, other)]
        if not all(last):
            continue
        (before,), (after,) = last
        for asked, again in _matched(before["questions"], after["questions"]):
            first = Under(before["position"], one["position"], asked["position"])
            second = Under(after["position"], other["position"], again["position"])
            for advice in _advice(test, second):
                yield Option(test["position"], first, second, advice)


def _matched(before: Sequence[Facts], after: Sequence[Facts]) -> Iterator[tuple[Facts, Facts]]:
    """Each question with the one that asks the same; of several the one in the same words."""
    left = list(after)
    for asked in before:
        alike = [one for one in left if _comparable(asked, one)]
        alike.sort(key=lambda one: (one["position"] != asked["position"], one["text"] != asked["text"]))
        if alike:
            left.remove(alike[0])
            yield asked, alike[0]


def _advice(test: Facts, second: Under) -> tuple[str, ...]:
    return (plan.ALL_ADVICE, plan.AS_GIVEN, plan.TURNED) if _is_turned(test, second) else (plan.ALL_ADVICE,)


# --- what a test has -------------------------------------------------------------------------------------------------


def arms_read(test: Facts) -> list[Facts]:
    """The arms in which readers read; NO_ARM alone where the test has none."""
    arms = list(test["arms"]) or [NO_ARM]
    return arms[:1] if test["allotment"]["arms_design"] == "single" else arms


def stages_read(test: Facts, arm: Facts) -> list[Facts]:
    """The stages at which a case of this arm is read: `readings.progress.stages_of`, from the protocol. Without advice
    a stage is left out that brings nothing but advice and asks the same again."""
    kept: list[Facts] = []
    for stage in test["stages"]:
        only_advice = (
            stage["shows_advice"]
            and bool(kept)
            and stage["shows_facts"] == kept[-1]["shows_facts"]
            and stage["modalities"] == kept[-1]["modalities"]
            and _asks_the_same(stage, kept[-1])
        )
        if _gives(arm) or not only_advice:
            kept.append(stage)
    return kept


def _asks_the_same(stage: Facts, before: Facts) -> bool:
    def answers(one: Facts) -> tuple[object, ...]:
        return one["kind"], [choice["label"] for choice in one["choices"]], one["least"], one["most"], one["nodes"]

    asked = [answers(one) for one in before["questions"]]
    return all(answers(one) in asked for one in stage["questions"])


def _gives(arm: Facts) -> bool:
    return bool(arm["advice"] != "none")


def _is_turned(test: Facts, under: Under) -> bool:
    """Whether some of the advice that was seen by then is turned against the model."""
    arm = next(one for one in arms_read(test) if one["position"] == under.arm)
    seen = [stage for stage in stages_read(test, arm) if stage["position"] <= under.stage]
    return bool(arm["wrong_per_cent"]) and any(stage["shows_advice"] for stage in seen)


def _comparable(one: Facts, other: Facts) -> bool:
    if one["kind"] != other["kind"]:
        return False
    if one["kind"] == "decision":
        return _has_sides(one) and _has_sides(other)
    if one["kind"] == "classes":
        return _choices(one) == _choices(other) and (_has_sides(one) or _has_nodes(one))
    return bool(one["kind"] == "ranking")


def _choices(asked: Facts) -> list[tuple[object, ...]]:
    return [(one["label"], one["is_positive"], (one["node"] or {}).get("id")) for one in asked["choices"]]


def _has_sides(asked: Facts) -> bool:
    return bool(asked["choices"]) and all(one["is_positive"] is not None for one in asked["choices"])


def _has_nodes(asked: Facts) -> bool:
    return asked["kind"] == "classes" and sum(bool(one["node"]) for one in asked["choices"]) > 1


def measures(stages: Sequence[Facts], asked: Sequence[Facts]) -> tuple[str, ...]:
    """What two answers to a question can be measured by: of the stages and the questions of both conditions."""
    if asked[0]["kind"] == "ranking":
        return plan.TOP[: min(one["most"] or 1 for one in asked)]
    found: list[str] = []
    if all(_has_sides(one) for one in asked):
        found += [plan.SENSITIVITY, plan.SPECIFICITY, plan.BALANCED, plan.ACCURACY]
        if _same_scale(stages):
            found.append(plan.AUC)
    if all(_has_nodes(one) for one in asked):
        found += [plan.CLASS_ACCURACY, plan.PER_CLASS]
    return tuple(found)


def _same_scale(stages: Sequence[Facts]) -> bool:
    """Whether confidence is asked for on one scale at both stages."""
    names = ("least", "most", "least_label", "most_label")
    scales = [
        {tuple(one[name] for name in names) for one in stage["questions"] if one["kind"] == "scale"} for stage in stages
    ]
    return bool(scales[0] & scales[1])


# --- what is wrong with a contrast -----------------------------------------------------------------------------------


def wrong_in_itself(contrast: Contrast) -> Iterator[str]:
    """What no test could make right, in sentences."""
    for what, value, known in (
        ("role", contrast.role, (plan.PRIMARY, plan.IS_SECONDARY)),
        ("advice", contrast.advice, (plan.ALL_ADVICE, plan.AS_GIVEN, plan.TURNED)),
        ("measure", contrast.measure, plan.MEASURES),
        ("method", contrast.method, plan.CONTRAST_METHODS),
        ("hypothesis", contrast.hypothesis, (plan.SUPERIORITY, plan.NON_INFERIORITY)),
    ):
        if value not in known:
            yield _("Conditions compared: “%(value)s” is no %(what)s that is known.") % {"value": value, "what": what}
    if not 0 <= contrast.margin < 1:
        yield _("Conditions compared: a margin is at least 0 and below 1, for example 0.05.")
    elif contrast.hypothesis == plan.NON_INFERIORITY and contrast.margin == 0:
        yield _(
            "Conditions compared: non-inferiority needs a margin above 0: how much worse would still be acceptable?"
        )
    if contrast.first == contrast.second:
        yield _("Conditions compared: the two are the same.")
    if contrast.measure == plan.PER_CLASS and contrast.method != plan.OR_CASES_FIXED:
        yield _(
            "Conditions compared: the mean per-class accuracy is tested over readers, on these cases only: choose “readers random, these cases only”."  # noqa: E501
        )


def wrong_with(contrast: Contrast, tests: Sequence[Facts]) -> str:
    """What the study's tests lack for this contrast, in a sentence; "": nothing."""
    number = {"n": contrast.test}
    test = next((one for one in tests if one["position"] == contrast.test), None)
    if test is None:
        return _("The plan compares conditions of test %(n)d, and the study has no such test.") % number
    named = {"title": test["title"]}
    stages, asked = [], []
    for under in (contrast.first, contrast.second):
        if said := _lacks(test, under):
            return said % {**named, "stage": under.stage, "arm": under.arm, "question": under.question}
        stage = next(one for one in test["stages"] if one["position"] == under.stage)
        stages.append(stage)
        asked.append(next(one for one in stage["questions"] if one["position"] == under.question))
    if not _comparable(*asked):
        told = {**named, "first": asked[0]["text"], "second": asked[1]["text"]}
        return _("“%(title)s”: “%(first)s” and “%(second)s” cannot be compared: their answers differ.") % told
    if contrast.measure not in (possible := measures(stages, asked)):
        if contrast.measure == plan.AUC and plan.SENSITIVITY in possible:
            return _("“%(title)s”: an AUC needs confidence, asked for on the same scale under both conditions.") % named
        return _("“%(title)s”: “%(text)s” cannot be measured by: %(measure)s.") % {
            **named, "text": asked[0]["text"], "measure": MEASURES.get(contrast.measure, contrast.measure),
        }  # fmt: skip
    if contrast.advice not in _advice(test, contrast.second):
        return _("“%(title)s”: no advice of this arm is turned against the model.") % named
    if _other_readers(test, contrast) and contrast.method != plan.USTATISTICS:
        return _("“%(title)s”: each arm has readers of its own: choose U-statistics.") % named
    return ""


def _lacks(test: Facts, under: Under) -> str:
    """The part of a condition that the test does not have, as a sentence to be filled in; "": it has it."""
    arm = next((one for one in arms_read(test) if one["position"] == under.arm), None)
    if arm is None:
        return _("“%(title)s”: the plan compares arm %(arm)d, in which nobody reads.")
    stage = next((one for one in test["stages"] if one["position"] == under.stage), None)
    if stage is None:
        return _("“%(title)s”: the plan compares stage %(stage)d, which the test does not have.")
    if stage not in stages_read(test, arm):
        return _("“%(title)s”: the plan compares stage %(stage)d in arm %(arm)d, which is not shown there.")
    if not any(one["position"] == under.question for one in stage["questions"]):
        return _("“%(title)s”: the plan compares question %(question)d, which stage %(stage)d does not ask.")
    return ""


def _other_readers(test: Facts, contrast: Contrast) -> bool:
    return contrast.first.arm != contrast.second.arm and test["allotment"]["arms_design"] == OTHER_READERS
