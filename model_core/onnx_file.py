"""A checkpoint as ONNX, for programs that have no torch; checked against the checkpoint before it is kept.

Source of the format: https://onnx.ai/onnx/intro/concepts.html (opset, metadata_props).
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_core import __version__, checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata
from model_core.files import write_atomically
from model_core.inference import decoded_batches
from model_core.listing import Listed
from model_core.manifest import DataError
from model_core.network import InceptionV3, restore_network
from model_core.transforms import Preprocessing

TOLERANCE = 1e-4  # of a probability, between ONNX Runtime and torch, both in float32
DRAWN = 8  # pictures drawn for the check
BATCH = 8
NEEDED = ("onnx", "onnxruntime", "onnxscript")
Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ExportCheck:
    """n_drawn, n_given: pictures compared; largest_difference: of any class's probability; skipped: (name, reason) of
    given pictures that cannot be used."""

    n_drawn: int
    n_given: int
    largest_difference: float
    skipped: tuple[tuple[str, str], ...]


def export_onnx(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    images: Sequence[Listed] = (),
    tolerance: float = TOLERANCE,
    seed: int = 0,
    refuse_bad: bool = False,
) -> ExportCheck:
    """Write the checkpoint `model` as the ONNX file `out`.

    Its input `image` is (n, 3, size, size) float32, prepared as its metadata say (`metadata_of`), its output
    `probabilities` (n, k). The file is kept only if every probability is within `tolerance` of the checkpoint's, on
    pictures drawn from `seed` and on `images`.
    Raises: CheckpointError for a checkpoint that does not load or a file that fails the check; DataError where a
    package is missing, or, with refuse_bad, for a picture that cannot be used.
    """
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise DataError(f"Exporting needs {', '.join(missing)}: pip install 'readerstudy[onnx]'.")
    path = Path(out)
    state, metadata = checkpoint.load(model)
    try:
        preprocessing = Preprocessing.from_json(metadata.preprocessing)
    except ValueError as error:
        raise CheckpointError(f"{Path(model).name}: {error}") from error
    network = WithSoftmax(restore_network(state, metadata, Path(model).name))
    checks: list[ExportCheck] = []

    def write(temporary: str) -> None:
        _write(network, preprocessing.size, temporary, metadata_of(metadata, checkpoint.sha256(model)))
        found = _compare(
            _by_runtime(temporary), network.predict, preprocessing, images, seed=seed, refuse_bad=refuse_bad
        )
        if not found.largest_difference <= tolerance:  # so that a NaN fails too
            raise CheckpointError(
                f"{path.name} is not written: its probabilities differ from the checkpoint's by up to "
                f"{found.largest_difference:.2g}, more than {tolerance:g}."
            )
        checks.append(found)

    write_atomically(path, write)
    return checks[0]


def metadata_of(metadata: CheckpointMetadata, sha256: str) -> dict[str, str]:
    """What an ONNX file of ours says of itself: text, or JSON where it is more than one value.

    Digests of the training images are left in the checkpoint, whose SHA-256 is given.
    """
    preprocessing = Preprocessing.from_json(metadata.preprocessing)
    taxonomy = metadata.taxonomy()
    size = preprocessing.size
    fit = "scaled to" if preprocessing.resize == "squash" else "scaled by its shorter side and cropped at its centre to"
    steps = (
        f"Turn the picture upright by its EXIF orientation, convert it to RGB, bring it to {size} x {size} pixels "
        f"({fit} that size, {preprocessing.interpolation}, as Pillow's BILINEAR), divide by 255, subtract mean and "
        "divide by std of each channel, and order it (3, height, width)."
    )
    classes = [c.to_json() | {"name": taxonomy.class_name(c)} for c in metadata.classes]
    values: dict[str, Any] = {
        "input": f"image: float32 (n, 3, {size}, {size})",
        "output": f"probabilities: float32 (n, {len(classes)}), in the order of classes, each row adding to 1",
        "preprocessing_steps": steps,
        "preprocessing": preprocessing.to_json(),
        "classes": classes,
        "taxonomy_sha256": metadata.taxonomy_sha256,
        "taxonomy_nodes": [list(node) for node in metadata.taxonomy_nodes],
        "summation": "The probability of a taxonomy node is the sum over the classes whose diseases lie under it.",
        "checkpoint_sha256": sha256,
        "checkpoint_created": metadata.created,
        "card": metadata.training["card"],
        "model_core": __version__,
        "intended_use": "Research; not a medical device.",
    }
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in values.items()}


class WithSoftmax(nn.Module):
    """What is exported: (n, 3, size, size) -> (n, k) probabilities."""

    def __init__(self, network: InceptionV3) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.network(image), dim=1)

    def predict(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = self(torch.from_numpy(prepared)).numpy()
        return found


def _write(network: WithSoftmax, size: int, path: str, properties: Mapping[str, str]) -> None:
    """Write and validate the file."""
    import onnx

    example = (torch.zeros(2, 3, size, size),)
    torch.onnx.export(
        network.eval(),
        example,
        path,
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, model.graph):
        del part.metadata_props[:]  # the exporter notes from which lines of which files of this machine they came
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _by_runtime(path: str) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def predict(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(["probabilities"], {"image": prepared})[0], np.float32)

    return predict


def _compare(
    exported: Predict,
    original: Predict,
    preprocessing: Preprocessing,
    images: Sequence[Listed],
    *,
    seed: int,
    refuse_bad: bool,
) -> ExportCheck:
    from tqdm import tqdm

    differences: list[float] = []
    skipped: list[tuple[str, str]] = []

    def compare(pixels: NDArray[np.uint8]) -> None:
        prepared = np.ascontiguousarray(preprocessing.normalise(pixels))
        differences.extend(np.abs(exported(prepared) - original(prepared)).max(axis=1).tolist())

    drawn = drawn_pixels(DRAWN, preprocessing.size, seed)
    compare(drawn[:1])  # one alone too: their number is free
    compare(drawn[1:])
    position = 0
    with tqdm(total=len(images), unit=" pictures", desc="Checking", disable=not images) as bar:
        for batch in decoded_batches((one.path for one in images), preprocessing, BATCH):
            for one, item in zip(images[position:], batch, strict=False):
                if isinstance(item, str) and refuse_bad:
                    raise DataError(f"{one.path}: {item}")
                if isinstance(item, str):
                    skipped.append((one.name, item))
            if pixels := [item for item in batch if not isinstance(item, str)]:
                compare(np.stack(pixels))
            position += len(batch)
            bar.update(len(batch))
    # not max(): it passes over a NaN
    return ExportCheck(len(drawn), len(images) - len(skipped), float(np.max(differences)), tuple(skipped))


def drawn_pixels(n: int, size: int, seed: int) -> NDArray[np.uint8]:
    """(n, size, size, 3): random colours at every scale from the whole picture to the pixel, and a dark ellipse."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    pictures = np.empty((n, size, size, 3))
    for picture in pictures:
        picture[:] = rng.uniform(60, 230, 3)
        for cells in (2, 8, 32, size):
            block = -(-size // cells)
            noise = rng.normal(0, 20, (cells, cells, 3)).repeat(block, 0).repeat(block, 1)
            picture += noise[:size, :size]
        x, y = rng.uniform(-0.3, 0.3, 2)
        inside = ((across - x) / rng.uniform(0.2, 0.7)) ** 2 + ((down - y) / rng.uniform(0.2, 0.7)) ** 2 < 1
        picture[inside] *= rng.uniform(0.2, 0.8)
    return pictures.clip(0, 255).astype(np.uint8)
