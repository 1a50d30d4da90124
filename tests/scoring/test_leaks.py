"""Images that the model saw in training are found by picture, lesion or patient, and the run says so."""

from pathlib import Path

import pytest

from model_core.checkpoint import group_digest
from model_core.dataset import LabelledImage, leak_digests
from readerstudy.accounts.models import User
from readerstudy.images.models import Image, Reference
from readerstudy.images.pixels import read_picture
from readerstudy.scoring import jobs
from tests.builders import model_version, png


def found(user: User, images: list[Image], **groups: list[str]) -> list[int]:
    """The positions of the images that leak into a model with these digests."""
    leaked = jobs.leaks(model_version(user, groups=groups), [image.pk for image in images])
    return [[image.pk for image in images].index(pk) for pk in leaked]


def test_a_lesion_is_known_again(researcher: User, images: list[Image]) -> None:
    names = [image.reference.lesion_id for image in images]
    assert found(researcher, images, lesions=[group_digest("lesion", names[1])]) == [1]


def test_a_lesion_numbered_within_its_patient_is_known_again(researcher: User, images: list[Image]) -> None:
    reference = images[2].reference
    name = f"{reference.patient_id}/{reference.lesion_id}"
    assert found(researcher, images, lesions=[group_digest("lesion", name)]) == [2]


def test_a_patient_is_known_again(researcher: User, images: list[Image]) -> None:
    name = images[4].reference.patient_id
    assert found(researcher, images, patients=[group_digest("patient", name)]) == [4]
    # an id is of its kind: a lesion of the same name is no patient
    assert found(researcher, images, lesions=[group_digest("lesion", name)]) == []


def test_the_uploaded_file_is_known_again(researcher: User, images: list[Image]) -> None:
    assert found(researcher, images, files=[images[0].reference.source_sha256]) == [0]


def test_images_without_ids_are_nobodys(researcher: User, images: list[Image]) -> None:
    Reference.objects.update(lesion_id="", patient_id="")
    nobody = {"lesions": [group_digest("lesion", ""), group_digest("lesion", "/")],
              "patients": [group_digest("patient", "")]}  # fmt: skip
    assert found(researcher, images, **nobody) == []


def test_a_model_that_does_not_say_leaves_it_open(researcher: User, images: list[Image]) -> None:
    silent, outspoken = model_version(researcher), model_version(researcher, groups={"files": ["0" * 64]})
    assert not jobs.can_check_leaks(silent)
    assert jobs.can_check_leaks(outspoken)
    assert jobs.leaks(silent, Image.objects.all()) == []
    assert jobs.leaks(outspoken, Image.objects.all()) == []


def test_the_run_records_what_leaks(researcher: User, images: list[Image]) -> None:
    model = model_version(researcher, groups={"files": [images[i].reference.source_sha256 for i in (0, 3)]})
    run = jobs.request_run(model_version=model, images=Image.objects.all(), label="x", requested_by=researcher)
    assert run.in_training == [images[0].pk, images[3].pk]


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_training_and_upload_name_the_same_pixels_alike(tmp_path: Path, suffix: str) -> None:
    """The trainer's digest of a picture's pixels is the one that an upload of it gets, in another format too."""
    import io

    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(png(7, (80, 70)))) as picture:
        picture.save(tmp_path / f"picture.{suffix}")
    digests = leak_digests([LabelledImage(tmp_path / f"picture.{suffix}", "melanoma")])
    assert digests["pixels"] == [read_picture(png(7, (80, 70)), name="picture.png").sha256]


def test_the_picture_is_known_again_by_its_pixels(researcher: User, images: list[Image]) -> None:
    assert found(researcher, images, pixels=[images[1].pixels_sha256]) == [1]
