"""The space of AttentiveNAS (Wang et al., CVPR 2021): seven stages, as the released code has them.

Width and depth of a stage are searched, and a kernel and an expansion for all of its layers; beside
them the input's resolution and the widths of stem and head: 440,301,256,704 networks. The paper
counts more, since it decides about each layer. Convolutions of the published head are behind a
pool; here a 1x1 convolution is in front of whatever a task's head is (*our reconstruction*).
"""

from __future__ import annotations

from functools import partial

from nasbench.space import Scale
from nasbench.spaces.blocks.layerwise import LayerWise, Stage

WITHOUT, WITH = (
    partial(Stage, squeezes=(squeeze,), activations=("swish",), tied=True)
    for squeeze in (False, True)
)
"""Stages without and with squeeze-and-excitation."""


class AttentiveNAS(LayerWise):
    """Every combination is another network."""

    name = "attentive_nas"
    example = (
        "224_c16_1:k3wc16x1_3:k3wc24x4_3:k5swc32x4_4:k3wc64x5_5:k5swc120x6_6:k3swc200x6"
        "_1:k5swc224x6_c1984"
    )
    scale = Scale(width=16, depth=1, stride=2)
    resolutions = (192, 224, 256, 288)
    stems = (16, 24)
    stages = (
        WITHOUT((16, 24), (1,), (1, 2)),
        WITHOUT((24, 32), (4, 5, 6), (3, 4, 5), stride=2),
        WITH((32, 40), (4, 5, 6), (3, 4, 5, 6), stride=2),
        WITHOUT((64, 72), (4, 5, 6), (3, 4, 5, 6), stride=2),
        WITH((112, 120, 128), (4, 5, 6), (3, 4, 5, 6, 7, 8)),
        WITH((192, 200, 208, 216), (6,), (3, 4, 5, 6, 7, 8), stride=2),
        WITH((216, 224), (6,), (1, 2)),
    )
    heads = (1792, 1984)
    activation = "swish"


SPACE = AttentiveNAS()
