"""The sample size page: RJafroc's numbers from RJafroc's components, a pilot's from its readings, and who sees what."""

import re
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.results import stats
from readerstudy.results.errors import ResultsError
from readerstudy.results.power.numbers import alpha_of_one, pilot_of, sizes
from readerstudy.results.tables import images_to_score
from readerstudy.studies import plan as planned
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, draft_study, model_version, open_study
from tests.results import made
from tests.results.primary.tables import MATCHED, plan, table
from tests.results.primary.test_numbers import of_size

# VanDyke's components as RJafroc and the Iowa program print them: 114 cases, jackknife, empirical AUC.
VAN_DYKE = {
    "modality_reader": "0.000200402523581461", "error": "0.000802288265572061", "cov1": "0.000346613709440729",
    "cov2": "0.000344074828860886", "cov3": "0.000239028370892152", "pilot_cases": "114",
}  # fmt: skip
ASKED = {**VAN_DYKE, "difference": "0.043800322", "n_readers": "6, 3", "n_cases": "111", "target": "0.8"}


@pytest.fixture
def study(administrator: User) -> Study:
    return draft_study(administrator)


def address(study: Study) -> str:
    return reverse("study-power", args=[study.pk])


def text(content: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content.decode())).replace("&#x27;", "'")


def test_the_numbers_are_rjafrocs(administrator_client: Client, study: Study) -> None:
    """RJafroc: SsSampleSizeKGivenJ(dataset02, FOM = "Wilcoxon", J = 6) needs 251 cases; power with 111 is 0.5526116."""
    page = administrator_client.get(address(study), ASKED)
    found = page.context["sizes"]
    assert [(row.n_readers, row.needed.n_cases) for row in found.rows] == [(3, None), (6, 251)]
    assert found.rows[1].given.power == pytest.approx(0.5526116, abs=5e-8)
    shown = text(page.content)
    assert "For a power of 0.8 at alpha 0.05 and an effect of 0.0438003" in shown
    assert "6 251 0.553" in shown
    assert "take more readers and cases" in shown  # the preset's plan matches the threshold


def test_fixed_cases_and_readers_are_rjafrocs(administrator_client: Client, administrator: User) -> None:
    """RJafroc, tests/testthat: SsPowerGivenJK(dataset02, FOM = "Wilcoxon", J = 10, effectSize = -0.043800322)."""
    for method, n_cases, power in (
        ("obuchowski-rockette, readers and cases random", 165, 0.80541995),
        ("obuchowski-rockette, readers fixed", 131, 0.80091813),
        ("obuchowski-rockette, cases fixed", 53, 0.80496663),
    ):
        plan = {"method": method, "threshold_origin": "stated beforehand", "threshold": 0.5}
        draft = draft_study(administrator, plan=plan)
        page = administrator_client.get(address(draft), {**ASKED, "n_readers": "10", "n_cases": str(n_cases)})
        assert page.context["sizes"].rows[0].given.power == pytest.approx(power, rel=2e-7)
        assert "take more readers" not in text(page.content)


def test_a_margin_and_several_tests(administrator_client: Client, administrator: User) -> None:
    """The effect is the difference minus the bound; Holm's least favourable step is alpha over the number of tests."""
    margin = {"hypothesis": "non-inferiority", "margin": 0.043800322}
    page = administrator_client.get(address(draft_study(administrator, plan=margin)), {**ASKED, "difference": "0"})
    assert page.context["sizes"].rows[1].needed.n_cases == 251
    assert alpha_of_one(plan(), 3) == pytest.approx(0.05 / 3)
    assert alpha_of_one(plan(multiplicity=planned.FIXED_SEQUENCE), 3) == 0.05
    assert alpha_of_one(plan(), 1) == 0.05


# --- a pilot ---------------------------------------------------------------------------------------------------------


def test_a_pilots_components_are_those_of_its_readings() -> None:
    truth, scores, said = of_size(30)
    pilot = pilot_of(table(truth, scores, said), plan())
    called = np.tile((scores >= 0.5).astype(float), (len(said), 1))
    whole = stats.mrmc(truth, np.stack([called, said]), metric="sensitivity")
    assert (pilot.components, pilot.n_cases, pilot.n_readers) == (whole.components, 40, 8)
    assert pilot.difference == pytest.approx(30 / 40 - said[:, :40].mean())
    # Planned for the pilot's own size and difference, the power is that of the pilot itself.
    found = sizes(pilot, plan(), difference=pilot.difference, readers=[8], target=0.8, n_cases=40, n_tests=1)
    given = found.rows[0].given
    assert given is not None
    assert given.power == pytest.approx(stats.power(whole, n_readers=8, n_cases=40).power)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ((of_size(30)[0], None, of_size(30)[2]), "not every case has a score"),
        ((of_size(30)[0], np.full(80, np.nan), of_size(30)[2]), "not every case has a score"),
        ((of_size(30)[0], of_size(30)[1], of_size(30)[2][:1]), "needs 2 readers who answered every case, and has 1"),
    ],
)
def test_what_is_no_pilot_says_why(arrays: Any, why: str) -> None:
    with pytest.raises(ResultsError, match=why):
        pilot_of(table(*arrays), plan(**MATCHED))


@pytest.fixture
def finished(administrator: User, researcher: User) -> Study:
    """Unblinded, four readers, scored."""
    study = open_study(administrator, diagnoses=["melanoma"] * 12 + ["melanocytic-naevus"] * 14, title="The pilot")
    made.simulate(study.tests.get(), [accepted_reader(study) for _reader in range(4)])
    made.score(model_version(researcher), {image: ((image * 7919) % 97) / 97 for image in images_to_score(study)})
    return made.unblind(study)


def test_a_pilot_from_an_unblinded_study(
    researcher_client: Client, administrator_client: Client, study: Study, finished: Study
) -> None:
    asked = {"pilot": str(finished.tests.get().pk), "difference": "0.1", "n_readers": "10", "target": "0.8"}
    page = researcher_client.get(address(study), asked)
    assert page.context["pilot"].n_readers == 4
    assert "Pilot: 4 readers, 12 such cases" in text(page.content)
    # An administrator may not see results: no test is offered, and asking for one is an error of the form.
    page = administrator_client.get(address(study), asked)
    assert page.status_code == HTTPStatus.BAD_REQUEST
    assert page.context["sizes"] is None
    assert "The pilot" not in text(administrator_client.get(address(study)).content)
    # Nor a study that is still blinded, nor one in which the researcher reads.
    Study.objects.filter(pk=finished.pk).update(unblinded_at=None)
    assert researcher_client.get(address(study), asked).status_code == HTTPStatus.BAD_REQUEST
    made.unblind(finished)
    assert "The pilot: Test 1" in text(researcher_client.get(address(study)).content)
    reader = finished.readers.first()
    assert reader is not None
    reader.user = User.objects.get(email="researcher@example.org")
    reader.save()
    assert "The pilot: Test 1" not in text(researcher_client.get(address(study)).content)


def test_a_test_without_scores_is_no_pilot(researcher_client: Client, administrator: User, study: Study) -> None:
    bare = made.unblind(open_study(administrator, title="Bare"))
    asked = {"pilot": str(bare.tests.get().pk), "difference": "0.1", "n_readers": "10", "target": "0.8"}
    page = researcher_client.get(address(study), asked)
    assert page.status_code == HTTPStatus.BAD_REQUEST
    assert "is no pilot" in text(page.content)


# --- the form and who sees it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"error": ""}, "error", "Choose a pilot above, or type this in."),
        ({"error": "much"}, "error", "Enter a number."),
        ({"n_readers": "5, many"}, "n_readers", "“many” is no number of readers"),
        ({"n_readers": "1"}, "n_readers", "“1” is no number of readers"),
        ({"n_readers": ",".join(map(str, range(2, 20)))}, "n_readers", "At most 12 numbers."),
        ({"target": "80"}, "target", "less than or equal to 0.999"),
        ({"difference": "2"}, "difference", "less than or equal to 1"),
        ({"n_cases": "1"}, "n_cases", "greater than or equal to 2"),
        ({"pilot": "99999"}, "pilot", "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_named_at_its_field(
    administrator_client: Client, study: Study, values: dict[str, str], field: str, sentence: str
) -> None:
    page = administrator_client.get(address(study), {**ASKED, **values})
    assert page.status_code == HTTPStatus.BAD_REQUEST
    assert any(sentence in error for error in page.context["form"].errors[field]), page.context["form"].errors
    assert page.context["sizes"] is None


def test_components_without_a_variance_have_no_power(administrator_client: Client, study: Study) -> None:
    nothing = dict.fromkeys(("modality_reader", "error", "cov1", "cov2", "cov3"), "0")
    page = administrator_client.get(address(study), {**ASKED, **nothing})
    assert page.status_code == HTTPStatus.OK
    assert page.context["sizes"].rows[0].needed.n_cases is None


def test_a_plan_for_an_auc_has_nothing_to_compute(administrator_client: Client, administrator: User) -> None:
    plan = {"endpoint": "auc", "method": "delong", "reference": 0.8, "threshold_origin": ""}
    page = administrator_client.get(address(draft_study(administrator, plan=plan)), ASKED)
    assert "readers play no part in it" in text(page.content)
    assert page.context["sizes"] is None


def test_who_may_see_it(
    client: Client, outsider_client: Client, researcher_client: Client, administrator_client: Client, study: Study
) -> None:
    assert client.get(address(study)).status_code == HTTPStatus.FOUND
    assert outsider_client.get(address(study)).status_code == HTTPStatus.NOT_FOUND
    for staff in (researcher_client, administrator_client):
        assert staff.get(address(study)).status_code == HTTPStatus.OK
        assert staff.post(address(study), ASKED).status_code == HTTPStatus.METHOD_NOT_ALLOWED
        assert address(study) in staff.get(reverse("study", args=[study.pk])).content.decode()
        assert staff.get(reverse("study-power", args=[99999])).status_code == HTTPStatus.NOT_FOUND
    study.plan.delete()  # type: ignore[attr-defined]
    assert "has no analysis plan yet" in text(researcher_client.get(address(study)).content)
