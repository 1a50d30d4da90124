"""The two commands: the same functions as the pages, from a shell."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.scoring import tasks
from readerstudy.scoring.models import Chunk, ModelVersion, ScoringRun
from tests.scoring.fakes import FakeClassifier
from tests.scoring.test_registry import write_checkpoint


def ran(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def test_register_model(tmp_path: Path, researcher: User) -> None:
    path = str(write_checkpoint(tmp_path / "x.safetensors"))
    printed = ran("register_model", path, "--name", "Fold 1", "--as", "Researcher@example.org")
    version = ModelVersion.objects.get()
    assert version.created_by == researcher
    assert printed == f"Fold 1: 2 classes, SHA-256 {version.sha256}\n"


@pytest.mark.parametrize(
    ("file", "email", "sentence"),
    [
        ("absent.safetensors", "researcher@example.org", "cannot be read"),
        ("x.safetensors", "nobody@example.org", "there is no researcher"),
        ("x.safetensors", "admin@example.org", "there is no researcher"),
    ],
)
def test_register_model_refuses(
    tmp_path: Path, researcher: User, administrator: User, file: str, email: str, sentence: str
) -> None:
    write_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(CommandError, match=sentence):
        ran("register_model", str(tmp_path / file), "--name", "Fold 1", "--as", email)
    assert not ModelVersion.objects.exists()


def asked(image_set: str, model: str, *more: str) -> str:
    return ran("score_images", "--set", image_set, "--model", model, "--as", "researcher@example.org", *more)


def test_score_images_asks(image_set_of_five: ImageSet, model: ModelVersion, researcher: User) -> None:
    printed = asked(image_set_of_five.name, model.name)
    run = ScoringRun.objects.get()
    assert printed == f"Run {run.pk}: 5 images, 0 of them scored before.\n"
    assert run.requested_by == researcher
    assert image_set_of_five.name in run.label


def test_score_images_waits_for_the_workers(
    image_set_of_five: ImageSet, model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "load_classifier", lambda sha256: FakeClassifier())
    missing = image_set_of_five.images.first()
    assert missing is not None
    missing.file.storage.delete(missing.file.name)
    # While the command sleeps between two looks, the worker works.
    monkeypatch.setattr(
        "readerstudy.scoring.management.commands.score_images.time.sleep",
        lambda _seconds: [tasks.score_chunk(pk) for pk in Chunk.objects.values_list("pk", flat=True)],
    )
    printed = asked(image_set_of_five.name, model.name, "--wait")
    assert "melanoma_0.png: The picture's file is not in storage." in printed
    assert "4 images scored, 1 failed." in printed


def test_score_images_says_when_a_run_has_failed(
    image_set_of_five: ImageSet, model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.file.storage.delete(model.file.name)
    tasks.load_classifier.cache_clear()
    monkeypatch.setattr(
        "readerstudy.scoring.management.commands.score_images.time.sleep",
        lambda _seconds: [tasks.score_chunk(pk) for pk in Chunk.objects.values_list("pk", flat=True)],
    )
    with pytest.raises(CommandError, match=r"The run has failed\. The weights of the model .* are not in storage"):
        asked(image_set_of_five.name, model.name, "--wait")


def test_score_images_refuses_what_is_not_there(image_set_of_five: ImageSet, model: ModelVersion) -> None:
    with pytest.raises(CommandError, match=rf"no image set of this name\. There are: {image_set_of_five.name}"):
        asked("absent", model.name)
    with pytest.raises(CommandError, match=r"no model of this name\. There are: Inception v3, two classes"):
        asked(image_set_of_five.name, "absent")
    assert not ScoringRun.objects.exists()
