"""Against the real server: every page that a reader can meet, at three widths.

axe-core finds nothing at WCAG 2.2 AA at 390 and 1440 pixels, and nothing is wider than the window. With
READERSTUDY_TEST_SCREENSHOTS set to a folder, each page is left there as a picture at 390, 820 and 1440 pixels.
"""

import io
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.files.base import ContentFile
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from readerstudy.accounts.models import User
from readerstudy.demo.drawing import Look, draw
from readerstudy.images.models import Image, Modality
from readerstudy.readers import invitations
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Reading
from readerstudy.studies import amendments, protocol
from readerstudy.studies.models import CaseImage, Stage, Study, Test
from tests.advice.material import advised
from tests.browser import Contexts
from tests.builders import accepted_reader, image_set
from tests.e2e.reading_through import agree_and_begin, ready, until_stored
from tests.e2e.test_states import check_the_screen
from tests.readings.designed import designed, every_kind, further_cases, go_to_the_end, second_stage, with_facts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES = ((390, 844), (820, 1180), (1440, 900))


class Looker:
    """Looks at pages, and says at the end what was wrong with them all."""

    def __init__(self) -> None:
        self.axe = Axe()
        self.seen: list[str] = []
        self.wrong: list[str] = []

    def look(self, page: Page, name: str) -> None:
        self.seen.append(name)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                self.wrong.append(f"{name}: wider than {width} pixels")
            if folder := os.environ.get("READERSTUDY_TEST_SCREENSHOTS"):
                page.wait_for_timeout(300)
                Path(folder).mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(Path(folder) / f"reader-{name}-{width}.png"), full_page=True)
            if width != 820:
                found = self.axe.run(page, options={"runOnly": RULES})
                self.wrong += [
                    f"{name} at {width}: {violation['id']}: {node['html'][:200]} {node['failureSummary']}"
                    for violation in found.response["violations"]
                    for node in violation["nodes"]
                ]


@pytest.fixture
def looker() -> Iterator[Looker]:
    made = Looker()
    yield made
    assert made.seen
    assert made.wrong == []


def with_drawn_lesions(test: Test) -> None:
    """Pictures of lesions in the place of the coloured noise that other tests show."""
    for number, image in enumerate(
        Image.objects.filter(pk__in=CaseImage.objects.filter(case__test=test).values("image"))
    ):
        buffer = io.BytesIO()
        drawn = draw(Look.PIGMENTED, malignant=number % 3 == 0, seed=number)
        drawn.save(buffer, "PNG")
        image.file.save("picture.png", ContentFile(buffer.getvalue()), save=False)
        image.width, image.height = drawn.size
        image.save()


def a_reading(test: Test) -> Reading:
    user = accepted_reader(test.study).user
    assert user is not None
    return ensure_readings(user)[0]


def test_the_pages_around_a_reading(devices: Contexts, administrator: User, looker: Looker) -> None:
    test = designed(administrator, diagnoses=4, cases_read="batches", cases_per_reading=2, most_readings=2)
    study = test.study
    stranger = devices().new_page()

    stranger.goto("/accounts/login/")
    looker.look(stranger, "sign-in")
    stranger.goto("/accounts/login/code/")
    looker.look(stranger, "ask-for-a-code")
    stranger.locator("form input[type=email]").fill("nobody@example.org")
    stranger.get_by_role("button", name="Send me a code").click()
    expect(stranger.get_by_role("heading", name="Enter the code")).to_be_visible()
    stranger.locator("form input:not([type=hidden])").first.fill("WRONG-CODE")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", name="Enter the code")).to_be_visible()
    looker.look(stranger, "enter-the-code")
    stranger.goto("/join/nothing/")
    looker.look(stranger, "unusable-link")
    stranger.goto("/nowhere/")
    looker.look(stranger, "404")

    invited, token = invitations.invite(
        study=study, email="dermatologist@example.org", tests=study.tests.all(), actor=administrator
    )
    page = devices().new_page()
    page.goto(f"/join/{token}/")
    looker.look(page, "join")
    page.locator("form[data-once]").evaluate("form => { form.noValidate = true; form.requestSubmit(); }")
    expect(page.locator(".errorlist").first).to_be_visible()
    looker.look(page, "join-incomplete")
    agree_and_begin(page)
    page.goto("/")
    looker.look(page, "home")
    page.goto(f"/profile/{study.pk}/")
    looker.look(page, "profile")
    page.goto("/accounts/logout/")
    looker.look(page, "sign-out")
    invited.refresh_from_db()
    again = devices().new_page()
    again.goto(f"/join/{invitations.renew(invited, actor=administrator)}/")
    looker.look(again, "welcome-back")

    assert invited.user is not None
    (reading,) = ensure_readings(invited.user)
    go_to_the_end(reading)
    page.goto(f"/read/{reading.uuid}/done/")
    expect(page.get_by_role("button", name="Read another batch")).to_be_visible()
    looker.look(page, "done-with-another-batch")
    page.get_by_role("button", name="Read another batch").click()
    ready(page)
    second = Reading.objects.get(number=2)
    Reading.objects.filter(pk=second.pk).update(opens_at=timezone.now() + timedelta(days=14))
    page.goto(f"/read/{reading.uuid}/done/")
    looker.look(page, "done-with-a-wash-out")
    page.goto("/")
    looker.look(page, "home-with-a-wash-out")
    page.goto(f"/read/{second.uuid}/")
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    looker.look(page, "not-yet")
    Reading.objects.filter(pk=second.pk).update(opens_at=None)
    page.goto(f"/read/{second.uuid}/withdraw/")
    looker.look(page, "withdraw")
    Test.objects.filter(pk=test.pk).update(shows_own_result=True)
    frozen = protocol.frozen(study)
    assert frozen is not None
    amendments.amend(
        study, base=frozen.sha256, texts={"consent_text": "I agree anew."}, plan={}, reason="Asked for.",
        actor=administrator,
    )  # fmt: skip
    page.goto(f"/agree/{study.pk}/")
    expect(page.get_by_text("I agree anew.").first).to_be_visible()
    looker.look(page, "agree-anew")
    page.locator("input[name=agree]").check()
    page.get_by_role("button", name="Agree and go on").click()
    ready(page)
    protocol.close_study(Study.objects.get(pk=study.pk), actor=administrator)
    page.goto(f"/read/{second.uuid}/")
    expect(page.get_by_role("heading", name="No more answers are taken")).to_be_visible()
    looker.look(page, "closed")
    protocol.unblind_study(Study.objects.get(pk=study.pk), actor=administrator)
    page.goto(f"/read/{reading.uuid}/done/")
    expect(page.get_by_text("Sensitivity").first).to_be_visible()
    looker.look(page, "own-point")


def test_the_reading_page_in_every_state(devices: Contexts, administrator: User, looker: Looker) -> None:
    test = designed(
        administrator, diagnoses=3, screen_check="required", break_every=2, changes="until-end", time_limit="hard",
        seconds_per_case=600,
    )  # fmt: skip
    second_stage(test)
    further_cases(test, "practice", 1)
    with_facts(test.study)
    with_drawn_lesions(test)
    reading = a_reading(test)
    page = devices(reading.reader.user).new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"/read/{reading.uuid}/")
    looker.look(page, "screen-check")
    check_the_screen(page, "12")
    looker.look(page, "screen-check-failed")
    check_the_screen(page, "18")
    ready(page)
    looker.look(page, "practice")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    looker.look(page, "help")
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    page.keyboard.press("+")
    looker.look(page, "enlarged")
    page.keyboard.press("1")
    until_stored(page, 1)
    ready(page)
    looker.look(page, "second-stage-with-facts")
    page.keyboard.press("1")
    expect(page.get_by_text("Practice: this is picture")).to_be_visible()
    looker.look(page, "practice-feedback")
    page.get_by_role("button", name="Next case").click()
    ready(page)
    looker.look(page, "decision")
    page.wait_for_load_state("networkidle")

    def lose(route: Route) -> None:
        route.abort() if route.request.method == "POST" else route.continue_()

    page.route("**/api/read/**", lose)
    page.keyboard.press("1")
    expect(page.get_by_text("1 answer is waiting to be sent.")).to_be_visible()
    looker.look(page, "an-answer-waits")
    page.unroute("**/api/read/**")
    page.get_by_role("button", name="Send now").click()
    until_stored(page, 3)
    ready(page)
    page.keyboard.press("1")
    expect(page.get_by_text("a good moment for a break")).to_be_visible()
    until_stored(page, 4)
    looker.look(page, "break")
    page.get_by_role("button", name="Go on reading").click()
    ready(page)
    go_to_the_end(reading)
    page.goto(f"/read/{reading.uuid}/")
    expect(page.get_by_role("heading", name="Every case is answered")).to_be_visible()
    looker.look(page, "end")
    page.get_by_role("link", name="Case 2").click()
    ready(page)
    looker.look(page, "changing-an-answer")
    page.goto(f"/read/{reading.uuid}/")
    page.get_by_role("button", name="End the test").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    looker.look(page, "done")


def test_every_kind_of_question_and_several_pictures(devices: Contexts, administrator: User, looker: Looker) -> None:
    test = designed(administrator, diagnoses=2)
    every_kind(test)
    Stage.objects.filter(test=test).update(instruction="By the pictures alone.")
    more = image_set(administrator, diagnoses=["melanoma"] * 2, modality=Modality.DERMOSCOPY).images.all()
    for case, image in zip(test.cases.all(), more, strict=True):
        CaseImage.objects.create(case=case, image=image, position=2)
    with_drawn_lesions(test)
    reading = a_reading(test)
    page = devices(reading.reader.user).new_page()
    page.goto(f"/read/{reading.uuid}/")
    ready(page)
    looker.look(page, "every-kind-of-question")
    field = page.get_by_role("combobox")
    field.fill("naev")
    expect(page.get_by_role("option").first).to_be_visible()
    looker.look(page, "every-kind-searching")
    page.get_by_role("option").first.click()
    page.get_by_role("button", name="Next case").click()
    expect(page.get_by_text("This needs an answer")).to_be_visible()
    looker.look(page, "every-kind-incomplete")
    plain = devices(reading.reader.user, java_script_enabled=False).new_page()
    plain.goto(f"/read/{reading.uuid}/")
    expect(plain.get_by_role("button", name="Next case")).to_be_visible()


@pytest.mark.parametrize("advice", ["classes", "neighbours", "saliency"])
def test_every_kind_of_advice(devices: Contexts, administrator: User, looker: Looker, advice: str) -> None:
    test = advised(administrator, advice)
    with_drawn_lesions(test)
    reading = a_reading(test)
    page = devices(reading.reader.user).new_page()
    page.goto(f"/read/{reading.uuid}/")
    ready(page)
    page.keyboard.press("1")
    until_stored(page, 1)
    ready(page)
    looker.look(page, f"advice-{advice}")
