"""A checkpoint says what it is, without torch; one that does not is refused with what is missing."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from model_core import checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata, read_metadata
from model_core.taxonomy import Taxonomy


@pytest.fixture(scope="module")
def metadata(taxonomy: Taxonomy) -> CheckpointMetadata:
    return CheckpointMetadata(
        architecture="inception_v3",
        network={"pool_excludes_padding": False, "auxiliary_head": False},
        classes=(taxonomy.whole_class("melanoma", 3), taxonomy.whole_class("melanocytic-naevus", 4)),
        taxonomy_sha256=taxonomy.sha256,
        taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing={"size": 299},
        training={"card": "Two classes.", "seed": 1},
    )


STATE = {"fc.weight": torch.zeros(2, 4), "fc.bias": torch.arange(2.0)}


def test_round_trip(tmp_path: Path, metadata: CheckpointMetadata, taxonomy: Taxonomy) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, STATE, metadata)
    assert read_metadata(path) == metadata
    state, found = checkpoint.load(path)
    assert found == metadata
    assert found.taxonomy().sha256 == taxonomy.sha256
    assert torch.equal(state["fc.bias"], STATE["fc.bias"])
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]  # no temporary file is left


def test_the_safetensors_library_reads_the_same_header(tmp_path: Path, metadata: CheckpointMetadata) -> None:
    """Our own reading of the header against the library's."""
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, STATE, metadata)
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["model_core"]) == read_metadata(path).to_json()
        np.testing.assert_array_equal(file.get_tensor("fc.bias"), [0.0, 1.0])


def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, metadata: CheckpointMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, STATE, metadata)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, {**STATE, "fc.bias": torch.ones(2)}, metadata)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_weights_without_metadata_do_not_load(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(STATE, path)
    for read in (read_metadata, checkpoint.load):
        with pytest.raises(CheckpointError, match=r"^bare\.safetensors has weights but no metadata"):
            read(path)


def _raw(path: Path, value: Any) -> Path:
    save_file(STATE, path, {"model_core": value if isinstance(value, str) else json.dumps(value)})
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("classes"), "the metadata lack 'classes'"),
        (lambda m: m.pop("taxonomy_sha256"), "the metadata lack 'taxonomy_sha256'"),
        (lambda m: m.pop("preprocessing"), "the metadata lack 'preprocessing'"),
        (lambda m: m.pop("training"), "the metadata lack 'training'"),
        (lambda m: m.update(format_version=99), "format version 99; this software reads 1"),
        (lambda m: m.pop("format_version"), "format version None"),
        (lambda m: m.update(classes=[]), "list no training class"),
        (lambda m: m.update(classes=[{"id": "x"}]), "needs id, node, diseases and n_images"),
        (lambda m: m.update(training={}), "'training' lacks 'card'"),
        (lambda m: m.update(preprocessing="299"), "'preprocessing' must be a JSON object"),
        (lambda m: m.update(taxonomy_sha256="0" * 64), "not 0000"),
        (lambda m: m["taxonomy_nodes"].append(["x", "nowhere", "X"]), "the parent 'nowhere' of 'x'"),
        (lambda m: m["classes"][0].update(diseases=["wart"]), "has the disease 'wart'"),
        (
            lambda m: m["classes"].append({**m["classes"][0], "id": "c", "diseases": ["keloid"]}),
            "2 outputs, .* 3 classes",
        ),
        (lambda m: m["classes"].pop(), "2 outputs, the metadata list 1 classes"),
    ],
)
def test_wrong_metadata_are_refused(
    tmp_path: Path, metadata: CheckpointMetadata, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    value = json.loads(json.dumps(metadata.to_json()))
    change(value)
    path = _raw(tmp_path / "wrong.safetensors", value)
    with pytest.raises(CheckpointError, match=rf"^wrong\.safetensors.*{message}"):
        read_metadata(path)


def test_metadata_that_are_no_json(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="are not JSON"):
        read_metadata(_raw(tmp_path / "wrong.safetensors", "{"))
    with pytest.raises(CheckpointError, match="must be a JSON object, not list"):
        read_metadata(_raw(tmp_path / "wrong.safetensors", []))


def test_files_that_are_no_checkpoints(tmp_path: Path, metadata: CheckpointMetadata) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_metadata(path)
    for content in (b"", b"PK\x03\x04", b"\xff" * 64, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 4) + b"nope"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"is not a safetensors file"):
            read_metadata(path)
    checkpoint.save(path, STATE, metadata)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="was cut off"):
        read_metadata(path)


def test_save_refuses_what_load_would(tmp_path: Path, metadata: CheckpointMetadata) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(CheckpointError, match=r"lacks the last layer's tensor 'fc\.bias'"):
        checkpoint.save(path, {"fc.weight": STATE["fc.weight"]}, metadata)
    with pytest.raises(CheckpointError, match="lacks 'card'"):
        checkpoint.save(path, STATE, dataclasses.replace(metadata, training={}))
    with pytest.raises(CheckpointError, match="has 3 outputs"):
        checkpoint.save(path, {"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3)}, metadata)
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1: the digest of "abc"."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert checkpoint.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_group_digest_tells_lesions_from_patients() -> None:
    assert checkpoint.group_digest("lesion", "1") != checkpoint.group_digest("patient", "1")
