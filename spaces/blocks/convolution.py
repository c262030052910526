"""Convolutions with batch normalization; no bias, and padding that keeps the resolution."""

from __future__ import annotations

from torch import nn


def conv(c_in: int, c_out: int, stride: int = 1, kernel: int = 1, groups: int = 1) -> nn.Conv2d:
    """Make a convolution, (B, c_in, h, w) to (B, c_out, ceil(h / stride), ceil(w / stride))."""
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
