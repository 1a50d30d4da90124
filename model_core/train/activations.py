"""What the frozen part of a network makes of each picture, kept on disk: a CPU can then train the rest in minutes.

One folder holds `activations.f16` (rows of float16: a picture's views, height, width, channels), `rows.csv` (which row
is which picture, by the SHA-256 of its file; a row is listed once it is whole), and `about.json`, made with what.
Pictures can be added later, and a stopped run goes on where it was: training, validation and every fold share it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from model_core.augmentation import ANGLES, Views
from model_core.dataset import LabelledImage, PictureDigests
from model_core.files import write_atomically
from model_core.manifest import DataError
from model_core.network import InceptionV3
from model_core.train.config import TrainingConfig
from model_core.train.pictures import load_steps, normalised, read_to_turn, to_planes, turned_batch
from model_core.train.schedule import Step
from model_core.transforms import Preprocessing, open_image

BATCH = 16


class ActivationCache:
    """Rows for pictures, each with the plain view first and `views` augmented ones after it."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """about: see `describe`. Raises: DataError where the folder was made with other settings."""
        self.folder = folder
        self.about = json.loads(json.dumps(about))
        self.shape: tuple[int, ...] = tuple(self.about["shape"])  # of a row: (1 + views, height, width, channels)
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / "about.json"
        if known.exists():
            found = json.loads(known.read_text("utf-8"))
            if wrong := [k for k in self.about if found.get(k) != self.about[k]]:
                raise DataError(
                    f"The cache {folder} was made with another {', '.join(wrong)}; name another folder, or delete it."
                )
        else:
            write_atomically(known, json.dumps(self.about, indent=1).encode())
        self._index = folder / "rows.csv"
        self._data = folder / "activations.f16"
        self.rows: dict[str, int] = {}
        if self._index.exists():
            with self._index.open(newline="", encoding="utf-8") as file:
                self.rows = {line[0]: int(line[1]) for line in csv.reader(file) if len(line) == 2}

    def array(self, mode: str = "r") -> NDArray[np.float16]:
        """(rows, 1 + views, height, width, channels), a map of the file."""
        row = int(np.prod(self.shape)) * 2
        return np.memmap(self._data, np.float16, mode, shape=(os.path.getsize(self._data) // row, *self.shape))  # type: ignore[call-overload]

    def _extend(self, rows: int) -> None:
        with self._data.open("ab") as file:
            file.truncate(rows * int(np.prod(self.shape)) * 2)

    def fill(
        self,
        images: Sequence[LabelledImage],
        digests: Sequence[PictureDigests],
        network: InceptionV3,
        preprocessing: Preprocessing,
        config: TrainingConfig,
        device: torch.device,
        *,
        progress: bool = True,
    ) -> None:
        """Compute the rows of the pictures that have none yet. Raises: DataError for a picture that cannot be read."""
        missing = {d.file: i for i, d in zip(images, digests, strict=True) if d.file not in self.rows}
        if not missing:
            return
        start = max(self.rows.values(), default=-1) + 1
        self._extend(start + len(missing))
        array = self.array("r+")
        todo = list(missing.items())
        source = _Both([image for _, image in todo], preprocessing, config, [digest for digest, _ in todo])
        steps = [Step(np.arange(i, min(i + BATCH, len(todo))), 0) for i in range(0, len(todo), BATCH)]
        with (
            tqdm(total=len(todo), desc="Frozen part", unit=" pictures", disable=not progress) as bar,
            self._index.open("a", encoding="utf-8", newline="") as index,
        ):
            for step, x in source.batches(steps, device, config.threads):
                values = _frozen(network, x, config)
                rows = start + step.images
                array[rows] = values.reshape(len(rows), *self.shape)
                csv.writer(index, lineterminator="\n").writerows(
                    (todo[i][0], int(row)) for i, row in zip(step.images, rows, strict=True)
                )
                index.flush()
                self.rows.update((todo[i][0], int(row)) for i, row in zip(step.images, rows, strict=True))
                bar.update(len(rows))
        array.flush()  # type: ignore[attr-defined]


class CachedPictures:
    """Activations in place of pictures; each epoch shows the next view of a picture (the plain one is one of them)."""

    def __init__(self, cache: ActivationCache, digests: Sequence[PictureDigests], *, augmented: bool) -> None:
        self._array = cache.array()
        self._rows = np.array([cache.rows[d.file] for d in digests])
        self._views = cache.shape[0] - 1 if augmented else 0

    def read(self, index: int, epoch: int) -> NDArray[np.float16]:
        row = int(self._rows[index])
        view = (row + epoch) % (1 + self._views)
        return np.array(self._array[row, view])

    def batch(self, items: Sequence[Any], indices: NDArray[np.intp], epoch: int, device: torch.device) -> Tensor:
        """(n, channels, height, width) float32, channels last in memory as they are on disk."""
        x = torch.from_numpy(np.stack(items)).to(device)
        return x.permute(0, 3, 1, 2).float()


def describe(network: InceptionV3, preprocessing: Preprocessing, config: TrainingConfig) -> dict[str, Any]:
    """What decides the activations: the frozen layers (SHA-256 of their tensors), the input, the views, the seed."""
    assert config.train_from is not None
    frozen = network.blocks[: network.blocks.index(config.train_from)] if config.train_from != "fc" else network.blocks
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        if name.split(".")[0] in frozen and tensor.is_floating_point():
            digest.update(name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes())
    device = next(network.parameters()).device
    with torch.inference_mode():
        example = torch.zeros(1, 3, preprocessing.size, preprocessing.size, device=device)
        channels, height, width = network.below(example, config.train_from).shape[1:]
    return {
        "frozen_layers": digest.hexdigest(),
        "train_from": config.train_from,
        "preprocessing": preprocessing.to_json(),
        "network": network.options.to_json() | {"auxiliary_head": False},
        "stored_size": config.stored_size,
        "views_seed": config.seed,
        "precision": config.precision,
        "shape": [1 + config.cached_views, height, width, channels],
    }


def picture_views(digest: str, n: int, seed: int) -> Views:
    """n views of one picture, drawn from its own digest: the same in whatever set it is."""
    rng = np.random.default_rng([seed, int(digest[:16], 16)])
    return Views(rng.integers(0, ANGLES, n).astype(np.float64), rng.random(n) < 0.5)


def _frozen(network: InceptionV3, x: Tensor, config: TrainingConfig) -> NDArray[np.float16]:
    assert config.train_from is not None
    with torch.inference_mode(), torch.autocast(x.device.type, torch.bfloat16, config.precision == "bfloat16"):
        found = network.below(x, config.train_from)
    # an activation beyond float16's range would become infinite
    values: NDArray[np.float16] = found.float().clamp(-65000, 65000).permute(0, 2, 3, 1).half().cpu().numpy()
    return values


class _Both:
    """Reads pictures plain and to be turned at once, and gives all views of them as one batch."""

    def __init__(
        self, images: list[LabelledImage], preprocessing: Preprocessing, config: TrainingConfig, digests: list[str]
    ) -> None:
        self._images, self._preprocessing, self._config, self._digests = images, preprocessing, config, digests

    def read(self, index: int, epoch: int) -> Any:
        path = self._images[index].path
        plain = self._preprocessing.pixels(open_image(path))
        return plain, read_to_turn(path, self._config.stored_size) if self._config.cached_views else None

    def batch(self, items: Sequence[Any], indices: NDArray[np.intp], epoch: int, device: torch.device) -> Tensor:
        plain = torch.from_numpy(np.stack([item[0] for item in items]))
        parts = [normalised(to_planes(plain, device), self._preprocessing)[:, None]]
        if n := self._config.cached_views:
            views = [picture_views(self._digests[i], n, self._config.seed) for i in indices]
            for k in range(n):
                chosen = Views(np.array([v.angles[k] for v in views]), np.array([v.flips[k] for v in views]))
                turned = turned_batch([item[1] for item in items], chosen, self._preprocessing, device)
                parts.append(turned[:, None])
        return torch.cat(parts, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)

    def batches(self, steps: Sequence[Step], device: torch.device, threads: int) -> Any:
        """(step, (images x views, 3, size, size)), a picture's views one after the other."""
        for loaded in load_steps(steps, self, self._images, epoch=0, device=device, threads=threads, refuse=True):
            yield loaded.step, loaded.x
