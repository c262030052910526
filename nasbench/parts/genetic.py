"""Evolution of a whole population at a time, as in SPOS (Guo et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nasbench.parts.within import Within
from nasbench.space import Architecture, Space


def evolve(
    space: Space,
    score: Callable[[Architecture], float],
    rng: np.random.Generator,
    *,
    population: int,
    generations: int,
    parents: int,
    mutants: int,
    crossings: int,
    mutation: float,
    within: Within | None = None,
) -> list[Architecture]:
    """Return all that lived, the best first; each is scored once, more is better.

    The first population is drawn; each next one has children of the best `parents` of all before:
    `mutants`, of which each decision is drawn anew with the probability `mutation`, and
    `crossings` of two, decision by decision; the rest is drawn. Who is no member of the space, or
    not `within` limits, is drawn again.
    """
    members = space if within is None else within
    known: dict[Architecture, float] = {}

    def note(some: list[Architecture]) -> None:
        for arch in some:
            if arch not in known:
                known[arch] = score(arch)

    def parent() -> Architecture:
        return best[int(rng.integers(len(best)))]

    def mutant() -> Architecture:
        anew = [int(rng.integers(n)) for n in space.choices]
        return _mixed(parent(), anew, rng.random(len(anew)) < mutation)

    def crossing() -> Architecture:
        one, other = parent(), parent()
        return _mixed(one, other, rng.random(len(one)) < 0.5)

    def member(draw: Callable[[], Architecture]) -> Architecture:
        while (arch := draw()) not in members:
            pass
        return arch

    note([members.sample(rng) for _ in range(population)])
    for _ in range(generations - 1):
        best = sorted(known, key=known.__getitem__, reverse=True)[:parents]
        some = [member(mutant) for _ in range(mutants)]
        some += [member(crossing) for _ in range(crossings)]
        note(some + [members.sample(rng) for _ in range(population - len(some))])
    return sorted(known, key=known.__getitem__, reverse=True)


def _mixed(one: Architecture, other: Architecture | list[int], where: np.ndarray) -> Architecture:
    return tuple(b if swap else a for a, b, swap in zip(one, other, where, strict=True))
