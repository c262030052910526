"""Cells with all operations in them, whose networks share weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nasbench.nets import Features, Word, shared, weighed
from nasbench.spaces.blocks import graph, layout
from nasbench.spaces.blocks.layers import Zero


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
