"""Against the real server: each published study from its one click to a reader's thanks, in the browser.

The studies are as small as their designs allow: what is edited beforehand is edited on the page of the design.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet
from readerstudy.readings.models import Answer, Item, Reading, SessionEvent, Submission
from readerstudy.readings.progress import stages_of, stages_of_test
from readerstudy.scoring import outcomes
from readerstudy.scoring.models import ScoringRun
from readerstudy.studies import presets, publications
from readerstudy.studies.models import AnalysisPlan, Arm, Study
from tests.browser import Contexts
from tests.builders import image_set, model_version
from tests.e2e.reading_through import agree_and_begin, read_to_the_end, ready
from tests.studies.test_publications import two_kinds_of_each_lesion

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

SEVEN = [node for node, _label, _malignant in publications.SEVEN]


def photographs_and_dermoscopy(user: User) -> ImageSet:
    """Two pictures for each of the three tests of Esteva et al. 2017."""
    diagnoses = ["basal-cell-carcinoma", "seborrhoeic-keratosis", *["melanoma", "melanocytic-naevus"] * 2]
    images = image_set(user, diagnoses=diagnoses)
    last = images.images.order_by("-pk").values_list("pk", flat=True)[:2]
    Image.objects.filter(pk__in=list(last)).update(modality="dermoscopy")
    return images


def known_patients(user: User) -> ImageSet:
    images = image_set(user, diagnoses=["melanoma", "melanocytic-naevus", "psoriasis", "melanocytic-naevus"])
    Image.objects.filter(image_set=images).update(sex="female", age=50)
    return images


@dataclass(frozen=True)
class Template:
    key: str
    images: Callable[[User], ImageSet]
    readings: int  # that a reader reads
    cases: int  # in all of them
    edited: dict[str, str] = field(default_factory=dict)  # fields of the design's page
    classes: tuple[str, ...] = ()  # of the model that advises

    def __str__(self) -> str:
        return self.key


TEMPLATES = (
    Template("esteva", photographs_and_dermoscopy, readings=3, cases=6),
    Template("haenssle", lambda user: two_kinds_of_each_lesion(user, 4), readings=1, cases=4),
    Template(
        "tschandl", lambda user: image_set(user, diagnoses=SEVEN, modality="dermoscopy"), readings=2, cases=4,
        edited={"cases_per_reading": "2", "positives_per_reading": "1", "most_readings": "2"}, classes=tuple(SEVEN),
    ),
    Template("jain", known_patients, readings=1, cases=4, edited={"block_size": "2"}, classes=tuple(SEVEN)),
)  # fmt: skip


def test_every_publication_has_its_way_here() -> None:
    assert [template.key for template in TEMPLATES] == [one.key for one in publications.PUBLICATIONS]


def with_advice(user: User, template: Template, images: ImageSet) -> None:
    """A registered model that has scored every picture."""
    model = model_version(user, *template.classes, name="The adviser")
    chance = np.random.default_rng(1)
    rows = {
        pk: chance.dirichlet(np.ones(len(template.classes))).astype(np.float32)
        for pk in images.images.values_list("pk", flat=True)
    }
    outcomes.store(ScoringRun.Kind.SCORES, outcomes.score_rows(model, rows, "float32"))


def opened_from_template(page: Page, template: Template, study: Study, images: ImageSet) -> str:
    """Add the template, edit its design, open the study, invite a reader; returns the reader's link."""
    page.goto(f"/studies/{study.pk}/templates/")
    title = next(str(one.title) for one in publications.PUBLICATIONS if one.key == template.key)
    card = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
    card.locator("[name=images]").select_option(str(images.pk))
    if template.classes:
        card.locator("[name=model_sha256]").select_option(label="The adviser")
    card.get_by_role("button", name=f"Add “{title}”").click()
    page.wait_for_url(f"**/studies/{study.pk}/")
    if template.edited:
        page.goto(f"/studies/{study.pk}/tests/{study.tests.get().pk}/design/")
        for name, value in template.edited.items():
            page.locator(f"[name={name}]").fill(value)
        page.locator("form:has([name=order]) [type=submit]").first.click()
        page.wait_for_url(f"**/studies/{study.pk}/*")
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("SHA-256").first).to_be_visible()
    page.get_by_role("link", name="Invite readers").click()
    page.locator("textarea").first.fill("dermatologist@example.org")
    page.get_by_role("button", name="Send the invitations").click()
    return page.locator("input[readonly]").first.input_value()


def ask_too_early(reader: BrowserContext) -> None:
    """For the advice on the first case, before it is answered: refused, and recorded."""
    first = Item.objects.filter(arm__advice__in=set(Arm.Advice.values) - {"none"}).order_by("reading", "position")[0]
    reply = reader.request.get(f"/read/{first.reading.uuid}/{first.uuid}/advice/")
    assert (reply.status, "%" in reply.text()) == (409, False)
    refused = SessionEvent.objects.get(kind=SessionEvent.Kind.ADVICE_REFUSED)
    assert (refused.item_id, refused.detail) == (first.pk, {"code": "ahead"})


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_published_study_from_one_click_to_the_last_answer(
    devices: Contexts, administrator: User, template: Template
) -> None:
    images = template.images(administrator)
    if template.classes:
        with_advice(administrator, template, images)
    study = Study.objects.create(
        title="Ours", description="Lesions.", contact="Dr. E", consent_text="I agree.", seed=7, created_by=administrator
    )
    AnalysisPlan.objects.create(study=study, **presets.PLAN)
    link = opened_from_template(devices(administrator).new_page(), template, study, images)

    reader = devices(viewport={"width": 820, "height": 1180})
    page = reader.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(link)
    agree_and_begin(page)
    if template.classes:
        ask_too_early(reader)
    answered = 0
    for reading in range(1, template.readings + 1):
        answered += read_to_the_end(page, answered)
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        if reading < template.readings:
            page.locator("main .primary, main form[action$='/another/'] button").first.click()
            ready(page)
    expect(page.locator("main .primary")).to_have_count(0)

    assert Reading.objects.exclude(finished_at=None).count() == Reading.objects.count() == template.readings
    items = list(Item.objects.select_related("reading", "arm"))
    assert len(items) == template.cases
    due = {(item.pk, stage.pk) for item in items for stage in stages_of(item, stages_of_test(item.reading.test_id))}
    assert set(Submission.objects.values_list("item", "stage")) == due
    assert Submission.objects.count() == len(due) == answered
    assert Answer.objects.count() == sum(
        stage.questions.count() for item in items for stage in stages_of(item, stages_of_test(item.reading.test_id))
    )
    shown = SessionEvent.objects.filter(kind=SessionEvent.Kind.ADVICE_SHOWN).values_list("item", flat=True)
    assert sorted(shown) == sorted(item.pk for item in items if item.arm and item.arm.advice != Arm.Advice.NONE)
    assert bool(shown) == bool(template.classes)
