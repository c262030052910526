"""Cells: four nodes, an operation on each of the six edges between them, and nodes that sum.

The edges stand in target order: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3. Node 0 is the input, 3 the output.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import groupby, permutations, product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from nasbench.space import Architecture, Bits, Grid

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The ways from node 0 to node 3, as places in `EDGES`: 0-3, 0-1-3, 0-2-3 and 0-1-2-3."""

Kind: TypeAlias = Literal["zero", "identity", "pool", "parametric"]


class Operation(NamedTuple):
    """A name, and what counts when cells are compared.

    Two pools of the same sum are one; of two parametric operations each has its own weights.
    """

    name: str
    kind: Kind


Sum: TypeAlias = tuple[int, ...]
"""A formal sum of instances (operations at work): their numbers, each as often as it is added."""


class Cell(Grid):
    """A grid of six edges. Two cells are equal if renaming instances makes their outputs equal.

    A node's value is a formal sum, with multiplicity. Zeros vanish, and so does what is applied to
    one (a convention: the bias of a trained batch normalization breaks it). Identities collapse.
    An instance used twice stays one instance. What does not reach the output does not count.

    A subclass says `name`, `choices`, `example`, its `operations`, the `words` they are written
    with, where these stand in the `spelling`, and for each of its `views` the `strides` of the
    places that a cell takes: equal cells are equal in all of them. At stride 2 an identity that
    leaves node 0 must change the shape, so it is parametric, and different from all others.
    """

    operations: tuple[Operation, ...]
    words: Sequence[str]
    spelling: str
    strides: tuple[tuple[int, ...], ...] = ((1,),)

    def spell(self, arch: Architecture) -> str:
        """Write the operations' words where the spelling has its braces."""
        return self.spelling.format(*(self.words[op] for op in arch))

    def read(self, text: str) -> Architecture:
        """Invert `spell`; raises `OutsideSpace`."""
        if match := self._pattern.fullmatch(text):
            return tuple(map(self.words.index, match.groups()))
        raise self.outside(text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        word = "|".join(map(re.escape, self.words))
        return re.compile(re.escape(self.spelling).replace(r"\{\}", f"({word})"))

    def grow(self, part: Architecture) -> list[Architecture]:
        """Add a node with the edges that enter it: parts are the first 1, 3 and 6 edges."""
        target = 1 + max((EDGES[edge][1] for edge in range(len(part))), default=0)
        entering = [n for n, edge in zip(self.choices, EDGES, strict=True) if edge[1] == target]
        return [(*part, *ops) for ops in product(*map(range, entering)) if ops]

    def complete(self, part: Architecture) -> Architecture:
        """Take the last node there is for the output: an identity leads there, all else is zero.

        The whole cell is the same network as the part alone.
        """
        kinds = [kind for _, kind in self.operations]
        rest = [kinds.index("zero")] * (len(EDGES) - len(part))
        if rest:
            last = EDGES.index((EDGES[len(part) - 1][1], 3))
            rest[last - len(part)] = kinds.index("identity")
        return (*part, *rest)

    def paths(self, archs: ArrayLike) -> Bits:
        """Encode `(..., 6)` by the paths that are there (BANANAS: White et al., 2021).

        One indicator for each way of `PATHS` with each sequence of the n non-zero operations along
        it, `(..., n + 2 n^2 + n^3)`. A path with a zero on it is absent.
        """
        genes = np.asarray(archs)
        options = [op for op, (_, kind) in enumerate(self.operations) if kind != "zero"]
        there = genes[..., None] == options
        parts = []
        for path in PATHS:
            bits = there[..., path[0], :]
            for edge in path[1:]:
                pairs = bits[..., :, None] & there[..., edge, None, :]
                bits = pairs.reshape(*genes.shape[:-1], bits.shape[-1] * len(options))
            parts.append(bits)
        return np.concatenate(parts, axis=-1).astype(np.uint8)

    def edges(self, arch: Architecture) -> list[tuple[int, int, str]]:
        """Return its edges with the names of their operations, "" for a zero."""
        operations = [self.operations[op] for op in self.check(arch)]
        return [
            (*edge, name if kind != "zero" else "")
            for edge, (name, kind) in zip(EDGES, operations, strict=True)
        ]

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The edges that enter a node belong together."""
        targets = sorted({target for _, target in EDGES})
        return tuple(tuple(e for e, edge in enumerate(EDGES) if edge[1] == t) for t in targets)

    def has_path(self, arch: Architecture) -> bool:
        """Say whether some path has no zero on it."""
        return any(all(self.operations[arch[e]].kind != "zero" for e in path) for path in PATHS)

    def form(self, arch: Architecture, view: str = "as_built") -> Hashable:
        """Return the canonical form, one for each place that the view has."""
        arch = self.check(arch)
        strides = self.strides[self.views.index(self.check_view(view))]
        return tuple(self._form(arch, stride) for stride in strides)

    def _form(self, arch: Architecture, stride: int) -> Hashable:
        made: list[tuple[int, Sum]] = [(-1, ())]  # operation and operand; number 0 is the input
        values: list[Sum] = [(0,), (), (), ()]
        for (source, target), op in zip(EDGES, arch, strict=True):
            kind, value = self.operations[op].kind, values[source]
            if kind == "zero" or not value:
                continue
            if kind == "identity" and (stride == 1 or source != 0):
                values[target] += value
                continue
            instance = (op, tuple(sorted(value)))
            if kind == "pool" and instance in made:
                values[target] += (made.index(instance),)
            else:
                values[target] += (len(made),)
                made.append(instance)
        return _canonical(made, values[-1])


def _canonical(made: Sequence[tuple[int, Sum]], output: Sum) -> Hashable:
    """Number the instances so that equal networks read equal, and write the network down.

    An instance's colour is the tree of operations above it, so no renaming can change it. It sorts
    the instances; among those of one colour every order is tried, and the least outcome is taken.
    """
    colours: list[tuple[Any, ...]] = [()]
    for op, operand in made[1:]:
        colours.append((op, tuple(sorted(colours[k] for k in operand))))
    live = set(output)
    for k in reversed(range(len(made))):
        live.update(made[k][1] if k in live else ())
    ranked = sorted(live - {0}, key=colours.__getitem__)
    tied = [permutations(group) for _, group in groupby(ranked, colours.__getitem__)]

    def write(order: Sequence[int]) -> tuple[Sum, ...]:
        number = {k: n for n, k in enumerate((0, *order))}
        operands = ((made[k][0], *sorted(number[i] for i in made[k][1])) for k in order)
        return (tuple(sorted(number[k] for k in output)), *operands)

    return min(write([k for group in groups for k in group]) for groups in product(*tied))
