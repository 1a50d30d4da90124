"""A checkpoint becomes a model version, once, or is refused with a reason and leaves nothing behind."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from safetensors.numpy import save_file

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.scoring import jobs
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import ModelVersion
from readerstudy.scoring.registry import local_checkpoint
from tests.builders import checkpoint_metadata


def write_checkpoint(path: Path, metadata: dict[str, Any] | None = None, *, outputs: int = 2, seed: int = 0) -> Path:
    """A file in the checkpoint's format with a last layer only: what can be read without loading weights."""
    weights = np.random.default_rng(seed).normal(size=(outputs, 8)).astype(np.float32)
    tensors = {"fc.weight": weights, "fc.bias": np.zeros(outputs, np.float32)}
    save_file(tensors, path, {"model_core": json.dumps(metadata or checkpoint_metadata().to_json())})
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "fold1.safetensors")


@pytest.fixture
def stored(settings: Any, tmp_path: Path) -> Callable[[], list[str]]:
    """The names of the files in this test's own storage."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return lambda: sorted(path.name for path in (tmp_path / "media").rglob("*") if path.is_file())


def test_a_checkpoint_is_registered_with_all_it_says(
    checkpoint: Path, researcher: User, stored: Callable[[], list[str]]
) -> None:
    version = jobs.register_model(path=checkpoint, name=" Fold 1 ", created_by=researcher)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (version.name, version.sha256, version.n_classes) == ("Fold 1", digest, 2)
    assert stored() == [f"{digest}.safetensors"]
    version = ModelVersion.objects.get()
    assert [c.id for c in version.checkpoint.classes] == ["melanoma", "melanocytic-naevus"]
    with version.file.open() as copy:
        assert copy.read() == checkpoint.read_bytes()
    entry = AuditEntry.objects.get(action="model.registered")
    assert (entry.actor, entry.details["sha256"]) == (researcher, digest)


def test_the_same_bytes_are_one_model_under_any_name(
    checkpoint: Path, tmp_path: Path, researcher: User, stored: Callable[[], list[str]]
) -> None:
    first = jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    copy = tmp_path / "renamed.safetensors"
    copy.write_bytes(checkpoint.read_bytes())
    assert jobs.register_model(path=copy, name="Another name", created_by=researcher).pk == first.pk
    assert ModelVersion.objects.get().name == "Fold 1"
    assert len(stored()) == 1
    assert AuditEntry.objects.filter(action="model.registered").count() == 1


def test_a_name_belongs_to_one_model(
    checkpoint: Path, tmp_path: Path, researcher: User, stored: Callable[[], list[str]]
) -> None:
    jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    other = write_checkpoint(tmp_path / "fold2.safetensors", seed=1)
    with pytest.raises(ScoringError, match="Another model is called “Fold 1”") as caught:
        jobs.register_model(path=other, name="Fold 1", created_by=researcher)
    assert caught.value.field == "name"
    assert len(stored()) == 1


def test_a_name_taken_at_the_last_moment_leaves_no_file(
    checkpoint: Path, tmp_path: Path, researcher: User, stored: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    monkeypatch.setattr("readerstudy.scoring.registry._check_name", lambda version: None)  # looked before the other
    other = write_checkpoint(tmp_path / "fold2.safetensors", seed=1)
    with pytest.raises(ScoringError, match="Another model is called"):
        jobs.register_model(path=other, name="Fold 1", created_by=researcher)
    assert len(stored()) == 1
    assert ModelVersion.objects.count() == 1


@pytest.mark.parametrize(("name", "sentence"), [("", "cannot be blank"), ("n" * 121, "at most 120 characters")])
def test_a_name_must_be_one(checkpoint: Path, researcher: User, name: str, sentence: str) -> None:
    with pytest.raises(ScoringError, match=sentence):
        jobs.register_model(path=checkpoint, name=name, created_by=researcher)
    assert not ModelVersion.objects.exists()


def absent(path: Path) -> None:
    path.unlink()


def text(path: Path) -> None:
    path.write_text("not weights at all")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def bare(path: Path) -> None:
    save_file({"fc.weight": np.zeros((2, 8), np.float32)}, path)


def other_outputs(path: Path) -> None:
    write_checkpoint(path, outputs=3)


def not_a_number(path: Path) -> None:
    metadata = checkpoint_metadata().to_json()
    metadata["training"]["held_out_log_loss"] = float("nan")
    write_checkpoint(path, metadata)


def null_character(path: Path) -> None:
    write_checkpoint(path, checkpoint_metadata(card="cut\0off").to_json())


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (absent, "cannot be read: No such file"),
        (text, "fold1.safetensors is not a safetensors file"),
        (cut_off, "fold1.safetensors was cut off"),
        (bare, "fold1.safetensors has weights but no metadata"),
        (other_outputs, "has 3 outputs, the metadata list 2 classes"),
        (not_a_number, "NaN or infinity"),
        (null_character, "null character"),
    ],
)
def test_what_is_no_checkpoint_is_refused_and_nothing_is_stored(
    checkpoint: Path, researcher: User, stored: Callable[[], list[str]], spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(checkpoint)
    with pytest.raises(ScoringError, match=sentence) as caught:
        jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    assert caught.value.field == "file"
    assert not ModelVersion.objects.exists()
    assert stored() == []


def test_the_stored_weights_are_checked_before_use(
    checkpoint: Path, researcher: User, stored: Callable[[], list[str]]
) -> None:
    version = jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    path = local_checkpoint(version)
    assert path.read_bytes() == checkpoint.read_bytes()
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ScoringError, match="not those that were registered"):
        local_checkpoint(version)
    path.unlink()
    with pytest.raises(ScoringError, match="weights of the model Fold 1 are not in storage"):
        local_checkpoint(version)


class ObjectStorage(Storage):
    """Like S3: files have names and no paths."""

    def __init__(self, folder: Path) -> None:
        self._files = FileSystemStorage(folder)

    def _open(self, name: str, mode: str = "rb") -> File:
        return self._files.open(name, mode)

    def _save(self, name: str, content: File) -> str:
        return self._files.save(name, content)

    def exists(self, name: str) -> bool:
        return self._files.exists(name)

    def delete(self, name: str) -> None:
        self._files.delete(name)


def test_weights_in_object_storage_are_fetched_once(
    checkpoint: Path, researcher: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR = tmp_path / "var"
    storage = ObjectStorage(tmp_path / "bucket")
    monkeypatch.setattr(ModelVersion._meta.get_field("file"), "storage", storage)
    version = jobs.register_model(path=checkpoint, name="Fold 1", created_by=researcher)
    path = local_checkpoint(version)
    assert path.is_relative_to(tmp_path / "var")
    assert path.read_bytes() == checkpoint.read_bytes()
    storage.delete(version.file.name)
    assert local_checkpoint(version) == path
    path.unlink()
    with pytest.raises(ScoringError, match="cannot be fetched"):
        local_checkpoint(version)
    assert list(path.parent.iterdir()) == []
