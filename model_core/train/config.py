"""Every setting of a training run, with its default; the recipes are two sets of defaults. No torch here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from model_core.manifest import DataError
from model_core.transforms import INPUT_RANGES, LARGEST, RESIZE_POLICIES, SMALLEST

AUXILIARY_SIZE = 299  # pixels: the auxiliary head's convolutions need Mixed_6e's 17 x 17 grid
CHOICES: dict[str, tuple[str, ...]] = {
    "input_range": ("auto", *INPUT_RANGES),
    "resize": RESIZE_POLICIES,
    "optimizer": ("rmsprop", "adamw"),
    "schedule": ("steps", "cosine"),
    "batch_norm": ("train", "frozen"),
    "balance": ("none", "sampler", "loss"),
    "precision": ("float32", "bfloat16"),
    "watch": ("accuracy", "loss"),
    "bad_images": ("skip", "refuse"),
}
# What may change between the start of a run and its resumption without changing what it computes.
FREE = frozenset({"device", "threads", "save_minutes"})
LEAST: dict[tuple[str, ...], int] = {
    ("epochs", "batch_size", "step_epochs", "stored_size"): 1,
    ("seed", "auxiliary_weight", "cached_views", "weight_decay", "warmup_epochs", "balance_power", "patience",
     "threads"): 0,
}  # fmt: skip


@dataclass(frozen=True)
class TrainingConfig:
    """The defaults are the paper's recipe (Esteva et al. 2017, Methods); `MODERN` changes some of them."""

    weights: str = "imagenet"  # "imagenet" (torchvision's), "random", or a file: a backbone or a checkpoint of ours
    seed: int = 0  # of new layers, order, augmentation and dropout: it fixes the run
    # The network and its input
    size: int = 299  # pixels, each side
    resize: str = "squash"  # both sides to `size`, so that nothing is cut off; "crop": the shorter one, and the centre
    input_range: str = "auto"  # what the backbone's input was: unit, inception, imagenet; auto: found from batch norms
    pool_excludes_padding: bool | None = None  # as TensorFlow's average pools do; not given: found from batch norms
    auxiliary_weight: float = 0.4  # of the second head's loss (torchvision's reference takes 0.4); 0: no second head
    dropout: float = 0.5  # before the last layer, as in torchvision
    train_from: str | None = None  # lowest block that is trained, as Mixed_7a; "fc": the last layer; not given: all
    batch_norm: str = "train"  # "train": trained blocks normalise by the batch; "frozen": by the backbone's statistics
    # Augmentation
    augment: bool = True  # rotation by 0-359 degrees, largest inscribed rectangle, vertical flip
    stored_size: int = 384  # pixels to which a picture is decoded before it is turned and cropped to `size`
    cached_views: int = 0  # augmented views whose frozen activations are kept on disk; 0: compute them every time
    # Optimisation
    epochs: int = 64  # the paper does not say; four steps of its schedule and some
    batch_size: int = 32  # images in a step, of all processes together
    optimizer: str = "rmsprop"  # "rmsprop": as TensorFlow computes it
    learning_rate: float = 0.001  # at the start (of "cosine": after the warm-up)
    decay: float = 0.9  # RMSProp: of the running mean of squared gradients
    momentum: float = 0.9  # RMSProp's momentum; AdamW's beta 1
    epsilon: float = 0.1  # added to the mean square under the root (RMSProp), or to the root (AdamW)
    weight_decay: float = 0.0  # AdamW's
    schedule: str = "steps"  # "steps": divide by `step_factor` every `step_epochs`; "cosine": after a linear warm-up
    step_factor: float = 16.0  # of "steps": what the rate is divided by
    step_epochs: int = 30  # of "steps": how often
    warmup_epochs: float = 0.0  # of "cosine": epochs in which the rate grows from 0
    label_smoothing: float = 0.0  # share of the target spread over all classes (Inception v3 paper: 0.1)
    ema_decay: float = 0.0  # of an exponential moving average of the weights, which is then what is saved; 0: none
    precision: str = "float32"  # bfloat16, for activations, is used where the device calculates with it
    # Class balance
    balance: str = "none"  # "sampler": rare classes are drawn more often; "loss": they weigh more
    balance_power: float = 1.0  # 1: all classes count the same; 0.5: by the square root of their size
    # Stopping
    watch: str = "accuracy"  # what is best on the validation images: "accuracy", the mean of per-class ones, or "loss"
    patience: int = 0  # epochs without a new best after which training stops; 0: never
    # Running
    bad_images: str = "skip"  # "skip": leave out a damaged or missing image, and name it; "refuse": do not start
    save_minutes: float = 10.0  # between saved states within an epoch; each epoch's end is saved as well
    device: str | None = None  # cpu, cuda, ...; not given: a GPU where there is one
    threads: int = 0  # that decode; 0: by the number of processors

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise DataError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}.")
        for names, least in LEAST.items():
            for name in names:
                if not least <= getattr(self, name) < math.inf:
                    raise DataError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        for name in ("learning_rate", "epsilon", "step_factor", "save_minutes"):
            if not 0 < getattr(self, name) < math.inf:
                raise DataError(f"{name} must be above 0, not {getattr(self, name)}.")
        for name in ("decay", "momentum", "label_smoothing", "ema_decay", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 0 and under 1, not {getattr(self, name)}.")
        if not SMALLEST <= self.size <= LARGEST:
            raise DataError(f"size must be {SMALLEST} to {LARGEST} pixels, not {self.size}.")
        if self.auxiliary_weight and self.size < AUXILIARY_SIZE:
            raise DataError(
                f"The auxiliary head needs images of at least {AUXILIARY_SIZE} pixels, not {self.size}: "
                "set the auxiliary weight to 0."
            )
        if self.cached_views and not self.train_from:
            raise DataError("A cache needs a frozen part of the network: name the block to train from.")

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What keeps a run with other settings (`to_json`) from being resumed with these, one sentence each."""
        own = self.to_json()
        longer = self.schedule == "steps" and self.epochs > other.get("epochs", math.inf)
        free = FREE | ({"epochs"} if longer else set())  # the steps so far are the same however many follow
        names = [n for n in dict.fromkeys([*own, *other]) if n not in free and own.get(n) != other.get(n)]
        return [f"{n} was {other.get(n)!r} and is {own.get(n)!r}" for n in names]

    @classmethod
    def modern(cls, **changes: Any) -> Self:
        """AdamW, warm-up and cosine, label smoothing, a moving average of the weights, mixed precision."""
        values: dict[str, Any] = {
            "optimizer": "adamw", "learning_rate": 3e-4, "weight_decay": 0.05, "epsilon": 1e-8,
            "schedule": "cosine", "warmup_epochs": 1.0, "epochs": 30, "label_smoothing": 0.1, "ema_decay": 0.999,
            "precision": "bfloat16", "balance": "sampler", "balance_power": 0.5,
        }  # fmt: skip
        return cls(**{**values, **changes})


RECIPES = ("paper", "modern")
