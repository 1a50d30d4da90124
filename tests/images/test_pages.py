"""The pages of image sets, and their API: they work, the wrong user, method and id, and twice."""

import uuid
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images import tasks, views
from readerstudy.images import upload as uploads
from readerstudy.images.lease import CHECKING, claim
from readerstudy.images.models import ImageSet, Upload
from tests import builders
from tests.images import material
from tests.images.material import good, manifest_of, rows_for, zip_of


@pytest.fixture
def checked(administrator: User) -> Upload:
    upload = material.uploaded(administrator, *good())
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    return upload


@pytest.fixture
def bad(administrator: User) -> Upload:
    archive = zip_of({"a.jpg": material.picture(1), "<b>.jpg": material.picture(2)})
    upload = material.uploaded(administrator, archive, manifest_of(rows_for(["a.jpg"], age="<i>old</i>")))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    return upload


@pytest.fixture
def image_set(administrator: User) -> ImageSet:
    return builders.image_set(administrator, diagnoses=["melanoma", "melanoma", "seborrhoeic-keratosis"], name="Three")


def form(name: str = "A set", archive: bytes = b"", manifest: bytes = b"", **values: str) -> dict[str, object]:
    pictures, truth = good()
    return {
        "name": name, "archive": SimpleUploadedFile("my pictures.zip", archive or pictures),
        "manifest": SimpleUploadedFile("truth.csv", manifest or truth), **values,
    }  # fmt: skip


def every_page(upload: Upload, image_set: ImageSet) -> list[tuple[str, str]]:
    """(method, address) of every route of this room."""
    image = image_set.images.first()
    assert image is not None
    return [
        ("get", reverse("sets")), ("get", reverse("set-upload")), ("post", reverse("set-upload")),
        ("get", reverse("upload", args=[upload.pk])), ("post", reverse("upload-store", args=[upload.pk])),
        ("post", reverse("upload-discard", args=[upload.pk])), ("get", reverse("set", args=[image_set.pk])),
        ("get", reverse("set-image", args=[image_set.pk, image.uuid])),
        ("get", reverse("api-upload", args=[upload.pk])),
    ]  # fmt: skip


def test_who_is_nobody_signs_in(checked: Upload, image_set: ImageSet) -> None:
    client = Client()
    for method, address in every_page(checked, image_set):
        response = getattr(client, method)(address)
        if "/api/" in address:
            assert response.status_code == 403
        else:
            assert response.status_code == 302, address
            assert response["Location"].startswith(reverse("account_login"))


def test_who_has_no_role_finds_nothing(outsider_client: Client, checked: Upload, image_set: ImageSet) -> None:
    pages = every_page(checked, image_set)
    assert len(pages) == 9
    assert {getattr(outsider_client, method)(address).status_code for method, address in pages} == {404}


def test_a_researcher_looks_at_sets_and_pictures_alone(
    researcher_client: Client, checked: Upload, image_set: ImageSet
) -> None:
    codes = {}
    for method, address in every_page(checked, image_set):
        response = getattr(researcher_client, method)(address)
        list(response)  # a picture is streamed: its file is open until then
        codes[address] = response.status_code
    seen = {address for address, code in codes.items() if code == 200}
    image = image_set.images.first()
    assert image is not None
    assert seen == {
        reverse("sets"), reverse("set", args=[image_set.pk]), reverse("set-image", args=[image_set.pk, image.uuid]),
    }  # fmt: skip
    assert {code for address, code in codes.items() if address not in seen} == {404}
    page = researcher_client.get(reverse("sets")).content.decode()
    assert "Three" in page
    assert checked.name not in page
    assert reverse("set-upload") not in page


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("sets", "post"), ("set-upload", "put"), ("upload", "post"), ("upload-store", "get"),
        ("upload-discard", "get"), ("set", "post"), ("set-image", "post"), ("api-upload", "post"),
    ],
)  # fmt: skip
def test_wrong_method(
    name: str, method: str, administrator_client: Client, checked: Upload, image_set: ImageSet
) -> None:
    image = image_set.images.first()
    assert image is not None
    arguments = {
        "sets": [], "set-upload": [], "set": [image_set.pk], "set-image": [image_set.pk, image.uuid],
    }.get(name, [checked.pk])  # fmt: skip
    assert getattr(administrator_client, method)(reverse(name, args=arguments)).status_code == 405
    checked.refresh_from_db()
    assert checked.state == Upload.State.CHECKED


@pytest.mark.parametrize("name", ["upload", "set", "api-upload"])
def test_wrong_id(name: str, administrator_client: Client) -> None:
    assert administrator_client.get(reverse(name, args=[4711])).status_code == 404


@pytest.mark.parametrize("name", ["upload-store", "upload-discard"])
def test_wrong_id_of_an_act(name: str, administrator_client: Client) -> None:
    assert administrator_client.post(reverse(name, args=[4711])).status_code == 404


def test_a_picture_of_another_set(administrator: User, administrator_client: Client, image_set: ImageSet) -> None:
    other = builders.image_set(administrator, diagnoses=["melanoma"])
    image = image_set.images.first()
    assert image is not None
    assert administrator_client.get(reverse("set-image", args=[other.pk, image.uuid])).status_code == 404
    assert administrator_client.get(reverse("set-image", args=[image_set.pk, uuid.uuid4()])).status_code == 404


def test_the_empty_list(administrator_client: Client) -> None:
    page = administrator_client.get(reverse("sets")).content.decode()
    assert "There is no image set yet" in page
    assert reverse("set-upload") in page


def test_the_list(administrator_client: Client, checked: Upload) -> None:
    page = administrator_client.get(reverse("sets")).content.decode()
    assert reverse("upload", args=[checked.pk]) in page
    assert "ready to be stored" in page


def test_the_whole_way(administrator_client: Client, storage: Path) -> None:
    page = administrator_client.get(reverse("set-upload")).content.decode()
    for column in ("file", "diagnosis", "confirmation", "modality", "lesion_id", "patient_id", "age", "skin_type"):
        assert f"<code>{column}</code>" in page
    response = administrator_client.post(reverse("set-upload"), form(description="From here.", notice="Drawn."))
    upload = Upload.objects.get()
    address = reverse("upload", args=[upload.pk])
    assert (response.status_code, response["Location"]) == (302, address)
    assert (upload.archive_name, upload.manifest_name) == ("my pictures.zip", "truth.csv")
    assert "my pictures" not in upload.archive.name
    page = administrator_client.get(address).content.decode()
    assert "waiting to be checked" in page
    assert 'hx-trigger="every 1s"' in page
    tasks.check_upload(upload.pk)
    page = administrator_client.get(address).content.decode()
    assert "All 3 images are accepted." in page
    assert "malignant melanoma" in page
    assert "hx-trigger" not in page
    assert administrator_client.post(reverse("upload-store", args=[upload.pk]))["Location"] == address
    assert "being stored" in administrator_client.get(address).content.decode()
    tasks.store_upload(upload.pk)
    made = ImageSet.objects.get()
    assert reverse("set", args=[made.pk]) in administrator_client.get(address).content.decode()
    assert (made.description, made.notice) == ("From here.", "Drawn.")
    assert material.staged_files(storage) == []
    page = administrator_client.get(reverse("set", args=[made.pk])).content.decode()
    assert made.sha256 in page
    assert "Drawn." in page


def test_progress_is_a_part_of_the_page(administrator: User, administrator_client: Client) -> None:
    upload = material.uploaded(administrator, *good())
    lease = claim(upload.pk, CHECKING)
    assert lease is not None
    lease.progress(2, 3)
    address = reverse("upload", args=[upload.pk])
    whole = administrator_client.get(address)
    part = administrator_client.get(address, headers={"HX-Request": "true"})
    assert "2 of 3 files" in part.content.decode()
    assert "<html" not in part.content.decode()
    assert part.content.decode().strip() in whole.content.decode()
    assert "no-store" in part["Cache-Control"]
    assert "HX-Request" in part["Vary"]
    assert "http-equiv" in whole.content.decode()  # for a browser without script


def test_a_report_with_problems(administrator_client: Client, bad: Upload) -> None:
    page = administrator_client.get(reverse("upload", args=[bad.pk])).content.decode()
    assert "2 problems." in page
    assert "0 of 1 rows are accepted" in page
    assert "&lt;i&gt;old&lt;/i&gt;" in page
    assert "&lt;b&gt;.jpg" in page
    assert "<i>old</i>" not in page
    assert "Store the set" not in page
    assert "2 problems" in administrator_client.get(reverse("sets")).content.decode()


def test_uploading_again_begins_with_what_was_written(administrator_client: Client, bad: Upload) -> None:
    Upload.objects.filter(pk=bad.pk).update(description="From <there>.")
    page = administrator_client.get(reverse("upload", args=[bad.pk])).content.decode()
    address = f"{reverse('set-upload')}?after={bad.pk}"
    assert address in page
    again = administrator_client.get(address).content.decode()
    assert 'value="A set"' in again
    assert "From &lt;there&gt;." in again
    for wrong in ("4711", "x", "9" * 40, "²"):
        assert administrator_client.get(reverse("set-upload"), {"after": wrong}).status_code == 200
    assert administrator_client.post(reverse("set-upload"), form()).status_code == 302
    assert administrator_client.get(reverse("upload", args=[bad.pk])).status_code == 404


def test_what_has_problems_is_not_stored(administrator_client: Client, bad: Upload) -> None:
    response = administrator_client.post(reverse("upload-store", args=[bad.pk]), follow=True)
    assert "no problem can be stored" in response.content.decode()
    bad.refresh_from_db()
    assert bad.state == Upload.State.REFUSED
    assert not ImageSet.objects.exists()


def test_a_failure_says_why(administrator_client: Client, checked: Upload) -> None:
    Upload.objects.filter(pk=checked.pk).update(state=Upload.State.FAILED, error="The disk is full.")
    page = administrator_client.get(reverse("upload", args=[checked.pk])).content.decode()
    assert "It failed; nothing was stored." in page
    assert "The disk is full." in page
    assert reverse("upload-discard", args=[checked.pk]) in page


def test_storing_twice(administrator_client: Client, checked: Upload) -> None:
    for _ in range(2):
        assert administrator_client.post(reverse("upload-store", args=[checked.pk])).status_code == 302
        tasks.store_upload(checked.pk)
    assert ImageSet.objects.count() == 1


def test_discarding_twice(administrator_client: Client, checked: Upload, storage: Path) -> None:
    address = reverse("upload-discard", args=[checked.pk])
    response = administrator_client.post(address, follow=True)
    assert "was discarded" in response.content.decode()
    assert material.staged_files(storage) == []
    assert administrator_client.post(address).status_code == 404


def test_discarding_what_is_being_stored(administrator: User, administrator_client: Client, checked: Upload) -> None:
    uploads.request_store(checked, actor=administrator)
    response = administrator_client.post(reverse("upload-discard", args=[checked.pk]), follow=True)
    assert "cannot be discarded" in response.content.decode()
    assert Upload.objects.exists()


@pytest.mark.parametrize("missing", ["name", "archive", "manifest"])
def test_a_form_that_is_not_filled_in(missing: str, administrator_client: Client, storage: Path) -> None:
    values = form()
    del values[missing]
    response = administrator_client.post(reverse("set-upload"), values)
    assert response.status_code == 400
    assert "This field is required" in response.content.decode()
    assert not Upload.objects.exists()
    assert not storage.exists()


def test_an_empty_file(administrator_client: Client) -> None:
    response = administrator_client.post(
        reverse("set-upload"), {**form(), "manifest": SimpleUploadedFile("truth.csv", b"")}
    )
    assert "The submitted file is empty" in response.content.decode()


def test_a_name_that_is_taken(administrator_client: Client, image_set: ImageSet, checked: Upload) -> None:
    for name, words in ((image_set.name, "already"), (f" {image_set.name} ", "already"), (checked.name, "under way")):
        response = administrator_client.post(reverse("set-upload"), form(name))
        assert response.status_code == 400
        assert words in response.content.decode()
    assert Upload.objects.count() == 1


def test_a_zip_that_is_too_large(administrator_client: Client, settings: LazySettings) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    response = administrator_client.post(reverse("set-upload"), form())
    assert response.status_code == 400
    assert "“my pictures.zip” has" in response.content.decode()
    assert "allowed are 1000 bytes" in response.content.decode()
    assert not Upload.objects.exists()


def test_a_request_that_is_too_large_is_refused_before_it_is_read(
    administrator_client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    monkeypatch.setattr(views, "_FORM_BYTES", 1000)

    def read(*args: object) -> None:
        raise AssertionError("the body was read")

    monkeypatch.setattr("django.http.multipartparser.MultiPartParser.parse", read)
    response = administrator_client.post(reverse("set-upload"), form())
    assert response.status_code == 413
    assert "allowed are 1000 bytes" in response.content.decode()


def test_an_upload_needs_the_token(administrator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(reverse("set-upload"), form()).status_code == 403
    assert not Upload.objects.exists()


def test_no_page_serves_what_was_uploaded(administrator_client: Client, checked: Upload) -> None:
    for name in (checked.archive.name, checked.manifest.name):
        for address in (f"/{name}", f"/media/{name}", f"/static/{name}", f"/sets/{name}"):
            assert administrator_client.get(address).status_code == 404


def test_the_api(administrator_client: Client, bad: Upload) -> None:
    answer = administrator_client.get(reverse("api-upload", args=[bad.pk])).json()
    assert set(answer) == {
        "id", "name", "state", "done", "total", "report", "error", "image_set", "created_at",
    }  # fmt: skip
    assert (answer["state"], answer["done"], answer["total"]) == ("refused", 2, 2)
    assert answer["report"]["n_problems"] == 2
    assert answer["report"]["problems"][1]["row"] == 2
