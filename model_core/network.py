"""Inception v3 with our last layer, and the backbones it starts from.

Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016. The layers are
torchvision's and so are their names, so that weights go from one to the other.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import Inception_V3_Weights
from torchvision.models.inception import (
    BasicConv2d,
    Inception3,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from model_core.checkpoint import METADATA_KEY, CheckpointError, CheckpointMetadata, sha256

ARCHITECTURE = "inception_v3"
FEATURES = 2048
_NOT_BACKBONE = ("fc.", "AuxLogits.")


@dataclass(frozen=True)
class InceptionOptions:
    """pool_excludes_padding: the 3 x 3 average pools inside the blocks leave the zero padding out of the mean
    (TensorFlow and Keras do; torchvision counts it); auxiliary_head: a second classifier for training."""

    pool_excludes_padding: bool = False
    auxiliary_head: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = "network") -> Self:
        """The options that `to_json` wrote. Raises: CheckpointError for another set of fields."""
        if set(value) != set(cls().to_json()) or not all(isinstance(v, bool) for v in value.values()):
            raise CheckpointError(f"{source}: the network's options must be like {cls().to_json()}, not {dict(value)}.")
        return cls(**value)


@dataclass(frozen=True)
class Backbone:
    """Where the layers below the last one came from. `sha256` is of the file, None for random layers."""

    source: str
    sha256: str | None
    tensors: int
    ignored: tuple[str, ...] = ()


class InceptionV3(Inception3):
    """torchvision's network; `features` gives what its last layer sees."""

    def __init__(self, n_classes: int, options: InceptionOptions | None = None) -> None:
        self.options = options = options or InceptionOptions()
        blocks: list[Any] = [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux]
        super().__init__(n_classes, options.auxiliary_head, inception_blocks=blocks, init_weights=False)
        if options.pool_excludes_padding:
            for block in self.modules():
                if isinstance(block, InceptionA | InceptionC | InceptionE):
                    convolution = block.branch_pool.conv
                    block.branch_pool = _AfterPool(convolution.in_channels, convolution.out_channels, kernel_size=1)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The layers from the input to the last average pool, in their order, by torchvision's names."""
        return tuple(name for name, _ in self.named_children() if name not in ("AuxLogits", "dropout", "fc"))

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, 299, 299) -> (n, 2048): the last average pool."""
        return torch.flatten(self.below(x, "fc"), 1)

    def below(self, x: Tensor, cut: str) -> Tensor:
        """What the block `cut` takes: (n, 3, size, size) -> (n, channels, height, width). "fc": all blocks."""
        for name in self.blocks:
            if name == cut:
                break
            x = getattr(self, name)(x)
        return x

    def above(self, x: Tensor, cut: str) -> tuple[Tensor, Tensor | None]:
        """The rest of the network on what `below` gives: logits (n, k), and in training those of the auxiliary head.

        The auxiliary head looks at what Mixed_7a takes; where the cut is above that, there is none.
        """
        blocks = self.blocks
        auxiliary = None
        for name in blocks[blocks.index(cut) :] if cut != "fc" else ():
            if name == "Mixed_7a" and self.training and self.AuxLogits is not None:
                auxiliary = self.AuxLogits(x)
            x = getattr(self, name)(x)
        return self.fc(self.dropout(torch.flatten(x, 1))), auxiliary


class _AfterPool(BasicConv2d):
    """The convolution after a 3 x 3 average pool, which undoes that the pool counted a border of zeros.

    The pool divides by 9 everywhere, but 6 cells of an edge window and 4 of a corner window lie in the image.
    """

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_border_factor(n, x) for n in x.shape[-2:])
        convolved: Tensor = super().forward(x * rows[:, None] * columns)
        return convolved


def _border_factor(length: int, like: Tensor) -> Tensor:
    factor = torch.ones(length, device=like.device, dtype=like.dtype)
    factor[0] = factor[-1] = 1.5 if length > 1 else 3.0  # a window of three sees two positions, or the only one
    return factor


def build_network(n_classes: int, options: InceptionOptions | None = None, *, seed: int) -> InceptionV3:
    """A network with random weights drawn from `seed` (torch's defaults), in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = InceptionV3(n_classes, options)
    return network.eval()


def randomise(network: InceptionV3, seed: int) -> Backbone:
    """Give the layers below the last one orthogonal weights drawn from `seed`, and batch norms a bias of 1.

    Random filters that do not repeat each other keep more of the picture (Saxe et al., ICLR 2014, arXiv:1312.6120).
    A random network with batch norms and ReLUs makes the smallest difference, that of a rounding included, larger from
    layer to layer; the less, the more of each ReLU's inputs are positive (Yang et al., A mean field theory of batch
    normalization, ICLR 2019, arXiv:1902.08129): with a bias of one standard deviation five in six are.
    The weights are of use once their batch norms are measured, see `batchnorm.calibrate`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.bias)
    return Backbone(f"random orthogonal weights, seed {seed}", None, 0)


def restore_network(state: Mapping[str, Tensor], metadata: CheckpointMetadata, source: str) -> InceptionV3:
    """The network of a checkpoint, in evaluation mode. Raises: CheckpointError where weights and metadata disagree."""
    if metadata.architecture != ARCHITECTURE:
        raise CheckpointError(f"{source} is a {metadata.architecture!r}; this software knows {ARCHITECTURE!r} only.")
    network = InceptionV3(len(metadata.classes), InceptionOptions.from_json(metadata.network, source))
    _load(network, state, source, required=lambda name: not name.endswith("num_batches_tracked"))
    return network.eval()


def load_backbone(network: InceptionV3, path: str | os.PathLike[str]) -> Backbone:
    """Put a file's weights into all layers but the last (and the auxiliary head, where the file has no fitting one).

    path: .safetensors, or .pth/.pt of a state dict, with torchvision's names, with or without `fc` and `AuxLogits`.
    Raises: CheckpointError naming what is missing, unexpected or of another shape; the network is then unchanged.
    """
    source = Path(path).name
    state = {name.removeprefix("module."): tensor for name, tensor in _read_state(path).items()}
    own = network.state_dict()
    ignored = [n for n in state if n.startswith(_NOT_BACKBONE[0])]
    auxiliary = [n for n in state if n.startswith(_NOT_BACKBONE[1])]
    if any(n not in own or own[n].shape != state[n].shape for n in auxiliary):
        ignored += auxiliary
    kept = {name: tensor for name, tensor in state.items() if name not in ignored}
    _load(network, kept, source, lambda n: not n.startswith(_NOT_BACKBONE) and not n.endswith("num_batches_tracked"))
    return Backbone(source, sha256(path), len(kept), tuple(sorted(ignored)))


def load_imagenet(network: InceptionV3) -> Backbone:
    """torchvision's ImageNet weights, downloaded once. They expect the input range "inception" and pools that count
    the padding. Raises: CheckpointError naming the file to bring where there is no network."""
    return load_backbone(network, imagenet_file())


def imagenet_file() -> Path:
    """Where torchvision's ImageNet weights lie, once they are downloaded. Raises: CheckpointError."""
    weights = Inception_V3_Weights.IMAGENET1K_V1
    path = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    try:
        weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"The ImageNet weights cannot be downloaded ({error}). Bring the file {weights.url} from a computer that "
            f"is on the internet, and name it with --weights FILE, or put it at {path}."
        ) from error
    return path


def check_weights(weights: str) -> None:
    """Before any work: that the weights a backbone is to start from are there. Raises: CheckpointError."""
    if weights == "imagenet":
        imagenet_file()
    elif weights != "random" and not Path(weights).is_file():
        raise CheckpointError(f"There is no file {weights}: weights are imagenet, random or a file.")


def checkpoint_metadata(path: str | os.PathLike[str]) -> CheckpointMetadata | None:
    """The metadata of a backbone file that is one of our checkpoints, None of any other. Raises: CheckpointError."""
    if Path(path).suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The weights {os.fspath(path)} cannot be read: {error}.") from error
    return None if text is None else CheckpointMetadata.from_json(json.loads(text), Path(path).name)


def _read_state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    name = os.fspath(path)
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path, device="cpu")
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader raises anything, KeyError for one, at bytes that are no weights
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, pickle.UnpicklingError):  # whose text tells programmers how to run what is in the file
            reason = "it is no file of tensors, as torch.save or safetensors write them."
        raise CheckpointError(f"The weights {name} cannot be read: {reason}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{name} is not a state dict: it must map torchvision's names to tensors.")
    return dict(state)


def _load(network: InceptionV3, state: Mapping[str, Tensor], source: str, required: Any) -> None:
    own = network.state_dict()
    problems = []
    if missing := [n for n in own if n not in state and required(n)]:
        problems.append(f"it lacks {_some(missing)}")
    if unexpected := [n for n in state if n not in own]:
        problems.append(f"it has {_some(unexpected)}, which Inception v3 has not")
    if other := [f"{n} {[*state[n].shape]} in place of {[*own[n].shape]}" for n in own if _differs(own, state, n)]:
        problems.append(f"it has {_some(other)}")
    if broken := [n for n, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]:
        problems.append(f"it has values that are not numbers in {_some(broken)}")
    if problems:
        raise CheckpointError(f"{source} does not fit Inception v3 with torchvision's names: {'; '.join(problems)}.")
    network.load_state_dict({n: t.to(own[n].dtype) for n, t in state.items()}, strict=False)


def _differs(own: Mapping[str, Tensor], state: Mapping[str, Tensor], name: str) -> bool:
    return name in state and state[name].shape != own[name].shape


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
