"""The optimiser against numbers worked by hand, and the moving average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model_core.train.config import TrainingConfig
from model_core.train.optimization import MovingAverage, RMSProp, build_optimizer


def test_rmsprop_as_tensorflow_computes_it() -> None:
    """w = 1, gradients 2 and then 1; rate 0.1, decay 0.9, momentum 0.9, epsilon 0.1, s starts at 1.

    s = 0.9 + 0.1 * 4 = 1.3; m = 0.1 * 2 / sqrt(1.4) = 0.169031; w = 0.830969
    s = 0.9 * 1.3 + 0.1 = 1.27; m = 0.9 * 0.169031 + 0.1 / sqrt(1.37) = 0.237564; w = 0.593405
    """
    w = nn.Parameter(torch.tensor([1.0]))
    optimizer = RMSProp([w], lr=0.1, decay=0.9, momentum=0.9, epsilon=0.1)
    seen = []
    for gradient in (2.0, 1.0):
        w.grad = torch.tensor([gradient])
        optimizer.step()
        seen.append(w.item())
    assert seen == pytest.approx([0.830969, 0.593405], abs=1e-5)


def test_rmsprop_goes_on_where_its_weights_are() -> None:
    """A state is read on the processor; it has to follow the weights to the device that they are on (here a device
    without data stands for a GPU), or the first step of a resumed run fails there."""
    w = nn.Parameter(torch.tensor([1.0]))
    optimizer = RMSProp([w], lr=0.1)
    w.grad = torch.tensor([2.0])
    optimizer.step()
    there = nn.Parameter(torch.empty(1, device="meta"))
    resumed = RMSProp([there], lr=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    assert [tensor.device.type for tensor in resumed.state[there].values()] == ["meta", "meta"]
    there.grad = torch.empty(1, device="meta")
    resumed.step()


def test_rmsprop_differs_from_torchs_by_where_epsilon_is() -> None:
    """torch starts s at 0 and adds epsilon outside the root: its first step is 0.1 * 2 / (sqrt(0.4) + 0.1) = 0.2731."""
    w = nn.Parameter(torch.tensor([1.0]))
    torchs = torch.optim.RMSprop([w], lr=0.1, alpha=0.9, momentum=0.9, eps=0.1)
    w.grad = torch.tensor([2.0])
    torchs.step()
    assert 1 - w.item() == pytest.approx(0.2731, abs=1e-4)


def test_only_trained_parameters_are_optimised_and_biases_do_not_decay() -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    optimizer = build_optimizer(layer, TrainingConfig())
    assert isinstance(optimizer, RMSProp)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == 1
    modern = build_optimizer(nn.Linear(2, 2), TrainingConfig.modern())
    assert isinstance(modern, torch.optim.AdamW)
    assert [(len(g["params"]), g["weight_decay"]) for g in modern.param_groups] == [(1, 0.05), (1, 0.0)]


def test_moving_average_by_hand() -> None:
    """Decay 0.5 from the second step on is more than (1 + t) / (10 + t): 2/11 and 3/12. From 0, with weights 1 then 2:
    9/11 * 1 = 0.818182; 0.25 * 0.818182 + 0.75 * 2 = 1.704545."""
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        average = MovingAverage(layer, 0.5)
        for value, expected in ((1.0, 0.818182), (2.0, 1.704545)):
            layer.weight.fill_(value)
            average.update(layer)
            assert average.values["weight"].item() == pytest.approx(expected, abs=1e-6)
    restored = MovingAverage(layer, 0.5)
    restored.load_state_dict(average.state_dict())
    assert restored.steps == 2
    assert restored.values["weight"].item() == pytest.approx(1.704545, abs=1e-6)
