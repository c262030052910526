"""Spaces small enough to count everything by hand."""

from __future__ import annotations

from nasbench.space import Architecture, Grid, Listed


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
