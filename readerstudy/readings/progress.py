"""Where a reading stands: the case and stage to be read now, the case after it, and nothing else.

The unit of progress is one stage of one case. A stage is locked when it is answered; only then is the next one shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.images.models import Image
from readerstudy.readings.models import Item, ItemQuerySet, Reading, SessionEvent, Submission
from readerstudy.studies.models import Arm, Case, CaseImage, Choice, Question, Stage, Test

# The case being read, and exactly one ahead of it, which the browser fetches meanwhile.
ITEMS_IN_SIGHT = 2
SCREEN_CHECK_HOLDS = timedelta(hours=12)  # then a page that is opened asks for the next one

ScreenCheck = Literal["none", "due", "done"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One case at one of its stages: what the reader sees, and what he is asked."""

    item: Item
    stage: Stage
    is_last: bool  # this stage answers the case
    pictures: list[CaseImage]
    facts: list[tuple[str, str]]  # (what, value), in the reader's language
    needs_advice: bool  # to be asked for by its own request
    more_seconds: int = 0  # that were asked for at this stage
    given: Submission | None = None  # what may be changed, with its answers

    @property
    def position(self) -> int:
        return self.item.position

    @property
    def is_practice(self) -> bool:
        return self.item.case.kind == Case.Kind.PRACTICE


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page of a reading needs. `current` is None when every case is answered."""

    reading: Reading
    total: int
    stages: list[Stage]
    current: Shown | None
    next: Shown | None
    feedback: Item | None  # the practice case that was just answered; its case has the feedback
    changeable: list[Item]
    screen_check: ScreenCheck
    break_is_due: bool

    @property
    def answered(self) -> int:
        return self.total if self.current is None else self.current.position - 1

    @property
    def may_end(self) -> bool:
        """Whether every case is answered and the reader has still to say that it is done."""
        return self.current is None and self.reading.finished_at is None


# --- the stages of a case --------------------------------------------------------------------------------------------


def stages_of_test(test_pk: int) -> list[Stage]:
    """The stages of a test with their questions and choices; nothing says what a choice counts as."""
    choices = Choice.objects.order_by("position").only("question", "position", "label")
    questions = Question.objects.order_by("position").prefetch_related(Prefetch("choices", choices))
    return list(
        Stage.objects.filter(test=test_pk).order_by("position").prefetch_related(Prefetch("questions", questions))
    )


def advises(item: Item) -> bool:
    """Whether the arm of this case gives advice."""
    return item.arm is not None and item.arm.advice != Arm.Advice.NONE


def advice_shown(item: Item) -> SessionEvent | None:
    """When advice on this case was first shown, with what was told; None: not yet."""
    return item.reading.events.filter(item=item, kind=SessionEvent.Kind.ADVICE_SHOWN).order_by("pk").first()


def stages_of(item: Item, stages: Sequence[Stage]) -> list[Stage]:
    """The stages at which this case is read.

    In an arm without advice a stage is left out that brings nothing but advice and asks nothing new: it would ask the
    same again.
    """
    kept: list[Stage] = []
    for stage in stages:
        only_advice = (
            stage.shows_advice
            and bool(kept)
            and stage.shows_facts == kept[-1].shows_facts
            and stage.modalities == kept[-1].modalities
            and _asks_the_same(stage, kept[-1])
        )
        if advises(item) or not only_advice:
            kept.append(stage)
    return kept


def _asks_the_same(stage: Stage, before: Stage) -> bool:
    """Whether each question of a stage was asked at the one before it, in whatever words."""
    asked = [_answers_of(question) for question in before.questions.all()]
    return all(_answers_of(question) in asked for question in stage.questions.all())


def _answers_of(question: Question) -> tuple[object, ...]:
    """What can be answered to a question."""
    labels = [choice.label for choice in question.choices.all()]
    return question.kind, labels, question.least, question.most, question.nodes


def stage_due(item: Item, stages: Sequence[Stage]) -> Stage | None:
    """The first stage of this case without an answer; None: it is answered."""
    answered = set(item.submissions.values_list("stage_id", flat=True))
    return next((stage for stage in stages_of(item, stages) if stage.pk not in answered), None)


# --- the items -------------------------------------------------------------------------------------------------------


def items_of(reading: Reading) -> list[Item]:
    """The cases in sight: the current one and the one after it. Cases are answered in their order."""
    return list(readable(reading.items.unanswered())[:ITEMS_IN_SIGHT])


def readable(items: ItemQuerySet) -> ItemQuerySet:
    """Items with what their reader may know of them: not the class, not the feedback, not which case it is."""
    return (
        items.order_by("position")
        .select_related("case", "arm")
        .only("uuid", "reading", "position", "is_repeat", "case__kind", "arm__advice")
    )


def changeable(reading: Reading, current: Item | None) -> list[Item]:
    """The answered cases whose last stage may be answered anew, by the protocol.

    `current` is the first unanswered case. A practice case is not among them: its answer was told.
    """
    if reading.test.changes == Test.Changes.NEVER or reading.finished_at is not None:
        return []
    answered = reading.items.exclude(case__kind=Case.Kind.PRACTICE)
    if current is not None:
        answered = answered.filter(position__lt=current.position)
    if reading.test.changes == Test.Changes.UNTIL_NEXT:
        if current is not None and current.submissions.exists():
            return []
        last = reading.items.count() if current is None else current.position - 1
        answered = answered.filter(position=last)
    return list(readable(answered))


def just_practised(reading: Reading, current: Item | None) -> Item | None:
    """The practice case before the current one, as long as nothing of the current one is answered."""
    if current is not None and current.submissions.exists():
        return None
    before = reading.items.filter(case__kind=Case.Kind.PRACTICE)
    before = before.filter(position=(current.position if current else reading.items.count() + 1) - 1)
    rows = before.select_related("case", "arm").only(
        "uuid", "reading", "position", "is_repeat", "case__kind", "case__feedback", "arm__advice"
    )
    return rows.first()


# --- what is shown ---------------------------------------------------------------------------------------------------


def shown(item: Item, stage: Stage, stages: Sequence[Stage], *, given: Submission | None = None) -> Shown:
    """This case at this stage."""
    pictures = (
        CaseImage.objects.filter(case=item.case_id)
        .order_by("position")
        .select_related("image")
        .only("case", "position", "image__width", "image__height", "image__modality")
    )
    if stage.modalities:
        pictures = pictures.filter(image__modality__in=stage.modalities)
    more = (
        item.reading.events.filter(item=item, kind=SessionEvent.Kind.MORE_TIME, detail__stage=stage.position)
        if item.reading.test.seconds_per_case
        else ()
    )
    return Shown(
        item=item,
        stage=stage,
        is_last=stage == stages_of(item, stages)[-1],
        pictures=list(pictures),
        facts=_facts(item) if stage.shows_facts else [],
        needs_advice=stage.shows_advice and advises(item),
        more_seconds=sum(int(event.detail["seconds"]) for event in more),
        given=given,
    )


def _facts(item: Item) -> list[tuple[str, str]]:
    """What is known of the patient and the lesion beside the pictures, as the first picture has it."""
    first = CaseImage.objects.filter(case=item.case_id).order_by("position").values("image")[:1]
    image = Image.objects.only("age", "sex", "site", "skin_type").get(pk__in=first)
    types = ("I", "II", "III", "IV", "V", "VI")
    facts = [
        (_("Age"), "" if image.age is None else str(image.age)),
        (_("Sex"), str(image.get_sex_display()) if image.sex else ""),
        (_("Site"), image.site),
        (_("Skin type"), types[image.skin_type - 1] if image.skin_type else ""),
    ]
    return [(what, value or _("not stated")) for what, value in facts]


def seen(reading: Reading, item_uuid: UUID) -> Shown | None:
    """A case that its reader may see at this moment, at the stage that he may see; else None.

    The current case, the first stage of the one after it, a case whose answer may still be changed, and a practice case
    of which the feedback is being read.
    """
    stages = stages_of_test(reading.test_id)
    items = items_of(reading)
    for index, item in enumerate(items):
        if item.uuid == item_uuid:
            stage = stage_due(item, stages) if index == 0 else stages[0]
            return shown(_within(item, reading), stage, stages) if stage else None
    return seen_again(reading, item_uuid, items[0] if items else None, stages)


def seen_again(reading: Reading, item_uuid: UUID, current: Item | None, stages: Sequence[Stage]) -> Shown | None:
    """An answered case that may be seen again, at its last stage, with what was answered where that may be changed."""
    for item in changeable(reading, current):
        if item.uuid == item_uuid:
            last = stages_of(item, stages)[-1]
            return shown(_within(item, reading), last, stages, given=newest(item, last))
    practised = just_practised(reading, current)
    if practised is not None and practised.uuid == item_uuid:
        return shown(_within(practised, reading), stages_of(practised, stages)[-1], stages)
    return None


def newest(item: Item, stage: Stage) -> Submission | None:
    """The submission that counts for a stage of a case; None: it has no answer."""
    return item.submissions.filter(stage=stage).order_by("-revision").first()


def _within(item: Item, reading: Reading) -> Item:
    item.reading = reading  # with the columns that were loaded for its reader, and no others
    return item


# --- where it stands -------------------------------------------------------------------------------------------------


def standing(reading: Reading) -> Standing:
    """Where this reading stands at this moment."""
    stages = stages_of_test(reading.test_id)
    items = [_within(item, reading) for item in items_of(reading)]
    current = items[0] if items else None
    due = stage_due(current, stages) if current else None
    return Standing(
        reading=reading,
        total=reading.items.count(),
        stages=stages,
        current=shown(current, due, stages) if current and due else None,
        next=shown(items[1], stages[0], stages) if len(items) > 1 else None,
        feedback=just_practised(reading, current),
        changeable=changeable(reading, current),
        screen_check=screen_check(reading),
        break_is_due=_break_is_due(reading, current, due == stages[0]),
    )


def screen_check(reading: Reading) -> ScreenCheck:
    """Whether the screen is still to be checked before the reader goes on; a check holds for a session's length."""
    wanted = reading.test.screen_check
    if wanted == Test.ScreenCheck.NONE:
        return "none"
    return "done" if screen_checked(reading, since=timezone.now() - SCREEN_CHECK_HOLDS) else "due"


def screen_checked(reading: Reading, *, since: datetime | None = None) -> bool:
    """Whether the screen was checked in this reading (and passed, where the protocol asks for it)."""
    checks = reading.events.filter(kind=SessionEvent.Kind.SCREEN_CHECK)
    if since is not None:
        checks = checks.filter(at__gte=since)
    passed = [bool(detail.get("passed")) for detail in checks.values_list("detail", flat=True)]
    return any(passed) if reading.test.screen_check == Test.ScreenCheck.REQUIRED else bool(passed)


def _break_is_due(reading: Reading, current: Item | None, at_its_begin: bool) -> bool:
    """Whether a break is suggested now: every so many cases, between two of them, until it was taken."""
    every = reading.test.break_every
    if not every or current is None or not at_its_begin or current.position == 1 or (current.position - 1) % every:
        return False
    return not reading.events.filter(kind=SessionEvent.Kind.BREAK, item=current).exists()
