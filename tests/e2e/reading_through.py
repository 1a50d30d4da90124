"""What a reader does on the page of a reading, whatever it asks of him."""

import itertools

from playwright.sync_api import Locator, Page, expect

from readerstudy.readings.models import Submission


def ready(page: Page) -> None:
    """Wait until the question that is shown can be answered."""
    expect(page.locator("[data-reading]")).to_have_attribute("data-ready", "")


def where(page: Page, text: str) -> None:
    expect(page.locator("[data-where]")).to_have_text(text)


def until_stored(page: Page, count: int) -> None:
    """Wait for so many stored submissions; the browser's own business goes on meanwhile."""
    for _ in range(600):
        if Submission.objects.count() >= count:
            break
        page.wait_for_timeout(50)
    assert Submission.objects.count() == count


def answer(page: Page, choice: int = 1) -> None:
    """Answer the stage that is shown: of choices the n-th, of a scale its middle, a diagnosis, a word."""
    ready(page)
    boxes = page.locator("[data-questions] .question")
    assert boxes.count() > 0
    for box in boxes.all():
        _answer_one(page, box, choice)
    send = page.locator("[data-questions] [data-send]")
    if send.count():
        send.click()


def _answer_one(page: Page, box: Locator, choice: int) -> None:
    match box.get_attribute("data-kind"):
        case "scale":
            points = box.locator(".point")
            if points.count():
                points.nth(points.count() // 2).click()
            else:
                box.locator("input[type=number]").fill("50")
        case "ranking":
            box.get_by_role("combobox").fill("melan")
            page.get_by_role("option").first.click()
        case "text":
            box.locator("textarea").fill("irregular")
        case _:
            box.locator(".choice").nth(choice - 1).click()


def read_to_the_end(page: Page, before: int = 0) -> int:
    """Answer everything until the test is over, `before` submissions being stored already; returns how many it took."""
    for number in itertools.count(1):
        answer(page, 1 + number % 2)
        until_stored(page, before + number)
        page.locator("[data-reading][data-ready], main#main").first.wait_for()
        if page.locator("[data-reading]").count() == 0:
            return number
    raise AssertionError


def agree_and_begin(page: Page) -> None:
    """Fill in the page to which an invitation leads."""
    for label in ("dermatology", "Yes", "one course or several", "a tablet"):
        page.get_by_label(label).check()
    page.locator("input[name=years_of_practice]").fill("12")
    page.get_by_label("Country in which you practise").select_option("Germany")
    page.locator("input[name=agree]").check()
    page.get_by_role("button", name="Agree and begin").click()
    ready(page)
