"""The whole way, as people go it: upload, protocol, invitation, reading with keys, scoring, the plot, the download.

Screenshots of each page at 1280 and 390 pixels are left in the folder READERSTUDY_TEST_SCREENSHOTS, if that is set.
"""

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sklearn.metrics import roc_auc_score

from model_core.checkpoint import save
from model_core.network import build_network
from readerstudy.demo.drawing import Look, draw
from tests.builders import checkpoint_metadata
from tests.e2e.site import Site, free_port

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

PASSWORD = "correct horse battery staple"
N_POSITIVE, N_NEGATIVE = 6, 6


@pytest.fixture
def site(tmp_path: Path, chromium: Browser) -> Iterator[Site]:
    running = Site(tmp_path / "var", free_port())
    running.folder.mkdir()
    try:
        running.start()
        yield running
    finally:
        running.stop()


class Person:
    """Somebody with a browser of his own, who notices every error on the page."""

    def __init__(self, browser: Browser, site: Site, name: str) -> None:
        self.name = name
        self.context: BrowserContext = browser.new_context(base_url=site.url, viewport={"width": 1280, "height": 800})
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def shot(self, name: str) -> None:
        """The page as it is, wide and narrow; nothing may be wider than a telephone."""
        for width, height in ((1280, 800), (390, 844)):
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.wait_for_timeout(150)
            overflow = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, f"{name} is {overflow} pixels wider than {width}"
            if folder := os.environ.get("READERSTUDY_TEST_SCREENSHOTS"):
                Path(folder).mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)
        self.page.set_viewport_size({"width": 1280, "height": 800})

    def set_password(self, link: str, email: str) -> None:
        self.page.goto(link)
        for field in self.page.locator("input[type=password]").all():
            field.fill(PASSWORD)
        self.page.get_by_role("button", name="Set the password").click()
        self.page.goto("/accounts/login/")
        form = self.page.locator("form", has=self.page.locator("input[type=password]"))
        form.locator("input[type=email]").fill(email)
        form.locator("input[type=password]").fill(PASSWORD)
        form.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()


def material(folder: Path) -> tuple[Path, Path]:
    """A ZIP of drawn lesions, in a folder as a right click makes it, and its manifest."""
    archive, manifest = folder / "lesions.zip", folder / "manifest.csv"
    rows = [["file", "diagnosis", "confirmation", "modality", "lesion_id"]]
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(N_POSITIVE + N_NEGATIVE):
            malignant = number < N_POSITIVE
            buffer = io.BytesIO()
            draw(Look.PIGMENTED, malignant=malignant, seed=number).save(buffer, "JPEG", quality=90)
            name = f"{'melanoma' if malignant else 'nevus'}_{number}.jpg"
            file.writestr(f"lesions/{name}", buffer.getvalue())
            diagnosis = "melanoma" if malignant else "melanocytic naevus"
            rows.append([name, diagnosis, "histopathology", "clinical", f"L{number}"])
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return archive, manifest


def checkpoint(folder: Path) -> Path:
    """An Inception v3 of random weights: what it says of a lesion is arbitrary, how it is said is the real thing."""
    path = folder / "model.safetensors"
    metadata = checkpoint_metadata("melanoma", "melanocytic-naevus")
    save(path, build_network(len(metadata.classes), seed=1).state_dict(), metadata)
    return path


def upload(admin: Person, folder: Path) -> None:
    archive, manifest = material(folder)
    page = admin.page
    page.goto("/sets/")
    admin.shot("01-sets-empty")
    page.goto("/sets/upload/")
    admin.shot("02-upload")
    wrong = folder / "wrong.csv"
    wrong.write_text(manifest.read_text().replace("melanocytic naevus", "melanocytic nevoid", 1))
    for name, used in (("03-report-wrong", wrong), ("04-report-right", manifest)):
        page.goto("/sets/upload/")
        page.get_by_label("Name").fill("Clinic A, 2024")
        page.locator("input[type=file]").nth(0).set_input_files(archive)
        page.locator("input[type=file]").nth(1).set_input_files(used)
        page.get_by_role("button", name="Upload and check").click()
        expect(page.locator("#upload .notice, #upload .card").first).to_be_visible()
        if used == wrong:
            expect(page.get_by_text("melanocytic nevoid").first).to_be_visible(timeout=60_000)
            expect(page.get_by_role("button", name="Store the set")).to_have_count(0)
            admin.shot(name)
            page.get_by_role("button", name="Discard").click()
        else:
            expect(page.get_by_role("button", name="Store the set")).to_be_visible(timeout=60_000)
            admin.shot(name)
            page.get_by_role("button", name="Store the set").click()
            expect(page.get_by_role("link", name="Look at the set")).to_be_visible(timeout=60_000)
            page.get_by_role("link", name="Look at the set").click()
            admin.shot("05-set")


def make_study(admin: Person) -> None:
    page = admin.page
    page.goto("/studies/")
    page.get_by_label("title", exact=False).first.fill("Melanoma or nevus")
    page.get_by_role("button", name="Make a draft").click()
    admin.shot("06-study-draft")
    page.get_by_role("link", name="Edit").first.click()
    page.locator("#id_description").fill("You judge pictures of pigmented lesions.")
    page.locator("#id_contact").fill("Dr. Example, +49 000 000")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Write it").click()
    page.get_by_role("button", name="Save the plan").click()
    page.get_by_role("link", name="Add a test").click()
    page.get_by_role("button", name="Go on").click()
    page.locator("#test-form #id_title").fill("Melanoma or nevus")
    page.locator("input[name=positive_nodes][value=melanoma]").check()
    page.locator("input[name=negative_nodes][value=melanocytic-naevus]").check()
    page.locator("#test-form #id_sample_size").fill("10")
    page.locator("#test-form #id_sample_positives").fill("5")
    page.locator("#test-form #id_question").fill("What would you do?")
    page.locator("#test-form #id_choice_1").fill("Biopsy or treat")
    page.locator("#test-form #id_choice_2").fill("Reassure the patient")
    page.get_by_label("the first").check()
    admin.shot("07-test-form")
    page.get_by_role("button", name="Save the test").click()
    admin.shot("08-study-complete")
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("SHA-256").first).to_be_visible()
    admin.shot("09-study-open")


def invite(admin: Person) -> str:
    page = admin.page
    page.get_by_role("link", name="Invite readers").click()
    page.locator("textarea").first.fill("dermatologist@example.org")
    admin.shot("10-readers")
    page.get_by_role("button", name="Send the invitations").click()
    link = page.locator("input[readonly]").first.input_value()
    admin.shot("11-links")
    return link


def read_to_the_end(reader: Person, link: str) -> None:
    page = reader.page
    page.goto(link)
    reader.shot("12-join")
    page.get_by_label("dermatology").check()
    page.get_by_label("Yes").check()
    page.locator("input[name=years_of_practice]").fill("12")
    page.get_by_label("one course or several").check()
    page.get_by_label("Country in which you practise").select_option("Germany")
    page.get_by_label("a tablet").check()
    page.locator("input[name=agree]").check()
    page.get_by_role("button", name="Agree and begin").click()
    for position in range(1, 11):
        expect(page.locator("[data-where]")).to_have_text(f"{position} of 10")
        expect(page.locator("[data-reading][data-ready]")).to_be_visible()
        if position == 1:
            reader.shot("13-read")
        if position == 4:  # left and come back, in the same place
            page.goto("/")
            reader.shot("14-home-reader")
            page.get_by_role("link", name="Go on reading").click()
            expect(page.locator("[data-where]")).to_have_text("4 of 10")
            expect(page.locator("[data-reading][data-ready]")).to_be_visible()
        page.keyboard.press("1" if position % 2 else "2")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    reader.shot("15-done")


def score(researcher: Person, path: Path) -> None:
    page = researcher.page
    page.goto("/models/")
    page.locator("#id_name").fill("Inception v3, random weights")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("SHA-256").first).to_be_visible()
    researcher.shot("16-model")
    page.goto("/studies/")
    page.get_by_role("link", name="Melanoma or nevus").click()
    page.get_by_role("link", name="Results").click()
    researcher.shot("17-results-before-unblinding")
    page.get_by_role("button", name=re.compile("Score 12 images")).click()
    expect(page.locator("#progress")).to_contain_text("12 of 12 images scored", timeout=120_000)
    researcher.shot("18-run")


def download(researcher: Person, folder: Path) -> Path:
    page = researcher.page
    page.get_by_role("link", name="Download everything (ZIP)").click()
    with page.expect_download(timeout=120_000) as waiting:
        page.get_by_role("link", name="Download", exact=True).click(timeout=120_000)
    path = folder / "export.zip"
    waiting.value.save_as(path)
    return path


def test_the_whole_way(site: Site, chromium: Browser, tmp_path: Path) -> None:
    admin, reader, researcher = (Person(chromium, site, n) for n in ("administrator", "reader", "researcher"))
    for person in (admin, researcher):
        email = f"{person.name}@example.org"
        person.set_password(site.person(email, person.name), email)
    upload(admin, tmp_path)
    make_study(admin)
    link = invite(admin)
    assert any(link in letter.replace("=\n", "") for letter in site.letters())
    read_to_the_end(reader, link)
    score(researcher, checkpoint(tmp_path))

    admin.page.goto("/studies/")
    admin.page.get_by_role("link", name="Melanoma or nevus").click()
    admin.page.get_by_text("When every reader has finished").click()
    admin.page.get_by_role("button", name="Close the study").click()
    admin.page.get_by_text("When the analysis may begin").click()
    admin.page.get_by_role("button", name="Unblind the study").click()
    admin.shot("19-study-unblinded")

    page = researcher.page
    page.goto("/studies/")
    page.get_by_role("link", name="Melanoma or nevus").click()
    page.get_by_role("link", name="Results").click()
    expect(page.locator("[data-figure] svg.main-svg").first).to_be_visible()
    researcher.shot("20-results")
    check_export(download(researcher, tmp_path))
    for person in (admin, reader, researcher):
        assert not person.errors, (person.name, person.errors)


def check_export(path: Path) -> None:
    """What was downloaded is what happened: key 1 on odd cases, key 2 on even ones; the AUC by scikit-learn."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        results = archive.read("results.json").decode()
        tables = {
            name: list(csv.DictReader(io.StringIO(archive.read(f"test-1/{name}.csv").decode("utf-8-sig"))))
            for name in ("answers", "cases", "full-set")
        }
        for name, digest in manifest["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest["sha256"], name
        assert len(manifest["files"]) == len(archive.namelist()) - 1
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"dermatologist@example.org" not in everything
    assert len(tables["answers"]) == len(tables["cases"]) == 10
    assert len(tables["full-set"]) == N_POSITIVE + N_NEGATIVE
    by_position = sorted(tables["answers"], key=lambda row: int(row["position"]))
    assert [row["answer"] for row in by_position] == ["Biopsy or treat", "Reassure the patient"] * 5
    truth = [int(row["positive"]) for row in tables["cases"]]
    assert sum(truth) == 5
    auc = roc_auc_score(truth, [float(row["score"]) for row in tables["cases"]])
    [stated] = json.loads(results)["tests"]
    assert stated["model"]["sample"]["auc"]["value"] == pytest.approx(auc, abs=1e-12)
