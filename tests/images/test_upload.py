"""The life of an upload: checked, stored once and whole, discarded, resumed after a worker's death."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images import tasks
from readerstudy.images import upload as uploads
from readerstudy.images.errors import ImagesError
from readerstudy.images.models import Image, ImageSet, Reference, Upload
from tests.images import material
from tests.images.material import good, manifest_of, picture, rows_for, zip_of

State = Upload.State


def test_a_message_is_sent_when_the_row_is_there(
    administrator: User, django_capture_on_commit_callbacks: Any, rung: list[tuple[str, int]]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        upload = material.uploaded(administrator, *good())
    assert rung == [("check", upload.pk)]
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        uploads.request_store(upload, actor=administrator)
    assert rung[1:] == [("store", upload.pk)]


def test_the_report(administrator: User) -> None:
    archive = zip_of({f"{n}.jpg": picture(n) for n in range(4)})
    rows = [
        *rows_for(["0.jpg", "1.jpg"], lesion_id="L1", patient_id="P1"),
        *rows_for(["2.jpg"], lesion_id="L2", diagnosis="basal cell carcinoma", confirmation="consensus"),
        *rows_for(["3.jpg"], modality="clinical", colour="red"),
    ]
    upload = material.uploaded(administrator, archive, manifest_of(rows))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    report = upload.report
    assert (report["accepted"], report["rows"], report["n_problems"], report["problems"]) == (4, 4, 0, [])
    assert report["diagnoses"] == {"melanoma": 3, "basal-cell-carcinoma": 1}
    assert report["confirmations"] == {"histopathology": 3, "consensus": 1}
    assert report["modalities"] == {"dermoscopy": 3, "clinical": 1}
    assert (report["lesions"], report["patients"]) == (3, 1)  # L1, L2 and the one without an id
    warnings = " ".join(report["warnings"])
    assert "left out: colour" in warnings
    assert "1 lesion has more than one image: L1 (rows 2, 3)" in warnings
    assert "1 image has no confirmation by histopathology" in warnings
    assert "1 image has no lesion_id" in warnings
    assert "2 images have no patient_id" in warnings
    assert (upload.done, upload.total, upload.lease) == (4, 4, None)


def test_contradictions_within_a_lesion_are_pointed_out(administrator: User) -> None:
    archive = zip_of({f"{n}.jpg": picture(n) for n in range(4)})
    rows = [
        *rows_for(["0.jpg"], lesion_id="L1", patient_id="P1"),
        *rows_for(["1.jpg"], lesion_id="L1", patient_id="P1", diagnosis="basal cell carcinoma"),
        *rows_for(["2.jpg"], lesion_id="L2", patient_id="P1"),
        *rows_for(["3.jpg"], lesion_id="L2", patient_id="P2", diagnosis="basal cell carcinoma"),
    ]
    upload = material.uploaded(administrator, archive, manifest_of(rows))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    warnings = " ".join(upload.report["warnings"])
    assert "One lesion with different diagnoses: L1 (rows 2, 3)." in warnings
    assert "One lesion_id with several patients: L2 (rows 4, 5)." in warnings
    # PAD-UFES-20 numbers lesions within its patients: 1,641 ids, 1,891 lesions.
    assert upload.report["lesions"] == 3


def test_storing_makes_the_set_and_deletes_what_was_uploaded(administrator: User, storage: Path) -> None:
    upload = material.asked(administrator)
    assert material.stored_files(storage) == []  # the check stored nothing
    assert len(material.staged_files(storage)) == 2
    tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.naming_key, upload.archive.name, upload.manifest.name) == (State.STORED, "", "", "")
    assert material.staged_files(storage) == []
    made = upload.image_set
    assert made is not None
    assert (made.name, made.n_images, made.images.count(), made.created_by) == ("A set", 3, 3, administrator)
    assert len(material.stored_files(storage)) == 3
    image = made.images.get(reference__original_name="IMG_002.jpg")
    assert (image.reference.diagnosis, image.reference.lesion_id, image.reference.patient_id) == (
        "melanoma", "L-1", "P-1",
    )  # fmt: skip
    assert (image.width, image.height, image.media_type, image.modality) == (96, 72, "image/jpeg", "dermoscopy")
    assert image.uuid.hex in image.file.name
    with image.file.open("rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == image.sha256


def test_every_act_is_on_record(administrator: User) -> None:
    upload = material.asked(administrator)
    tasks.store_upload(upload.pk)
    other = material.uploaded(administrator, *good(), name="Another")
    uploads.discard(other, actor=administrator)
    entries = list(AuditEntry.objects.values_list("action", "target_id"))
    made = ImageSet.objects.get()
    assert entries == [
        ("upload.made", str(upload.pk)), ("upload.store_requested", str(upload.pk)),
        ("image_set.stored", str(made.pk)), ("upload.made", str(other.pk)), ("upload.discarded", str(other.pk)),
    ]  # fmt: skip
    assert AuditEntry.objects.get(action="image_set.stored").details == {"sha256": made.sha256, "n_images": 3}


def test_asking_and_storing_twice_makes_one_set(administrator: User, storage: Path) -> None:
    upload = material.checked(administrator)
    stale = Upload.objects.get(pk=upload.pk)
    uploads.request_store(upload, actor=administrator)
    uploads.request_store(stale, actor=administrator)  # a second tab, which has not seen the first
    tasks.store_upload(upload.pk)
    tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    uploads.request_store(upload, actor=administrator)
    tasks.store_upload(upload.pk)
    assert ImageSet.objects.count() == 1
    assert Image.objects.count() == Reference.objects.count() == 3
    assert len(material.stored_files(storage)) == 3
    assert AuditEntry.objects.filter(action="upload.store_requested").count() == 1


def test_an_upload_that_was_not_asked_for_is_not_stored(administrator: User) -> None:
    upload = material.checked(administrator)
    tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.CHECKED
    assert not ImageSet.objects.exists()


@pytest.mark.parametrize("state", [State.UPLOADED, State.CHECKING, State.CHECKED, State.REFUSED, State.FAILED])
def test_discarding_deletes_everything(state: str, administrator: User, storage: Path) -> None:
    upload = material.uploaded(administrator, *good())
    Upload.objects.filter(pk=upload.pk).update(state=state)
    uploads.discard(upload, actor=administrator)
    assert not Upload.objects.exists()
    assert material.staged_files(storage) == []


def test_what_is_being_stored_cannot_be_discarded(administrator: User, storage: Path) -> None:
    upload = material.asked(administrator)
    with pytest.raises(ImagesError, match="cannot be discarded"):
        uploads.discard(upload, actor=administrator)
    assert len(material.staged_files(storage)) == 2
    assert not AuditEntry.objects.filter(action="upload.discarded").exists()


def test_discarding_stops_the_worker(administrator: User, monkeypatch: pytest.MonkeyPatch, storage: Path) -> None:
    upload = material.uploaded(administrator, *good())
    original = tasks.check

    def discarded_meanwhile(*args: Any, **kwargs: Any) -> Any:
        uploads.discard(upload, actor=administrator)
        return original(*args, **kwargs)

    monkeypatch.setattr(tasks, "check", discarded_meanwhile)
    tasks.check_upload(upload.pk)  # ends without a sound
    assert not Upload.objects.exists()
    assert material.staged_files(storage) == []


def test_a_name_that_is_taken(administrator: User, storage: Path) -> None:
    tasks.store_upload(material.asked(administrator).pk)
    with pytest.raises(ImagesError, match="“A set” already"):
        material.uploaded(administrator, *good())
    assert material.staged_files(storage) == []


def test_a_name_that_is_under_way(administrator: User, storage: Path) -> None:
    first = material.checked(administrator)
    with pytest.raises(ImagesError, match="under way"), transaction.atomic():
        material.uploaded(administrator, *good())
    assert len(material.staged_files(storage)) == 2  # the first one's
    uploads.discard(first, actor=administrator)
    assert material.uploaded(administrator, *good()).pk


def test_what_is_mended_takes_the_place_of_what_was_refused(administrator: User, storage: Path) -> None:
    refused = material.uploaded(administrator, good()[0], manifest_of(rows_for(["IMG_001.jpg"])))
    tasks.check_upload(refused.pk)
    refused.refresh_from_db()
    assert refused.state == State.REFUSED
    mended = material.uploaded(administrator, *good())
    assert list(Upload.objects.all()) == [mended]
    assert len(material.staged_files(storage)) == 2
    assert AuditEntry.objects.filter(action="upload.discarded", target_id=str(refused.pk)).count() == 1


def test_a_name_taken_while_it_waited_fails_and_says_so(administrator: User, storage: Path) -> None:
    upload = material.asked(administrator)
    ImageSet.objects.create(
        name="A set", sha256="0" * 64, taxonomy_sha256="0" * 64, n_images=0, created_by=administrator
    )
    tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "“A set” already" in upload.error
    assert material.stored_files(storage) == []


@pytest.mark.parametrize("task", ["check_upload", "store_upload", "sweep"])
def test_tasks_have_both_time_limits(task: str) -> None:
    found = getattr(tasks, task)
    assert 0 < found.soft_time_limit < found.time_limit


@pytest.mark.parametrize("task", [tasks.check_upload, tasks.store_upload])
def test_an_id_of_nothing(task: Any, db: None) -> None:
    task(4711)


def test_ids_tell_nothing_of_the_manifests_order(administrator: User) -> None:
    upload = material.asked(administrator, 24)
    tasks.store_upload(upload.pk)
    made = ImageSet.objects.get()
    images = list(made.images.order_by("id").select_related("reference"))
    assert [image.uuid.hex for image in images] == sorted(image.uuid.hex for image in images)
    names = [image.reference.original_name for image in images]
    assert names != sorted(names)  # one in 24! (6e23) by chance
    assert all(uuid.UUID(image.uuid.hex).version == 4 for image in images)
    assert not {"IMG", "melanoma"} & {word for image in images for word in (image.file.name, image.media_type)}


def test_pictures_are_found_under_taxonomy_nodes(administrator: User) -> None:
    archive = zip_of({f"{n}.jpg": picture(n) for n in range(3)})
    rows = [
        *rows_for(["0.jpg"]), *rows_for(["1.jpg"], diagnosis="seborrhoeic keratosis"),
        *rows_for(["2.jpg"], diagnosis="basal cell carcinoma"),
    ]  # fmt: skip
    upload = material.uploaded(administrator, archive, manifest_of(rows))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    uploads.request_store(upload, actor=administrator)
    tasks.store_upload(upload.pk)

    def found(*nodes: str) -> set[str]:
        return set(Image.objects.diagnosed_under(nodes).values_list("reference__original_name", flat=True))

    assert found("malignant") == {"0.jpg", "2.jpg"}
    assert found("benign") == {"1.jpg"}
    assert found("melanoma", "benign-epidermal") == {"0.jpg", "1.jpg"}
    assert found() == set()
