"""The page of a stored set: its gallery, its pictures."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow

from readerstudy.accounts.models import User
from readerstudy.images import upload as uploads
from readerstudy.images import views
from readerstudy.images.models import ImageSet
from tests import builders
from tests.images import material
from tests.images.material import manifest_of, rows_for, zip_of


@pytest.fixture
def image_set(administrator: User) -> ImageSet:
    return builders.image_set(administrator, diagnoses=["melanoma", "melanoma", "seborrhoeic-keratosis"], name="Three")


def test_the_gallery(administrator_client: Client, image_set: ImageSet) -> None:
    address = reverse("set", args=[image_set.pk])
    page = administrator_client.get(address).content.decode()
    assert page.count("<figure>") == 3
    assert "seborrhoeic keratosis" in page
    filtered = administrator_client.get(address, {"diagnosis": "malignant"}).content.decode()
    assert filtered.count("<figure>") == 2
    assert '<option value="malignant" selected>' in filtered
    for wrong in ("no-such-node", "x" * 5000, "\0"):
        assert administrator_client.get(address, {"diagnosis": wrong}).status_code == 404


def test_pages_of_the_gallery(
    administrator_client: Client, image_set: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PICTURES_A_PAGE", 2)
    address = reverse("set", args=[image_set.pk])
    counts = []
    for page in ("1", "2", "99", "nonsense"):
        content = administrator_client.get(address, {"page": page, "diagnosis": ""}).content.decode()
        counts.append((content.count("<figure>"), 'rel="next"' in content, 'rel="prev"' in content))
    assert counts == [(2, True, False), (1, False, True), (1, False, True), (2, True, False)]


def test_a_set_after_the_taxonomy_was_changed(administrator_client: Client, image_set: ImageSet) -> None:
    ImageSet.objects.filter(pk=image_set.pk).update(taxonomy_sha256="0" * 64)
    image = image_set.images.first()
    assert image is not None
    type(image.reference).objects.filter(image=image).update(diagnosis="of-another-taxonomy")
    page = administrator_client.get(reverse("set", args=[image_set.pk])).content.decode()
    assert "taxonomy was changed" in page
    assert "of-another-taxonomy" in page


def test_a_picture_and_its_thumbnail(administrator: User, administrator_client: Client) -> None:
    made = uploads.import_archive(
        archive=_file(zip_of({"planted.jpg": material.picture(1, size=(1200, 900))})),
        manifest=_file(manifest_of(rows_for(["planted.jpg"]))), name="A set", created_by=administrator,
    )  # fmt: skip
    image = made.images.get()
    address = reverse("set-image", args=[made.pk, image.uuid])
    whole = administrator_client.get(address)
    with image.file.open("rb") as file:
        assert b"".join(whole.streaming_content) == file.read()  # type: ignore[attr-defined]
    assert whole["Content-Type"] == "image/jpeg"
    thumb = administrator_client.get(address, {"thumb": ""})
    with Pillow.open(io.BytesIO(thumb.content)) as small:
        assert small.size == (320, 240)
    for response in (whole, thumb):
        assert "private" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "planted.jpg" not in str(response.headers)


def _file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("file", content)
