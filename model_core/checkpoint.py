"""A model in one safetensors file: weights and what they mean. Weights without their metadata do not load.

The metadata are JSON under the key `model_core` of the safetensors header, so that they can be read in milliseconds and
without torch; only `load` and `save` import it. Format: https://huggingface.co/docs/safetensors (8 bytes little-endian
length, a JSON header, the tensors).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from model_core.provenance import sha256_of
from model_core.taxonomy import Taxonomy, TaxonomyError, TrainingClass

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
METADATA_KEY = "model_core"
HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors library

StrPath = str | os.PathLike[str]


class CheckpointError(Exception):
    """Which checkpoint cannot be used, and why, in a sentence."""


@dataclass(frozen=True)
class CheckpointMetadata:
    """What a checkpoint's weights are.

    architecture: "inception_v3"; network: its options (see `network.InceptionOptions`);
    classes: the outputs in their order; taxonomy_nodes: [id, parent, name] of the taxonomy trained with, whose digest
    is taxonomy_sha256; preprocessing: see `transforms.Preprocessing`;
    training: what the weights were fitted on and how; "card" is its text for people, "groups" holds SHA-256 digests of
    every training image, lesion and patient, so that a leak into a test set can be found without the images;
    created: ISO 8601, UTC.
    """

    architecture: str
    network: dict[str, Any]
    classes: tuple[TrainingClass, ...]
    taxonomy_sha256: str
    taxonomy_nodes: tuple[tuple[str, str, str], ...]
    preprocessing: dict[str, Any]
    training: dict[str, Any]
    created: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    format_version: int = FORMAT_VERSION

    def taxonomy(self) -> Taxonomy:
        """The taxonomy that the model was trained with."""
        return Taxonomy.from_json(self.taxonomy_nodes, "the checkpoint's taxonomy")

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values."""
        return {
            "format_version": self.format_version,
            "architecture": self.architecture,
            "network": self.network,
            "classes": [c.to_json() for c in self.classes],
            "taxonomy_sha256": self.taxonomy_sha256,
            "taxonomy_nodes": [list(node) for node in self.taxonomy_nodes],
            "preprocessing": self.preprocessing,
            "training": self.training,
            "created": self.created,
        }

    @classmethod
    def from_json(cls, value: Any, source: str = "metadata") -> Self:
        """Validated metadata. Raises: CheckpointError naming `source` and what is missing or wrong."""
        if not isinstance(value, Mapping):
            raise CheckpointError(f"{source}: the metadata must be a JSON object, not {type(value).__name__}.")
        if (version := value.get("format_version")) != FORMAT_VERSION:
            raise CheckpointError(
                f"{source}: the metadata have format version {version!r}; this software reads {FORMAT_VERSION}."
            )
        for key, kind in _FIELDS.items():
            if key not in value:
                raise CheckpointError(f"{source}: the metadata lack {key!r}.")
            if not isinstance(value[key], kind):
                raise CheckpointError(f"{source}: {key!r} must be a {_JSON_NAMES[kind]}, not {value[key]!r:.60}.")
        if not value["classes"]:
            raise CheckpointError(f"{source}: the metadata list no training class.")
        if not isinstance(value["training"].get("card"), str):
            raise CheckpointError(
                f"{source}: 'training' lacks 'card', the text that says what the model was fitted on."
            )
        try:
            classes = tuple(TrainingClass.from_json(c) for c in value["classes"])
            taxonomy = Taxonomy.from_json(value["taxonomy_nodes"], source)
            taxonomy.sum_probabilities(classes, [[0.0] * len(classes)], taxonomy.roots)
        except TaxonomyError as error:
            raise CheckpointError(f"{source}: {error}") from error
        if taxonomy.sha256 != value["taxonomy_sha256"]:
            raise CheckpointError(
                f"{source}: the listed taxonomy has the SHA-256 {taxonomy.sha256}, not {value['taxonomy_sha256']}."
            )
        nodes = tuple((i, p, n) for i, p, n in taxonomy.to_json())
        plain = {key: value[key] for key in _FIELDS if key not in ("classes", "taxonomy_nodes")}
        return cls(classes=classes, taxonomy_nodes=nodes, **plain)


_FIELDS: dict[str, type] = {
    "architecture": str,
    "network": dict,
    "classes": list,
    "taxonomy_sha256": str,
    "taxonomy_nodes": list,
    "preprocessing": dict,
    "training": dict,
    "created": str,
}
_JSON_NAMES: dict[type, str] = {str: "text", dict: "JSON object", list: "list"}


def read_metadata(path: StrPath) -> CheckpointMetadata:
    """What the checkpoint is, from its header alone: no torch, no weights read.

    Raises: CheckpointError for a file that is absent, no safetensors file, cut off, without metadata, of another format
    version, or whose last layer has another number of outputs than there are classes.
    """
    source = Path(path).name
    header = _read_header(path)
    text = header.get("__metadata__", {}).get(METADATA_KEY)
    if text is None:
        raise CheckpointError(
            f"{source} has weights but no metadata (classes, taxonomy, preprocessing, training). Weights without them "
            "cannot be interpreted; use a checkpoint that `python -m model_core` wrote."
        )
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{source}: the metadata are not JSON: {error}.") from error
    metadata = CheckpointMetadata.from_json(value, source)
    for name, dimensions in (("fc.weight", 2), ("fc.bias", 1)):
        shape = header[name].get("shape") if isinstance(header.get(name), dict) else None
        _check_outputs(shape, name, dimensions, metadata, source)
    return metadata


def load(path: StrPath) -> tuple[dict[str, torch.Tensor], CheckpointMetadata]:
    """The weights, on the CPU, and their metadata. Raises: CheckpointError, as `read_metadata`."""
    metadata = read_metadata(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu"), metadata
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{Path(path).name} cannot be read: {error}.") from error


def save(path: StrPath, state_dict: Mapping[str, torch.Tensor], metadata: CheckpointMetadata) -> None:
    """Write weights and metadata as one file; under its name there is either nothing new or the whole of it.

    Raises: CheckpointError where the metadata are not valid or do not fit the weights.
    """
    from safetensors.torch import save_file

    path = Path(path)
    CheckpointMetadata.from_json(json.loads(json.dumps(metadata.to_json())), path.name)
    for name, dimensions in (("fc.weight", 2), ("fc.bias", 1)):
        shape = list(state_dict[name].shape) if name in state_dict else None
        _check_outputs(shape, name, dimensions, metadata, path.name)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    text = json.dumps(metadata.to_json(), ensure_ascii=False, separators=(",", ":"))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(tensors, temporary, {METADATA_KEY: text})
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def sha256(path: StrPath) -> str:
    """Hex digest of a file's bytes."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from error


def group_digest(kind: str, identifier: str) -> str:
    """Hex SHA-256 of a lesion's or patient's id, kept in a checkpoint in place of the id. kind: lesion or patient."""
    return hashlib.sha256(f"{kind}:{identifier}".encode()).hexdigest()


def _check_outputs(shape: Any, name: str, dimensions: int, metadata: CheckpointMetadata, source: str) -> None:
    if not isinstance(shape, list) or len(shape) != dimensions:
        raise CheckpointError(f"{source} lacks the last layer's tensor {name!r}; it is not a whole model.")
    if shape[0] != len(metadata.classes):
        raise CheckpointError(
            f"{source}: the last layer's {name!r} has {shape[0]} outputs, "
            f"the metadata list {len(metadata.classes)} classes."
        )


def _read_header(path: StrPath) -> dict[str, Any]:
    source = Path(path).name
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            if length > min(HEADER_LIMIT, size - 8):
                raise CheckpointError(f"{source} is not a safetensors file, or it was cut off.")
            content = file.read(length)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {os.fspath(path)} cannot be read: {error.strerror}.") from error
    try:
        header = json.loads(content)
        ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{source} is not a safetensors file.") from error
    if 8 + length + max(ends, default=0) != size:
        raise CheckpointError(f"{source} was cut off or has bytes that do not belong to it: it has {size} bytes.")
    return dict(header)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # only there can a folder be opened and flushed
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
