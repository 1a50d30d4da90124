"""Comparisons of two conditions in the plan: what can be named, what is refused, frozen, exported and amended."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings.models import Item
from readerstudy.readings.progress import stages_of, stages_of_test
from readerstudy.studies import amendments, contrasts, drafting, exchange, plan, protocol, wording
from readerstudy.studies.document import designs_of
from readerstudy.studies.drafts import ArmDraft, QuestionDraft, StageDraft
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, Study, Test
from readerstudy.studies.plan import Contrast, Plan, Under
from tests.builders import draft_study
from tests.studies.building import BIOPSY, SURE, text
from tests.studies.test_amendments import amend, plan_values
from tests.studies.test_pages import PLAN_VALUES

MODEL = "ab" * 32
GAIN = Contrast(
    plan.PRIMARY, 1, Under(1, 0, 1), Under(2, 0, 3), plan.ALL_ADVICE, plan.SENSITIVITY, plan.OR_RANDOM,
    plan.SUPERIORITY, 0.0,
)  # fmt: skip
BETWEEN: dict[str, Any] = {
    "endpoint": plan.CONDITIONS, "method": "", "hypothesis": "", "threshold_origin": "", "threshold": None,
    "threshold_data": "", "reference": None, "margin": 0.0,
}  # fmt: skip
RANK = QuestionDraft("Which?", "ranking", most=2)


@pytest.fixture
def study(administrator: User) -> Study:
    """A draft of one test: the picture, then again, each with a decision and confidence."""
    study = draft_study(administrator)
    drafting.save_test(
        study.tests.get(), actor=administrator, stages=[StageDraft([BIOPSY, SURE]), StageDraft([BIOPSY, SURE])]
    )
    return study


def save(study: Study, *planned: Contrast, **values: Any) -> None:
    columns = {**BETWEEN, "contrasts": [one.document() for one in planned], **values}
    AnalysisPlan.objects.filter(study=study).update(**columns)


def armed(study: Study, arms: Sequence[ArmDraft], stages: Sequence[StageDraft], **columns: Any) -> Test:
    test = study.tests.get()
    for name, value in columns.items():
        setattr(test, name, value)
    drafting.save_test(test, actor=study.created_by, stages=stages, arms=arms)
    return test


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"test": 2}, "conditions of test 2, and the study has no such test"),
        ({"second": Under(3, 0, 5)}, "compares stage 3, which the test does not have"),
        ({"second": Under(2, 1, 3)}, "compares arm 1, in which nobody reads"),
        ({"second": Under(2, 0, 1)}, "compares question 1, which stage 2 does not ask"),
        ({"second": Under(2, 0, 4)}, "cannot be compared: their answers differ"),
        ({"measure": plan.CLASS_ACCURACY}, "cannot be measured by: share of right diagnoses"),
        ({"advice": plan.TURNED}, "no advice of this arm is turned"),
    ],
)
def test_what_the_test_does_not_have_keeps_the_study_closed(study: Study, change: Any, sentence: str) -> None:
    save(study, GAIN)
    assert protocol.missing(study) == []
    save(study, replace(GAIN, **change))
    (lacking,) = protocol.missing(study)
    assert sentence in lacking
    with pytest.raises(StudiesError, match=sentence):
        protocol.open_study(study, actor=study.created_by)


def test_an_auc_needs_confidence_on_one_scale(study: Study) -> None:
    asked = replace(GAIN, measure=plan.AUC)
    save(study, asked)
    assert protocol.missing(study) == []
    for last in ([BIOPSY], [BIOPSY, replace(SURE, most=9)]):
        drafting.save_test(
            study.tests.get(), actor=study.created_by, stages=[StageDraft([BIOPSY, SURE]), StageDraft(last)]
        )
        (lacking,) = protocol.missing(study)
        assert "an AUC needs confidence, asked for on the same scale under both conditions" in lacking


@pytest.mark.parametrize("design", ["parallel", "alternating"])
def test_arms_with_readers_of_their_own_need_u_statistics(study: Study, design: str) -> None:
    stages = [StageDraft([RANK]), StageDraft([RANK, BIOPSY], shows_advice=True)]
    arms = [ArmDraft("Without"), ArmDraft("With", "classes", MODEL)]
    armed(study, arms, stages, arms_design=design, block_size=1 if design == "alternating" else None)
    known = contrasts.options(designs_of(study))
    between = [one for one in known if one.first.arm != one.second.arm]
    assert [(one.first, one.second) for one in between] == [
        (Under(2, 1, 2), Under(2, 2, 2)), (Under(2, 1, 3), Under(2, 2, 3)),
    ]  # fmt: skip
    asked = replace(GAIN, first=between[0].first, second=between[0].second, measure="top-1")
    said = contrasts.wrong_with(asked, designs_of(study))
    assert ("choose U-statistics" in said) == (design == "parallel")
    assert contrasts.wrong_with(replace(asked, method=plan.USTATISTICS), designs_of(study)) == ""
    assert "right diagnosis among the first 3" in contrasts.wrong_with(
        replace(asked, measure="top-3"), designs_of(study)
    )  # two are named


@pytest.mark.parametrize("asked", [[BIOPSY], [BIOPSY, RANK]])
def test_the_stages_of_an_arm_are_those_that_readers_see(study: Study, asked: list[QuestionDraft]) -> None:
    stages = [StageDraft([BIOPSY]), StageDraft(asked, shows_advice=True)]
    test = armed(study, [ArmDraft("Without"), ArmDraft("With", "classes", MODEL)], stages, arms_design="parallel")
    (facts,) = designs_of(study)
    for arm, row in zip(test.arms.order_by("position"), facts["arms"], strict=True):
        seen = [stage.position for stage in stages_of(Item(arm=arm), stages_of_test(test.pk))]
        assert [stage["position"] for stage in contrasts.stages_read(facts, row)] == seen


def test_frozen_hashed_exported_imported_and_copied(study: Study) -> None:
    without = protocol.digest(protocol.document(study))
    assert "contrasts" not in protocol.document(study)["analysis_plan"]  # an older protocol's hash stays what it was
    aside = replace(GAIN, role=plan.IS_SECONDARY, measure=plan.AUC, hypothesis=plan.NON_INFERIORITY, margin=0.05)
    save(study, GAIN, aside)
    made = protocol.open_study(study, actor=study.created_by)
    assert made.sha256 != without
    recorded = made.document["analysis_plan"]
    assert recorded["primary_endpoint"] == "conditions"
    assert recorded["contrasts"][0] == {
        "role": "primary", "test": 1, "first": {"stage": 1, "arm": 0, "question": 1},
        "second": {"stage": 2, "arm": 0, "question": 3}, "advice": "all", "measure": "sensitivity",
        "method": "obuchowski-rockette, readers and cases random", "hypothesis": "superiority", "margin": 0.0,
    }  # fmt: skip
    assert Plan.of(recorded).contrasts == (GAIN, aside)
    assert protocol.changed(study) == []
    save(study, GAIN)
    assert protocol.changed(study) == ["analysis_plan.contrasts"]
    again = exchange.import_study(json.dumps(made.document).encode(), actor=study.created_by)
    copied = exchange.copy_study(again, actor=study.created_by)
    for other in (again, copied):
        in_force = protocol.plan_in_force(other)
        assert in_force is not None
        assert in_force.contrasts == (GAIN, aside)
    broken = json.loads(json.dumps(made.document))
    broken["analysis_plan"]["contrasts"][0]["margin"] = "much"
    with pytest.raises(StudiesError, match="an analysis plan"):
        exchange.import_study(json.dumps(broken).encode(), actor=study.created_by)


def test_an_amendment_of_a_contrast_is_shown_and_stamped(study: Study) -> None:
    save(study, GAIN)
    protocol.open_study(study, actor=study.created_by)
    study.refresh_from_db()
    aside = replace(GAIN, role=plan.IS_SECONDARY, measure=plan.SPECIFICITY)
    values = plan_values(study, contrasts=[GAIN.document(), aside.document()])
    (change,) = amendments.proposed(study, base=study.protocol_versions.get().sha256, texts={}, plan=values)
    assert (change.what, change.before) == ("Secondary, between conditions", "")
    assert change.after.startswith("the readers' specificity: stage 2 (image alone) minus stage 1 (image alone)")
    amend(study, plan=values)
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert [(one.what, one.amendment) for one in in_force.amended] == [(aside.key, 1)]
    assert "(added by amendment 1 on" in dict(wording.terms(in_force))["Secondary, between conditions"]
    changed = plan_values(study, contrasts=[replace(GAIN, margin=0.1).document(), aside.document()])
    amend(study, plan=changed, reason="Only a large difference would matter.")
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert {one.what for one in in_force.amended} == {aside.key, "primary analysis"}
    bad = plan_values(study, contrasts=[replace(GAIN, second=Under(7, 0, 1)).document()])
    with pytest.raises(StudiesError, match="stage 7"):
        amend(study, plan=bad)
    assert protocol.changed(study) == []


# --- the form --------------------------------------------------------------------------------------------------------


def row(number: int, **values: str) -> dict[str, str]:
    chosen = {
        "of": "1/1.0.1/2.0.3/all", "role": "primary", "measure": "sensitivity", "method": plan.OR_RANDOM,
        "hypothesis": "superiority", "margin": "0", **values,
    }  # fmt: skip
    return {f"contrast_{number}_{name}": value for name, value in chosen.items()}


def test_the_form_saves_what_is_chosen_and_offers_one_more(administrator_client: Client, study: Study) -> None:
    address = reverse("study-plan", args=[study.pk])
    form = administrator_client.get(address).context["form"]
    assert len(form.contrast_rows) == 1
    assert [value for value, _label in form.fields["contrast_1_of"].choices] == ["", "1/1.0.1/2.0.3/all"]
    # What is said of the model is dropped, however it stands in the form.
    sent = {**PLAN_VALUES, "endpoint": "conditions", "method": "", **row(1)}
    assert administrator_client.post(address, sent).status_code == HTTPStatus.FOUND
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert (in_force.endpoint, in_force.method, in_force.contrasts) == ("conditions", "", (GAIN,))
    form = administrator_client.get(address).context["form"]
    assert [field[0].value() for field in form.contrast_rows] == ["1/1.0.1/2.0.3/all", None]
    both = {**PLAN_VALUES, **row(1), **row(2, role="secondary", measure="specificity")}
    assert administrator_client.post(address, both).status_code == HTTPStatus.FOUND
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert (in_force.endpoint, [one.role for one in in_force.contrasts]) == ("sensitivity", ["primary", "secondary"])
    page = text(administrator_client.get(reverse("study", args=[study.pk])).content)
    assert "Primary as well, between conditions The readers' sensitivity: stage 2 (image alone) minus stage 1" in page


def test_the_page_of_an_amendment_has_the_comparisons_too(administrator_client: Client, study: Study) -> None:
    save(study, GAIN)
    protocol.open_study(study, actor=study.created_by)
    address = reverse("study-amend", args=[study.pk])
    amending = administrator_client.get(address).context["amending"]
    sent = {"base": study.protocol_versions.get().sha256, "reason": "A larger difference is asked for."}
    for form in amending.forms:
        sent |= {
            field.html_name: field.value() for field in form if field.value() is not None and field.name != "reason"
        }
    sent |= row(1, margin="0.1")
    shown = administrator_client.post(address, sent)
    (change,) = shown.context["changes"]
    assert ("above 0;" in change.before, "above 0.1;" in change.after) == (True, True)
    hidden = dict(re.findall(r'<input type="hidden" name="(contrast_1_\w+)" value="(.*?)"', shown.content.decode()))
    assert (hidden["contrast_1_of"], hidden["contrast_1_margin"]) == ("1/1.0.1/2.0.3/all", "0.1")
    assert administrator_client.post(address, {**sent, "commit": "1"}).status_code == HTTPStatus.FOUND
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert [one.margin for one in in_force.contrasts] == [0.1]


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        (row(1, measure="class accuracy"), "contrast_1_of", "cannot be measured by: share of right diagnoses"),
        (row(1, hypothesis="non-inferiority"), "contrast_1_of", "non-inferiority needs a margin above 0"),
        (row(1, margin="1"), "contrast_1_of", "a margin is at least 0 and below 1"),
        (row(1, margin="x"), "contrast_1_margin", "Enter a number"),
        (row(1, of="1/1.0.1/9.0.3/all"), "contrast_1_of", "is not one of the available choices"),
        ({"endpoint": "conditions"}, "endpoint", "Say below which two conditions are compared"),
        ({"endpoint": "conditions", **row(1, role="secondary")}, "endpoint", "and that this is primary"),
        ({"missing": "counted as right", **row(1)}, "__all__", "favour the condition with more of them"),
        ({**row(1), **row(2)}, "__all__", "planned twice"),
    ],
)
def test_the_form_names_what_does_not_fit(
    administrator_client: Client, study: Study, values: dict[str, str], field: str, sentence: str
) -> None:
    before = AnalysisPlan.objects.filter(study=study).values().get()
    page = administrator_client.post(reverse("study-plan", args=[study.pk]), {**PLAN_VALUES, **values})
    assert page.status_code == HTTPStatus.OK
    errors = page.context["form"].errors
    assert any(sentence in error for error in errors.get(field, [])), errors
    assert sentence in text(page.content)
    assert AnalysisPlan.objects.filter(study=study).values().get() == before


def test_a_study_of_one_stage_is_asked_nothing_of_conditions(administrator_client: Client, administrator: User) -> None:
    page = administrator_client.get(reverse("study-plan", args=[draft_study(administrator).pk]))
    assert page.context["form"].contrast_rows == []
    assert "two conditions" not in text(page.content)


def test_the_database_keeps_the_model_and_conditions_apart(study: Study) -> None:
    for values in ({**BETWEEN, "method": plan.OR_RANDOM}, {"method": ""}, {**BETWEEN, "margin": 0.1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AnalysisPlan.objects.filter(study=study).update(**values)
