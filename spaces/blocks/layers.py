"""Every layer by its name: `LAYERS[name](c_in, c_out, stride)`.

Operations have the name that their space gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from nasbench.spaces.blocks.convolution import conv_bn, conv_bn_relu, relu_conv_bn
from nasbench.spaces.blocks.mobile import InvertedResidual
from nasbench.spaces.blocks.reduction import FactorizedReduce, pool_conv


class Zero(nn.Module):
    """Zeros in the shape that another layer would give."""

    def __init__(self, c_out: int, stride: int) -> None:
        super().__init__()
        self.c_out, self.stride = c_out, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros (B, c_out, ceil(h / stride), ceil(w / stride))."""
        height, width = (-(-n // self.stride) for n in x.shape[-2:])
        return x.new_zeros(len(x), self.c_out, height, width)


def skip(c_in: int, c_out: int, stride: int) -> nn.Module:
    """Make the identity; a `FactorizedReduce` at stride 2, else a 1x1 where the width changes."""
    return FactorizedReduce(c_in, c_out) if stride == 2 else shortcut(c_in, c_out, stride)


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """Make the identity, or a 1x1 convolution with BN where the shape changes."""
    same = stride == 1 and c_in == c_out
    return nn.Identity() if same else conv_bn(c_in, c_out, stride)


def conv1x1(c_in: int, c_out: int, stride: int) -> nn.Module:
    """Make a 1x1 convolution, ReLU in front and BN behind."""
    return relu_conv_bn(c_in, c_out, stride, kernel=1)


def conv3x3(c_in: int, c_out: int, stride: int) -> nn.Module:
    """Make a 3x3 convolution, ReLU in front and BN behind."""
    return relu_conv_bn(c_in, c_out, stride, kernel=3)


LAYERS: Mapping[str, Callable[[int, int, int], nn.Module]] = {
    "none": lambda c_in, c_out, stride: Zero(c_out, stride),
    "skip": skip,
    "skip_connect": skip,
    "conv1x1": conv1x1,
    "nor_conv_1x1": conv1x1,
    "conv3x3": conv3x3,
    "nor_conv_3x3": conv3x3,
    "avg_pool_3x3": lambda c_in, c_out, stride: nn.AvgPool2d(
        3, stride, padding=1, count_include_pad=False
    ),
    "mb3_k3": lambda c_in, c_out, stride: InvertedResidual(c_in, c_out, stride, 3 * c_in, 3),
    "mb6_k5": lambda c_in, c_out, stride: InvertedResidual(c_in, c_out, stride, 6 * c_in, 5),
    "shortcut": shortcut,
    "pool_conv": lambda c_in, c_out, stride: pool_conv(c_in, c_out),
    "conv1x1_bn_relu": conv_bn_relu,
    "conv3x3_bn": lambda c_in, c_out, stride: conv_bn(c_in, c_out, stride, kernel=3),
    "conv3x3_bn_relu": lambda c_in, c_out, stride: conv_bn_relu(c_in, c_out, stride, kernel=3),
    "bn_relu": lambda c_in, c_out, stride: nn.Sequential(nn.BatchNorm2d(c_out), nn.ReLU()),
}
