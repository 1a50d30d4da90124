"""Writing a study while it is a draft. Each function refuses (StudiesError) once the study is open."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.studies import presets
from readerstudy.studies.models import AnalysisPlan, Choice, Question, Study, Test
from readerstudy.studies.protocol import draft_for_change

# Below 2**53: every program that reads the export reads this number exactly, those that know only floats too.
SEED_LIMIT = 10**15


@dataclass(frozen=True, slots=True)
class Decision:
    """A question between choices, each a label and whether it counts as positive, in the order of the keys."""

    text: str
    choices: Sequence[tuple[str, bool]]


@transaction.atomic
def create_study(*, title: str, actor: User) -> Study:
    """A new draft with a seed of its own."""
    study = Study.objects.create(title=title, seed=secrets.randbelow(SEED_LIMIT), created_by=actor)
    audit.record("study.created", actor=actor, target=study)
    return study


@transaction.atomic
def update_study(study: Study, *, values: Mapping[str, Any], actor: User) -> None:
    """Set the texts and the seed of a draft."""
    locked = draft_for_change(study)
    changed = sorted(name for name, value in values.items() if getattr(locked, name) != value)
    if not changed:
        return
    for name in changed:
        setattr(locked, name, values[name])
    locked.save(update_fields=changed)
    audit.record("study.edited", actor=actor, target=locked, fields=changed)


@transaction.atomic
def save_plan(study: Study, *, values: Mapping[str, Any], actor: User) -> None:
    """Set the analysis plan of a draft: a value for each field of `AnalysisPlan`."""
    locked = draft_for_change(study)
    before = AnalysisPlan.objects.filter(study=locked).values(*values).first() or {}
    changed = sorted(name for name, value in values.items() if name not in before or before[name] != value)
    if not changed:
        return
    AnalysisPlan.objects.update_or_create(study=locked, defaults=dict(values))
    audit.record("plan.edited" if before else "plan.written", actor=actor, target=locked, fields=changed)


@transaction.atomic
def save_test(test: Test, *, decision: Decision, actor: User, from_preset: bool = False) -> None:
    """Add a test to its study's draft, or change one, together with what is asked of each case.

    A test made from a preset brings the preset's analysis plan, where the study has none yet.
    """
    locked = draft_for_change(test.study)
    if from_preset and not AnalysisPlan.objects.filter(study=locked).exists():
        save_plan(locked, values=presets.PLAN, actor=actor)
    action = "test.added" if test.pk is None else "test.edited"
    if test.pk is None:
        last = test.study.tests.aggregate(last=Max("position"))["last"]
        test.position = (last or 0) + 1
    test.save()
    test.questions.all().delete()
    question = Question.objects.create(test=test, text=decision.text)
    Choice.objects.bulk_create(
        Choice(question=question, position=position, label=label, is_positive=is_positive)
        for position, (label, is_positive) in enumerate(decision.choices, start=1)
    )
    audit.record(action, actor=actor, target=test, study=test.study_id, position=test.position)


@transaction.atomic
def delete_test(test: Test, *, actor: User) -> None:
    """Take a test out of a draft."""
    draft_for_change(test.study)
    audit.record("test.removed", actor=actor, target=test, study=test.study_id, position=test.position)
    test.delete()
