"""The ranges of FBNetV2-F (Wan et al., CVPR 2020): layer-wise inverted residuals, by MACs.

Kernel 3 or 5, ReLU or h-swish, SE or not, the expansion and the channels of every layer are
searched, and the input's resolution, 288 pixels a side at most. *Our reconstruction*, for the
paper's table of ranges is known in part: channels; expansions of one stage, here of all but the
first; depths and strides of the networks F1 to F3 that were found, the head of F4, and resolutions
of all of them. A skip that changes the channels, which these networks have, too, is no option here.
"""

from __future__ import annotations

from nasbench.space import Scale
from nasbench.spaces.blocks.layerwise import LayerWise, Stage

EXPANSIONS = (0.75, 1.5, 2.25, 3, 3.75, 4.5)


class FBNetV2(LayerWise):
    """Expansions may round to the same hidden width, and so make equal networks."""

    name = "fbnetv2"
    example = (
        "224_c16_1:k3hc16x1_2:k5hc24x4.5-k5hc24x1.5_2:k5sc32x4.5-k5sc32x3.75"
        "_3:k5hc64x4.5-k3hc64x2.25-k3hc64x3_3:k3hc104x4.5-k5shc104x2.25-k5shc112x3.75"
        "_3:k3shc184x4.5-k5shc184x3-k5shc184x4.5_c1344"
    )
    scale = Scale(width=16, depth=1, stride=2)
    resolutions = (128, 160, 192, 224, 256, 288)
    stems = (16,)
    stages = (
        Stage((12, 16)),
        Stage((16, 20, 24, 28), EXPANSIONS, (1, 2), stride=2),
        Stage((16, 24, 32, 40), EXPANSIONS, (1, 2), stride=2),
        Stage(tuple(range(48, 97, 8)), EXPANSIONS, (1, 2, 3), stride=2),
        Stage(tuple(range(72, 129, 8)), EXPANSIONS, (1, 2, 3)),
        Stage(tuple(range(112, 217, 8)), EXPANSIONS, (1, 2, 3), stride=2),
    )
    heads = (1344,)
    activation = "hswish"


SPACE = FBNetV2()
