"""The `predict` command: folder, ZIP and manifest, its two tables, its parts, and the pictures that cannot be used."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import zipfile
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from model_core import checkpoint
from model_core.inference import Classifier
from model_core.inference.decoding import BATCHES_AHEAD, decoded_batches
from model_core.inference.precision import choose_precision
from model_core.manifest import DataError
from model_core.network import restore_network
from model_core.predict import command, parts
from model_core.predict.inputs import find_pictures
from model_core.train import workers
from model_core.transforms import Preprocessing
from tests.model_core.conftest import DrawnSet

SIZE = 4  # pictures of a part, here


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "plan", partial(parts.plan, size=SIZE))


def run(*values: str | Path) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(value) for value in values]))


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture
def folder(tmp_path: Path, drawn: DrawnSet) -> Path:
    """Ten drawn pictures, two of them in a folder within."""
    made = tmp_path / "images"
    (made / "deep").mkdir(parents=True)
    for number, name in enumerate(drawn.files[:10]):
        (made / ("deep" if number < 2 else "") / name).write_bytes((drawn.folder / name).read_bytes())
    return made


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def by_plain_torch(model: Path, folder: Path, names: list[str]) -> np.ndarray:
    """The network as it was trained, in float32, a picture at a time: no threads, no folding, no command."""
    state, metadata = checkpoint.load(model)
    network = restore_network(state, metadata, model.name).eval()
    preprocessing = Preprocessing.from_json(metadata.preprocessing)
    found = []
    with torch.inference_mode():
        for name in names:
            pixels = preprocessing.pixels(Image.open(folder / name))
            logits = network(torch.from_numpy(preprocessing.normalise(pixels[None])))
            found.append(torch.softmax(logits, 1).numpy()[0])
    return np.array(found)


def test_folder_archive_and_manifest_give_what_the_network_gives(
    tmp_path: Path, folder: Path, small_model_file: Path
) -> None:
    names = names_in(folder)
    archive, manifest = tmp_path / "images.zip", tmp_path / "listed.csv"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in names:
            zipped.write(folder / name, name)
        zipped.writestr("__MACOSX/._a.png", b"what a Mac adds")
    listed = names[::-1][:7]
    manifest.write_text("file,diagnosis\n" + "".join(f"{name},melanoma\n" for name in listed), "utf-8")
    basic = ("--model", small_model_file, "--device", "cpu", "--precision", "float32", "--node", "melanoma")
    assert run(*basic, "--images", folder, "--out", tmp_path / "a.csv") == 0
    assert run(*basic, "--images", archive, "--out", tmp_path / "b.csv") == 0
    assert run(*basic, "--images", folder, "--manifest", manifest, "--out", tmp_path / "c.csv") == 0
    one, two, three = (rows_of(tmp_path / f"{name}.csv") for name in "abc")
    assert list(one) == list(two) == names
    assert list(three) == listed
    assert {row["diagnosis"] for row in three.values()} == {"melanoma"}
    assert one == two
    assert {name: one[name] | {"diagnosis": "melanoma"} for name in listed} == three
    classes = ("melanoma", "melanocytic-naevus", "dermatofibroma")
    found = np.array([[float(one[name][node]) for node in classes] for name in names])
    due = by_plain_torch(small_model_file, folder, names)
    assert np.abs(due - due[::-1]).max() > 1e-3  # else any order of the pictures would do
    np.testing.assert_allclose(found, due, atol=1e-5)
    assert all(row["node melanoma"] == row["melanoma"] for row in one.values())


def test_parquet_and_csv_say_the_same(tmp_path: Path, folder: Path, small_model_file: Path) -> None:
    (folder / "zz.png").write_bytes(b"no picture")
    out = tmp_path / "scores.csv"
    assert run("--model", small_model_file, "--device", "cpu", "--images", folder, "--out", out) == 1
    table = pyarrow.parquet.read_table(tmp_path / "scores.parquet")
    written = rows_of(out)
    assert table.num_rows == len(written) == 11
    for row in table.to_pylist():
        said = written[row["file"]]
        assert list(said) == table.column_names
        for name, value in row.items():
            if isinstance(value, float):
                assert np.float32(said[name]) == np.float32(value)
            else:
                assert said[name] == (value or "")
    assert "not a picture" in written["zz.png"]["error"]
    assert table.column("melanoma").null_count == 1


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of pictures that went into the network, a number for each call."""
    asked: list[int] = []
    stream = Classifier.stream

    def counting(self: Classifier, images: Iterable[Any], batch_size: int = 32) -> Iterator[Any]:
        listed = list(images)
        asked.append(len(listed))
        return stream(self, listed, batch_size)

    monkeypatch.setattr(Classifier, "stream", counting)
    return asked


KILLED = """
import os, signal, sys
from functools import partial
from model_core.predict import command, parts
from model_core.predict.inputs import find_pictures
from model_core.train import workers
from argparse import ArgumentParser

parts.plan = partial(parts.plan, size={size})
written = parts.Part.write

def write(self, table):
    written(self, table)
    os.kill(os.getpid(), signal.SIGKILL)

parts.Part.write = write
parser = ArgumentParser()
command.add_arguments(parser)
command.run(parser.parse_args(sys.argv[1:]))
"""


def test_a_killed_run_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, folder: Path, small_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic = [str(v) for v in ("--model", small_model_file, "--device", "cpu", "--images", folder, "--batch-size", 2)]
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert run(*basic, "--out", whole) == 0
    script = [sys.executable, "-c", KILLED.format(size=SIZE), *basic, "--out", str(out)]
    killed = subprocess.run(script, capture_output=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    assert len(list((tmp_path / "out.parts").glob("*.arrow"))) == 1
    asked = counted(monkeypatch)
    assert run(*basic, "--out", out) == 0
    assert asked == [10 - SIZE]  # the part that was written is not computed again
    assert not (tmp_path / "out.parts").exists()
    assert rows_of(out).keys() == rows_of(whole).keys()
    for name, row in rows_of(out).items():
        assert float(row["melanoma"]) == pytest.approx(float(rows_of(whole)[name]["melanoma"]), abs=1e-6)
    assert run(*basic, "--out", out) == 0
    assert asked == [10 - SIZE]  # nor is anything, once all is written


def test_several_processes_share_the_parts_and_one_joins_them(
    tmp_path: Path, folder: Path, small_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `torchrun` starts them, but one after the other: the second process, then the one that leads."""
    arguments = ("--model", small_model_file, "--images", folder, "--device", "cpu", "--precision", "float32")
    assert run(*arguments, "--out", tmp_path / "alone.csv") == 0
    done = []
    for rank in (1, 0):

        @contextmanager
        def joined(device: torch.device, rank: int = rank) -> Iterator[workers.Workers]:
            yield workers.Workers(rank, 2, device)

        monkeypatch.setattr(workers, "joined_workers", joined)
        monkeypatch.setattr(workers.Workers, "wait", lambda self: None)
        assert run(*arguments, "--out", tmp_path / "shared.csv") == 0
        done.append(len(list((tmp_path / "shared.parts").glob("*.arrow"))))
    assert done == [1, 0]  # the second of three parts; the others are joined and gone
    assert (tmp_path / "shared.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_a_picture_that_changed_is_computed_again(
    tmp_path: Path, folder: Path, drawn: DrawnSet, small_model_file: Path
) -> None:
    out = tmp_path / "out.csv"
    basic = ("--model", small_model_file, "--device", "cpu", "--images", folder, "--out", out)
    assert run(*basic) == 0
    before = rows_of(out)
    name = drawn.files[9]
    (folder / name).write_bytes((drawn.folder / drawn.files[12]).read_bytes())
    assert run(*basic) == 0
    after = rows_of(out)
    assert before[name]["sha256"] != after[name]["sha256"]
    assert before[name]["melanoma"] != after[name]["melanoma"]
    assert {n: row["sha256"] for n, row in before.items() if n != name} == {
        n: row["sha256"] for n, row in after.items() if n != name
    }


def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, folder: Path, small_model_file: Path) -> None:
    out = tmp_path / "out.csv"
    basic = ("--model", small_model_file, "--device", "cpu", "--out", out, "--bad-images", "refuse")
    manifest = tmp_path / "listed.csv"
    manifest.write_text(f"file\n{names_in(folder)[0]}\nabsent.png\n", "utf-8")
    with pytest.raises(DataError, match=r"absent\.png: The file does not exist"):
        run(*basic, "--images", folder, "--manifest", manifest)
    assert not (tmp_path / "out.parts").exists()  # refused before anything was computed
    (folder / "zz.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"zz\.png: "):
        run(*basic, "--images", folder)
    assert not out.exists()
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"no\.zip is neither a folder nor a ZIP archive"):
        run(*basic, "--images", tmp_path / "no.zip")
    manifest.write_text("file\n../other.png\n", "utf-8")
    with pytest.raises(DataError, match="row 2, column file"):
        run(*basic, "--images", folder, "--manifest", manifest)


def test_linked_folders_are_read_and_links_to_nothing_are_named(tmp_path: Path, folder: Path) -> None:
    """As data sets under version control have them. A loop of links ends."""
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "deep").symlink_to(folder / "deep", target_is_directory=True)
    (tmp_path / "linked" / "loop").symlink_to(tmp_path / "linked", target_is_directory=True)
    (tmp_path / "linked" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = find_pictures(tmp_path / "linked")
    assert [Path(name).parent.name for name in found.names] == ["deep", "deep", ""]
    assert found.names[-1] == "gone.png"
    with pytest.raises(FileNotFoundError):
        found.read("gone.png")


def test_the_record_says_what_was_done(tmp_path: Path, folder: Path, small_model_file: Path) -> None:
    out = tmp_path / "out.csv"
    assert (
        run("--model", small_model_file, "--device", "cpu", "--precision", "float32", "--images", folder, "--out", out)
        == 0
    )
    record = json.loads((tmp_path / "out.csv.record.json").read_text("utf-8"))
    assert record["results"]["model_sha256"] == checkpoint.sha256(small_model_file)
    assert (record["results"]["precision"], record["results"]["pictures"]) == ("float32", 10)
    assert set(record["outputs"]) == {str(out), str(tmp_path / "out.parquet")}


def test_without_bfloat16_instructions_it_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    cpu = torch.device("cpu")
    for able, due in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("model_core.inference.precision.calculates_bfloat16", lambda device, able=able: able)
        assert choose_precision(None, cpu) == choose_precision("auto", cpu) == due
    assert choose_precision("bfloat16", cpu) == "bfloat16"


def test_pictures_wait_in_bounded_number(drawn: DrawnSet, small_model_file: Path) -> None:
    taken = 0

    def sources() -> Iterator[Path]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield drawn.folder / drawn.files[number % 24]

    classifier = Classifier.load(small_model_file, "cpu")
    stream = classifier.stream(sources(), batch_size=4)
    handed_out = 0
    for _number in range(10):
        handed_out += len(next(stream).probabilities)
        # one batch more may lie with the network
        assert taken - handed_out <= 4 * (BATCHES_AHEAD + 1)
    stream.close()  # type: ignore[attr-defined]
    assert taken < 200


def test_reduced_decoding_changes_less_than_two_grey_values(shared_data: Path) -> None:
    """On the photographs of PAD-UFES-20 at full size: the mean over a picture of the difference in grey values."""
    files = sorted((shared_data / "pad_ufes_20").rglob("*.jpg")) or sorted((shared_data / "pad_ufes_20").rglob("*.png"))
    large = []
    for path in files:
        with Image.open(path) as image:
            if image.format == "JPEG" and min(image.size) >= 4 * 299:
                large.append(path)
        if len(large) == 12:
            break
    if not large:
        pytest.skip("no large JPEG file among the real data")
    preprocessing = Preprocessing.for_range("unit")
    (full,) = decoded_batches(large, preprocessing, len(large))
    (reduced,) = decoded_batches(large, preprocessing, len(large), reduced=True)
    differences = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in zip(full, reduced, strict=True)]  # type: ignore[union-attr]
    assert max(differences) > 0  # they were decoded at a smaller size
    assert max(differences) < 2
    assert np.median(differences) < 0.5
