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
        anew = {place: int(rng.integers(space.choices[place])) for place in space.decided}
        arch = list(parent())
        for (place, option), swap in zip(anew.items(), rng.random(len(anew)), strict=True):
            arch[place] = option if swap < mutation else arch[place]
        return tuple(arch)

    def crossing() -> Architecture:
        one, other = parent(), parent()
        swaps = rng.random(len(one)) < 0.5
        return tuple(b if swap else a for a, b, swap in zip(one, other, swaps, strict=True))

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
