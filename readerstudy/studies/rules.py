"""What one test still lacks before its study can be opened, beyond what the tables refuse (see `impossible`)."""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from readerstudy.images.models import Modality
from readerstudy.studies import allocation, drawing, eligibility, question_rules
from readerstudy.studies.eligibility import Candidate, Pool
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Stage, Test


def missing_from_test(test: Test) -> list[str]:
    """What one test still lacks, one sentence each; empty: it can be opened."""
    stages = list(test.stages.prefetch_related("questions__choices"))
    lacking = [*_stages(stages), *question_rules.missing_from_questions(test, stages)]
    lacking += [*_arms(test, list(test.arms.select_related("neighbours_set")), stages), *_requirement(test)]
    if not test.positive_nodes or not test.negative_nodes:
        return [*lacking, _("Choose at least one positive and one negative diagnosis.")]
    try:
        if both := eligibility.overlap(test.positive_nodes, test.negative_nodes):
            return [*lacking, _("“%(names)s” is both positive and negative.") % {"names": "”, “".join(both)}]
        pool = eligibility.pool_of(test)
        short = allocation.shortage(
            len(pool.positives), len(pool.negatives), size=test.sample_size, n_positive=test.sample_positives
        )
    except StudiesError as error:
        return [*lacking, str(error)]
    if short:
        return [*lacking, eligibility.shortage_sentence(short, test.image_set), *_pool(test, pool)]
    lacking += [*_pool(test, pool), *drawing.draw_extras(test).short]
    scored = drawing.draw_scored(test, pool)
    lacking += [*_reading(test, scored), *_shown(stages, scored)]
    return [*lacking, *question_rules.missing_classes(stages, scored)]


def _pool(test: Test, pool: Pool) -> Iterator[str]:
    for what, there in ((_("positive"), pool.positives), (_("negative"), pool.negatives)):
        if not there:
            yield _("The image set “%(set)s” has no %(what)s image that fits.") % {"set": test.image_set, "what": what}
    if pool.contradicted:
        yield (
            _("The lesion “%(lesion)s” in “%(set)s” has both positive and negative images (%(n)d such lesions).")
            % {"lesion": pool.contradicted[0], "set": test.image_set, "n": len(pool.contradicted)}
        )


def _stages(stages: Sequence[Stage]) -> Iterator[str]:
    if not stages or not any(stage.questions.all() for stage in stages):
        yield _("Write the question.")
        return
    for stage in stages:
        questions = list(stage.questions.all())
        if not questions:
            yield _("Stage %(number)d asks nothing.") % {"number": stage.position}
        elif not any(question.is_required for question in questions):
            yield _("In stage %(number)d every question may be left out: one must be answered.") % {
                "number": stage.position
            }


def _arms(test: Test, arms: Sequence[Arm], stages: Sequence[Stage]) -> Iterator[str]:
    """The arms fit the design, and advice is both given and shown."""
    if test.arms_design == Test.Arms.SINGLE and len(arms) > 1:
        yield _("There are %(n)d arms, but readers read in one arm: choose how the arms are given out.") % {
            "n": len(arms)
        }
    if test.arms_design != Test.Arms.SINGLE and len(arms) < 2:
        yield _("“%(design)s” needs at least two arms.") % {"design": test.get_arms_design_display()}
    if test.arms_design == Test.Arms.CROSSOVER and test.cases_read == Test.Cases.BATCHES:
        yield _("Readers cannot both read in every arm and choose how many batches they read.")
    titles = [arm.title for arm in arms]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield _("Two arms are called “%(title)s”.") % {"title": title}
    shown = [stage.position for stage in stages if stage.shows_advice]
    advising = [arm for arm in arms if arm.advice != Arm.Advice.NONE]
    if shown and not advising:
        yield _("Stage %(number)d shows advice, but no arm gives any.") % {"number": shown[0]}
    for arm in advising:
        if not shown:
            yield _("The arm “%(arm)s” gives advice, but no stage shows it.") % {"arm": arm.title}
        if arm.wrong_per_cent and arm.advice == Arm.Advice.SALIENCY:
            yield _("The arm “%(arm)s”: a picture of where the model looked cannot be wrong on purpose.") % {
                "arm": arm.title
            }
        if arm.advice == Arm.Advice.NEIGHBOURS:
            yield from _neighbours(test, arm)


def _neighbours(test: Test, arm: Arm) -> Iterator[str]:
    """Similar images come from a set that no reader of this study is asked about: their diagnoses are shown."""
    if arm.neighbours_set is None:
        yield _("The arm “%(arm)s” shows similar images: choose the image set they come from.") % {"arm": arm.title}
        return
    for other in test.study.tests.all():
        if arm.neighbours_set_id in (other.image_set_id, other.practice_set_id, other.attention_set_id):
            yield _(
                "The arm “%(arm)s” shows images of “%(set)s” with their diagnoses, and “%(test)s” asks readers about "
                "images of the same set: choose another one."
            ) % {"arm": arm.title, "set": arm.neighbours_set, "test": other.title}
            return


def _requirement(test: Test) -> Iterator[str]:
    """A screening test comes before the test that asks for it, in the same study, and can be passed."""
    first = test.requires
    if first is None:
        return
    named = {"title": first.title}
    if first.pk == test.pk:
        yield _("The test asks for having passed itself.")
    elif first.study_id != test.study_id:
        yield _("The test “%(title)s”, which must be passed first, belongs to another study.") % named
    elif first.position > test.position:
        yield _("The test “%(title)s”, which must be passed first, comes later.") % named
    elif first.pass_mark is None:
        yield _("The test “%(title)s”, which must be passed first, has no pass mark.") % named


def _reading(test: Test, scored: Sequence[Candidate]) -> Iterator[str]:
    """The cases of one reading can be drawn from the test's cases, and its blocks and repeats fit in."""
    n, n_positive = len(scored), sum(candidate.is_positive for candidate in scored)
    size = n
    if test.cases_read != Test.Cases.EVERY:
        size = test.cases_per_reading or 0
        short = allocation.shortage(n_positive, n - n_positive, size=size, n_positive=test.positives_per_reading)
        if short:
            whats = {
                "images": _("cases"), "positive images": _("positive cases"), "negative images": _("negative cases"),
            }  # fmt: skip
            yield _("A reading of %(size)d cases needs %(asked)d %(what)s; the test has %(there)d.") % {
                "size": size, "asked": short.asked, "what": whats[short.what], "there": short.there,
            }  # fmt: skip
            return
    n_arms = test.arms.count()
    if test.block_size and size <= test.block_size * (n_arms - 1):
        yield _("A reading of %(size)d cases ends before each of the %(arms)d arms had its block of %(block)d.") % {
            "size": size, "arms": n_arms, "block": test.block_size,
        }  # fmt: skip
    # A repeat is read in the arm of its first showing.
    arms = [place // test.block_size % max(1, n_arms) if test.block_size else 0 for place in range(size)]
    most = allocation.most_repeats(arms, distance=test.repeat_distance)
    if test.repeats > most:
        yield _(
            "With %(distance)d cases in between, at most %(most)d of %(size)d cases can be repeated, not %(asked)d."
        ) % {"distance": test.repeat_distance, "most": most, "size": size, "asked": test.repeats}


def _shown(stages: Sequence[Stage], scored: Sequence[Candidate]) -> Iterator[str]:
    """Each stage shows a picture of every case, and facts where it promises them."""
    for stage in stages:
        kinds = set(stage.modalities)
        without = sum(bool(kinds) and not any(row.modality in kinds for row in case.rows) for case in scored)
        if without:
            names = [str(Modality(kind).label) for kind in stage.modalities if kind in Modality.values]
            yield _("Stage %(number)d shows only: %(kinds)s. Of %(n)d cases, %(without)d have no such picture.") % {
                "number": stage.position, "kinds": ", ".join(names), "n": len(scored), "without": without,
            }  # fmt: skip
        if stage.shows_facts and not any(row.has_facts for case in scored for row in case.rows):
            yield _("Stage %(number)d shows age, sex, site and skin type, but the images state none of them.") % {
                "number": stage.position
            }
