"""Which pixels a prediction hangs on: the L1 norm, over the colours, of the loss's gradient at the input.

Source: Esteva et al., Nature 542:115-118 (2017), Methods, "Saliency maps", and Extended Data Fig. 3; Simonyan et al.,
"Deep inside convolutional networks", ICLR Workshop 2014 (arXiv:1312.6034).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from model_core import checkpoint
from model_core.checkpoint import CheckpointError, CheckpointMetadata
from model_core.inference import find_device
from model_core.network import restore_network
from model_core.taxonomy import Taxonomy, TaxonomyError
from model_core.transforms import ImageSource, Preprocessing, open_image

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Saliency:
    """map: (height, width) float32, at least 0, of the upright picture; target: the training class or node explained;
    probability: the model's, of the target."""

    map: NDArray[np.float32]
    target: str
    probability: float


class Explainer:
    """A checkpoint, ready to explain its predictions; made by `load`. Float32, whatever predicts."""

    def __init__(self, network: nn.Module, metadata: CheckpointMetadata, *, device: torch.device) -> None:
        self.metadata = metadata
        self.device = device
        self._preprocessing = Preprocessing.from_json(metadata.preprocessing)
        self._network = network.eval().requires_grad_(False).to(device)

    @classmethod
    def load(cls, path: StrPath, device: str | torch.device | None = None) -> Self:
        """Read a checkpoint. device: as for `inference.Classifier.load`. Raises: CheckpointError."""
        state, metadata = checkpoint.load(path)
        source = Path(path).name
        where = find_device(device)
        try:
            return cls(restore_network(state, metadata, source), metadata, device=where)
        except ValueError as error:
            raise CheckpointError(f"{source}: {error}") from error

    def explain(self, image: ImageSource, node: str | None = None) -> Saliency:
        """The saliency of one picture; see `saliency_map`."""
        columns = None if node is None else self.columns(node)
        picture = open_image(image)
        x = torch.from_numpy(self._preprocessing(picture)).to(self.device)
        gradient, probabilities = input_gradient(self._network, x, columns)
        explained = [int(probabilities.argmax())] if columns is None else columns
        std = np.asarray(self._preprocessing.std)[:, None, None]  # back from the network's units to RGB in [0, 1]
        norm = np.abs(gradient.cpu().numpy() / std).sum(axis=0).astype(np.float32)
        target = self.metadata.classes[explained[0]].id if node is None else self._name(node)
        return Saliency(
            on_picture(norm, picture.size, self._preprocessing.resize), target, float(probabilities[explained].sum())
        )

    def columns(self, node: str) -> list[int]:
        """The training classes, as outputs of the network, that are or lie under `node` (an id or name).

        Raises: TaxonomyError for an unknown node, one without a training class, with half of one, or with all.
        """
        taxonomy, classes = self._taxonomy, self.metadata.classes
        own = [i for i, c in enumerate(classes) if c.id == self._name(node)]
        if not own:
            inside = taxonomy.sum_probabilities(classes, np.eye(len(classes)), [self._name(node)])[:, 0]
            own = np.flatnonzero(inside).tolist()
        if not own:
            raise TaxonomyError(f"The model has no training class under {node!r}.")
        if len(own) == len(classes):
            raise TaxonomyError(
                f"Every training class of the model lies under {node!r}: its probability is 1 whatever the picture."
            )
        return own

    def _name(self, node: str) -> str:
        return node if any(c.id == node for c in self.metadata.classes) else self._taxonomy.find(node)

    @property
    def _taxonomy(self) -> Taxonomy:
        return self.metadata.taxonomy()


def saliency_map(
    image: ImageSource,
    model: Explainer | StrPath,
    *,
    node: str | None = None,
    device: str | torch.device | None = None,
) -> NDArray[np.float32]:
    """(height, width) float32 of the upright picture: sum over R, G, B of |d(-log P) / d pixel|, RGB being in [0, 1].

    P is the probability of the most probable training class, or of `node`: a training class's id, or a taxonomy node,
    whose probability is the sum over the classes under it. The gradient is taken at the network's input (299 x 299) and
    laid over the picture bilinearly; what a centre crop cuts away is 0.
    model: a checkpoint's path, or an `Explainer`.
    Raises: ImageError, CheckpointError; TaxonomyError for a node that the model cannot answer for.
    """
    explainer = model if isinstance(model, Explainer) else Explainer.load(model, device)
    return explainer.explain(image, node).map


def input_gradient(network: nn.Module, x: Tensor, columns: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """(gradient like x, probabilities (k,)): of -log of the probabilities' sum over `columns`, at x (3, size, size).

    network: (1, 3, size, size) -> (1, k) logits. columns: the most probable class alone where None.
    """
    with torch.enable_grad():
        given = x.detach().clone().requires_grad_()
        logits = network(given[None])[0]
        chosen = logits.argmax()[None] if columns is None else torch.tensor(list(columns), device=x.device)
        loss = torch.logsumexp(logits, 0) - torch.logsumexp(logits[chosen], 0)
        (gradient,) = torch.autograd.grad(loss, given)
    return gradient, torch.softmax(logits.detach(), 0)


def on_picture(norm: NDArray[np.float32], size: tuple[int, int], resize: str) -> NDArray[np.float32]:
    """A map of the network's input (s, s) -> (height, width) of the picture it was made from by `resize`.

    size: (width, height), as Pillow gives it.
    """
    width, height = size
    small = Image.fromarray(norm)
    if resize == "squash":
        return np.asarray(small.resize(size, Image.Resampling.BILINEAR), np.float32)
    side = min(size)
    placed = np.zeros((height, width), np.float32)
    left, top = (width - side) // 2, (height - side) // 2
    placed[top : top + side, left : left + side] = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))
    return placed
