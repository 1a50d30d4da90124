"""What a command did, written beside its output: arguments, seed, versions, hashes. No torch here."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from model_core import __version__

PACKAGES = (
    "numpy", "scipy", "scikit-learn", "pillow", "faiss-cpu", "openTSNE", "torch", "torchvision", "onnx", "onnxscript",
    "onnxruntime", "pyarrow",
)  # fmt: skip


def seed_option(text: str) -> int:
    """The type of a command's option --seed."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 0")
    return int(text)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Of this package, Python and the libraries that can change a result; a library that is absent is left out."""
    found = {"model_core": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def record_path(output: str | os.PathLike[str]) -> Path:
    """`split.csv` -> `split.csv.record.json`, beside it."""
    path = Path(output)
    return path.with_name(path.name + ".record.json")


def write_record(
    output: str | os.PathLike[str],
    command: str,
    args: argparse.Namespace | Mapping[str, Any],
    *,
    inputs: Iterable[str | os.PathLike[str] | None] = (),
    outputs: Iterable[str | os.PathLike[str]] = (),
    results: Mapping[str, Any] | None = None,
) -> Path:
    """Write the record of `command` beside `output`, with the SHA-256 of each input and output file.

    inputs: files read; None is skipped, and a folder is named without a hash. outputs: files written beyond `output`.
    The seed, where the command has one, is among the arguments. Returns the record's path.
    """
    given = dict(args) if isinstance(args, Mapping) else vars(args)
    now = datetime.datetime.now(datetime.UTC)
    content = {
        "command": command,
        "command_line": sys.argv,
        "arguments": {k: _plain(v) for k, v in sorted(given.items()) if not callable(v)},
        "written_at": now.isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "inputs": {str(path): _digest(path) for path in inputs if path is not None},
        "outputs": {str(path): _digest(path) for path in (output, *outputs)},
        "results": _plain(results or {}),
    }
    path = record_path(output)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _digest(path: str | os.PathLike[str]) -> str | None:
    return sha256_of(path) if os.path.isfile(path) else None


def _plain(value: Any) -> Any:
    """Only what JSON has: paths and anything unknown as text, tuples as lists, numpy scalars as numbers."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
