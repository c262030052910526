"""What a network is made of, as plain data without torch: graphs of layers, one after the other.

`space.layout(arch)` says it, `blocks.graph` builds it, and since a layer is a plain value, whoever
counts a whole space counts each of them once. A supernet is the same layout with choices in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from nasbench.cell import EDGES
from nasbench.errors import BadValue
from nasbench.space import Scale, Space

if TYPE_CHECKING:
    from torch import nn


class Layer(NamedTuple):
    """A layer: its name in `blocks.layers`, channels that enter and leave, stride."""

    name: str
    c_in: int
    c_out: int
    stride: int = 1

    def build(self) -> nn.Module:
        """Make the module, (B, c_in, h, w) to (B, c_out, ceil(h / stride), ceil(w / stride))."""
        from nasbench.spaces.blocks.layers import LAYERS

        return LAYERS[self.name](self.c_in, self.c_out, self.stride)


class Edge(NamedTuple):
    """A layer from one node to a later one."""

    source: int
    target: int
    layer: Layer


Graph: TypeAlias = tuple[Edge, ...]
"""Edges in the order of their targets. Node 0 is the input, the last one the output; nodes sum."""


def single(name: str, c_in: int, c_out: int, stride: int = 1) -> Graph:
    """Lay out one layer."""
    return (Edge(0, 1, Layer(name, c_in, c_out, stride)),)


def cell(names: Sequence[str], c_in: int, c_out: int, stride: int = 1) -> Graph:
    """Lay out a cell by its six operations: what leaves the input changes width and resolution.

    Edges of `none` are left out. Where nothing else enters a node one stays, and makes the zeros.
    """
    edges = [
        Edge(source, target, Layer(name, c_out, c_out))
        if source
        else Edge(source, target, Layer(name, c_in, c_out, stride))
        for (source, target), name in zip(EDGES, names, strict=True)
    ]
    kept: list[Edge] = []
    for _, group in groupby(edges, lambda edge: edge.target):
        entering = list(group)
        kept += [edge for edge in entering if edge.layer.name != "none"] or entering[:1]
    return tuple(kept)


class Slot(NamedTuple):
    """An edge of a supernet: the layers it may be, one for each option."""

    source: int
    target: int
    layers: tuple[Layer, ...]


Slots: TypeAlias = tuple[Slot, ...]
"""A cell with its choices still to be made, one slot a factor, in the order of `nasbench.cell`."""


def slots(names: Sequence[str], c_in: int, c_out: int, stride: int = 1) -> Slots:
    """Lay out a cell in which every edge may be any of these operations, zeros included."""
    return tuple(
        Slot(
            source,
            target,
            tuple(
                Layer(name, c_out if source else c_in, c_out, 1 if source else stride)
                for name in names
            ),
        )
        for source, target in EDGES
    )


def residual(c_in: int, c_out: int, stride: int, shortcut: str) -> Graph:
    """Lay out two convolutions and a shortcut around them; the first changes the shape."""
    return (
        Edge(0, 1, Layer("conv3x3", c_in, c_out, stride)),
        Edge(0, 2, Layer(shortcut, c_in, c_out, stride)),
        Edge(1, 2, Layer("conv3x3", c_out, c_out)),
    )


STEM_STRIDES = (1, 2, 4)


def stem(scale: Scale) -> list[Graph]:
    """Lay out the stem of TransNAS-Bench-101: two 3x3 convolutions with BN, a ReLU between them.

    Published are 32 and 64 channels and stride 2 in both. At other sizes (ours) the first has half
    of the channels, rounded up, and strides first.
    """
    half, first = (scale.width + 1) // 2, min(scale.stride, 2)
    second = single("conv3x3", half, scale.width, scale.stride // first)
    return [single("conv3x3_bn", 3, half, first), second]


def scaled(space: Space, scale: Scale | None, strides: Sequence[int], modules: int = 0) -> Scale:
    """Return the scale to build at, the published one by default; raises `BadValue`.

    `modules` are those of a chain that may be cut, if there is one.
    """
    asked = scale or space.scale
    if (
        isinstance(asked, Scale)
        and all(isinstance(n, int) and n >= 1 for n in (asked.width, asked.depth))
        and asked.stride in strides
        and asked.modules in (None, *range(1, modules + 1))
    ):
        return asked
    known = " or ".join(map(str, strides))
    cut = f"modules 1 to {modules} or None" if modules else "modules None"
    raise BadValue(
        f"{space.name} can't be built at {asked}: width and depth must be whole numbers from 1, "
        f"stride {known}, {cut}; published is {space.scale}"
    )
