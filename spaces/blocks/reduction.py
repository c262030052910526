"""Halving the resolution, as a skip does it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.spaces.blocks.convolution import conv


class FactorizedReduce(nn.Module):
    """ReLU, two strided 1x1 convolutions on grids one pixel apart, side by side, and BN.

    (B, c_in, h, w) to (B, c_out, ceil(h / 2), ceil(w / 2)). Where h or w is odd a row or column of
    zeros follows, so that there is a second grid even of a single pixel.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = conv(c_in, c_out - c_out // 2, stride=2)
        self.odd = conv(c_in, c_out // 2, stride=2)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce."""
        x = torch.relu(x)
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x
        y: Tensor = self.bn(torch.cat([self.even(x), self.odd(padded[:, :, 1:, 1:])], dim=1))
        return y


def pool_conv(c_in: int, c_out: int) -> nn.Sequential:
    """Make an average pool 2x2 and a 1x1 convolution without BN; an odd edge is averaged alone."""
    return nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), conv(c_in, c_out))
