"""The encoder of the macro space with all options in it: modules of networks that share weights.

Weights are as wide as the widest network has them; a narrower one uses the first channels. Where a
word names one option of each factor, that network runs. Where it leaves a doubling open, a module
runs once, as wide as any option is, and what enters a convolution is masked by the probability that
the channel is there: masks act behind BN and ReLU, for BN would undo them (Wan et al., FBNetV2,
CVPR 2020). How probabilities of relative decisions become those of widths (`widths`), and that
depths and widths are mixed behind their heads, is *our reconstruction*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.errors import BadValue
from nasbench.nets import Features, Word, shared, weighed
from nasbench.space import Scale
from nasbench.spaces.blocks import graph, layout
from nasbench.spaces.blocks.slimmable import Bank, Weight, prefix
from nasbench.spaces.blocks.supernet import copy

Weights: TypeAlias = Mapping[int, Weight]


class SuperModule(nn.Module):
    """Residual blocks, of which the first may change the shape."""

    def __init__(self, c_in: int, c_out: int, depth: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(Bank(c, c_out, 3) for c in (c_in, *[c_out] * (depth - 1)))
        self.second = nn.ModuleList(Bank(c_out, c_out, 3) for _ in range(depth))
        self.shortcut = Bank(c_in, c_out, 1)

    def forward(
        self, x: Tensor, c_out: int, stride: int, masks: Sequence[Tensor | None], ways: Weights
    ) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride)).

        `masks` are of the channels that enter and that leave; `ways` weighs the shortcuts of the
        first block: the identity, 0, and the convolution, 1.
        """
        entering, leaving = masks
        shortcuts = (
            lambda x: F.pad(x, (0, 0, 0, 0, 0, c_out - x.shape[1])),
            lambda x: self.shortcut(_masked(x, entering), c_out, stride),
        )
        mask, step = entering, stride
        for first, second in zip(self.first, self.second, strict=True):
            y = first(_masked(F.relu(x), mask), c_out, step)
            y = second(_masked(F.relu(y), leaving), c_out)
            for way, weight in ways.items():
                y = y + weighed(shortcuts[way], x, _given(weight))
            x, mask, step, ways = y, leaving, 1, {0: 1.0}
        return x

    def copy_into(self, blocks: Sequence[graph.Graph]) -> None:
        """Copy what the blocks of one network's module share."""
        for first, second, block in zip(self.first, self.second, blocks, strict=True):
            change, shortcut, keep = block.layers
            first.copy_into(change)  # type: ignore[operator]
            second.copy_into(keep)  # type: ignore[operator]
            if isinstance(shortcut, nn.Sequential):
                self.shortcut.copy_into(shortcut)


class SuperModules(nn.Module):
    """A stem and modules. Factors: the depth, and of each module "doubles?" and "halves?".

    `depths` are the options of the first; members double and halve so often as the ranges say.
    """

    def __init__(
        self, scale: Scale, depths: Sequence[int], doublings: range, halvings: range
    ) -> None:
        super().__init__()
        self.scale, self.depths, self.doublings, self.halvings = scale, depths, doublings, halvings
        self.stem = graph.chain(layout.stem(scale))
        channels = (scale.width << min(m, doublings[-1]) for m in range(depths[-1] + 1))
        self.parts = nn.ModuleList(SuperModule(*two, scale.depth) for two in pairwise(channels))
        shared(self)

    def features(self, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the shapes that members' features of an image (C, H, W) can have."""
        strides = [self.scale.stride << halved for halved in self.halvings]
        sizes = {(-(-shape[1] // stride), -(-shape[2] // stride)) for stride in strides}
        return sorted((self.scale.width << n, *size) for n in self.doublings for size in sizes)

    def forward(self, x: Tensor, word: Word) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w), those of each depth and width.

        The weight of an only option multiplies what its module gives. A module has one resolution:
        of two options the heavier one runs, and its weight is 1 in value and keeps its gradient.
        Features that no member has are left out, and their weight goes to the others in proportion;
        raises `BadValue` if there are no others.
        """
        mixes = [{o: 1.0 if w is None else w for o, w in mix.items()} for mix in word]
        depths = {self.depths[option]: weight for option, weight in mixes[0].items()}
        heard = max((depth for depth, weight in depths.items() if _value(weight)), default=0)
        levels: Weights = {0: 1.0}
        halved, lost = 0, list[Weight]()
        features: list[tuple[Weight, Tensor]] = []
        x = self.stem(x)
        for depth, part in enumerate(self.parts[: max(depths)], 1):
            doubles, (halves, gate) = mixes[2 * depth - 1], _hard(mixes[2 * depth])
            before, levels = levels, widths(levels, doubles, self.doublings[-1])
            if len(doubles) == 1:
                ((option, weight),) = doubles.items()
                doubles, gate = {option: 1.0}, gate * weight
            run = partial(
                part,
                c_out=self.scale.width << max(levels),
                stride=1 + halves,
                masks=[self._mask(each, x) for each in (before, levels)],
                ways={1: 1.0} if halves else doubles,
            )
            with torch.set_grad_enabled(torch.is_grad_enabled() and depth <= heard):
                x = weighed(run, x, _given(gate))
            halved += halves
            for doubled, weight in levels.items() if depth in depths else ():
                if doubled in self.doublings and halved in self.halvings:
                    some = x[:, : self.scale.width << doubled]
                    features.append((depths[depth] * weight, some))
                else:
                    lost.append(depths[depth] * weight)
        kept = sum(weight for weight, _ in features)
        if not _value(kept):
            raise BadValue(
                f"no member doubles {max(levels)} times and halves {halved} times: right are "
                f"{self.doublings[0]} to {self.doublings[-1]} and {self.halvings[0]} to "
                f"{self.halvings[-1]}"
            )
        return [(_given(weight * (1 + sum(lost) / kept)), some) for weight, some in features]

    def _mask(self, levels: Weights, x: Tensor) -> Tensor | None:
        """Return the probability (C, 1, 1) that each channel is there; None if all are."""
        if len(levels) == 1:
            return None
        return prefix([(self.scale.width << level, p) for level, p in levels.items()], x.device)

    def copy_into(
        self, options: tuple[int, *tuple[int | None, ...]], encoder: nn.Sequential
    ) -> None:
        """Copy the weights of one architecture, given by its options, into its own encoder."""
        (stem, size), blocks = (len(self.stem), self.scale.depth), list(encoder)
        copy(self.stem, encoder[:stem])
        for i, part in enumerate(self.parts[: self.depths[options[0]]]):
            part.copy_into(blocks[stem + i * size : stem + (i + 1) * size])  # type: ignore[operator]


def widths(levels: Weights, doubles: Weights, most: int) -> Weights:
    """Return the probabilities of each number of doublings after one module more.

    What would double more often than `most` stays there. An only option has no probability.
    """
    after: dict[int, Weight] = {}
    for option, weight in doubles.items():
        for level, p in levels.items():
            share = p * weight if len(doubles) > 1 else p
            level = min(level + option, most)
            after[level] = after[level] + share if level in after else share
    return after


def _hard(mix: Weights) -> tuple[int, Weight]:
    """Return the heaviest option, of several with weight 1: a straight-through estimate."""
    option = max(mix, key=lambda option: _value(mix[option]))
    return option, mix[option] + (1 - _value(mix[option]) if len(mix) > 1 else 0)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else mask * x


def _given(weight: Weight) -> Tensor | None:
    return weight if isinstance(weight, Tensor) else None


def _value(weight: Weight) -> float:
    return float(weight.detach()) if isinstance(weight, Tensor) else weight
