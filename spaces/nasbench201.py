"""NAS-Bench-201 (Dong and Yang, ICLR 2020): 5 operations on 6 edges, 15,625 cells.

It is also the topology space of NATS-Bench. The number after `~` is the node that an edge leaves;
`+` separates the nodes that edges enter. The cell always keeps the resolution.

The network as published, at any scale: a 3x3 convolution with BN; three stages of `depth` cells, at
`width`, twice and four times that; a residual block that halves the resolution and doubles the
width between them, whose shortcut is an average pool 2x2 and a 1x1 convolution; BN and ReLU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nasbench.cell import Cell, Operation
from nasbench.space import Architecture, Scale
from nasbench.spaces.blocks.layout import Graph, cell, residual, scaled, single, slots

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")


class NASBench201(Cell):
    """Equal cells are equal networks: skip is always the identity."""

    name = "nasbench201"
    example = (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    )
    choices = (5,) * 6
    operations = (
        Operation("none", "zero"),
        Operation("skip_connect", "identity"),
        Operation("nor_conv_1x1", "parametric"),
        Operation("nor_conv_3x3", "parametric"),
        Operation("avg_pool_3x3", "pool"),
    )
    words = tuple(operation.name for operation in operations)
    spelling = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    scale = Scale(width=16, depth=5)

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1 or 2."""
        names = [self.operations[op].name for op in self.check(arch)]
        return self._chain(partial(cell, names), scale)

    def _chain(self, place: Callable[[int, int], T], scale: Scale | None) -> list[Graph | T]:
        """Put a cell at each of its places."""
        scale = scaled(self, scale, (1, 2))
        width = scale.width
        graphs: list[Graph | T] = [single("conv3x3_bn", 3, width, scale.stride)]
        for stage in range(3):
            if stage:
                graphs.append(residual(width, 2 * width, 2, "pool_conv"))
                width *= 2
            graphs += [place(width, width)] * scale.depth
        return [*graphs, single("bn_relu", width, width)]

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; weights are drawn as torch does by default."""
        from nasbench.spaces.blocks.graph import chain

        return chain(self.layout(arch, scale))

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder with every operation on every edge, one choice for all cells."""
        from nasbench.spaces.blocks.supernet import SuperCells

        return SuperCells(self._chain(partial(slots, self.words), scale))


SPACE = NASBench201()
