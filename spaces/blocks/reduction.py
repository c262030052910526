"""Halving the resolution, as a skip does it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.spaces.blocks.convolution import conv


class FactorizedReduce(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2, the second one pixel further, side by side, and BN.

    (B, c_in, h, w) to (B, c_out, ceil(h / 2), ceil(w / 2)). Where h or w is odd a row or column of
    zeros follows, so that there is a second grid even of a single pixel.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even, self.odd = conv(c_in, c_out - c_out // 2), conv(c_in, c_out // 2)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce; what enters a convolution is its grid alone, which is faster than striding."""
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        even, odd = torch.relu(x[:, :, ::2, ::2]), torch.relu(x[:, :, 1::2, 1::2])
        y: Tensor = self.bn(torch.cat([self.even(even), self.odd(odd)], dim=1))
        return y


def pool_conv(c_in: int, c_out: int) -> nn.Sequential:
    """Make an average pool 2x2 and a 1x1 convolution without BN; an odd edge is averaged alone."""
    return nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), conv(c_in, c_out))


class Gather(nn.Module):
    """The pixels floor(j * h / h') of rows and columns, h' = floor(h * pixels / of), at least one.

    So a resolution is searched without interpolation (Wan et al., FBNetV2, CVPR 2020).
    """

    def __init__(self, pixels: int, of: int) -> None:
        super().__init__()
        self.pixels, self.of = pixels, of

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, C, h, w) into (B, C, h', w')."""
        rows, columns = (grid(n, max(1, n * self.pixels // self.of)) for n in x.shape[-2:])
        return x[..., rows, :][..., columns]


def grid(before: int, after: int) -> list[int]:
    """Return the pixels of a row that a coarser one has: floor(j * before / after)."""
    return [j * before // after for j in range(after)]
