"""SPOS, single path one-shot (Guo et al., ECCV 2020).

The supernet is trained on one uniformly drawn path a step; then an evolutionary search asks it
which architectures are good. Faithful: uniform paths; a population of 50, 20 generations, the 10
best as parents of 25 by mutation (each decision is drawn anew with a probability of 0.1) and 25 by
crossover, the rest by chance; batch normalization recalibrated for each architecture.

*Our reconstruction*: the optimizer (`OneShot.optimizer`); 4 batches recalibrate where the paper has
200; no limit on FLOPs; whoever is no member is drawn again; the choice before the last epoch is the
best of few that are drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture, Space

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    population: int = 50,
    generations: int = 20,
    parents: int = 10,
    mutants: int = 25,
    crossings: int = 25,
    mutation: float = 0.1,
    recalibrate: int = 4,
    glance: int = 20,
) -> Training:
    """Train on uniform paths, evolve at the end; `glance` are drawn for the choices before it."""
    live, space = problem.live, problem.space
    assert live is not None
    net = live.supernet()
    weights = live.optimizer(net)
    live.keep(net=net, weights=weights)
    for epoch in live.rounds():
        for (batch,) in live.batches():
            loss = live.loss(net(batch.x, space.sample(rng)), batch.target)
            weights.zero_grad()
            loss.backward()
            weights.step()
            live.samples += 1

        known: dict[Architecture, float] = {}

        def score(arch: Architecture, known: dict[Architecture, float] = known) -> float:
            if arch not in known:
                (known[arch],) = live.score(net, [arch], recalibrate=recalibrate)
            return known[arch]

        some = [space.sample(rng) for _ in range(glance)]
        if epoch == live.epochs - 1:
            some = [space.sample(rng) for _ in range(population)]
            for _ in range(generations - 1):
                best = sorted(known | dict.fromkeys(some), key=score, reverse=True)[:parents]
                some = _children(space, best, rng, population, mutants, crossings, mutation)
        for arch in some:
            score(arch)
        yield Choice(
            max(known, key=known.__getitem__),
            rank=lambda archs: live.score(net, archs, recalibrate=recalibrate),
        )


def _children(
    space: Space,
    parents: list[Architecture],
    rng: np.random.Generator,
    population: int,
    mutants: int,
    crossings: int,
    mutation: float,
) -> list[Architecture]:
    """Return the next population."""

    def parent() -> Architecture:
        return parents[int(rng.integers(len(parents)))]

    def mutant() -> Architecture:
        anew = [int(rng.integers(n)) for n in space.choices]
        return _mixed(parent(), anew, rng.random(len(anew)) < mutation)

    def crossing() -> Architecture:
        one, other = parent(), parent()
        return _mixed(one, other, rng.random(len(one)) < 0.5)

    made = [_member(space, mutant) for _ in range(mutants)]
    made += [_member(space, crossing) for _ in range(crossings)]
    return made + [space.sample(rng) for _ in range(population - len(made))]


def _mixed(one: Architecture, other: Architecture | list[int], where: np.ndarray) -> Architecture:
    return tuple(b if swap else a for a, b, swap in zip(one, other, where, strict=True))


def _member(space: Space, draw: Callable[[], Architecture]) -> Architecture:
    while (arch := draw()) not in space:
        pass
    return arch
