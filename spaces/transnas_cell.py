"""The cells of TransNAS-Bench-101 (Duan et al., CVPR 2021): 4 operations on 6 edges, 4,096 in all.

In `64-41414-1_02_333` the digits after the backbone are the operations of the edges 0-1, of 0-2 and
1-2, and of 0-3, 1-3 and 2-3. The same cell keeps the resolution in one place of the backbone and
halves it in another, with stride 2 on the edges that leave the input. Skip is there two strided 1x1
convolutions, so "as built" tells cells apart that are equal wherever the stride is 1.

The network as published: the stem of `blocks.layout.stem`; five modules of two cells, in which the
first cell of the modules 1, 3 and 5 halves the resolution and doubles the width (the digits 4 of
the backbone). The features are those of the last cell, at 1/32 of the image's resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nasbench.cell import Cell, Operation
from nasbench.space import Architecture, Scale
from nasbench.spaces.blocks.layout import STEM_STRIDES, Graph, cell, scaled, slots, stem

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

MODULES = 5


class TransnasCell(Cell):
    """Equal as built means equal in both places."""

    name = "transnas_cell"
    example = "64-41414-1_02_333"
    choices = (4,) * 6
    operations = (
        Operation("none", "zero"),
        Operation("skip", "identity"),
        Operation("conv1x1", "parametric"),
        Operation("conv3x3", "parametric"),
    )
    words = "0123"
    spelling = "64-41414-{}_{}{}_{}{}{}"
    views = ("as_built", "stride_1")
    strides = ((1, 2), (1,))
    scale = Scale(width=64, depth=2, stride=4)

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1, 2 or 4, and 1 to 5 modules follow."""
        names = [self.operations[op].name for op in self.check(arch)]
        return self._chain(partial(cell, names), scale)

    def _chain(self, place: Callable[[int, int, int], T], scale: Scale | None) -> list[Graph | T]:
        """Put a cell at each of its places."""
        scale = scaled(self, scale, STEM_STRIDES, MODULES)
        graphs: list[Graph | T] = [*stem(scale)]
        width = scale.width
        for module in range(scale.modules or MODULES):
            if module % 2:
                graphs.append(place(width, width, 1))
            else:
                graphs.append(place(width, 2 * width, 2))
                width *= 2
            graphs += [place(width, width, 1)] * (scale.depth - 1)
        return graphs

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; convolutions are drawn as published (`blocks.convolution.kaiming`)."""
        from nasbench.spaces.blocks.convolution import kaiming
        from nasbench.spaces.blocks.graph import chain

        return kaiming(chain(self.layout(arch, scale)))

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder with every operation on every edge, one choice for all cells."""
        from nasbench.spaces.blocks.convolution import kaiming
        from nasbench.spaces.blocks.supernet import SuperCells

        return kaiming(
            SuperCells(self._chain(partial(slots, [name for name, _ in self.operations]), scale))
        )


SPACE = TransnasCell()
