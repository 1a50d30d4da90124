"""The builder's pages in a browser: what a choice makes irrelevant is hidden, without script all of it is there."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from readerstudy.accounts.models import User
from readerstudy.studies import drafting, publications
from readerstudy.studies.drafts import stages_of
from readerstudy.studies.models import Study, Test
from tests.browser import Contexts
from tests.builders import image_set, model_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def test(administrator: User) -> Test:
    images = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus", "dermatofibroma"])
    study = Study.objects.create(title="S", seed=1, created_by=administrator)
    model = model_version(administrator)
    (made,) = publications.add_tests(
        "tschandl", study=study, image_set=images, model_sha256=model.sha256, actor=administrator
    )
    drafting.save_test(made, actor=administrator)
    return made


def pages_of(test: Test) -> list[str]:
    one = [reverse(name, args=[test.study_id, test.pk]) for name in ("test-design", "test-arms", "test-stages")]
    return [
        *one,
        reverse("test-stage", args=[test.study_id, test.pk, 2]),
        reverse("test-question", args=[test.study_id, test.pk, 1, 1]),
        reverse("study-templates", args=[test.study_id]),
        reverse("study", args=[test.study_id]),
    ]


def go(page: Page, address: str) -> None:
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200


def test_every_page_is_accessible_and_fits_a_telephone(contexts: Contexts, administrator: User, test: Test) -> None:
    axe = Axe()
    page = contexts(administrator, viewport={"width": 390, "height": 844}).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    addresses = pages_of(test)
    assert len(addresses) == 7
    for address in addresses:
        go(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert not found.response["violations"], (address, found.generate_report())
    assert not problems


def test_irrelevant_fields_are_hidden(contexts: Contexts, administrator: User, test: Test) -> None:
    page = contexts(administrator).new_page()
    go(page, reverse("test-design", args=[test.study_id, test.pk]))
    per_reading, block = page.get_by_label("Cases of a reading"), page.get_by_label("Cases of a block")
    expect(per_reading).to_be_visible()
    expect(block).to_be_hidden()
    page.get_by_label("Who reads what").select_option("every")
    expect(per_reading).to_be_hidden()
    page.locator("#id_arms_design").select_option("alternating")
    expect(block).to_be_visible()
    expect(page.get_by_label("Practice cases", exact=True)).to_be_hidden()
    page.get_by_label("Practice images").select_option(index=1)
    expect(page.get_by_label("Practice cases", exact=True)).to_be_visible()


def test_an_answer_is_added_to_a_question(contexts: Contexts, administrator: User, test: Test) -> None:
    page = contexts(administrator).new_page()
    go(page, reverse("test-question", args=[test.study_id, test.pk, 1, 1]))
    rows = page.get_by_label("Answer", exact=True)
    expect(rows.locator("visible=true")).to_have_count(8)
    page.get_by_role("button", name="Another answer").click()
    expect(rows.nth(8)).to_be_focused()
    rows.nth(8).fill("Other")
    page.get_by_role("button", name="Save the question").click()
    page.wait_for_url("**/stages/")
    labels = [choice.label for choice in stages_of(test)[0].questions[0].choices]
    assert len(labels) == 8
    assert labels[-1] == "Other"


def test_without_script_every_field_is_there_and_saves(contexts: Contexts, administrator: User, test: Test) -> None:
    page = contexts(administrator, java_script_enabled=False).new_page()
    go(page, reverse("test-design", args=[test.study_id, test.pk]))
    page.get_by_label("Who reads what").select_option("every")
    page.get_by_label("Cases between a case and its repeat").fill("3")
    page.get_by_role("button", name="Save the design").click()
    page.wait_for_url(f"**/studies/{test.study_id}/**")
    test.refresh_from_db()
    assert (test.cases_read, test.cases_per_reading, test.repeat_distance) == ("every", None, 3)
    go(page, reverse("test-question", args=[test.study_id, test.pk, 1, 1]))
    expect(page.get_by_label("Answer", exact=True).locator("visible=true")).to_have_count(10)
