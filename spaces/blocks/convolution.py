"""Convolutions with batch normalization; no bias, and padding that keeps the resolution."""

from __future__ import annotations

from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """A 1x1 convolution of the pixels of a grid.

    The grid is cut out first, which is faster than striding; and in torch 2.13 the gradient of a
    strided one writes beyond its memory on a CPU, where up to 6 channels enter in channels-last
    order.
    """

    def __init__(self, c_in: int, c_out: int, grid: int) -> None:
        super().__init__(c_in, c_out, 1, bias=False)
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """Convolve every `grid`-th pixel of every `grid`-th row."""
        return super().forward(x[..., :: self.grid, :: self.grid])


def conv(c_in: int, c_out: int, stride: int = 1, kernel: int = 1, groups: int = 1) -> nn.Conv2d:
    """Make a convolution, (B, c_in, h, w) to (B, c_out, ceil(h / stride), ceil(w / stride))."""
    if kernel == 1 and stride > 1:
        return Pointwise(c_in, c_out, stride)
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)


def conv_bn(c_in: int, c_out: int, stride: int = 1, kernel: int = 1) -> nn.Sequential:
    """Make a convolution and batch normalization."""
    return nn.Sequential(conv(c_in, c_out, stride, kernel), nn.BatchNorm2d(c_out))


def conv_bn_relu(c_in: int, c_out: int, stride: int = 1, kernel: int = 1) -> nn.Sequential:
    """Make the same with a ReLU behind."""
    return nn.Sequential(*conv_bn(c_in, c_out, stride, kernel), nn.ReLU())


def relu_conv_bn(c_in: int, c_out: int, stride: int = 1, kernel: int = 1) -> nn.Sequential:
    """Make the same with the ReLU in front (preactivation)."""
    return nn.Sequential(nn.ReLU(), *conv_bn(c_in, c_out, stride, kernel))


def kaiming(network: nn.Module) -> nn.Module:
    """Draw the weights of convolutions anew: normal, by fan-out (He et al., 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
