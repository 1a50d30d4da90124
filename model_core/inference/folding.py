"""The same function of a picture in fewer passes over the data and in smaller numbers, for a network that is trained.

Sixteen bits leave a weight an error of up to 0.4 %. Pictures are smooth: next to each other lie nearly equal values, so
what matters of a filter's errors is their sum. Two measures keep the probabilities near those of float32 at no cost:
weights are rounded so that their errors cancel (see `rounded`), and biases stay in float32. Pixels come in as the
numbers 0 to 255, which bfloat16 holds exactly; their scaling is part of the first filters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, InceptionA, InceptionC, InceptionE

from model_core.network import InceptionV3
from model_core.transforms import Preprocessing

CHUNK = 64  # weights among which rounding errors cancel


def fold(network: InceptionV3, preprocessing: Preprocessing, dtype: torch.dtype) -> None:
    """In place: `network.features` takes pixels 0 to 255 in `dtype`, channels last, as they come from a picture.

    Each batch norm goes into the convolution before it, and the scaling of pixels into the first one (which has no
    padding). What the blocks A, C and E average over 3 x 3 positions goes through a 1 x 1 convolution, with which an
    average commutes: it is taken afterwards, where there are 2 to 64 times fewer channels.
    """
    for name, block in network.named_modules():
        if isinstance(block, BasicConv2d):
            convolution = fuse_conv_bn_eval(block.conv, block.bn)
            if name == network.blocks[0]:
                _take_pixels(convolution, preprocessing)
            block.conv = _Convolution(convolution, dtype)
            block.bn = nn.Identity()
    for name in network.blocks:
        block = getattr(network, name)
        if type(block) in _BRANCHES:
            setattr(network, name, _PoolLast(block, network.options.pool_excludes_padding))


def rounded(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Each filter's weights in `dtype`, the error of each carried on to the next of a chunk, so that their sum stays.

    weight: (filters, channels, height, width) float32. An error is at most twice that of rounding to nearest.
    """
    flat = weight.detach().flatten(1)
    n = flat.shape[1]
    chunks = functional.pad(flat, (0, -n % CHUNK)).view(len(flat), -1, min(CHUNK, n + -n % CHUNK)).permute(2, 0, 1)
    found = torch.empty_like(chunks, dtype=dtype)
    carried = torch.zeros_like(chunks[0])
    for i, wanted in enumerate(chunks.contiguous()):
        wanted = wanted + carried
        found[i] = wanted.to(dtype)
        carried = wanted - found[i].float()
    return found.permute(1, 2, 0).flatten(1)[:, :n].reshape(weight.shape)


def _take_pixels(convolution: nn.Conv2d, preprocessing: Preprocessing) -> None:
    std, mean = (torch.tensor(np.asarray(v), dtype=torch.float64) for v in (preprocessing.std, preprocessing.mean))
    weight = convolution.weight.double() / std[:, None, None]
    assert convolution.bias is not None
    bias = convolution.bias.double() - (weight * mean[:, None, None]).sum((1, 2, 3))
    convolution.weight = nn.Parameter((weight / 255).float(), requires_grad=False)
    convolution.bias = nn.Parameter(bias.float(), requires_grad=False)


class _Convolution(nn.Module):
    """A convolution with weights in `dtype` and a bias in float32."""

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        weight = convolution.weight.detach() if dtype == torch.float32 else rounded(convolution.weight, dtype)
        assert convolution.bias is not None
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Buffer(convolution.bias.detach().float())
        self._stride, self._padding = list(convolution.stride), [int(p) for p in convolution.padding]

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype == torch.bfloat16:
            # what conv2d calls there; conv2d itself would have the bias in bfloat16
            return torch.mkldnn_convolution(x, self.weight, self.bias, self._padding, self._stride, [1, 1], 1)
        return functional.conv2d(x, self.weight, self.bias.to(x.dtype), self._stride, self._padding)


class _PoolLast(nn.Module):
    """A folded block A, C or E of torchvision's, whose `branch_pool` averages last."""

    def __init__(self, block: InceptionA | InceptionC | InceptionE, excludes_padding: bool) -> None:
        super().__init__()
        self.block = block
        self._branches = _BRANCHES[type(block)]
        self._excludes_padding = excludes_padding

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([*self._branches(self.block, x), self._pooled(x)], 1)

    def _pooled(self, x: Tensor) -> Tensor:
        convolution = self.block.branch_pool.conv
        y = functional.conv2d(x, convolution.weight)  # the bias comes after the zeros of the padding were averaged in
        y = functional.avg_pool2d(y, 3, 1, 1, count_include_pad=not self._excludes_padding)
        return y.add_(convolution.bias[:, None, None]).relu_()


def _branches_a(block: InceptionA, x: Tensor) -> list[Tensor]:
    return [
        block.branch1x1(x),
        block.branch5x5_2(block.branch5x5_1(x)),
        block.branch3x3dbl_3(block.branch3x3dbl_2(block.branch3x3dbl_1(x))),
    ]


def _branches_c(block: InceptionC, x: Tensor) -> list[Tensor]:
    double = block.branch7x7dbl_3(block.branch7x7dbl_2(block.branch7x7dbl_1(x)))
    return [
        block.branch1x1(x),
        block.branch7x7_3(block.branch7x7_2(block.branch7x7_1(x))),
        block.branch7x7dbl_5(block.branch7x7dbl_4(double)),
    ]


def _branches_e(block: InceptionE, x: Tensor) -> list[Tensor]:
    single = block.branch3x3_1(x)
    double = block.branch3x3dbl_2(block.branch3x3dbl_1(x))
    return [
        block.branch1x1(x),
        block.branch3x3_2a(single), block.branch3x3_2b(single),
        block.branch3x3dbl_3a(double), block.branch3x3dbl_3b(double),
    ]  # fmt: skip


_BRANCHES: dict[type[nn.Module], Callable[..., list[Tensor]]] = {
    InceptionA: _branches_a,
    InceptionC: _branches_c,
    InceptionE: _branches_e,
}
