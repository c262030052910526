"""Regularized evolution (Real et al., 2019) with the order of NSGA-II (Deb et al., 2002).

*Our reconstruction* of multi-objective evolution for tables: a population whose oldest dies, and
tournaments that are won by the front an architecture is in and, within it, by how far its
neighbours are apart. One objective is the score, the other `against`: seconds of training, or a
fact that is known of architectures (`params`, `macs`), or a file of latencies.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from nasbench.parts.pareto import crowding, fronts, price
from nasbench.search import Outcome, Problem, Query, Search, ask, ask_all


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    population: int = 20,
    tournament: int = 3,
    against: str = "seconds",
) -> Search:
    """Mutate one of the living that few others are better than."""
    if population < 1 or tournament < 1:
        raise ValueError(f"population {population}, tournament {tournament}: at least 1 each")
    space = problem.space

    def point(outcome: Outcome) -> tuple[float, float]:
        return outcome.score, -price(problem, outcome, against)

    start = yield from ask_all([Query(space.sample(rng)) for _ in range(population)])
    living = deque(((o.query.arch, point(o)) for o in start), maxlen=population)
    while True:
        points = [at for _, at in living]
        front = fronts(points)
        apart = crowding(points, front)
        few = rng.integers(population, size=tournament).tolist()
        parent, _ = living[min(few, key=lambda i: (front[i], -apart[i]))]
        child = yield from ask(Query(space.mutate(parent, rng)))
        living.append((child.query.arch, point(child)))
