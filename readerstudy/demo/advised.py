"""A small finished study with advice: simulated readers decide alone, see the model's probability, and decide again.

Only the decisions are simulated: advice comes through the door that it comes through for everyone, and each step looks
whether it was done.
"""

from collections.abc import Callable
from uuid import uuid4

import numpy as np
from django.db import transaction

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.advice.door import told
from readerstudy.advice.readiness import lacking
from readerstudy.demo import simulation
from readerstudy.demo.plan import (
    ADVISED_DESCRIPTION,
    ADVISED_TITLE,
    AGAIN,
    CHOICES,
    CONSENT,
    N_ADVISED_CASES,
    N_ADVISED_READERS,
    QUESTION,
    SEED,
    PlannedTest,
)
from readerstudy.demo.readers import simulated_reader, truth_of
from readerstudy.images.models import ImageSet
from readerstudy.readings.answering import Given
from readerstudy.readings.models import Item, Reading
from readerstudy.readings.recording import Sent, record
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies import drafting, plan, presets, protocol
from readerstudy.studies.drafts import ArmDraft, StageDraft, decision
from readerstudy.studies.models import AnalysisPlan, Arm, Stage, Study, Test
from readerstudy.studies.plan import Contrast, Under


def study(
    planned: PlannedTest, images: ImageSet, model: ModelVersion, administrator: User,
    progress: Callable[[int, int], None],
) -> Study:  # fmt: skip
    """The study on cases of `planned`, read, closed and unblinded."""
    made = Study.objects.filter(title=ADVISED_TITLE).first() or _draft(planned, images, model, administrator)
    if made.state == Study.State.DRAFT:
        protocol.open_study(made, actor=administrator, models={model.sha256}, advice=lacking)
        made.refresh_from_db()
    if made.state == Study.State.OPEN:
        _read(made.tests.get(), administrator, progress)
        protocol.close_study(made, actor=administrator)
    if made.unblinded_at is None:
        protocol.unblind_study(made, actor=administrator)
    return made


@transaction.atomic
def _draft(planned: PlannedTest, images: ImageSet, model: ModelVersion, administrator: User) -> Study:
    made = Study.objects.create(
        title=ADVISED_TITLE, description=ADVISED_DESCRIPTION, consent_text=CONSENT, seed=SEED,
        contact="administrator@demo.example", created_by=administrator,
    )  # fmt: skip
    AnalysisPlan.objects.create(study=made, **_plan())
    n = min(N_ADVISED_CASES, planned.n_cases)
    test = Test(
        study=made, title=f"{planned.title}, with advice", image_set=images,
        positive_nodes=list(planned.positive_nodes), negative_nodes=list(planned.negative_nodes), sample_size=n,
        sample_positives=max(1, min(n - 1, round(n * planned.n_positive / planned.n_cases))),
    )  # fmt: skip
    stages = [
        StageDraft([decision(QUESTION, CHOICES)]),
        StageDraft([decision(AGAIN, CHOICES)], "Now with what the model says.", shows_advice=True),
    ]
    arms = [ArmDraft("With the model's probability", Arm.Advice.PROBABILITY, model.sha256)]
    drafting.save_test(test, stages=stages, arms=arms, actor=administrator)
    audit.record("study.created", actor=administrator, target=made)
    return made


def _plan() -> dict[str, object]:
    """Do readers decide better with advice; and, secondary, are they more sensitive without losing specificity?"""
    alone, advised = Under(1, 1, 1), Under(2, 1, 2)

    def contrast(role: str, measure: str, hypothesis: str = plan.SUPERIORITY, margin: float = 0.0) -> dict[str, object]:
        made = Contrast(role, 1, alone, advised, plan.ALL_ADVICE, measure, plan.OR_RANDOM, hypothesis, margin)
        return made.document()

    return {
        **presets.PLAN, "endpoint": plan.CONDITIONS, "method": "", "hypothesis": "", "threshold_origin": "",
        "secondary": ["readers", "auc"],
        "contrasts": [
            contrast(plan.PRIMARY, plan.BALANCED),
            contrast(plan.IS_SECONDARY, plan.SENSITIVITY),
            contrast(plan.IS_SECONDARY, plan.SPECIFICITY, plan.NON_INFERIORITY, 0.1),
        ],
    }  # fmt: skip


def _read(test: Test, administrator: User, progress: Callable[[int, int], None]) -> None:
    people = simulation.readers(N_ADVISED_READERS, seed=SEED + 10)
    cases, truth = truth_of(test)
    alone = simulation.decide(truth, people, seed=SEED + 10)
    trust = simulation.trust(len(people), seed=SEED + 10)
    chance = np.random.default_rng([SEED + 10, 4]).random(alone.shape)
    stages = list(test.stages.order_by("position").prefetch_related("questions__choices"))
    for number, person in enumerate(people):
        email = f"advised-{number + 1:02d}@demo.example"
        reader = simulated_reader(test.study, email, person, [test], administrator)
        first = {pk: bool(alone[number, i]) for i, pk in enumerate(cases)}
        second = {pk: (float(trust[number]), float(chance[number, i])) for i, pk in enumerate(cases)}
        _read_all(reader.readings.get(test=test), stages, first, second)
        progress(number + 1, len(people))


@transaction.atomic
def _read_all(
    reading: Reading, stages: list[Stage], alone: dict[int, bool], second: dict[int, tuple[float, float]]
) -> None:
    """Answer what is not answered yet, in the stored order, each case alone and then with the advice."""
    for item in reading.items.unanswered().order_by("position"):
        positive = alone[item.case_id]
        if not item.submissions.exists():
            _answer(reading, item, stages[0], positive)
        user = reading.reader.user
        assert user is not None, "a reading is made for a reader who has accepted"
        trust, chance = second[item.case_id]
        probability = told(user, reading.uuid, item.uuid).detail["probability"]
        after = positive if probability is None else simulation.follow(
            positive, probability, trust=trust, chance=chance
        )  # fmt: skip
        _answer(reading, item, stages[1], after)


def _answer(reading: Reading, item: Item, stage: Stage, positive: bool) -> None:
    (question,) = stage.questions.all()
    choice = next(one for one in question.choices.all() if one.is_positive == positive)
    sent = Sent(
        item=item.uuid, stage=stage.position, submission=uuid4(), answers={question.pk: Given(choice=choice.pk)}
    )
    assert reading.reader.user is not None
    record(reading=reading, sent=sent, actor=reading.reader.user)
