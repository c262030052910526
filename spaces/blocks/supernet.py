"""Encoders with all options in them, which share their weights.

A `Mix` is what a search says of one factor of a space: options, each with a weight, a tensor of no
axes, or None for one that is taken as it is. What is not named does not run. A `Word` is a mix for
each factor; for a single architecture it names one option each, without a weight.

Batch normalization is neither affine nor does it keep statistics: those of the batch are used,
unless `nasbench.supernet.calibrated` provides others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nasbench.spaces.blocks import graph, layout
from nasbench.spaces.blocks.layers import Zero

Mix: TypeAlias = Mapping[int, Tensor | None]
Word: TypeAlias = Sequence[Mix]
Features: TypeAlias = list[tuple[Tensor | None, Tensor]]
"""What an encoder gives: features (B, C, h, w), with their weights where they are several."""


def weighed(layer: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor | None) -> Tensor:
    """Apply a layer, and weigh what it gives.

    Where the weight is 0 no gradient passes through the layer, so nothing is saved for one: only
    the weight's own is left.
    """
    if weight is None:
        return layer(x)
    if weight.detach() != 0:
        return weight * layer(x)
    with torch.no_grad():
        y = layer(x)
    return weight * y.detach()  # the identity gave x itself


def shared(network: nn.Module) -> nn.Module:
    """Turn every batch normalization into one for shared weights, as above."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.affine = module.track_running_stats = False
            module.weight = module.bias = None  # type: ignore[assignment]
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network


class SuperCell(nn.Module):
    """A cell with every operation on every edge; nodes sum what enters them."""

    def __init__(self, slots: layout.Slots) -> None:
        super().__init__()
        self.ends = [(slot.source, slot.target) for slot in slots]
        self.options = nn.ModuleList(
            nn.ModuleList(layer.build() for layer in slot.layers) for slot in slots
        )
        first = slots[0].layers[0]
        self.nothing = Zero(first.c_out, first.stride)

    def forward(self, x: Tensor, word: Word) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        nodes: dict[int, Tensor] = {0: x}
        for (source, target), options, mix in zip(self.ends, self.options, word, strict=True):
            if source not in nodes:
                nodes[source] = self.nothing(x)
            for option, weight in mix.items():
                layer = options[option]  # type: ignore[index]
                if not isinstance(layer, Zero):
                    y = weighed(layer, nodes[source], weight)
                    nodes[target] = nodes[target] + y if target in nodes else y
        last = self.ends[-1][1]
        return nodes[last] if last in nodes else self.nothing(x)

    def copy_into(self, options: Sequence[int], cell: graph.Graph) -> None:
        """Copy the weights of one option an edge."""
        for ends, layer in zip(cell.ends, cell.layers, strict=True):
            edge = self.ends.index(ends)
            copy(self.options[edge][options[edge]], layer)  # type: ignore[index]


def copy(shares: nn.Module, alone: nn.Module) -> None:
    """Copy weights, and statistics where there are any, into a layer of a network of its own.

    A narrower one gets the first channels.
    """
    to = alone.state_dict()
    state = {
        name: tensor[tuple(map(slice, to[name].shape))]
        for name, tensor in shares.state_dict().items()
    }
    alone.load_state_dict(state, strict=False)


class SuperCells(nn.Module):
    """A chain of cells, which all hear the same word, and of what is always there."""

    def __init__(self, chain: Sequence[layout.Graph | layout.Slots]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            SuperCell(part) if isinstance(part[0], layout.Slot) else graph.Graph(part)
            for part in chain
        )
        layers = [
            [each.layers[0] if isinstance(each, layout.Slot) else each.layer for each in part]
            for part in chain
        ]
        self.ends = [(part[0], part[-1]) for part in layers]
        shared(self)

    def features(self, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the shapes that features of an image (C, H, W) can have: there is only one."""
        channels, height, width = shape
        for first, last in self.ends:
            channels = last.c_out
            height, width = -(-height // first.stride), -(-width // first.stride)
        return [(channels, height, width)]

    def forward(self, x: Tensor, word: Word) -> Features:
        """Turn images (B, 3, H, W) into features (B, C, h, w)."""
        for part in self.parts:
            x = part(x, word) if isinstance(part, SuperCell) else part(x)
        return [(None, x)]

    def copy_into(self, options: Sequence[int], encoder: nn.Sequential) -> None:
        """Copy the weights of one architecture, given by its options, into its own encoder."""
        for part, alone in zip(self.parts, encoder, strict=True):
            if isinstance(part, SuperCell):
                part.copy_into(options, alone)  # type: ignore[arg-type]
            else:
                copy(part, alone)
