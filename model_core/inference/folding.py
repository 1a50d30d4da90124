"""The same function of a picture in fewer passes over the data, for a network that is not trained any more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, InceptionA, InceptionC, InceptionE

from model_core.network import InceptionV3


def fold(network: InceptionV3) -> None:
    """In place: put each batch norm into the convolution before it, and average after the convolution, not before.

    What the blocks A, C and E average over 3 x 3 positions goes through a 1 x 1 convolution, with which an average
    commutes; after it there are 2 to 64 times fewer channels to average. The result differs by rounding only.
    """
    for block in network.modules():
        if isinstance(block, BasicConv2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    for name in network.blocks:
        block = getattr(network, name)
        if type(block) in _BRANCHES:
            setattr(network, name, _PoolLast(block, network.options.pool_excludes_padding))


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
