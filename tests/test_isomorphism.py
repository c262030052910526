"""Our classes of equal cells, against networkx and the definition written a second time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import networkx as nx
import numpy as np
import pytest

from nasbench.find import find
from nasbench.space import Architecture, Space

OPERATIONS = {
    "transnas_cell": ("none", "skip", "conv1x1", "conv3x3"),
    "nasbench201": ("none", "skip", "conv1x1", "conv3x3", "pool"),
}
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
STRIDES = {("transnas_cell", "as_built"): (1, 2)}

Value: TypeAlias = Counter[Hashable]


def network(operations: Sequence[str], arch: Architecture, stride: int) -> Any:
    """Draw the instances that reach the output, and how often each is added to what.

    A parametric instance goes by its edge, a pool by what it pools.
    """
    on = {edge: operations[op] for edge, op in zip(EDGES, arch, strict=True)}
    operands: dict[Hashable, Value] = {"input": Counter()}

    def value(node: int) -> Value:
        total: Value = Counter(["input"] if node == 0 else [])
        for source in range(node):
            total.update(term(source, node))
        return total

    def term(source: int, target: int) -> Value:
        op, operand = on[source, target], value(source)
        if op == "none" or not operand:
            return Counter()
        if op == "skip" and not (stride == 2 and source == 0):
            return operand
        which = frozenset(operand.items()) if op == "pool" else (source, target)
        operands[op, which] = operand
        return Counter([(op, which)])

    graph = nx.DiGraph()
    graph.add_node("output", op="output")
    operands["output"] = value(3)
    todo: list[Hashable] = ["output"]
    while todo:
        user = todo.pop()
        for instance, times in operands[user].items():
            if instance not in graph:
                graph.add_node(instance, op=instance[0] if isinstance(instance, tuple) else "input")
                todo.append(instance)
            graph.add_edge(instance, user, times=times)
    return graph


def networks(space: Space, arch: Architecture, view: str) -> list[Any]:
    """One for each place that the cell takes."""
    strides = STRIDES.get((space.name, view), (1,))
    return [network(OPERATIONS[space.name], arch, stride) for stride in strides]


def same(a: list[Any], b: list[Any]) -> bool:
    node = nx.algorithms.isomorphism.categorical_node_match("op", None)
    edge = nx.algorithms.isomorphism.categorical_edge_match("times", None)
    return all(nx.is_isomorphic(g, h, node, edge) for g, h in zip(a, b, strict=True))


def invariant(graphs: list[Any]) -> Hashable:
    """Count the edges by what they join: equal for isomorphic networks, and cheap."""
    return tuple(
        frozenset(
            Counter(
                (graph.nodes[a]["op"], graph.nodes[b]["op"], times, graph.degree[a])
                for a, b, times in graph.edges(data="times")
            ).items()
        )
        for graph in graphs
    )


def compare(space: Space, view: str, archs: Sequence[Architecture]) -> None:
    drawn = [networks(space, arch, view) for arch in archs]
    classes: dict[Hashable, list[list[Any]]] = defaultdict(list)
    for arch, graphs in zip(archs, drawn, strict=True):
        classes[space.form(arch, view)].append(graphs)
    alike: dict[Hashable, list[list[Any]]] = defaultdict(list)
    for first, *others in classes.values():
        assert all(same(first, other) for other in others)
        alike[invariant(first)].append(first)
    for firsts in alike.values():
        assert not any(same(a, b) for a, b in combinations(firsts, 2))


@pytest.mark.parametrize("view", ["as_built", "stride_1"])
def test_all_cells_of_transnas(view: str) -> None:
    space = find("spaces", "transnas_cell")
    compare(space, view, list(space))


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_cells_of_nasbench201(every: int) -> None:
    """Drawn by chance, so that classes keep several members."""
    space = find("spaces", "nasbench201")
    some = np.random.default_rng(0).permutation(len(space))[: len(space) // every]
    compare(space, "as_built", [space.at(int(index)) for index in some])
