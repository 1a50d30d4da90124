"""What the tables refuse of a test, said in sentences before it is written: the field concerned and the reason.

Each rule here stands beside a constraint of `designs` or `models`; what the tables let pass and a study cannot be
opened with is in `rules`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations
from django.utils.translation import gettext as _

from readerstudy.images.models import Modality
from readerstudy.studies.designs import MOST_IMAGES_OF_A_CASE
from readerstudy.studies.drafts import ArmDraft, QuestionDraft, StageDraft
from readerstudy.studies.models import Arm, Choice, Question, Stage, Test

MOST_RANKED = 10
FURTHEST_OF_SCALE = 1000
Refusal = tuple[str, str]


def refused_columns(test: Test) -> list[Refusal]:
    """Of the test's own columns: (name of the column, sentence)."""
    return [
        *_sample(test), *_allotment(test), *_arms_design(test), *_conduct(test), *_other_sets(test),
        *out_of_range(test),
    ]  # fmt: skip


def out_of_range(row: models.Model) -> Iterator[Refusal]:
    """Whole numbers that a column cannot hold, on any database: SQLite would store them, PostgreSQL would not."""
    for field in row._meta.get_fields():
        if not isinstance(field, models.IntegerField):
            continue
        value = getattr(row, field.name)
        least, most = BaseDatabaseOperations.integer_field_ranges[field.get_internal_type()]
        if value is not None and not least <= value <= most:
            yield field.name, _("%(name)s: %(value)d is not between %(least)d and %(most)d.") % {
                "name": field.name, "value": value, "least": least, "most": most
            }  # fmt: skip


def _sample(test: Test) -> Iterator[Refusal]:
    if test.sample_size is None and test.sample_positives is not None:
        yield "sample_size", _("Say how many cases are drawn in all.")
    elif test.sample_size is not None and (test.sample_positives or 0) > test.sample_size:
        yield "sample_positives", _("There cannot be more positive cases than cases.")
    if test.modality not in ("", *Modality.values):
        yield "modality", _not_one_of(test.modality, ["", *Modality.values])
    if not 1 <= test.images_per_case <= MOST_IMAGES_OF_A_CASE:
        yield "images_per_case", _("A case has from 1 to %(most)d pictures.") % {"most": MOST_IMAGES_OF_A_CASE}


def _allotment(test: Test) -> Iterator[Refusal]:
    every = test.cases_read == Test.Cases.EVERY
    for name, allowed in (("cases_read", Test.Cases), ("order", Test.Order), ("arms_design", Test.Arms)):
        if getattr(test, name) not in allowed.values:
            yield name, _not_one_of(getattr(test, name), allowed.values)
    if every and test.cases_per_reading is not None:
        yield "cases_per_reading", _("Where every reader reads every case, leave this empty.")
    if not every and not test.cases_per_reading:
        yield "cases_per_reading", _("Say how many cases a reading has.")
    if test.positives_per_reading is not None and test.positives_per_reading > (test.cases_per_reading or 0):
        yield "positives_per_reading", _("There cannot be more positive cases than cases in a reading.")
    if test.most_readings < 1:
        yield "most_readings", _("A reader reads at least one batch.")
    if test.most_readings > 1 and test.cases_read != Test.Cases.BATCHES:
        yield "most_readings", _("Only batches can be read more than once.")


def _arms_design(test: Test) -> Iterator[Refusal]:
    alternating = test.arms_design == Test.Arms.ALTERNATING
    if alternating and not test.block_size:
        yield "block_size", _("Say after how many cases the arms take turns.")
    if not alternating and test.block_size is not None:
        yield "block_size", _("Only alternating arms have blocks; leave this empty.")
    if test.wash_out_days and test.arms_design != Test.Arms.CROSSOVER:
        yield "wash_out_days", _("Only a crossover has a wash-out; write 0.")


def _conduct(test: Test) -> Iterator[Refusal]:
    for name, allowed in (("changes", Test.Changes), ("time_limit", Test.Limit), ("screen_check", Test.ScreenCheck)):
        if getattr(test, name) not in allowed.values:
            yield name, _not_one_of(getattr(test, name), allowed.values)
    if test.time_limit == Test.Limit.NONE and test.seconds_per_case is not None:
        yield "seconds_per_case", _("Without a time limit, leave this empty.")
    if test.time_limit != Test.Limit.NONE and (test.seconds_per_case or 0) < 5:
        yield "seconds_per_case", _("A time limit needs its seconds, at least 5.")
    if test.break_every is not None and test.break_every < 1:
        yield "break_every", _("A break is suggested after at least one case; or leave this empty.")
    if test.pass_mark is not None and not 1 <= test.pass_mark <= 100:
        yield "pass_mark", _("A pass mark is from 1 to 100 per cent.")


def _other_sets(test: Test) -> Iterator[Refusal]:
    for kind, what in (("practice", _("practice cases")), ("attention", _("attention checks"))):
        n, chosen = getattr(test, f"{kind}_cases"), getattr(test, f"{kind}_set_id") is not None
        if n and not chosen:
            yield f"{kind}_set", _("Choose the image set of the %(what)s.") % {"what": what}
        if chosen and not n:
            yield f"{kind}_cases", _("Say how many %(what)s there are, or choose no image set.") % {"what": what}


def refused_stages(stages: Sequence[StageDraft]) -> list[str]:
    """Of the stages and their questions, a sentence each."""
    found = []
    for number, stage in enumerate(stages, start=1):
        where = _("Stage %(number)d") % {"number": number}
        if number == 1 and stage.shows_advice:
            found.append(_("The first stage shows no advice: the unaided answer comes first."))
        found += [f"{where}: {_not_one_of(kind, Modality.values)}" for kind in stage.modalities
                  if kind not in Modality.values]  # fmt: skip
        found += _too_long(where, stage.instruction, Stage, "instruction")
        for question in stage.questions:
            asked = _("“%s”") % question.text
            found += [f"{where}, {asked}: {sentence}" for sentence in refused_question(question)]
    return found


def refused_question(question: QuestionDraft) -> list[str]:
    """Of one question and its choices, a sentence each."""
    if question.kind not in Question.Kind.values:
        return [_not_one_of(question.kind, Question.Kind.values)]
    found = []
    if not question.text.strip():
        found.append(_("Write the question."))
    if question.kind == Question.Kind.RANKING:
        if question.least is not None or not 1 <= (question.most or 0) <= MOST_RANKED:
            found.append(_("A ranking has from 1 to %(most)d diagnoses.") % {"most": MOST_RANKED})
    elif question.kind == Question.Kind.SCALE:
        if question.least is None or question.most is None or question.most <= question.least:
            found.append(_("A scale needs a lowest and a highest value, the second above the first."))
        elif question.least < -FURTHEST_OF_SCALE or question.most > FURTHEST_OF_SCALE:
            found.append(_("A scale lies between -%(most)d and %(most)d.") % {"most": FURTHEST_OF_SCALE})
    elif question.least is not None or question.most is not None:
        found.append(_("Only a scale has a lowest and a highest value, and a ranking a number of diagnoses."))
    labels = [choice.label for choice in question.choices]
    if any(not label.strip() for label in labels):
        found.append(_("Each answer needs its words."))
    twice = sorted({label for label in labels if labels.count(label) > 1})
    found += [_("The answer “%(label)s” is given twice.") % {"label": label} for label in twice]
    for name in ("text", "least_label", "most_label"):
        found += _too_long("", getattr(question, name), Question, name)
    for choice in question.choices:
        found += _too_long("", choice.label, Choice, "label")
    return found


def refused_arms(arms: Iterable[ArmDraft]) -> list[str]:
    """Of the arms, a sentence each."""
    found = []
    for arm in arms:
        if not arm.title.strip():
            found.append(_("Each arm needs a name."))
        found += _too_long("", arm.title, Arm, "title")
        if arm.advice not in Arm.Advice.values:
            found.append(f"{arm.title}: {_not_one_of(arm.advice, Arm.Advice.values)}")
        elif arm.advice == Arm.Advice.NONE and (arm.model_sha256 or arm.wrong_per_cent):
            found.append(_("“%(arm)s” gives no advice: it has neither a model nor wrong advice.") % {"arm": arm.title})
        elif arm.advice != Arm.Advice.NONE and not arm.model_sha256:
            found.append(_("“%(arm)s” gives advice: choose the model it comes from.") % {"arm": arm.title})
        elif arm.model_sha256 and not re.fullmatch("[0-9a-f]{64}", arm.model_sha256):
            found.append(_("“%(arm)s”: “%(hash)s” is no SHA-256.") % {"arm": arm.title, "hash": arm.model_sha256[:70]})
        if arm.neighbours_set is not None and arm.advice != Arm.Advice.NEIGHBOURS:
            found.append(_("“%(arm)s” shows no similar images: it needs no image set.") % {"arm": arm.title})
        if not 0 <= arm.wrong_per_cent <= 100:
            found.append(_("“%(arm)s”: wrong advice is from 0 to 100 per cent.") % {"arm": arm.title})
    return found


def _not_one_of(value: str, allowed: Iterable[str]) -> str:
    return _("“%(value)s” is not allowed; allowed are: %(allowed)s.") % {
        "value": value, "allowed": ", ".join(word or _("(empty)") for word in allowed)
    }  # fmt: skip


def _too_long(where: str, text: str, model: type[Arm | Choice | Question | Stage], field: str) -> list[str]:
    longest = getattr(model._meta.get_field(field), "max_length", None)
    if longest is None or len(text) <= longest:
        return []
    sentence = _("“%(text)s…” is longer than %(most)d characters.") % {"text": text[:40], "most": longest}
    return [f"{where}: {sentence}" if where else sentence]
