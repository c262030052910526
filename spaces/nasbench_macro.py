"""NAS-Bench-Macro (Su et al., CVPR 2021): one of three blocks in each of 8 layers, 6,561 networks.

Digit 0 is the identity, 1 an inverted residual block with expansion 3 and kernel 3, 2 the same with
expansion 6 and kernel 5. Layers 1, 3 and 6 halve the resolution and double the width; a digit 0
there is a 1x1 convolution.

The network as published: a 3x3 convolution to 32 channels, BN and ReLU; the layers; a 1x1
convolution to 1,280 channels, BN and ReLU. At another width all of that is in proportion, 1,280
being 40 times 32; more than one block in a layer, of which the first changes the shape, is our own.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING

from nasbench.space import Architecture, Grid, Scale, in_a_row
from nasbench.spaces.blocks.layout import Graph, scaled, single

if TYPE_CHECKING:
    from torch import nn

BLOCKS = ("shortcut", "mb3_k3", "mb6_k5")
STRIDED = (0, 2, 5)
RUNS = (slice(1, 2), slice(3, 5), slice(6, 8))
"""The layers (from 0) between the strided ones. They are alike, so an identity may be anywhere."""


class NASBenchMacro(Grid):
    """Equal networks have the same strided layers, and between them the same blocks in a row."""

    name = "nasbench_macro"
    example = "02012100"
    choices = (3,) * 8
    scale = Scale(width=32, depth=1)

    def spell(self, arch: Architecture) -> str:
        """Write a digit for each layer."""
        return "".join(map(str, arch))

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        if re.fullmatch("[012]{8}", text):
            return tuple(map(int, text))
        raise self.outside(text)

    def form(self, arch: Architecture, view: str = "as_built") -> Hashable:
        """Drop the true identities."""
        arch, _ = self.check(arch), self.check_view(view)
        kept = (tuple(block for block in arch[run] if block) for run in RUNS)
        return (arch[0], arch[2], arch[5], *kept)

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return the chain of blocks."""
        return in_a_row(BLOCKS[block] for block in self.check(arch))

    def layout(self, arch: Architecture, scale: Scale | None = None) -> list[Graph]:
        """Lay the encoder out; the stem has stride 1 or 2."""
        arch, scale = self.check(arch), scaled(self, scale, (1, 2))
        graphs = [single("conv3x3_bn_relu", 3, width := scale.width, scale.stride)]
        for layer, block in enumerate(arch):
            if layer in STRIDED:
                graphs.append(single(BLOCKS[block], width, 2 * width, 2))
                width *= 2
            else:
                graphs.append(single(BLOCKS[block], width, width))
            graphs += [single(BLOCKS[block], width, width)] * (scale.depth - 1)
        return [*graphs, single("conv1x1_bn_relu", width, 40 * scale.width)]

    def build(self, arch: Architecture, scale: Scale | None = None) -> nn.Module:
        """Build the encoder; weights are drawn as torch does by default."""
        from nasbench.spaces.blocks.graph import chain

        return chain(self.layout(arch, scale))


SPACE = NASBenchMacro()
