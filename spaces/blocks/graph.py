"""Layouts become modules."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from nasbench.spaces.blocks import layout


class Graph(nn.Module):
    """Nodes that sum what enters them, node 0 being the input and the last one the output.

    What leads nowhere is computed too, as published: it has parameters and costs multiply-adds.
    """

    def __init__(self, edges: layout.Graph) -> None:
        super().__init__()
        self.ends = [(edge.source, edge.target) for edge in edges]
        self.layers = nn.ModuleList(edge.layer.build() for edge in edges)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, c_in, h, w) into (B, c_out, ceil(h / stride), ceil(w / stride))."""
        nodes = {0: x}
        for (source, target), layer in zip(self.ends, self.layers, strict=True):
            y = layer(nodes[source])
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[self.ends[-1][1]]


def chain(graphs: Iterable[layout.Graph]) -> nn.Sequential:
    """Build graphs one after the other."""
    return nn.Sequential(*map(Graph, graphs))
