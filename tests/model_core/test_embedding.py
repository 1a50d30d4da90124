"""The last hidden layer, by torch directly; the `embed` command's files, its resume, and t-SNE."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from model_core import embed as command
from model_core import tsne as layout
from model_core.embedding import Embedder, embed
from model_core.manifest import DataError, ManifestRow
from model_core.network import InceptionV3
from model_core.split.evidence import read_features
from model_core.split.retrieval import whitened
from model_core.transforms import ImageError, Preprocessing
from model_core.tsne import principal_components, tsne
from tests.model_core.conftest import DrawnSet


@pytest.fixture(scope="module")
def embedder(small_model_file: Path) -> Embedder:
    return Embedder.load(small_model_file, "cpu", "float32")


def test_features_are_what_the_last_layer_takes(drawn: DrawnSet, network: InceptionV3, embedder: Embedder) -> None:
    """By a hook on torchvision's own forward pass, in the order given, whatever the batches."""
    paths = [drawn.folder / name for name in (drawn.files[5], drawn.files[0], drawn.files[3])]
    seen: list[torch.Tensor] = []
    hook = network.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    preprocessing = Preprocessing.for_range("unit", 75)
    with torch.no_grad():
        network(torch.from_numpy(np.stack([preprocessing(Image.open(path).convert("RGB")) for path in paths])))
    hook.remove()
    found = embed(paths, embedder, batch_size=2)
    assert found.shape == (3, 2048)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, seen[0].numpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-2  # the rows differ, so that their order is told


def test_a_checkpoint_by_its_path_and_no_picture_at_all(small_model_file: Path) -> None:
    assert embed([], small_model_file, device="cpu").shape == (0, 2048)


def test_a_damaged_picture_is_named_or_gone_past(tmp_path: Path, drawn: DrawnSet, embedder: Embedder) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    images = [drawn.folder / drawn.files[0], bad, Image.new("RGB", (40, 30))]
    with pytest.raises(ImageError, match=r"bad\.jpg: The file is not a picture"):
        embed(images, embedder)
    (batch,) = embedder.stream(images)
    assert [failure.index for failure in batch.failures] == [1]
    assert np.isnan(batch.features).all(axis=1).tolist() == [False, True, False]


def run(*values: str | Path) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(value) for value in values]))


@pytest.fixture
def folder(tmp_path: Path, drawn: DrawnSet) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    for name in drawn.files[:5]:
        (made / name).write_bytes((drawn.folder / name).read_bytes())
    (made / "zz.jpg").write_bytes(b"no picture")
    return made


def test_the_command_writes_features_that_split_reads(
    tmp_path: Path, folder: Path, small_model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, points = tmp_path / "features.npz", tmp_path / "tsne.csv"
    basic = ("--model", small_model_file, "--images", folder, "--device", "cpu", "--precision", "float32")
    assert run(*basic, "--out", out, "--tsne", points, "--perplexity", "1") == 1
    assert "zz.jpg: The file is not a picture" in capsys.readouterr().out
    names = sorted(path.name for path in folder.iterdir())
    rows = [ManifestRow(name, "melanoma") for name in reversed(names)]
    found = read_features(out, rows)
    expected = embed(
        [folder / name for name in reversed(names[:5])], small_model_file, device="cpu", precision="float32"
    )
    np.testing.assert_allclose(found[1:], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[0]).all()
    assert np.isfinite(whitened(found)).all()  # a picture without features is near to nothing, and stops nothing
    assert whitened(found)[0].tolist() == [0] * whitened(found).shape[1]
    with open(points) as file:
        assert [row["file"] for row in csv.DictReader(file)] == names[:5]
    record = json.loads((tmp_path / "features.npz.record.json").read_text())
    assert record["results"]["failed"] == {"zz.jpg": "The file is not a picture in a format that is read here."}
    assert len(record["outputs"]) == 2
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("features")) == [
        "features.npz", "features.npz.record.json",
    ]  # fmt: skip


def test_the_manifest_gives_the_order_and_refusal_names_the_file(
    tmp_path: Path, folder: Path, small_model_file: Path
) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("file,diagnosis\n01_0.png,x\nabsent.png,y\n00_0.png,z\n")
    basic = (
        "--model",
        small_model_file,
        "--images",
        folder,
        "--manifest",
        manifest,
        "--device",
        "cpu",
        "--precision",
        "float32",
    )
    out = tmp_path / "features.npy"
    with pytest.raises(DataError, match=r"absent\.png: The file does not exist"):
        run(*basic, "--out", out, "--bad-images", "refuse")
    assert not out.exists()
    assert run(*basic, "--out", out) == 1
    found = np.load(out)
    expected = embed([folder / "01_0.png", folder / "00_0.png"], small_model_file, device="cpu", precision="float32")
    np.testing.assert_allclose(found[[0, 2]], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[1]).all()
    manifest.write_text("file,diagnosis\n../x.png,x\n")
    with pytest.raises(DataError, match=r"row 2, column file: '\.\./x\.png' must be a path inside"):
        run(*basic, "--out", out)
    with pytest.raises(DataError, match=r"must end in \.npy or \.npz"):
        run(*basic, "--out", tmp_path / "features.csv")


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, folder: Path, small_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "zz.jpg").unlink()
    monkeypatch.setattr(command, "PART", 2)
    basic = ("--model", small_model_file, "--images", folder, "--device", "cpu", "--precision", "float32")
    assert run(*basic, "--out", tmp_path / "whole.npy") == 0
    seen: list[int] = []
    stream = Embedder.stream

    def counted(self: Embedder, images: object, batch_size: int = 32) -> object:
        for batch in stream(self, images, batch_size):  # type: ignore[arg-type]
            seen.append(len(batch.features))
            if len(seen) == 3:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(Embedder, "stream", counted)
    out = tmp_path / "features.npy"
    with pytest.raises(KeyboardInterrupt):
        run(*basic, "--out", out)
    assert not out.exists()
    changed = folder / sorted(path.name for path in folder.iterdir())[1]
    Image.new("RGB", (30, 30), "red").save(changed)  # a picture that changed is looked at again, with its part
    assert run(*basic, "--out", out) == 0
    assert seen == [2, 2, 1, 2, 1]
    kept, found = np.load(tmp_path / "whole.npy"), np.load(out)
    assert (kept[[0, 2, 3, 4]] == found[[0, 2, 3, 4]]).all()
    assert (kept[1] != found[1]).any()


def clusters(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    return (rng.normal(size=(3, 60))[group] * 4 + rng.normal(size=(n, 60))).astype(np.float32), group


@pytest.mark.parametrize("limit", [10_000, 50])  # scikit-learn, and openTSNE above the limit
def test_tsne_keeps_neighbours_and_repeats_itself(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Three far groups: in the plane every point's nearest are of its group; a row of NaN stays NaN."""
    if limit == 50:
        pytest.importorskip("openTSNE")
    monkeypatch.setattr(layout, "BARNES_HUT_LIMIT", limit)
    features, group = clusters(91)
    features[7] = np.nan
    found = tsne(features, seed=3, perplexity=10)
    assert np.isnan(found).all(axis=1).nonzero()[0].tolist() == [7]
    assert (tsne(features, seed=3, perplexity=10)[8:] == found[8:]).all()
    kept = np.delete(np.arange(91), 7)
    near = KNeighborsClassifier(6).fit(found[kept], group[kept])
    assert near.score(found[kept], group[kept]) == 1
    monkeypatch.setattr(layout, "CHUNK", 20)  # no chunk's border shows
    again = tsne(features, seed=3, perplexity=10)
    assert KNeighborsClassifier(6).fit(again[kept], group[kept]).score(again[kept], group[kept]) == 1


def test_principal_components_are_those_of_numpys_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CHUNK", 20)
    features, _ = clusters(70)
    usable = np.ones(70, bool)
    usable[[3, 40]] = False
    found = principal_components(features, usable)
    centred = features[usable].astype(float) - features[usable].astype(float).mean(0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    assert found.shape == (68, 50)
    np.testing.assert_allclose(np.abs(found), np.abs((left * scale)[:, :50]), atol=1e-6)


def test_what_tsne_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="at least 4 pictures, not 3"):
        tsne(np.zeros((3, 5), np.float32))
    with pytest.raises(DataError, match="of 40 pictures needs a perplexity of 1 to 13, not 30"):
        tsne(clusters(40)[0], perplexity=30)
    assert (layout.usual_perplexity(40), layout.usual_perplexity(1000)) == (13, 30)
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'readerstudy\[tsne\]'"):
        layout.check_tsne(10_001, 30)
