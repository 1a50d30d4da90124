"""Open studies with more than one stage, every kind of question, arms, practice: what the tests of this room read."""

from typing import Any
from uuid import uuid4

from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.readings.answering import Given
from readerstudy.readings.models import Reading, SessionEvent
from readerstudy.readings.progress import Shown, standing
from readerstudy.readings.recording import Outcome, Sent, record
from readerstudy.studies.models import Arm, Case, CaseImage, Question, Stage, Study, Test
from tests.builders import add_question, image_set, open_study

SHA256 = "a" * 64


def designed(user: User, *, arms: tuple[str, ...] = (), diagnoses: int = 7, **columns: Any) -> Test:
    """The one test of an open study of so many cases (every third a melanoma), with these columns and arms."""
    names = ["melanoma" if number % 3 == 0 else "melanocytic-naevus" for number in range(diagnoses)]
    test = open_study(user, diagnoses=names).tests.get()
    Test.objects.filter(pk=test.pk).update(**columns)
    for position, advice in enumerate(arms, start=1):
        model = "" if advice == "none" else SHA256
        Arm.objects.create(test=test, position=position, title=f"arm {position}", advice=advice, model_sha256=model)
    return Test.objects.get(pk=test.pk)


def second_stage(test: Test, **columns: Any) -> Stage:
    """A second stage that asks the same again; it shows facts unless told otherwise."""
    stage = Stage.objects.create(test=test, position=2, **{"shows_facts": True, **columns})
    add_question(test, text="And now?", stage=stage)
    return stage


def every_kind(test: Test) -> dict[str, Question]:
    """One more question of each kind at the first stage; all may be left out but the test's own decision."""
    stage = test.stages.get(position=1)
    kinds: dict[str, dict[str, Any]] = {
        "classes": {"answers": ("melanoma", "naevus", "other"), "allows_cannot_assess": True},
        "scale": {"answers": (), "least": 1, "most": 5, "least_label": "a guess", "most_label": "certain"},
        "ranking": {"answers": (), "most": 3, "nodes": ["melanocytic-naevus", "melanoma"]},
        "text": {"answers": ()},
    }
    made = {
        kind: add_question(test, text=f"Your {kind}?", stage=stage, kind=kind, is_required=False, **columns)
        for kind, columns in kinds.items()
    }
    made["classes"].choices.update(is_positive=None)
    return made


def further_cases(test: Test, kind: str, n: int) -> list[Case]:
    """Practice cases or attention checks, as opening a study would have drawn them."""
    images = image_set(test.study.created_by, diagnoses=["melanoma", "melanocytic-naevus"] * n).images.all()[:n]
    last = Case.objects.filter(test=test).order_by("-number").values_list("number", flat=True)[0]
    made = []
    for number, image in enumerate(images, start=last + 1):
        feedback = f"Practice: this is picture {number}." if kind == "practice" else ""
        case = Case.objects.create(test=test, number=number, kind=kind, is_positive=number % 2 == 0, feedback=feedback)
        CaseImage.objects.create(case=case, image=image, position=1)
        made.append(case)
    return made


def with_facts(study: Study) -> None:
    """Every picture of the study gets facts."""
    Image.objects.filter(pk__in=CaseImage.objects.filter(case__test__study=study).values("image")).update(
        age=61, sex="female", site="upper back", skin_type=2
    )


def current(reading: Reading) -> Shown:
    """What is shown now; fails when all is answered."""
    shown = standing(Reading.objects.get(pk=reading.pk)).current
    assert shown is not None
    return shown


def first_choices(shown: Shown, key: int = 1) -> dict[int, Given]:
    """The choice with this key for each question of the stage that must be answered."""
    return {
        question.pk: Given(choice=question.choices.get(position=key).pk)
        for question in Question.objects.filter(stage=shown.stage, is_required=True)
    }


def take_the_advice(shown: Shown) -> None:
    """What is left of advice that a reader saw, where no model is at hand that could have given it."""
    if shown.needs_advice:
        about = {"reading": shown.item.reading, "item": shown.item, "kind": SessionEvent.Kind.ADVICE_SHOWN}
        SessionEvent.objects.filter(**about).exists() or SessionEvent.objects.create(**about)


def go_on(reading: Reading, key: int = 1, **changes: Any) -> Outcome:
    """Answer what is shown now, advice taken."""
    shown = current(reading)
    take_the_advice(shown)
    values = {"item": shown.item.uuid, "stage": shown.stage.position, "submission": uuid4()}
    sent = Sent(**{**values, "answers": first_choices(shown, key), **changes})
    return record(reading=reading, sent=sent, actor=reading.reader.user)


def go_to_the_end(reading: Reading, key: int = 1) -> None:
    while standing(Reading.objects.get(pk=reading.pk)).current is not None:
        go_on(reading, key)
