"""Training to a checkpoint, on 24 drawn pictures at 75 pixels: stopped, killed, resumed, by two processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model_core.__main__ import main
from model_core.checkpoint import load, read_metadata
from model_core.dataset import LabelledImage, read_labelled_images
from model_core.inference import Classifier
from model_core.manifest import DataError
from model_core.network import InceptionV3, build_network
from model_core.taxonomy import Taxonomy
from model_core.train import loop
from model_core.train.classes import ClassRule
from model_core.train.config import TrainingConfig
from model_core.train.loop import StoppedError
from model_core.train.pictures import Loaded
from model_core.train.run import MODEL, train
from model_core.train.schedule import Step
from tests.model_core.conftest import DrawnSet

pytestmark = pytest.mark.xdist_group("train_run")  # what they share is made once

SMALL = TrainingConfig(
    weights="random", size=75, stored_size=96, auxiliary_weight=0.0, epochs=2, batch_size=8, train_from="Mixed_7c",
    input_range="unit", learning_rate=0.01, device="cpu", threads=2,
)  # fmt: skip
ARGUMENTS = [
    "--weights", "random", "--size", "75", "--stored-size", "96", "--auxiliary-weight", "0", "--epochs", "2",
    "--batch-size", "8", "--train-from", "Mixed_7c", "--input-range", "unit", "--learning-rate", "0.01",
    "--device", "cpu", "--threads", "2",
]  # fmt: skip


@pytest.fixture(scope="module")
def images(drawn: DrawnSet, taxonomy: Taxonomy) -> tuple[LabelledImage, ...]:
    return read_labelled_images(drawn.manifest, drawn.folder, taxonomy)


@pytest.fixture(scope="module")
def whole(images: tuple[LabelledImage, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    train(images, out, SMALL, validation=images[:8], subject="drawn by code", progress=False)
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / MODEL)[0]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Bit for bit."""
    assert len(one) > 400
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **more}


def test_run_writes_a_checkpoint_that_predicts_and_says_what_it_is(
    whole: Path, images: tuple[LabelledImage, ...]
) -> None:
    metadata = read_metadata(whole / MODEL)
    assert [c.id for c in metadata.classes] == ["melanocytic-naevus", "melanoma"]
    assert metadata.training["n_images"] == 24
    assert metadata.training["n_lesions"] == 12
    assert "the layers from Mixed_7c on were fine-tuned on 24 images (drawn by code)" in metadata.training["card"]
    assert len(metadata.training["groups"]["pixels"]) == 24
    assert [row["epoch"] for row in metadata.training["history"]] == [1, 2]
    found = Classifier.load(whole / MODEL, "cpu", "float32").predict(image.path for image in images)
    assert found.failures == ()
    assert found.probabilities.sum(1) == pytest.approx(np.ones(24), abs=1e-5)
    assert len((whole / "log.csv").read_text().splitlines()) == 3


def test_frozen_layers_stay_and_the_others_move(whole: Path, images: tuple[LabelledImage, ...]) -> None:
    from model_core.train.run import starting_network

    start = starting_network(images, 2, SMALL)[0].state_dict()
    end = weights(whole)
    moved = {name.split(".")[0] for name in end if not torch.equal(end[name], start[name])}
    assert moved == {"Mixed_7c", "fc"}


def test_seed_fixes_the_run(images: tuple[LabelledImage, ...], whole: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "other", replace(SMALL, seed=1), validation=images[:8], progress=False)
    assert not torch.equal(weights(whole)["fc.weight"], weights(tmp_path / "other")["fc.weight"])
    train(images, tmp_path / "same", SMALL, validation=images[:8], progress=False)
    assert_same(weights(whole), weights(tmp_path / "same"))


KILLED = """
import os, signal, sys
from model_core.train import loop
steps, real = 0, loop.step_loss
def dying(*args):
    global steps
    steps += 1
    if steps == 5:  # the second step of three in the second epoch; the state of the fourth step is saved
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
loop.step_loss = dying
from model_core.__main__ import main
main(sys.argv[1:])
"""


def test_run_resumed_after_a_kill_is_bit_identical(
    images: tuple[LabelledImage, ...], drawn: DrawnSet, whole: Path, tmp_path: Path
) -> None:
    out, validation = tmp_path / "killed", tmp_path / "validation.csv"
    validation.write_text("".join(drawn.manifest.read_text().splitlines(keepends=True)[:9]))
    command = [sys.executable, "-c", KILLED, "train", "--manifest", str(drawn.manifest), "--images", str(drawn.folder),
               "--validation", str(validation), "--out", str(out), "--subject", "drawn by code",
               "--save-minutes", "1e-9", *ARGUMENTS]  # fmt: skip
    done = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (out / MODEL).exists()
    state = torch.load(out / "state.pt", weights_only=True)
    assert (state["progress"]["epoch"], state["progress"]["step"]) == (1, 1)
    train(images, out, SMALL, validation=images[:8], subject="drawn by code", progress=False)
    assert_same(weights(whole), weights(out))
    whole_log, log = ((folder / "log.csv").read_text().splitlines() for folder in (whole, out))
    assert [line.rpartition(",")[0] for line in log] == [line.rpartition(",")[0] for line in whole_log]  # but seconds


def test_interrupt_stops_after_the_step_and_the_run_goes_on(
    images: tuple[LabelledImage, ...], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, steps = loop.step_loss, []

    def interrupting(*args: Any) -> torch.Tensor:
        steps.append(1)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "step_loss", interrupting)
        with pytest.raises(StoppedError, match=r"epoch 1 after step 2.*same command"):
            train(images, tmp_path, SMALL, validation=images[:8], progress=False)
    assert signal.getsignal(signal.SIGINT) is before
    train(images, tmp_path, SMALL, validation=images[:8], progress=False)
    assert_same(weights(whole), weights(tmp_path))


def test_finished_run_is_not_run_again_and_another_is_refused(
    images: tuple[LabelledImage, ...], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any) -> torch.Tensor:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(loop, "step_loss", never)
    before = weights(whole)
    train(images, whole, SMALL, validation=images[:8], progress=False)
    assert_same(before, weights(whole))
    with pytest.raises(DataError, match=r"learning_rate was 0\.01 and is 0\.02.*--restart"):
        train(images, whole, replace(SMALL, learning_rate=0.02), validation=images[:8], progress=False)
    with pytest.raises(DataError, match="other images"):
        train(images[1:], whole, SMALL, validation=images[:8], progress=False)
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(DataError, match=r"state\.pt cannot be read"):
        train(images, tmp_path, SMALL, progress=False)


def test_longer_run_goes_on_where_the_shorter_one_ended(
    images: tuple[LabelledImage, ...], whole: Path, tmp_path: Path
) -> None:
    """The paper does not say how many epochs; its schedule of steps does not depend on it, unlike a cosine's."""
    train(images, tmp_path, replace(SMALL, epochs=1), validation=images[:8], progress=False)
    train(images, tmp_path, SMALL, validation=images[:8], progress=False)
    assert_same(weights(whole), weights(tmp_path))
    with pytest.raises(DataError, match="epochs was 2 and is 1"):
        train(images, tmp_path, replace(SMALL, epochs=1), validation=images[:8], progress=False)
    cosine = TrainingConfig(schedule="cosine", epochs=3)
    assert cosine.differences({**cosine.to_json(), "epochs": 2}) == ["epochs was 2 and is 3"]


def test_run_that_cannot_become_anything_is_refused(
    images: tuple[LabelledImage, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="single image, which batch normalisation cannot be trained on"):
        train(images, tmp_path, replace(SMALL, batch_size=1), progress=False)
    real = loop.step_loss
    monkeypatch.setattr(loop, "step_loss", lambda *args: real(*args) * float("nan"))
    with pytest.raises(DataError, match=r"no longer a number in epoch 1, step 1\. A smaller --learning-rate"):
        train(images, tmp_path, SMALL, progress=False)
    assert not (tmp_path / MODEL).exists()


def test_epoch_whose_loss_is_no_number_is_not_the_best() -> None:
    at = loop.Progress()
    config = TrainingConfig(watch="loss")
    losses = [2.0, float("nan"), 1.5]
    assert [loop._note_epoch(at, {"validation_loss": v}, config) for v in losses] == [True, False, True]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_compute_what_one_does(
    images: tuple[LabelledImage, ...], drawn: DrawnSet, tmp_path: Path
) -> None:
    """With batch norms that do not look at the batch, and no dropout, a step's gradient does not depend on how its
    images are shared, but for rounding. At most 5 of 24 images in a step: 3 and 2, or 2 and 2."""
    one = replace(SMALL, batch_norm="frozen", dropout=0.0, batch_size=5, learning_rate=1e-3)
    train(images, tmp_path / "one", one, validation=images[:7], progress=False)
    validation = tmp_path / "validation.csv"
    validation.write_text("".join(drawn.manifest.read_text().splitlines(keepends=True)[:8]))
    arguments = [
        *ARGUMENTS,
        "--batch-norm",
        "frozen",
        "--dropout",
        "0",
        "--batch-size",
        "5",
        "--learning-rate",
        "0.001",
    ]
    command = [
        sys.executable, "-m", "model_core", "train", "--manifest", str(drawn.manifest), "--images", str(drawn.folder),
        "--validation", str(validation), "--out", str(tmp_path / "two"), *arguments,
    ]  # fmt: skip
    port = str(free_port())
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
                            MASTER_PORT=port),
        )
        for rank in range(2)
    ]  # fmt: skip
    ends = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], ends
    assert b"fine-tuned on 24 images" in ends[0][0]
    assert ends[1][0] == b""
    alone, together = weights(tmp_path / "one"), weights(tmp_path / "two")
    start = alone["fc.weight"]
    assert alone.keys() == together.keys()
    for name in alone:
        assert torch.allclose(alone[name].float(), together[name].float(), atol=2e-5), name
    assert start.abs().max() > 1e-3
    history = [read_metadata(tmp_path / name / MODEL).training["history"] for name in ("one", "two")]
    for a, b in zip(*history, strict=True):
        assert a["training_loss"] == pytest.approx(b["training_loss"], rel=1e-3)
        assert a["validation_loss"] == pytest.approx(b["validation_loss"], rel=1e-3)
        assert a["validation_accuracy"] == b["validation_accuracy"]
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == [
        "best.pt", "log.csv", MODEL, f"{MODEL}.record.json", "state.pt", "training.json", "validation.json",
    ]  # fmt: skip


def with_bad_pictures(drawn: DrawnSet, folder: Path) -> Path:
    """The drawn pictures, of which one is cut off and one is absent."""
    for name in drawn.files[:8]:
        Image.open(drawn.folder / name).save(folder / name)
    whole = (folder / drawn.files[2]).read_bytes()
    (folder / drawn.files[2]).write_bytes(whole[: len(whole) // 2])
    (folder / drawn.files[5]).unlink()
    manifest = folder / "manifest.csv"
    manifest.write_text("".join(drawn.manifest.read_text().splitlines(keepends=True)[:9]))
    return manifest


def test_bad_pictures_are_named_and_left_out_or_refused(
    drawn: DrawnSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = with_bad_pictures(drawn, tmp_path)
    command = [
        "train",
        "--manifest",
        str(manifest),
        "--images",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
        *ARGUMENTS,
    ]
    assert main([*command, "--bad-images", "refuse"]) == 2
    said = capsys.readouterr().err
    assert "2 pictures cannot be used" in said
    assert drawn.files[2] in said
    assert f"{drawn.files[5]}: The file cannot be read: No such file" in said
    assert main([*command, "--epochs", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("Left out:") == 2
    assert "fine-tuned on 6 images" in said
    record = json.loads((tmp_path / "run" / f"{MODEL}.record.json").read_text())
    assert record["results"]["n_images_skipped"] == 2
    assert record["arguments"]["bad_images"] is None


def test_picture_lost_during_training_does_not_count(
    images: tuple[LabelledImage, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_core.train import pictures
    from model_core.transforms import ImageError

    real = pictures.open_image

    def losing(source: Any) -> Image.Image:
        if source == images[3].path:
            raise ImageError("The disk is gone.")
        return real(source)

    monkeypatch.setattr(pictures, "open_image", losing)
    one = replace(SMALL, epochs=1)
    metadata = train(images[:8], tmp_path / "skip", one, progress=False)
    assert np.isfinite(metadata.training["history"][0]["training_loss"])
    with pytest.raises(DataError, match=f"{images[3].path.name}: The disk is gone"):
        train(images[:8], tmp_path / "refuse", replace(one, bad_images="refuse"), progress=False)


def test_early_stopping_keeps_the_best_epoch(images: tuple[LabelledImage, ...], tmp_path: Path) -> None:
    """With a learning rate of next to nothing no epoch is better than the first; two epochs of patience make three."""
    config = replace(SMALL, epochs=9, patience=2, learning_rate=1e-12, batch_norm="frozen", train_from="fc")
    metadata = train(images, tmp_path, config, validation=images[:8], progress=False)
    assert len(metadata.training["history"]) == 3
    assert metadata.training["best_epoch"] == 1


def test_modern_recipe_with_all_layers_and_averages(images: tuple[LabelledImage, ...], tmp_path: Path) -> None:
    config = TrainingConfig.modern(
        weights="random", size=75, stored_size=96, auxiliary_weight=0.0, epochs=1, batch_size=8, input_range="unit",
        device="cpu",
    )  # fmt: skip
    metadata = train(images[:8], tmp_path, config, rule=ClassRule(level=1), progress=False)
    assert [c.id for c in metadata.classes] == ["benign", "malignant"]
    assert metadata.training["fitted"] == "all layers"
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    saved = weights(tmp_path)
    name = "Conv2d_1a_3x3.conv.weight"
    assert torch.equal(saved[name], state["average"]["values"][name])
    assert not torch.equal(saved[name], state["network"][name])


def test_auxiliary_head_adds_its_share_of_the_loss(network: InceptionV3) -> None:
    """The paper's 299 pixels, one step's loss: that of the main head and 0.4 times that of the other."""
    two = build_network(3, replace(network.options, auxiliary_head=True), seed=0)
    two.train()
    x = torch.randn(2, 3, 299, 299, generator=torch.Generator().manual_seed(0))
    logits, auxiliary = outputs = two.above(x, two.blocks[0])
    assert auxiliary is not None
    assert logits.shape == auxiliary.shape == (2, 3)
    targets = torch.tensor([0, 2])
    loaded = Loaded(Step(np.arange(2), 2), x, torch.ones(2))
    found = loop.step_loss(outputs, targets, loaded, TrainingConfig(), None)
    cross_entropy = torch.nn.functional.cross_entropy
    assert found.item() == pytest.approx(
        (cross_entropy(logits, targets) + 0.4 * cross_entropy(auxiliary, targets)).item()
    )
    half = loop.step_loss(outputs, targets, loaded._replace(usable=torch.tensor([1.0, 0.0])), TrainingConfig(), None)
    alone = cross_entropy(logits[:1], targets[:1]) + 0.4 * cross_entropy(auxiliary[:1], targets[:1])
    assert half.item() == pytest.approx(alone.item() / 2)
