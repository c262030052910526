"""NAS-Bench-201 (Dong and Yang, ICLR 2020): 5 operations on 6 edges, 15,625 cells.

It is also the topology space of NATS-Bench. The number after `~` is the node that an edge leaves;
`+` separates the nodes that edges enter. The cell always keeps the resolution.
"""

from __future__ import annotations

from nasbench.cell import Cell, Operation


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


SPACE = NASBench201()
