"""Inverted residuals, each with its own kernel, expansion, SE, activation and width.

Ours, of a size that trains in seconds on images of 24x24 pixels: three stages of at most two layers
and three input resolutions. The ranges of published layer-wise spaces are `fbnetv2` and
`attentive_nas`; what is searched is theirs.
"""

from __future__ import annotations

from nasbench.space import Scale
from nasbench.spaces.blocks.layerwise import LayerWise, Stage

EXPANSIONS = (1, 2, 3, 4, 6)


class MBConv(LayerWise):
    """A skip of a layer that keeps the shape is a stage of one layer less."""

    name = "mbconv"
    example = "24_c8_2:k3c8x1-k3c8x1_2:k5shc24x4-k5sc16x3_1:k3hc48x6-k3c32x2_c96"
    scale = Scale(width=8, depth=1, stride=2)
    resolutions = (12, 18, 24)
    stems = (8,)
    stages = (
        Stage((8, 12, 16), EXPANSIONS, (1, 2)),
        Stage((16, 24, 32), EXPANSIONS, (1, 2), stride=2),
        Stage((32, 48, 64), EXPANSIONS, (1, 2), stride=2),
    )
    heads = (96,)
    divisor = 4


SPACE = MBConv()
