"""The optimisers and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model_core.train.config import TrainingConfig


class RMSProp(Optimizer):
    """RMSProp as TensorFlow computes it, with which the paper was trained:

        s <- decay s + (1 - decay) g^2      (s starts at 1)
        m <- momentum m + rate g / sqrt(s + epsilon)
        w <- w - m

    torch's own starts s at 0 and adds epsilon outside the root: with the paper's epsilon of 0.1 the first steps would
    be about four times as long. Source: tf.compat.v1.train.RMSPropOptimizer; Tieleman and Hinton 2012, lecture 6.5.
    """

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, decay: float = 0.9, momentum: float = 0.9, epsilon: float = 0.1
    ) -> None:
        super().__init__(parameters, {"lr": lr, "decay": decay, "momentum": momentum, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for p in parameters:
                if not self.state[p]:
                    # not "step": torch leaves a state of that name on the processor when it is loaded for a GPU
                    self.state[p] = {"square": torch.ones_like(p), "moved": torch.zeros_like(p)}
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            squares = [self.state[p]["square"] for p in parameters]
            steps = [self.state[p]["moved"] for p in parameters]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["epsilon"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(steps, group["momentum"])
            torch._foreach_addcdiv_(steps, gradients, roots, group["lr"])
            torch._foreach_sub_(parameters, steps)


def build_optimizer(network: nn.Module, config: TrainingConfig) -> Optimizer:
    """Over the parameters that require a gradient. AdamW's decay spares biases and batch norms, as is usual."""
    trained = [p for p in network.parameters() if p.requires_grad]
    if config.optimizer == "rmsprop":
        return RMSProp(
            trained, lr=config.learning_rate, decay=config.decay, momentum=config.momentum, epsilon=config.epsilon
        )
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.momentum, 0.999), eps=config.epsilon)


class MovingAverage:
    """Exponential moving average of a network's trained weights and batch-norm statistics.

    The decay grows from 0.1 at the first step as (1 + t) / (10 + t) up to the one asked for, so that the random layers
    of the beginning are forgotten (as in TensorFlow's ExponentialMovingAverage with num_updates).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.values = {name: tensor.detach().clone() for name, tensor in _averaged(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        current = _averaged(network)
        torch._foreach_lerp_([self.values[n] for n in current], list(current.values()), 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = int(state["steps"])
        for name, tensor in self.values.items():
            tensor.copy_(state["values"][name])


def _averaged(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
