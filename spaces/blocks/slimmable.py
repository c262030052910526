"""Layers whose widths are still open: the widest one's weights, of which others use the first.

Options of a width run together as one layer, whose channels are masked by the probability that they
are there: memory and time hardly depend on how many options there are. Masks act behind BN and
activation, for BN would undo them (Wan et al., FBNetV2, CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.spaces.blocks.supernet import Features, Word, copy, shared

Weight: TypeAlias = Tensor | float
"""A tensor of no axes; 1.0 for what a word takes as it is."""

Shares: TypeAlias = Sequence[tuple[int, Tensor | None]]
"""Numbers of channels that are open, each with its weight; one without is taken as it is."""


class SlicedBatchNorm(nn.BatchNorm2d):
    """Normalizes the first channels, as many as enter; without affine weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w), where C is at most `num_features`."""
        if self.running_mean is None or self.running_var is None:
            return F.batch_norm(x, None, None, training=True, eps=self.eps)
        rate = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            rate = rate or 1 / int(self.num_batches_tracked)
        mean, var = self.running_mean[: x.shape[1]], self.running_var[: x.shape[1]]
        return F.batch_norm(x, mean, var, None, None, self.training, rate, self.eps)


class Bank(nn.Module):
    """A convolution and BN, as wide as the widest network has them."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, bias=False)
        self.norm = SlicedBatchNorm(c_out)

    def forward(self, x: Tensor, c_out: int, stride: int = 1) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        weight = self.conv.weight[:c_out, : x.shape[1]]
        if (kernel := weight.shape[-1]) == 1:  # cut the grid out first, as `Pointwise` does
            x, stride = x[..., ::stride, ::stride], 1
        y: Tensor = self.norm(F.conv2d(x, weight, None, stride, kernel // 2))
        return y

    def copy_into(self, layer: nn.Sequential) -> None:
        """Copy what a layer shares that ends with a convolution and BN."""
        copy(self.conv, layer[-2])
        copy(self.norm, layer[-1])


def prefix(widths: Sequence[tuple[int, Weight]], device: torch.device) -> Tensor:
    """Return the mask (C, 1, 1) of the widest: the sum of p times "is among the first c"."""
    channels = torch.arange(max(c for c, _ in widths), device=device)
    return torch.stack([p * (channels < c) for c, p in widths]).sum(0)[:, None, None]


class SuperChain(nn.Module):
    """A chain of 3x3 convolutions with BN and ReLU; factor l is the width of layer l.

    `widths` (increasing) are the options of each layer, of `depth` convolutions; `strides` are of
    the layers' first ones.
    """

    def __init__(
        self, widths: Sequence[Sequence[int]], strides: Sequence[int], depth: int = 1
    ) -> None:
        super().__init__()
        self.widths, self.strides = widths, strides
        entering = (3, *(options[-1] for options in widths))
        self.layers = nn.ModuleList(
            nn.ModuleList(Bank(c, options[-1], 3) for c in (before, *[options[-1]] * (depth - 1)))
            for before, options in zip(entering, widths, strict=False)
        )
        shared(self)

    def features(self, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the shapes that features of an image (C, H, W) can have: a width each."""
        _, *size = shape
        for stride in self.strides:
            size = [-(-n // stride) for n in size]
        return [(width, size[0], size[1]) for width in dict.fromkeys(self.widths[-1])]

    def forward(self, x: Tensor, word: Word) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w), those of each width of the last.

        The weight of an only option multiplies what its layer gives.
        """
        shares: Shares = []
        for mix, options, banks, stride in zip(
            word, self.widths, self.layers, self.strides, strict=True
        ):
            x = _weighed(_masked(x, shares), shares)
            shares = [(options[option], weight) for option, weight in mix.items()]
            for i, bank in enumerate(banks):  # type: ignore[arg-type]
                x = _masked(x, shares) if i else x
                x = F.relu(bank(x, max(c for c, _ in shares), 1 if i else stride))
        return [(weight, x[:, :c]) for c, weight in shares]

    def copy_into(self, options: Sequence[int], encoder: nn.Sequential) -> None:
        """Copy the weights of one architecture, given by its options, into its own encoder."""
        banks = [bank for layer in self.layers for bank in layer]  # type: ignore[attr-defined]
        for bank, alone in zip(banks, encoder, strict=True):
            copy(bank.conv, alone.layers[0][0])  # type: ignore[index, union-attr]
            copy(bank.norm, alone.layers[0][1])  # type: ignore[index, union-attr]


def _masked(x: Tensor, shares: Shares) -> Tensor:
    """Mask channels of which several numbers are open."""
    if len(shares) < 2:
        return x
    return prefix([(c, 1.0 if p is None else p) for c, p in shares], x.device) * x


def _weighed(x: Tensor, shares: Shares) -> Tensor:
    """Multiply by the weight of an only option, if it has one."""
    if len(shares) != 1 or (weight := shares[0][1]) is None:
        return x
    return weight * x
