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

import numpy as np

from nasbench.parts.genetic import evolve
from nasbench.search import Choice, Problem, Training
from nasbench.space import Architecture

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

        def score(arch: Architecture) -> float:
            return float(live.score(net, [arch], recalibrate=recalibrate)[0])

        last = epoch == live.epochs - 1
        best, *_ = evolve(
            space,
            score,
            rng,
            population=population if last else glance,
            generations=generations if last else 1,
            parents=parents,
            mutants=mutants,
            crossings=crossings,
            mutation=mutation,
        )
        yield Choice(best, rank=lambda archs: live.score(net, archs, recalibrate=recalibrate))
