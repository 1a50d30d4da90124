"""Who works on an upload, and what becomes of it when a worker dies, is too slow, or cannot write."""

import contextlib
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, connection
from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.images import storing, tasks
from readerstudy.images.lease import CHECKING, MAX_ATTEMPTS, STORING, LostLeaseError, claim
from readerstudy.images.models import Image, ImageSet, Reference, Upload
from tests.images import material
from tests.images.material import good

State = Upload.State


def let_time_pass(upload: Upload) -> None:
    """The worker has not been heard of for longer than its lease, nor was it rung for."""
    past = timezone.now() - timedelta(hours=1)
    Upload.objects.filter(pk=upload.pk).update(rung_at=past)
    Upload.objects.filter(pk=upload.pk, lease__isnull=False).update(lease_expires_at=past)


def test_of_two_claims_one_wins(administrator: User) -> None:
    upload = material.uploaded(administrator, *good())
    first = claim(upload.pk, CHECKING)
    assert first is not None
    assert claim(upload.pk, CHECKING) is None
    assert claim(upload.pk, STORING) is None
    assert first.upload.attempts == 1


@pytest.mark.django_db(transaction=True)
def test_of_claims_at_the_same_moment_one_wins() -> None:
    administrator = User.objects.create_user("admin@example.org", is_administrator=True)
    upload = material.uploaded_quietly(administrator, *good())
    n = 6
    together, won, failed = threading.Barrier(n), [], []

    def worker() -> None:
        try:
            together.wait()
            if claim(upload.pk, CHECKING):
                won.append(1)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(won) == 1
    upload.refresh_from_db()
    assert upload.attempts == 1


def test_a_lease_that_was_lost_writes_nothing(administrator: User) -> None:
    upload = material.uploaded(administrator, *good())
    first = claim(upload.pk, CHECKING)
    assert first is not None
    let_time_pass(upload)
    second = claim(upload.pk, CHECKING)
    assert second is not None
    for act in (lambda: first.progress(1, 1), lambda: first.finish(State.CHECKED), lambda: first.give_up("x")):
        with pytest.raises(LostLeaseError):
            act()
    second.progress(2, 3)
    upload.refresh_from_db()
    assert (upload.state, upload.done, upload.total, upload.lease) == (State.CHECKING, 2, 3, second.upload.lease)


def test_progress_is_stored_at_most_once_a_second(administrator: User, django_assert_num_queries: Any) -> None:
    lease = claim(material.uploaded(administrator, *good()).pk, CHECKING)
    assert lease is not None
    with django_assert_num_queries(2):
        for done in range(1001):
            lease.progress(done, 1000)
    lease.upload.refresh_from_db()
    assert (lease.upload.done, lease.upload.total) == (1000, 1000)


def test_the_sweeper_rings_for_what_nobody_works_on(administrator: User, rung: list[tuple[str, int]]) -> None:
    never_heard = material.uploaded(administrator, *good(), name="never heard")
    worker_died = material.uploaded(administrator, *good(), name="worker died")
    assert claim(worker_died.pk, CHECKING)
    at_work = material.uploaded(administrator, *good(), name="at work")
    assert claim(at_work.pk, CHECKING)
    fresh = material.uploaded(administrator, *good(), name="fresh")
    done = material.checked(administrator)
    for upload in (never_heard, worker_died, done):
        let_time_pass(upload)
    Upload.objects.filter(pk=at_work.pk).update(rung_at=timezone.now() - timedelta(hours=1))
    assert tasks.sweep() == 2
    assert sorted(rung) == sorted([("check", never_heard.pk), ("check", worker_died.pk)])
    assert tasks.sweep() == 0  # it was only just rung for
    assert fresh.pk not in {pk for _task, pk in rung}


def test_a_check_whose_worker_was_killed_is_done_by_another(administrator: User, rung: list[tuple[str, int]]) -> None:
    upload = material.uploaded(administrator, *good())
    assert claim(upload.pk, CHECKING)  # and then the worker is gone
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.CHECKING  # its lease has not run out
    let_time_pass(upload)
    assert tasks.sweep() == 1
    tasks.check_upload(*[pk for _task, pk in rung])
    upload.refresh_from_db()
    assert (upload.state, upload.attempts) == (State.CHECKED, 0)


class Killed(BaseException):
    """In a test, a process that ends: nothing of it runs any more."""


def kill_while_storing(upload: Upload, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Leave database and storage as a worker does that is killed (-9) after so many pictures."""
    written = 0
    save = storing._save

    def dying(path: str, content: bytes) -> None:
        nonlocal written
        if written == after:
            raise Killed
        written += 1
        save(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(storing, "_save", dying)
        patch.setattr(storing, "_files_removed_on_failure", lambda paths: contextlib.nullcontext())
        with pytest.raises(Killed):
            tasks.store_upload(upload.pk)


def test_a_store_whose_worker_was_killed_is_done_by_another_and_leaves_no_file(
    administrator: User, storage: Path, rung: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = material.asked(administrator, 4)
    kill_while_storing(upload, monkeypatch, after=3)
    assert len(material.stored_files(storage)) == 3
    assert not ImageSet.objects.exists()
    let_time_pass(upload)
    assert tasks.sweep() == 1
    assert rung == [("store", upload.pk)]
    tasks.store_upload(upload.pk)
    made = ImageSet.objects.get()
    assert material.stored_files(storage) == sorted(image.file.name for image in made.images.all())
    assert made.images.count() == 4


def test_after_three_deaths_it_fails_and_leaves_no_file(
    administrator: User, storage: Path, rung: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = material.asked(administrator)
    for _ in range(MAX_ATTEMPTS):
        kill_while_storing(upload, monkeypatch, after=2)
        let_time_pass(upload)
    assert tasks.sweep() == 0
    assert rung == []
    upload.refresh_from_db()
    assert (upload.state, upload.lease) == (State.FAILED, None)
    assert "ended 3 times" in upload.error
    assert material.stored_files(storage) == []
    assert not ImageSet.objects.exists()


def test_files_left_between_commit_and_cleaning_are_removed_later(
    administrator: User, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = material.asked(administrator)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "remove_staged_files", lambda upload: None)
        tasks.store_upload(upload.pk)
    assert len(material.staged_files(storage)) == 2
    tasks.sweep()
    assert material.staged_files(storage) == []
    assert ImageSet.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_leaves_nothing(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    administrator = User.objects.create_user("admin@example.org", is_administrator=True)
    upload = material.uploaded_quietly(administrator, *good())
    tasks.check_upload(upload.pk)
    Upload.objects.filter(pk=upload.pk).update(state=State.STORING)

    def failing(*args: Any, **kwargs: Any) -> None:
        assert Image.objects.count() == 3  # within the transaction
        raise IntegrityError("a power cut, say")

    with monkeypatch.context() as patch:
        patch.setattr(Reference.objects, "bulk_create", failing)
        tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    assert not ImageSet.objects.exists()
    assert not Image.objects.exists()
    assert material.stored_files(storage) == []
    # It is not the upload's fault: it is tried again.
    assert (upload.state, upload.lease) == (State.STORING, None)
    assert "a power cut" in upload.error
    tasks.store_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.error) == (State.STORED, "")
    assert len(material.stored_files(storage)) == Image.objects.count() == 3


def test_a_check_that_takes_too_long_ends(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*args: Any, **kwargs: Any) -> None:
        raise SoftTimeLimitExceeded

    upload = material.uploaded(administrator, *good())
    monkeypatch.setattr("readerstudy.images.pixels._decode", endless)  # must not pass for a damaged picture
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.FAILED
    assert "longer than" in upload.error
