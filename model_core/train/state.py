"""What a stopped run needs to go on to the same numbers, as one file that is replaced as a whole.

The order of images, their augmentation and dropout are drawn from (seed, epoch, step), so a position is all there is to
keep of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from model_core.files import write_atomically
from model_core.manifest import DataError
from model_core.network import InceptionV3
from model_core.train.config import TrainingConfig
from model_core.train.optimization import MovingAverage

VERSION = 2


@dataclass
class Progress:
    """epoch, step: the next one, from 0; loss, seen: sums over the epoch so far; history: a row for each whole epoch;
    best: the watched value of the best epoch, as a number of which more is better."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    seen: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Trained:
    """The parts of a run that change. frozen: names of tensors that do not, and are not saved."""

    network: InceptionV3
    optimizer: Optimizer
    average: MovingAverage | None
    frozen: frozenset[str]

    def tensors(self) -> dict[str, Tensor]:
        return {n: t for n, t in self.network.state_dict().items() if n not in self.frozen}


def save_state(path: Path, trained: Trained, progress: Progress, config: TrainingConfig, data: str) -> None:
    """data: a digest of the images, their order and classes."""
    content = {
        "version": VERSION,
        "config": config.to_json(),
        "data": data,
        "progress": vars(progress),
        "network": trained.tensors(),
        "optimizer": trained.optimizer.state_dict(),
        "average": trained.average.state_dict() if trained.average else None,
        "torch_rng": torch.get_rng_state(),  # of no use to our own layers, but to a layer that draws otherwise
    }
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def load_state(path: Path, trained: Trained, config: TrainingConfig, data: str) -> Progress | None:
    """Put a saved state into the parts; None where there is none.

    Raises: DataError where the file is damaged, or from a run with other settings or images.
    """
    if not path.exists():
        return None
    try:
        content: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version, saved_config, saved_data = content["version"], content["config"], content["data"]
    except Exception as error:  # torch's reader raises anything at bytes that are no state
        raise DataError(f"The saved state {path} cannot be read; delete it, or start again with --restart.") from error
    hint = "Give the same, another --out, or start again with --restart."
    if version != VERSION:
        raise DataError(f"{path} is a state of version {version}; this software reads {VERSION}. {hint}")
    if different := config.differences(saved_config):
        raise DataError(f"{path} is from a run with other settings: {'; '.join(different)}. {hint}")
    if saved_data != data:
        raise DataError(f"{path} is from a run with other images, diagnoses or classes. {hint}")
    trained.network.load_state_dict(content["network"], strict=False)
    trained.optimizer.load_state_dict(content["optimizer"])
    if trained.average:
        trained.average.load_state_dict(content["average"])
    torch.set_rng_state(content["torch_rng"])
    return Progress(**content["progress"])


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Seed torch for one step of one process: dropout then depends on nothing that came before."""
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)[0] >> 1))
