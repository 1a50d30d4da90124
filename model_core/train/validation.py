"""How good the network is on pictures that it is not trained on, and what is kept of its best epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from model_core.dataset import LabelledImage, class_targets
from model_core.files import write_atomically
from model_core.network import InceptionV3
from model_core.taxonomy import TrainingClass
from model_core.train.config import TrainingConfig
from model_core.train.optimization import MovingAverage
from model_core.train.pictures import PictureSource, load_steps
from model_core.train.schedule import epoch_steps
from model_core.train.state import Progress, Trained
from model_core.train.workers import Workers


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures, what gives their pixels (or activations), and the number of the class of each."""

    images: tuple[LabelledImage, ...]
    targets: NDArray[np.intp]
    source: PictureSource

    @classmethod
    def of(
        cls, images: Sequence[LabelledImage], classes: Sequence[TrainingClass], source: PictureSource
    ) -> LabelledPictures:
        return cls(tuple(images), class_targets([i.disease for i in images], classes), source)


def validate(
    network: InceptionV3,
    part: nn.Module,
    pictures: LabelledPictures,
    config: TrainingConfig,
    workers: Workers,
) -> dict[str, float]:
    """Mean cross-entropy (nats) and the mean of the per-class accuracies over the classes that occur."""
    k = network.fc.out_features
    module = part.module if isinstance(part, DistributedDataParallel) else part
    mine = np.arange(workers.rank, len(pictures.images), workers.processes)
    steps = epoch_steps(mine, config.batch_size) if len(mine) else []
    right, seen, loss = torch.zeros(k), torch.zeros(k), torch.zeros(1, dtype=torch.float64)
    network.eval()
    loader = load_steps(steps, pictures.source, pictures.images, epoch=0, device=workers.device,
                        threads=config.threads, refuse=config.bad_images == "refuse")  # fmt: skip
    for loaded in loader:
        targets = torch.from_numpy(pictures.targets[loaded.step.images])
        enabled = config.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(workers.device.type, torch.bfloat16, enabled):
            logits = module(loaded.x)[0].cpu()
        usable = loaded.usable.cpu()
        loss += (functional.cross_entropy(logits, targets, reduction="none") * usable).sum().double()
        right.index_add_(0, targets, (logits.argmax(1) == targets).float() * usable)
        seen.index_add_(0, targets, usable)
    right, seen, loss = workers.sum(right), workers.sum(seen), workers.sum(loss)
    accuracy = (right[seen > 0] / seen[seen > 0]).mean()
    return {"validation_loss": float(loss) / float(seen.sum()), "validation_accuracy": float(accuracy)}


@contextmanager
def averaged(network: nn.Module, average: MovingAverage | None) -> Iterator[None]:
    """Within it the network has the averaged weights."""
    if average is None:
        yield
        return
    own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items() if name in average.values}
    network.load_state_dict(average.values, strict=False)
    try:
        yield
    finally:
        network.load_state_dict(own, strict=False)


def save_best(path: Path, trained: Trained) -> None:
    with averaged(trained.network, trained.average):
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in trained.tensors().items()}
    write_atomically(path, lambda temporary: torch.save(tensors, temporary))


def write_log(path: Path, at: Progress) -> None:
    columns = list(dict.fromkeys(name for row in at.history for name in row))
    lines = [",".join(columns), *(",".join(f"{row.get(c, '')}" for c in columns) for row in at.history)]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def scores(network: InceptionV3, pictures: PictureSource, images: Sequence[LabelledImage], cut: str,
           config: TrainingConfig, device: torch.device) -> NDArray[np.float32]:  # fmt: skip
    """(n, k) probabilities from a source that gives what the block `cut` takes."""
    network.eval().to(device, memory_format=torch.channels_last)
    found = np.zeros((len(images), network.fc.out_features), np.float32)
    steps = epoch_steps(np.arange(len(images)), config.batch_size)
    loader = load_steps(steps, pictures, images, epoch=0, device=device, threads=config.threads, refuse=True)
    for loaded in loader:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, config.precision == "bfloat16"):
            logits = network.above(loaded.x, cut)[0]
        found[loaded.step.images] = torch.softmax(logits.float(), 1).cpu().numpy()
    return found
