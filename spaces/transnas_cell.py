"""The cells of TransNAS-Bench-101 (Duan et al., CVPR 2021): 4 operations on 6 edges, 4,096 in all.

In `64-41414-1_02_333` the digits after the backbone are the operations of the edges 0-1, of 0-2 and
1-2, and of 0-3, 1-3 and 2-3. The same cell keeps the resolution in one place of the backbone and
halves it in another, with stride 2 on the edges that leave the input. Skip is there two strided 1x1
convolutions, so "as built" tells cells apart that are equal wherever the stride is 1.
"""

from __future__ import annotations

from nasbench.cell import Cell, Operation


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


SPACE = TransnasCell()
