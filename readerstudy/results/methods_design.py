"""How a test was read, for the methods paragraph: who read what, its stages and arms, and what was shown as advice.

Written from the test as the frozen protocol holds it.
"""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.studies.contrast_wording import WHAT, shown
from readerstudy.studies.contrasts import NO_ARM, Facts, arms_read, stages_read
from readerstudy.studies.models import Test


def shows_advice(tests: Sequence[Facts]) -> bool:
    """Whether readers of any of these tests saw what a model says."""
    return any(_stages_with_advice(test, arm) for test in tests for arm in arms_read(test))


def _stages_with_advice(test: Facts, arm: Facts) -> list[int]:
    gives = arm["advice"] != NO_ARM["advice"]
    return [stage["position"] for stage in stages_read(test, arm) if gives and stage["shows_advice"]]


def design(test: Facts) -> Iterator[str]:
    """What a test's design is beyond one reading of every case, at one go, without advice."""
    allotted = test["allotment"]
    if allotted["cases_read"] != Test.Cases.EVERY:
        told = {"what": Test.Cases(allotted["cases_read"]).label, "n": allotted["cases_per_reading"]}
        if allotted["positives_per_reading"] is None:
            yield _("Who read what: %(what)s; %(n)d cases a reading.") % told
        else:
            told["k"] = allotted["positives_per_reading"]
            yield _("Who read what: %(what)s; %(n)d cases a reading, %(k)d of them positive.") % told
    yield from _arms(test)
    yield from _stages(test)
    for arm in arms_read(test):
        yield from _advice(test, arm)


def _arms(test: Facts) -> Iterator[str]:
    arms, allotted = arms_read(test), test["allotment"]
    if len(arms) < 2:
        return
    yield _("There were %(n)d arms (%(arms)s): %(design)s.") % {
        "n": len(arms), "arms": ", ".join(f"“{arm['title']}”" for arm in arms),
        "design": Test.Arms(allotted["arms_design"]).label,
    }  # fmt: skip
    if allotted["block_size"]:
        yield ngettext("A block had %(n)d case.", "A block had %(n)d cases.", allotted["block_size"]) % {
            "n": allotted["block_size"]
        }
    if allotted["arms_design"] == Test.Arms.CROSSOVER:
        days = allotted["wash_out_days"]
        yield (
            ngettext(
                "Between the end of one arm and the start of the next the server enforced a wash-out of %(n)d day.",
                "Between the end of one arm and the start of the next the server enforced a wash-out of %(n)d days.",
                days,
            ) % {"n": days}
            if days
            else _("There was no wash-out between the arms.")
        )  # fmt: skip


def _stages(test: Facts) -> Iterator[str]:
    arms = arms_read(test)
    read = {arm["position"]: stages_read(test, arm) for arm in arms}
    if max(map(len, read.values())) < 2:
        return
    yield _("A case was read in stages; the answers of one were stored, and locked, before the next was shown.")
    for arm in arms:
        told = "; ".join(
            _("stage %(n)d: %(shown)s") % {"n": stage["position"], "shown": shown(stage, arm)}
            for stage in read[arm["position"]]
        )
        if len(arms) > 1:
            yield _("Arm “%(arm)s”: %(stages)s.") % {"arm": arm["title"], "stages": told}
        else:
            yield f"{told[:1].upper()}{told[1:]}."


def _advice(test: Facts, arm: Facts) -> Iterator[str]:
    stages = _stages_with_advice(test, arm)
    if not stages:
        return
    yield _("Advice in the arm “%(arm)s” was %(what)s of the model with the weights' SHA-256 %(sha256)s, shown at stage %(stages)s and only after the answers of every stage before it had been stored.") % {  # noqa: E501
        "arm": arm["title"], "what": WHAT.get(arm["advice"], arm["advice"]), "sha256": arm["model_sha256"],
        "stages": ", ".join(map(str, stages)),
    }  # fmt: skip
    if arm.get("neighbours_set"):
        yield _("The similar cases came from the image set “%(set)s”.") % {"set": arm["neighbours_set"]["name"]}
    if arm["wrong_per_cent"]:
        yield _(
            "For %(n)d %% of the cases of this arm, drawn for each reader, advice was turned on purpose against what the model said; which these were is recorded."  # noqa: E501
        ) % {"n": arm["wrong_per_cent"]}
    else:
        yield _("No advice was wrong on purpose.")
