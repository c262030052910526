"""The size space of NATS-Bench (Dong et al., TPAMI 2021): the widths of one fixed network.

Five places, each 8, 16, ... 64 channels wide: 32,768 architectures. The cell inside is always the
same one.

The network as published: a 3x3 convolution with BN to the first width; a cell; a residual block
that halves the resolution, to the second; a cell to the third; another residual block, a cell, BN
and ReLU. A skip that changes the width is a 1x1 convolution with BN. `Scale.width` is what the
widest choice, 64, becomes; other widths than that, and more cells in a place, are our own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nasbench.space import Architecture, Grid, Scale, in_a_row
from nasbench.spaces.blocks.layout import Graph, cell, residual, scaled, single

if TYPE_CHECKING:
    from torch import nn

WIDTHS = ("8", "16", "24", "32", "40", "48", "56", "64")
CELL = ("conv3x3", "conv3x3", "conv3x3", "skip", "conv3x3", "conv3x3")
"""The operations of the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""


class NATSSize(Grid):
    """Decision i is the width of place i, from the image to the classifier."""

    name = "nats_size"
    example = "8:16:32:64:64"
    choices = (len(WIDTHS),) * 5
    scale = Scale(width=64, depth=1)

    def spell(self, arch: Architecture) -> str:
        """Write the widths between colons."""
        return ":".join(WIDTHS[width] for width in arch)

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        words = text.split(":")
        if len(words) == len(self.choices) and set(words) <= set(WIDTHS):
            return tuple(map(WIDTHS.index, words))
        raise self.outside(text)

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the chain of places, by their widths."""
        return in_a_row(f"{WIDTHS[width]} channels" for width in self.check(arch))

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1 or 2, scaled widths are rounded."""
        arch, scale = self.check(arch), scaled(self, scale, (1, 2))
        widths = [max(1, round(int(WIDTHS[gene]) * scale.width / 64)) for gene in arch]
        graphs = [single("conv3x3_bn", 3, widths[0], scale.stride)]
        for place, (before, width) in enumerate(pairwise((widths[0], *widths))):
            if place in (1, 3):
                graphs.append(residual(before, width, 2, "pool_conv"))
            else:
                graphs.append(cell(CELL, before, width))
                graphs += [cell(CELL, width, width)] * (scale.depth - 1)
        return [*graphs, single("bn_relu", width, width)]

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; weights are drawn as torch does by default."""
        from nasbench.spaces.blocks.graph import chain

        return chain(self.layout(arch, scale))


SPACE = NATSSize()
