"""An encoder of inverted residuals with all options of a layer-wise space in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbench.nets import Convolution, Features, Masks, Mix, Word, shared
from nasbench.space import Scale
from nasbench.spaces.blocks.layerwise import LayerWise
from nasbench.spaces.blocks.mobile import ACTIVATIONS
from nasbench.spaces.blocks.reduction import Gather
from nasbench.spaces.blocks.slimmable import (
    Bank,
    Shares,
    SuperInverted,
    both,
    masked,
    multiplied,
    opened,
    recorded,
)


class SuperLayers(nn.Module):
    """Resolution, stem, stages and head; factors are the space's decisions.

    Each resolution runs by itself, from the image to features of its own (the mode "all" of FBNetV2
    where a word names several; *our reconstruction*: heads follow, so their outputs are summed, and
    features need not be scattered). What several depths give is summed, padded with zeros.
    """

    def __init__(self, space: LayerWise, scale: Scale) -> None:
        super().__init__()
        self.space, self.stride = space, scale.stride
        self.stems, self.heads = (
            space.wide(options, scale) for options in (space.stems, space.heads)
        )
        self.act = ACTIVATIONS[space.activation]()
        self.stem, self.blocks, entering = Bank(3, max(self.stems), 3), nn.ModuleList(), self.stems
        for stage in space.stages:
            stage = replace(stage, channels=space.wide(stage.channels, scale))
            layers = nn.ModuleList()
            for i in range(stage.depths[-1]):
                layer = nn.ModuleList()
                for j in range(scale.depth):
                    stride = 1 if i or j else stage.stride
                    layer.append(SuperInverted(entering, stage, stride, space.divisor))
                    entering = stage.channels
                layers.append(layer)
            self.blocks.append(layers)
        self.head = Bank(max(entering), max(self.heads), 1)
        shared(self)

    def features(self, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the shapes that features of an image (C, H, W) can have."""
        found = []
        for pixels in self.space.resolutions:
            size = [max(1, n * pixels // self.space.pixels) for n in shape[1:]]
            for stride in (self.stride, *(stage.stride for stage in self.space.stages)):
                size = [-(-n // stride) for n in size]
            found += [(channels, size[0], size[1]) for channels in self.heads]
        return list(dict.fromkeys(found))

    def convolutions(self, shape: tuple[int, int, int]) -> list[Convolution]:
        """List them from the image (C, H, W) on; of a space that decides about widths alone."""
        (pixels,), whole = self.space.resolutions, self.space.pixels
        sides = [max(1, n * pixels // whole) for n in shape[1:]]
        factors = iter(self.space.slots([*range(len(self.space.choices))], -1)[1:])

        def told(n: int) -> list[int | None]:
            return [None if (factor := next(factors)) < 0 else factor for _ in range(n)]

        def area(stride: int) -> int:
            sides[:] = [-(-n // stride) for n in sides]
            return prod(sides)

        (before,) = told(1)
        found = [Convolution(self.stem.conv, None, before, area(self.stride))]
        for block in self._single:
            *_, hidden, leaving = told(6)
            pixels = area(1)
            found += block.convolutions((before, hidden, leaving), pixels, area(block.stride))
            before = leaving
        (last,) = told(1)
        return [*found, Convolution(self.head.conv, before, last, area(1))]

    @property
    def _single(self) -> list[SuperInverted]:
        """The blocks of stages of one layer, which is one block."""
        return [layers[0][0] for layers in self.blocks]  # type: ignore[index]

    def forward(self, x: Tensor, word: Word | Masks) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w) of each resolution and head.

        Widths may be masks where other decisions have one option; features are then the widest.
        """
        resolutions, *rest = self.space.slots(word, {0: None})
        assert not isinstance(resolutions, Tensor)
        masks = any(isinstance(mix, Tensor) for mix in word)
        encode: Callable[[Tensor, Any], Features] = self._by_masks if masks else self._encode
        features: Features = []
        for option, weight in resolutions.items():
            pixels, most = self.space.resolutions[option], self.space.pixels
            with recorded(weight):
                given = encode(x if pixels == most else Gather(pixels, most)(x), rest)
            features += [(both(weight, each), y) for each, y in given]
        return features

    def _encode(self, x: Tensor, rest: Sequence[Mix]) -> Features:
        said = iter(rest)
        shares = _shares(next(said), self.stems)
        x = self.act(self.stem(x, max(c for c, _ in shares), self.stride))
        x = multiplied(masked(x, shares), shares)
        for stage, layers in zip(self.space.stages, self.blocks, strict=True):
            depths = {stage.depths[option]: weight for option, weight in next(said).items()}
            words = [[next(said) for _ in stage.ranges] for _ in range(stage.layers)]
            ends: list[tuple[Tensor | None, Tensor]] = []
            left: list[tuple[int, Tensor | None]] = []
            for i in range(max(depths)):
                deeper = [weight for depth, weight in depths.items() if depth > i]
                with recorded(*deeper):
                    for block in layers[i]:  # type: ignore[index]
                        x, shares = block(x, shares, words[0 if stage.tied else i])
                if i + 1 in depths:
                    weight = depths[i + 1]
                    ends.append((weight, x))
                    left += [(c, both(p, weight)) for c, p in shares]
            x, shares = _sum(ends), left
        heads = _shares(next(said), self.heads)
        y = self.act(self.head(x, max(c for c, _ in heads)))
        return [(weight, y[:, :c]) for c, weight in heads]

    def _by_masks(self, x: Tensor, rest: Sequence[Mix | Tensor]) -> Features:
        said = iter(rest)
        mask = opened(next(said), self.stems)
        x = mask * self.act(self.stem(x, mask.shape[1], self.stride))
        for block in self._single:
            _, *word = (next(said) for _ in range(6))
            x, mask = block.by_masks(x, mask, word)
        mask = opened(next(said), self.heads)
        return [(None, mask * self.act(self.head(x, mask.shape[1])))]

    def copy_into(self, options: Sequence[int | None], encoder: nn.Sequential) -> None:
        """Copy the weights of one architecture, given by its options, into its own encoder."""
        slots: Iterator[int | None] = iter(self.space.slots(options, 0))
        alone: Iterator[Any] = (graph.layers[0] for graph in encoder)  # type: ignore[index]
        if next(slots) != len(self.space.resolutions) - 1:
            next(alone)
        self.stem.copy_into(next(alone)[:-1])
        next(slots)
        for stage, layers in zip(self.space.stages, self.blocks, strict=True):
            depth = next(slots)
            assert depth is not None
            words = [[next(slots) for _ in stage.ranges] for _ in range(stage.layers)]
            for i in range(stage.depths[depth]):
                for block in layers[i]:  # type: ignore[index]
                    block.copy_into(words[0 if stage.tied else i], next(alone))
        self.head.copy_into(next(alone)[:-1])


def _shares(mix: Mix, options: Sequence[int]) -> Shares:
    return [(options[option], weight) for option, weight in mix.items()]


def _sum(ends: Features) -> Tensor:
    """Sum what depths give, each by its weight, padded to the most channels."""
    most = max(y.shape[1] for _, y in ends)
    each = [F.pad(y if w is None else w * y, (0, 0, 0, 0, 0, most - y.shape[1])) for w, y in ends]
    return torch.stack(each).sum(0) if len(each) > 1 else each[0]
