"""The training of a network, from top to bottom.

Source: Esteva et al., Nature 542:115-118 (2017), Methods, "Training algorithm", with the defaults of `TrainingConfig`.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from model_core.manifest import DataError
from model_core.network import InceptionV3
from model_core.train.config import TrainingConfig
from model_core.train.optimization import MovingAverage, build_optimizer
from model_core.train.pictures import Loaded, load_steps
from model_core.train.schedule import class_weights, epoch_order, epoch_steps, learning_rate
from model_core.train.state import Progress, Trained, load_state, save_state, seed_step
from model_core.train.validation import LabelledPictures, averaged, save_best, validate, write_log
from model_core.train.workers import Workers


class StoppedError(Exception):
    """The run was asked to stop, and can be resumed."""


class TrainedPart(nn.Module):
    """The network as a step runs it: a frozen part without gradients, unless its activations come in, and the rest."""

    def __init__(self, network: InceptionV3, train_from: str | None, *, input_is_cached: bool) -> None:
        super().__init__()
        self.network = network
        self.train_from = train_from
        self._cut = train_from if input_is_cached and train_from else network.blocks[0]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.train_from and self._cut != self.train_from:
            with torch.no_grad():
                x = self.network.below(x, self.train_from)
        logits, auxiliary = self.network.above(x, self.train_from or self._cut)
        return logits.float(), None if auxiliary is None else auxiliary.float()


def fit(
    network: InceptionV3,
    training: LabelledPictures,
    validation: LabelledPictures | None,
    folder: Path,
    config: TrainingConfig,
    workers: Workers,
    *,
    cached: bool = False,
    progress: bool = True,
) -> Progress:
    """Train, and leave the weights of the best epoch (the last one without validation) in the network.

    network: with its weights, on the CPU. cached: the sources give what the block `train_from` takes.
    folder: of `state.pt`, from which a stopped run goes on, `best.pt` and `log.csv`.
    Raises: StoppedError after Ctrl-C or SIGTERM, with the state saved; DataError.
    """
    n_classes = network.fc.out_features
    device = workers.device
    _refuse_single_images(len(training.images), config, workers)
    network.to(device, memory_format=torch.channels_last)
    frozen = freeze(network, config)
    part: nn.Module = TrainedPart(network, config.train_from, input_is_cached=cached)
    if workers.processes > 1:
        part = DistributedDataParallel(part)
    average = MovingAverage(network, config.ema_decay) if config.ema_decay else None
    trained = Trained(network, build_optimizer(network, config), average, frozen)
    data = _data_digest(training, validation, n_classes)
    saved = time.monotonic()
    at = load_state(folder / "state.pt", trained, config, data) or Progress()
    weights = _loss_weights(training, n_classes, config, device)

    with stop_signals() as stop:
        while at.epoch < config.epochs and not _out_of_patience(at, config):
            begun = time.monotonic()
            for _ in _steps(part, trained, training, at, weights, config, workers, progress=progress):
                halt = workers.any(stop.is_set)
                if workers.leads and (halt or time.monotonic() - saved > 60 * config.save_minutes):
                    save_state(folder / "state.pt", trained, at, config, data)
                    saved = time.monotonic()
                if halt:
                    raise StoppedError(
                        f"Stopped in epoch {at.epoch + 1} after step {at.step}; the state is in {folder}: "
                        "the same command goes on from there."
                    )
            row = {"epoch": at.epoch + 1, "learning_rate": trained.optimizer.param_groups[0]["lr"]}
            row["training_loss"] = at.loss / max(at.seen, 1)
            if validation:
                with averaged(network, average):
                    row |= validate(network, part, validation, config, workers)
            row["seconds"] = round(time.monotonic() - begun, 1)
            is_best = _note_epoch(at, row, config)
            if workers.leads:
                _write_epoch(folder, trained, at, config, data, is_best=is_best, progress=progress)
                saved = time.monotonic()
            workers.wait()
    network.load_state_dict(torch.load(folder / "best.pt", map_location="cpu", weights_only=True), strict=False)
    network.eval()
    return at


def _write_epoch(
    folder: Path, trained: Trained, at: Progress, config: TrainingConfig, data: str, *, is_best: bool, progress: bool
) -> None:
    """The best weights before the state: a kill between the two repeats an epoch and loses nothing."""
    if is_best:
        save_best(folder / "best.pt", trained)
    save_state(folder / "state.pt", trained, at, config, data)
    write_log(folder / "log.csv", at)
    if progress:
        tqdm.write(", ".join(f"{name} {value:.5g}" for name, value in at.history[-1].items()))


def fit_steps(
    network: InceptionV3, training: LabelledPictures, config: TrainingConfig, workers: Workers
) -> Iterator[None]:
    """The steps of the first epoch on a network as it is, nothing saved: for measuring them."""
    network.to(workers.device, memory_format=torch.channels_last)
    frozen = freeze(network, config)
    average = MovingAverage(network, config.ema_decay) if config.ema_decay else None
    trained = Trained(network, build_optimizer(network, config), average, frozen)
    part = TrainedPart(network, config.train_from, input_is_cached=False)
    weights = _loss_weights(training, network.fc.out_features, config, workers.device)
    yield from _steps(part, trained, training, Progress(), weights, config, workers, progress=False)


def _steps(
    part: nn.Module,
    trained: Trained,
    training: LabelledPictures,
    at: Progress,
    weights: Tensor | None,
    config: TrainingConfig,
    workers: Workers,
    *,
    progress: bool,
) -> Iterator[None]:
    """The rest of an epoch; yields after each step, when everything may be saved."""
    order = epoch_order(training.targets, trained.network.fc.out_features, config, at.epoch)
    steps = epoch_steps(order, config.batch_size, rank=workers.rank, processes=workers.processes)
    _train_mode(trained.network, config)
    loader = load_steps(steps[at.step :], training.source, training.images, epoch=at.epoch, device=workers.device,
                        threads=config.threads, refuse=config.bad_images == "refuse")  # fmt: skip
    hidden = not (progress and workers.leads)
    with tqdm(total=len(steps), initial=at.step, desc=f"Epoch {at.epoch + 1}", unit=" steps", disable=hidden) as bar:
        for loaded in loader:
            for group in trained.optimizer.param_groups:
                group["lr"] = learning_rate(config, at.epoch + at.step / len(steps))
            seed_step(config.seed, at.epoch, at.step, workers.rank)
            targets = torch.from_numpy(training.targets[loaded.step.images]).to(workers.device)
            with torch.autocast(workers.device.type, torch.bfloat16, config.precision == "bfloat16"):
                outputs = part(loaded.x)
            loss = step_loss(outputs, targets, loaded, config, weights)
            trained.optimizer.zero_grad(set_to_none=True)
            # DistributedDataParallel takes the mean over processes; the step's gradient is their sum
            (loss * workers.processes).backward()
            trained.optimizer.step()
            if trained.average:
                trained.average.update(trained.network)
            at.loss += float(workers.sum(loss.detach())) * loaded.step.total
            at.seen += loaded.step.total
            at.step += 1
            if not math.isfinite(at.loss):
                raise DataError(
                    f"The training loss is no longer a number in epoch {at.epoch + 1}, step {at.step}. A smaller "
                    "--learning-rate or, with bfloat16, --precision float32 may help."
                )
            bar.set_postfix(loss=f"{at.loss / at.seen:.4f}", refresh=False)
            bar.update()
            yield


def _loss_weights(
    training: LabelledPictures, n_classes: int, config: TrainingConfig, device: torch.device
) -> Tensor | None:
    if config.balance != "loss":
        return None
    weights = class_weights(training.targets, n_classes, config.balance_power)
    return torch.tensor(weights, dtype=torch.float32, device=device)


def step_loss(
    outputs: tuple[Tensor, Tensor | None],
    targets: Tensor,
    loaded: Loaded,
    config: TrainingConfig,
    class_weight: Tensor | None,
) -> Tensor:
    """This process's share of the step's mean cross-entropy (nats), with the auxiliary head's; pictures that could not
    be read count nothing."""
    weight = loaded.usable if class_weight is None else loaded.usable * class_weight[targets]
    total = torch.zeros((), device=targets.device)
    for logits, factor in zip(outputs, (1.0, config.auxiliary_weight), strict=True):
        if logits is not None:
            losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=config.label_smoothing)
            total = total + factor * (losses * weight).sum() / loaded.step.total
    return total


def freeze(network: InceptionV3, config: TrainingConfig) -> frozenset[str]:
    """Stop gradients below `train_from`; returns the names of the tensors that no longer change."""
    if config.train_from is None:
        return frozenset()
    blocks = (*network.blocks, "fc")
    below = blocks[: blocks.index(config.train_from)]
    for name in below:
        getattr(network, name).requires_grad_(False)
    if network.AuxLogits is not None and "Mixed_7a" in below:  # its input is out of sight
        network.AuxLogits.requires_grad_(False)
    return frozenset(n for n in network.state_dict() if n.split(".")[0] in below)


def _train_mode(network: InceptionV3, config: TrainingConfig) -> None:
    network.train()
    for name, module in network.named_modules():
        if not isinstance(module, nn.BatchNorm2d):
            continue
        top = getattr(network, name.split(".")[0])
        if config.batch_norm == "frozen" or not any(p.requires_grad for p in top.parameters()):
            module.eval()


def _refuse_single_images(n: int, config: TrainingConfig, workers: Workers) -> None:
    """Batch normalisation needs two images: of one, the smallest layers have a single value a channel."""
    smallest = n // math.ceil(n / config.batch_size) // workers.processes
    if smallest < 2 and config.batch_norm == "train" and config.train_from not in ("avgpool", "fc"):
        raise DataError(
            f"A step of {config.batch_size} images, {workers.processes} process(es) and {n} images in all leave a "
            "process with a single image, which batch normalisation cannot be trained on. Take a larger --batch-size, "
            "or --batch-norm frozen."
        )


def _note_epoch(at: Progress, row: dict[str, float], config: TrainingConfig) -> bool:
    """Go on to the next epoch; whether this one was the best so far (each is, without validation)."""
    at.history.append(row)
    at.epoch, at.step, at.loss, at.seen = at.epoch + 1, 0, 0.0, 0.0
    value = at.epoch if "validation_loss" not in row else (
        row["validation_accuracy"] if config.watch == "accuracy" else -row["validation_loss"]
    )  # fmt: skip
    if math.isfinite(at.best) and not value > at.best:  # a loss that is no number is not the best
        return False
    at.best, at.best_epoch = float(value), at.epoch
    return True


def _out_of_patience(at: Progress, config: TrainingConfig) -> bool:
    return bool(config.patience) and at.epoch - max(at.best_epoch, 0) >= config.patience


def clear(folder: Path) -> None:
    """Forget a run's state, for one that starts again."""
    for name in ("state.pt", "best.pt", "log.csv"):
        (folder / name).unlink(missing_ok=True)


@dataclass
class Stop:
    is_set: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGINT and SIGTERM set a flag, which the loop looks at between steps; a second SIGINT stops at once."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.is_set and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.is_set = True

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: whoever started the thread answers for signals
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _data_digest(training: LabelledPictures, validation: LabelledPictures | None, n_classes: int) -> str:
    sets = [s for s in (training, validation) if s is not None]
    parts = [n_classes, *([[i.path.name, int(t)] for i, t in zip(s.images, s.targets, strict=True)] for s in sets)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
