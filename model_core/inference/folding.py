"""The same function of a picture in fewer passes over the data and in smaller numbers, for a network that is trained.

bfloat16 leaves a number an error of up to 0.4 %. Pictures are smooth: next to each other lie nearly equal values with
nearly equal errors, and what the first filters look for is their differences. Measures that keep the probabilities near
those of float32, each of which was measured (RESULTS.md):

- the first two convolutions stay in float32: three fifths of the squared error came from there;
- weights are rounded so that their errors cancel (see `rounded`); what the errors amount to on average is known from
  the batch norms before (see `expected_inputs`) and is taken off the biases, which stay in float32 (Nagel et al.,
  Data-free quantization through weight equalization and bias correction, ICCV 2019, section 4.2);
- pixels come in as the numbers 0 to 255; their scaling is part of the first filters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.inception import BasicConv2d, InceptionA, InceptionC, InceptionE

from model_core.network import InceptionV3
from model_core.transforms import SMALLEST, Preprocessing

CHUNK = 64  # weights among which rounding errors cancel
EXACT = ("Conv2d_1a_3x3", "Conv2d_2a_3x3")  # in float32 where the rest is in bfloat16
# A processor takes a few pictures at a time through the first blocks, whose large results then stay in its cache, and
# are not given back to the system and asked for again: 4 to 8 pictures were the fastest, 16 a fifth slower.
FEW = 4
FIRST_FOR_ALL = "Mixed_6a"


class Folded(nn.Module):
    """Pixels (n, size, size, 3), uint8, to what the last layer sees, (n, 2048) float32; no gradients.

    The network is taken over. Each batch norm goes into the convolution before it, and the scaling of pixels into the
    first one (which has no padding). What the blocks A, C and E average over 3 x 3 positions goes through a 1 x 1
    convolution, with which an average commutes: it is taken afterwards, where there are 2 to 64 times fewer channels.
    """

    def __init__(self, network: InceptionV3, preprocessing: Preprocessing, dtype: torch.dtype) -> None:
        super().__init__()
        exact = EXACT if dtype == torch.bfloat16 else ()
        self._first_dtype = torch.float32 if exact else dtype
        expected = expected_inputs(network)
        for name, block in list(network.named_modules()):
            if isinstance(block, BasicConv2d):
                convolution = fuse_conv_bn_eval(block.conv, block.bn)
                if name == network.blocks[0]:
                    _take_pixels(convolution, preprocessing)
                inner = torch.float32 if name in exact else dtype
                made = _Convolution(convolution, expected[name], inner, dtype if name in exact[-1:] else inner)
                network.set_submodule(name, made)
        blocks: dict[str, nn.Module] = {}
        for name in network.blocks[:-1]:  # the last, the average over positions, is taken in float32
            block = getattr(network, name)
            if type(block) in _BRANCHES:
                block = _PoolLast(block, network.options.pool_excludes_padding)
            elif isinstance(block, nn.MaxPool2d):
                block = _MaxPool(block)
            blocks[name] = block
        cut = list(blocks).index(FIRST_FOR_ALL)
        self.first = nn.Sequential(*list(blocks.values())[:cut])
        self.rest = nn.Sequential(*list(blocks.values())[cut:])

    def forward(self, pixels: Tensor) -> Tensor:
        few = FEW if pixels.device.type == "cpu" else len(pixels)
        found = [self.first(some.to(self._first_dtype).permute(0, 3, 1, 2)) for some in pixels.split(few)]
        last: Tensor = self.rest(torch.cat(found) if len(found) > 1 else found[0])
        return last.mean((2, 3), dtype=torch.float32)


def expected_inputs(network: InceptionV3) -> dict[str, Tensor]:
    """Each convolution's mean input on the pictures that the batch norms were measured on, (channels,), by its name.

    A batch norm's outputs have its bias as mean and its weight as standard deviation; taken as normally distributed,
    what the ReLU leaves of them is known (ibid., appendix C). A picture of such means goes through the network.
    """
    found: dict[str, Tensor] = {}

    def expected_output(block: nn.Module, _: object, output: Tensor) -> Tensor:
        assert isinstance(block.bn, nn.BatchNorm2d)
        mean, sd = block.bn.bias, block.bn.weight.abs().clamp_min(1e-12)
        z = mean / sd
        positive = mean * torch.special.ndtr(z) + sd * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return positive[:, None, None].expand_as(output)

    hooks = []
    for name, block in network.named_modules():
        if isinstance(block, BasicConv2d):
            note = partial(_note_means, found, name)
            hooks += [block.register_forward_pre_hook(note), block.register_forward_hook(expected_output)]
    with torch.inference_mode():
        network.features(torch.zeros(1, 3, SMALLEST, SMALLEST))
    for hook in hooks:
        hook.remove()
    return {name: means.clone() for name, means in found.items()}


def _note_means(found: dict[str, Tensor], name: str, _: nn.Module, inputs: tuple[Tensor]) -> None:
    found[name] = inputs[0].mean((0, 2, 3))


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
    """A convolution with weights in `dtype` and a bias in float32, then a ReLU, then numbers in `result`.

    expected: the mean input of each channel.
    """

    def __init__(self, convolution: nn.Conv2d, expected: Tensor, dtype: torch.dtype, result: torch.dtype) -> None:
        super().__init__()
        assert convolution.bias is not None
        if not (convolution.weight.isfinite().all() and convolution.bias.isfinite().all()):
            raise ValueError("with its batch norms folded in, the weights are not all numbers (a negative variance?).")
        weight, bias = convolution.weight.detach(), convolution.bias.detach()
        if dtype != torch.float32:
            exact, weight = weight, rounded(weight, dtype)
            bias = bias + (exact - weight.float()).sum((2, 3)) @ expected
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Buffer(bias.float())
        self.activate = True  # whether a ReLU follows
        self._result = result
        self._stride, self._padding = list(convolution.stride), [int(p) for p in convolution.padding]

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():
            # what torch.compile makes of the two; conv2d itself would have the bias in bfloat16 and the ReLU after it
            y = torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, self._padding, self._stride, [1, 1], 1,
                "relu" if self.activate else "none", [], "",
            )  # fmt: skip
        else:
            y = functional.conv2d(x, self.weight, self.bias.to(x.dtype), self._stride, self._padding)
            y = y.relu_() if self.activate else y
        return y.to(self._result)


class _MaxPool(nn.Module):
    """The 3 x 3 maximum at every second position. Nothing under 0 comes out of a ReLU, and the bits of such numbers are
    in the order of the numbers: as whole numbers of 16 bits they are compared in a third of the time."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        assert (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 0)
        self._pool = pool

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype == torch.float32:
            pooled: Tensor = self._pool(x)
            return pooled
        bits = x.permute(0, 2, 3, 1).view(torch.int16)
        rows = torch.maximum(torch.maximum(bits[:, :-2:2], bits[:, 1:-1:2]), bits[:, 2::2])
        both = torch.maximum(torch.maximum(rows[:, :, :-2:2], rows[:, :, 1:-1:2]), rows[:, :, 2::2])
        return both.view(x.dtype).permute(0, 3, 1, 2)


class _PoolLast(nn.Module):
    """A folded block A, C or E of torchvision's, whose `branch_pool` averages last."""

    def __init__(self, block: InceptionA | InceptionC | InceptionE, excludes_padding: bool) -> None:
        super().__init__()
        self.block = block
        self._branches = _BRANCHES[type(block)]
        self._excludes_padding = excludes_padding
        self._lacking: Tensor | None = None
        block.branch_pool.activate = False

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([*self._branches(self.block, x), self._pooled(x)], 1)

    def _pooled(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(self.block.branch_pool(x), 3, 1, 1, count_include_pad=not self._excludes_padding)
        if not self._excludes_padding:  # zeros were averaged in that should have been the bias
            y += self._bias_at_the_edge(y)
        return y.relu_()

    def _bias_at_the_edge(self, y: Tensor) -> Tensor:
        """What the average of a bias and of the zeros around it lacks of the bias, (1, channels, height, width)."""
        if self._lacking is None or self._lacking.shape[1:] != y.shape[1:]:
            inside = functional.avg_pool2d(torch.ones(1, 1, *y.shape[2:], device=y.device), 3, 1, 1)
            lacking = (self.block.branch_pool.bias[:, None, None] * (1 - inside)).to(y.dtype)
            self._lacking = lacking.contiguous(memory_format=torch.channels_last)
        return self._lacking


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
