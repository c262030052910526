"""Spaces small enough to count everything by hand."""

from __future__ import annotations

from nasbench.space import Architecture, Grid, Listed, Scale
from nasbench.spaces.blocks.layerwise import LayerWise, Stage


class Table(Grid):
    """Any number of decisions; all of them belong together."""

    name = "table"
    example = "0"

    def __init__(self, *choices: int) -> None:
        self.choices = choices

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        return (tuple(range(len(self.choices))),)

    def spell(self, arch: Architecture) -> str:
        return ".".join(map(str, arch))

    def read(self, text: str) -> Architecture:
        return tuple(map(int, text.split(".")))


class Chain(Listed):
    """One or two modules, each with two bits; some module has its first bit, absent ones are 4.

    As a relaxed search sees it: the depth, then the bits, of which those of an absent module don't
    matter.
    """

    name = "chain"
    example = "2.4"
    choices = (5, 5)
    factors = (2, 2, 2, 2, 2)
    groups = ((0,), (1, 2), (3, 4))

    spell, read = Table.spell, Table.read

    def __contains__(self, arch: object) -> bool:
        return (
            isinstance(arch, tuple)
            and super().__contains__(arch)
            and arch[0] != 4
            and any(module in (2, 3) for module in arch)
        )

    def factor(self, arch: Architecture) -> tuple[int | None, ...]:
        bits = [(None, None) if module == 4 else divmod(module, 2) for module in arch]
        return (int(arch[1] != 4), *bits[0], *bits[1])

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        raise NotImplementedError


class Layers(LayerWise):
    """Small enough that all members can be built and compared."""

    name = "layers"
    example = "8_c4_1:k3c4x1-k3c4x1_2:k3sc8x1_c8"
    scale = Scale(width=4, depth=1)
    resolutions = (4, 8)
    stems = (4,)
    stages = (
        Stage((4, 6), (1, 1.2, 2), (1, 2), 1, (3,), (False,), ("relu",)),
        Stage((8,), (1, 2), (1, 2, 3), 2, (3, 5), (True,), ("relu",), tied=True),
    )
    heads = (8,)
    divisor = 2
