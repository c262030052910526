"""The widths of a plain chain: five 3x3 convolutions, each 8 to 40 channels wide, 3,125 networks.

Ours, and small enough that all of it can be trained: the truth for methods that search widths. Each
convolution has BN and ReLU behind it; the first layer has stride 2, the third and the fifth halve
the resolution again. `Scale.width` is what the widest choice, 40, becomes, `Scale.stride` that of
the first layer, and `Scale.depth` the number of convolutions in a layer, of which the first changes
the shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nasbench.space import Architecture, Grid, Scale, Term, in_a_row
from nasbench.spaces.blocks.layout import Graph, scaled, single

if TYPE_CHECKING:
    from torch import nn

WIDTHS = ("8", "16", "24", "32", "40")
STRIDES = (1, 2, 1, 2)
"""Of all layers but the first."""


class Width(Grid):
    """Decision i is the width of layer i, counted from the image."""

    name = "width"
    example = "8x16x24x32x40"
    choices = (len(WIDTHS),) * 5
    scale = Scale(width=40, depth=1, stride=2)

    def spell(self, arch: Architecture) -> str:
        """Write the widths with an `x` between them."""
        return "x".join(WIDTHS[width] for width in arch)

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        words = text.split("x")
        if len(words) == len(self.choices) and set(words) <= set(WIDTHS):
            return tuple(map(WIDTHS.index, words))
        raise self.outside(text)

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the chain of layers, by their widths."""
        return in_a_row(f"{WIDTHS[width]} channels" for width in self.check(arch))

    def profile(self, arch: Architecture) -> tuple[int, ...]:
        """Return the widths."""
        return tuple(int(WIDTHS[width]) for width in self.check(arch))

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the first stride is 1 or 2, scaled widths are rounded."""
        arch, scale = self.check(arch), scaled(self, scale, (1, 2))
        options, strides = _options(scale), (scale.stride, *STRIDES)
        ends = pairwise((3, *(options[gene] for gene in arch)))
        graphs: list[Graph] = []
        for (before, width), stride in zip(ends, strides, strict=True):
            graphs.append(single("conv3x3_bn_relu", before, width, stride))
            graphs += [single("conv3x3_bn_relu", width, width)] * (scale.depth - 1)
        return graphs

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; weights are drawn as torch does by default."""
        from nasbench.spaces.blocks.graph import chain

        return chain(self.layout(arch, scale))

    def supernet(self, scale: Scale | None = None) -> nn.Module:
        """Build the encoder as wide as it can be; options are masks over its channels."""
        from nasbench.spaces.blocks.slimmable import SuperChain

        scale = scaled(self, scale, (1, 2))
        return SuperChain([_options(scale)] * 5, (scale.stride, *STRIDES), scale.depth)

    def widths(self, scale: Scale | None = None) -> Mapping[int, Term]:
        """Return the options of every layer: scaled ones may be equal."""
        options = np.array(_options(scale or self.scale))
        return {i: ((i,), options) for i in range(len(self.choices))}

    @property
    def has_widths(self) -> bool:
        """All decisions are."""
        return True

    def only_widths(self, like: Architecture) -> Width:
        """Return the space itself."""
        return self


def _options(scale: Scale) -> list[int]:
    return [max(1, round(int(width) * scale.width / 40)) for width in WIDTHS]


SPACE = Width()
