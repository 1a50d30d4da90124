"""The analysis plan: its form, what does not fit together, and that the database keeps the same rules."""

from http import HTTPStatus
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.studies import drafting, presets, protocol, wording
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, Study
from readerstudy.studies.plan import SECONDARY, Plan
from tests.builders import draft_study, image_set, open_study
from tests.studies.test_pages import PLAN_VALUES, TEST_VALUES, add_address, text

AUC_VALUES = {
    **PLAN_VALUES, "endpoint": "auc", "method": "delong", "reference": "0.8", "threshold_origin": "", "threshold": "",
}  # fmt: skip


@pytest.fixture
def draft(administrator: User) -> Study:
    """A draft without a plan."""
    study = draft_study(administrator)
    AnalysisPlan.objects.filter(study=study).delete()
    return study


def test_the_form_begins_with_the_preset_and_saves_what_is_sent(administrator_client: Client, draft: Study) -> None:
    address = reverse("study-plan", args=[draft.pk])
    form = administrator_client.get(address).context["form"]
    assert {name: form.initial[name] for name in presets.PLAN} == presets.PLAN
    assert not AnalysisPlan.objects.exists()  # looking at it decides nothing
    assert "Write the analysis plan." in protocol.missing(draft)
    assert administrator_client.post(address, PLAN_VALUES).status_code == HTTPStatus.FOUND
    assert protocol.missing(draft) == []
    assert protocol.document(draft)["analysis_plan"] == {
        "primary_endpoint": "sensitivity", "test": "obuchowski-rockette, readers and cases random",
        "hypothesis": "superiority", "margin": 0.0, "alpha_two_sided": 0.05, "reference_auc": None,
        "threshold": {"origin": "stated beforehand", "value": 0.5, "data": ""}, "multiplicity": "holm",
        "missing_answers": "complete readers", "average_reader": "every reader", "secondary": ["auc"],
        "bootstrap": {"replicates": 2000, "seed": 2017},
    }  # fmt: skip
    assert administrator_client.post(address, {**PLAN_VALUES, "alpha": "0.01"}).status_code == HTTPStatus.FOUND
    assert administrator_client.post(address, {**PLAN_VALUES, "alpha": "0.01"}).status_code == HTTPStatus.FOUND
    assert AnalysisPlan.objects.get().alpha == 0.01
    entries = AuditEntry.objects.filter(action__startswith="plan.").values_list("action", "details__fields")
    assert [action for action, _fields in entries] == ["plan.written", "plan.edited"]  # the third changed nothing
    assert entries[1][1] == ["alpha"]


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"alpha": "0.6"}, "alpha", "Between 0 and 0.5"),
        ({"alpha": "0"}, "alpha", "Between 0 and 0.5"),
        ({"margin": "-0.1"}, "margin", "At least 0"),
        ({"margin": "1"}, "margin", "At least 0"),
        ({"hypothesis": "non-inferiority"}, "margin", "needs a margin above 0"),
        ({"method": "delong"}, "method", "DeLong tests an AUC"),
        ({"method": "bootstrap over readers and cases"}, "method", "matches the threshold on the test set"),
        ({"reference": "0.8"}, "reference", "Only an AUC"),
        ({"threshold_origin": ""}, "threshold_origin", "where the model's threshold comes from"),
        ({"threshold": ""}, "threshold", "State the threshold"),
        ({"threshold": "1.5"}, "threshold", "between 0 and 1"),
        ({"threshold_origin": "chosen on other data"}, "threshold_data", "Name the data"),
        ({"threshold_data": "HAM10000"}, "threshold_data", "leave this empty"),
        ({"threshold_origin": "chosen on the test set"}, "threshold", "leave this empty"),
        (
            {"endpoint": "balanced accuracy", "threshold_origin": "chosen on the test set", "threshold": ""},
            "threshold_origin", "cannot both be matched",
        ),
        ({"endpoint": "auc", "threshold_origin": "", "threshold": ""}, "method", "An AUC is tested by DeLong"),
        ({**AUC_VALUES, "reference": ""}, "reference", "State the AUC"),
        ({**AUC_VALUES, "reference": "1"}, "reference", "State the AUC"),
        ({**AUC_VALUES, "threshold": "0.5"}, "threshold", "An AUC needs no threshold"),
        ({**AUC_VALUES, "threshold_origin": "stated beforehand"}, "threshold_origin", "An AUC needs no threshold"),
        ({"secondary": ["luck"]}, "secondary", "luck is not one of the available choices"),
        ({"multiplicity": "hope"}, "multiplicity", "hope is not one of the available choices"),
        ({"endpoint": ""}, "endpoint", "required"),
        ({"alpha": "five"}, "alpha", "Enter a number"),
        ({"alpha": "nan"}, "alpha", "Enter a number"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named_at_its_field(
    administrator_client: Client, draft: Study, values: dict[str, Any], field: str, sentence: str
) -> None:
    page = administrator_client.post(reverse("study-plan", args=[draft.pk]), {**PLAN_VALUES, **values})
    assert page.status_code == HTTPStatus.OK
    assert any(sentence in error for error in page.context["form"].errors.get(field, [])), page.context["form"].errors
    assert sentence in text(page.content).replace("&#x27;", "'")
    assert not AnalysisPlan.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        AUC_VALUES,
        {**AUC_VALUES, "hypothesis": "non-inferiority", "margin": "0.05"},
        {"threshold_origin": "chosen on other data", "threshold_data": "ISIC 2017, validation part"},
        {"endpoint": "specificity", "threshold_origin": "chosen on the test set", "threshold": ""},
        {"method": "bootstrap over readers and cases", "threshold_origin": "chosen on the test set", "threshold": ""},
        {"endpoint": "balanced accuracy", "multiplicity": "every test", "missing": "counted as right"},
        {"secondary": []},
    ],
)
def test_plans_that_fit(administrator_client: Client, draft: Study, values: dict[str, Any]) -> None:
    page = administrator_client.post(reverse("study-plan", args=[draft.pk]), {**PLAN_VALUES, **values})
    assert page.status_code == HTTPStatus.FOUND, page.context["form"].errors
    planned = AnalysisPlan.objects.get().values
    assert Plan.of(planned.document()) == planned
    shown = text(administrator_client.get(reverse("study", args=[draft.pk])).content)
    assert "Primary endpoint" in shown
    assert "None" not in shown
    if "threshold_data" in values:
        assert "0.5, chosen on other data: ISIC 2017, validation part" in shown


@pytest.mark.parametrize(
    "values",
    [
        {"alpha": 0.0},
        {"alpha": 0.5},
        {"margin": -0.1},
        {"hypothesis": "non-inferiority"},
        {"endpoint": "auc"},
        {"endpoint": "auc", "method": "delong", "threshold_origin": ""},  # no stated AUC
        {"reference": 0.8},
        {"threshold": 0.5},
        {"threshold_origin": "stated beforehand", "method": "obuchowski-rockette, cases fixed"},  # no threshold
        {"threshold_origin": "stated beforehand", "threshold": 0.5},  # bootstrap without a match
        {"threshold_data": "HAM10000"},
        {"endpoint": "balanced accuracy"},
        {"multiplicity": "hope"},
    ],
)
def test_the_database_keeps_the_rules(draft: Study, values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AnalysisPlan.objects.create(study=draft, **presets.PLAN | values)
    AnalysisPlan.objects.create(study=draft, **presets.PLAN)


def test_a_preset_test_brings_a_plan_where_there_is_none(administrator_client: Client, administrator: User) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 3 + ["melanocytic-naevus"] * 4)
    with_preset, without, planned = (
        Study.objects.create(title=f"S{number}", seed=number, created_by=administrator) for number in range(3)
    )
    drafting.save_plan(planned, values=presets.PLAN | {"alpha": 0.01}, actor=administrator)
    for study, start in ((with_preset, "melanoma"), (without, ""), (planned, "melanoma")):
        page = administrator_client.post(f"{add_address(study, images)}&start={start}", TEST_VALUES)
        assert page.status_code == HTTPStatus.FOUND
    plans = AnalysisPlan.objects.in_bulk(field_name="study_id")
    assert set(plans) == {with_preset.pk, planned.pk}
    assert (plans[with_preset.pk].alpha, plans[planned.pk].alpha) == (0.05, 0.01)


def test_a_study_without_a_plan_does_not_open(administrator_client: Client, administrator: User, draft: Study) -> None:
    page = administrator_client.get(reverse("study", args=[draft.pk]))
    assert "Primary endpoint, test and margin: missing" in text(page.content)
    with pytest.raises(StudiesError, match="Write the analysis plan"):
        protocol.open_study(draft, actor=administrator)


def test_an_open_study_keeps_its_plan(administrator_client: Client, administrator: User) -> None:
    study = open_study(administrator)
    address = reverse("study-plan", args=[study.pk])
    assert administrator_client.get(address).status_code == HTTPStatus.CONFLICT
    assert administrator_client.post(address, PLAN_VALUES).status_code == HTTPStatus.CONFLICT
    with pytest.raises(StudiesError, match="frozen"):
        drafting.save_plan(study, values=presets.PLAN | {"alpha": 0.01}, actor=administrator)
    # Changed behind the application's back: the frozen one counts, and the change is seen.
    AnalysisPlan.objects.filter(study=study).update(alpha=0.2)
    in_force = protocol.plan_in_force(study)
    assert in_force is not None
    assert in_force.alpha == 0.05
    assert protocol.changed(study) == ["analysis_plan.alpha_two_sided"]
    assert "two-sided alpha 0.05" in text(administrator_client.get(reverse("study", args=[study.pk])).content)


def test_a_researcher_sees_the_plan_and_cannot_write_it(researcher_client: Client, administrator: User) -> None:
    study = draft_study(administrator)
    assert "two-sided alpha 0.05" in text(researcher_client.get(reverse("study", args=[study.pk])).content)
    address = reverse("study-plan", args=[study.pk])
    assert researcher_client.get(address).status_code == HTTPStatus.NOT_FOUND
    assert researcher_client.post(address, PLAN_VALUES).status_code == HTTPStatus.NOT_FOUND


def test_everything_that_can_be_secondary_has_its_words() -> None:
    assert tuple(wording.SECONDARY) == SECONDARY
