"""What must be there before a study with advice is opened: what its models have to make, and of which pictures.

The cases that opening will draw are known beforehand: they follow from the seed. Nothing of that draw is shown here but
how many pictures there are.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _

from model_core.taxonomy import TaxonomyError
from readerstudy.accounts.models import User
from readerstudy.advice import known
from readerstudy.advice.errors import AdviceError
from readerstudy.advice.saying import choices_of, sums
from readerstudy.images.models import Image
from readerstudy.images.truth import taxonomy
from readerstudy.scoring import outcomes
from readerstudy.scoring.jobs import request_run
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.scoring.scores import batches, leaks
from readerstudy.studies import drawing, eligibility
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Study, Test

Kind = ScoringRun.Kind


@dataclass(frozen=True, slots=True)
class Need:
    """What a model has to make of which pictures (ids), and of which of them it has not."""

    model: ModelVersion
    kind: Kind
    images: frozenset[int]
    missing: frozenset[int]

    @property
    def n_done(self) -> int:
        return len(self.images) - len(self.missing)

    @property
    def run(self) -> ScoringRun | None:
        """The run of this kind that a worker is at."""
        return self.model.runs.filter(kind=self.kind, state__in=ScoringRun.ACTIVE).order_by("-created_at").first()

    @property
    def failed(self) -> ScoringRun | None:
        """The newest run of this kind, where it ended without all of these pictures."""
        last = self.model.runs.filter(kind=self.kind).order_by("-created_at").first()
        return last if last is not None and not last.is_active and self.missing else None


def lacking(test: Test) -> list[str]:
    """What a test still lacks for its advice to be shown, one sentence each; empty: nothing.

    Arms whose model is not registered are left out: `studies.protocol` names them.
    """
    return [*obstacles(test), *(_made_sentence(need) for need in needs(test) if need.missing)]


def obstacles(test: Test) -> list[str]:
    """What no worker can mend: why these models cannot give this advice in this test, one sentence each."""
    arms = list(_advising(test))
    if not arms:
        return []
    return [*(sentence for arm, model in arms for sentence in _cannot(test, arm, model)), *_leaking(test, arms)]


def needs(test: Test) -> list[Need]:
    """What the arms of the test need, each model and kind once."""
    arms = list(_advising(test))
    if not arms:
        return []
    cases = set().union(*case_images(test))
    wanted: dict[tuple[int, Kind], set[int]] = {}
    models: dict[int, ModelVersion] = {}
    for arm, model in arms:
        models[model.pk] = model
        for kind, images in _of_arm(arm, cases):
            wanted.setdefault((model.pk, kind), set()).update(images)
    return [
        Need(models[pk], kind, frozenset(images), frozenset(images - _present(models[pk], kind, images)))
        for (pk, kind), images in wanted.items()
        if images
    ]


def needs_of(study: Study) -> list[tuple[Test, list[Need]]]:
    """The tests of a draft with what their advice needs."""
    tests = study.tests.select_related("image_set", "study", "practice_set", "attention_set")
    return [(test, found) for test in tests if (found := needs(test))]


def have_made(study: Study, *, requested_by: User) -> list[ScoringRun]:
    """Ask a worker for everything that is missing; what a run is already at is not asked for again."""
    return [
        request_run(
            model_version=need.model, images=sorted(need.missing), kind=need.kind, requested_by=requested_by,
            label=_("%(kind)s for the advice of “%(study)s”") % {"kind": need.kind.label, "study": study},
        )
        for _test, found in needs_of(study)
        for need in found
        if need.missing
    ]  # fmt: skip


# --- which pictures --------------------------------------------------------------------------------------------------


def case_images(test: Test) -> tuple[set[int], set[int]]:
    """(pictures of the counted cases, of practice and attention checks) that opening draws; empty where it cannot."""
    try:
        scored = drawing.draw_scored(test, eligibility.pool_of(test))
        extras = drawing.draw_extras(test)
    except StudiesError:  # `studies.rules` says what is wrong
        return set(), set()
    further = [*extras.practice, *extras.attention]
    return {row.image for one in scored for row in one.rows}, {row.image for one in further for row in one.rows}


def _of_arm(arm: Arm, cases: set[int]) -> Iterator[tuple[Kind, set[int]]]:
    if arm.advice in (Arm.Advice.PROBABILITY, Arm.Advice.CLASSES) or arm.wrong_per_cent:
        yield Kind.SCORES, cases
    if arm.advice == Arm.Advice.SALIENCY:
        yield Kind.SALIENCY, cases
    if arm.advice == Arm.Advice.NEIGHBOURS and arm.neighbours_set_id is not None:
        others = Image.objects.filter(image_set=arm.neighbours_set_id).values_list("pk", flat=True)
        yield Kind.FEATURES, cases | set(others)


def _present(model: ModelVersion, kind: Kind, images: set[int]) -> set[int]:
    there: set[int] = set()
    for some in batches(sorted(images)):
        there.update(outcomes.present(kind, model).filter(image__in=some).values_list("image_id", flat=True))
    return there


def _advising(test: Test) -> Iterator[tuple[Arm, ModelVersion]]:
    arms = test.arms.exclude(advice=Arm.Advice.NONE).select_related("neighbours_set")
    models = {model.sha256: model for model in ModelVersion.objects.filter(sha256__in=arms.values("model_sha256"))}
    return ((arm, models[arm.model_sha256]) for arm in arms if arm.model_sha256 in models)


# --- in sentences ----------------------------------------------------------------------------------------------------


def _made_sentence(need: Need) -> str:
    values = {"model": need.model, "kind": need.kind.label, "n": need.n_done, "total": len(need.images)}
    if need.run is not None:
        return _("“%(model)s” is making %(kind)s: %(n)d of %(total)d pictures are done.") % values
    return _("“%(model)s” has to make %(kind)s of %(total)d pictures; %(n)d are done.") % values


def _cannot(test: Test, arm: Arm, model: ModelVersion) -> Iterator[str]:
    """Why this model cannot give this advice in this test, whatever it is asked for."""
    try:
        classes = tuple(model.checkpoint.classes)
        nothing = np.zeros((1, len(classes)), np.float32)
        if arm.advice == Arm.Advice.PROBABILITY or (arm.advice == Arm.Advice.NEIGHBOURS and arm.wrong_per_cent):
            taxonomy().restricted_share(classes, nothing, test.positive_nodes, test.negative_nodes)
        elif arm.advice == Arm.Advice.CLASSES and (choices := choices_of(test)):
            told = sums(classes, nothing, [choice.node for choice in choices])
            if all(value is None for value in told):
                yield _("“%(model)s” knows none of the classes that the arm “%(arm)s” tells of.") % {
                    "model": model, "arm": arm.title
                }  # fmt: skip
        if arm.advice == Arm.Advice.NEIGHBOURS and arm.neighbours_set is not None:
            yield from _too_few_known(test, arm)
    except (AdviceError, TaxonomyError) as error:
        yield f"{arm.title}: {error}"


def _too_few_known(test: Test, arm: Arm) -> Iterator[str]:
    usable = Counter(known.usable(test, arm).values())
    named = {"set": arm.neighbours_set, "arm": arm.title, "least": known.SHOWN, "most": known.MOST_KNOWN}
    if arm.neighbours_set is not None and arm.neighbours_set.n_images > known.MOST_KNOWN:
        yield _("“%(set)s” has more than the %(most)d images that the arm “%(arm)s” can look through.") % named
    if usable.total() < known.SHOWN:
        yield (
            _(
                "“%(set)s” has fewer than %(least)d images for the arm “%(arm)s” that share no picture, lesion or "
                "patient with the study's own."
            )
            % named
        )
    elif arm.wrong_per_cent and min(usable[0], usable[1]) < known.SHOWN:
        yield (
            _(
                "For advice that is wrong on purpose “%(set)s” needs %(least)d images of each side of the test that "
                "share no picture, lesion or patient with the study's own."
            )
            % named
        )


def _leaking(test: Test, arms: list[tuple[Arm, ModelVersion]]) -> Iterator[str]:
    """A model that was trained on a case would know its answer."""
    scored, _further = case_images(test)
    for model in {model.pk: model for _arm, model in arms}.values():
        if found := leaks(model, scored):
            yield _(
                "“%(model)s” was trained on %(n)d of the test's %(total)d pictures, or on others of their lesions or "
                "patients: its advice on them would be too good. Choose another model or other images."
            ) % {"model": model, "n": len(found), "total": len(scored)}  # fmt: skip
