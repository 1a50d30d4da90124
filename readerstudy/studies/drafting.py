"""Writing a study while it is a draft. Each function refuses (StudiesError) once the study is open."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.studies import impossible, presets
from readerstudy.studies.drafts import ArmDraft, StageDraft, stages_of
from readerstudy.studies.errors import StudiesError, sentences
from readerstudy.studies.models import AnalysisPlan, Arm, Choice, Question, Stage, Study, Test
from readerstudy.studies.protocol import draft_for_change

# Below 2**53: every program that reads the export reads this number exactly, those that know only floats too.
SEED_LIMIT = 10**15


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
def save_test(
    test: Test,
    *,
    actor: User,
    stages: Sequence[StageDraft] | None = None,
    arms: Sequence[ArmDraft] | None = None,
    position: int | None = None,
    from_preset: bool = False,
) -> None:
    """Add a test to its study's draft (after the others, unless at `position`), or change one.

    Stages or arms that are None stay as they are. A test made from a preset brings the preset's analysis plan, where
    the study has none yet.

    Raises StudiesError, with every reason, for what the tables could not hold; nothing is stored then. What may be
    stored and is not yet enough to open the study is listed by `protocol.missing_from_test`.
    """
    locked = draft_for_change(test.study)
    if from_preset and not AnalysisPlan.objects.filter(study=locked).exists():
        save_plan(locked, values=presets.PLAN, actor=actor)
    action = "test.added" if test.pk is None else "test.edited"
    if test.pk is None:
        last = test.study.tests.aggregate(last=Max("position"))["last"]
        test.position = (last or 0) + 1 if position is None else position
    _refuse_impossible(test, stages or (), arms or ())
    test.save()
    if stages is not None:
        _write_stages(test, stages)
    if arms is not None:
        test.arms.all().delete()
        Arm.objects.bulk_create(
            Arm(
                test=test, position=position, title=arm.title, advice=arm.advice, model_sha256=arm.model_sha256,
                wrong_per_cent=arm.wrong_per_cent, neighbours_set=arm.neighbours_set,
            )
            for position, arm in enumerate(arms, start=1)
        )  # fmt: skip
    audit.record(action, actor=actor, target=test, study=test.study_id, position=test.position)


@transaction.atomic
def change_stages(test: Test, change: Callable[[list[StageDraft]], list[StageDraft]], *, actor: User) -> None:
    """Save the test with the stages that `change` makes of those stored now, whatever was loaded before."""
    draft_for_change(test.study)
    test.refresh_from_db()
    save_test(test, stages=change(stages_of(test)), actor=actor)


def _refuse_impossible(test: Test, stages: Sequence[StageDraft], arms: Sequence[ArmDraft]) -> None:
    reasons = [sentence for _column, sentence in impossible.refused_columns(test)]
    reasons += [*impossible.refused_stages(stages), *impossible.refused_arms(arms)]
    if not reasons:
        try:
            # Ranges of numbers and lengths of texts; empty diagnoses are for `protocol.missing_from_test` to name.
            test.clean_fields(exclude=["positive_nodes", "negative_nodes"])
        except ValidationError as error:
            reasons = sentences(error)
    if reasons:
        raise StudiesError(f"{test.title}: " + " ".join(reasons), status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _write_stages(test: Test, stages: Sequence[StageDraft]) -> None:
    """Replace the test's stages. The positions of questions count through the whole test."""
    test.stages.all().delete()
    n_questions = 0
    for position, draft in enumerate(stages, start=1):
        stage = Stage.objects.create(
            test=test, position=position, instruction=draft.instruction, modalities=list(draft.modalities),
            shows_facts=draft.shows_facts, shows_advice=draft.shows_advice,
        )  # fmt: skip
        for asked in draft.questions:
            n_questions += 1
            question = Question.objects.create(
                test=test, stage=stage, position=n_questions, kind=asked.kind, text=asked.text,
                is_required=asked.is_required, allows_cannot_assess=asked.allows_cannot_assess, least=asked.least,
                most=asked.most, least_label=asked.least_label, most_label=asked.most_label, nodes=list(asked.nodes),
            )  # fmt: skip
            Choice.objects.bulk_create(
                Choice(
                    question=question, position=key, label=choice.label, is_positive=choice.is_positive,
                    node=choice.node,
                )
                for key, choice in enumerate(asked.choices, start=1)
            )  # fmt: skip


@transaction.atomic
def delete_test(test: Test, *, actor: User) -> None:
    """Take a test out of a draft."""
    draft_for_change(test.study)
    audit.record("test.removed", actor=actor, target=test, study=test.study_id, position=test.position)
    test.delete()
