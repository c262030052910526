"""Regularized evolution (Real et al., AAAI 2019, Algorithm 1): the oldest dies, not the worst.

Faithful: random start, a tournament drawn with replacement, one mutation a child, aging. Defaults
are those of NAS-Bench-201 (population 10, tournament 3); the paper's are 100 and 25. A mutation is
a uniform draw among the space's neighbours.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from nasbench.search import Outcome, Problem, Query, Search, ask, ask_all


def search(
    problem: Problem, rng: np.random.Generator, *, population: int = 10, tournament: int = 3
) -> Search:
    """Mutate the best of a random few of the living."""
    if population < 1 or tournament < 1:
        raise ValueError(f"population {population}, tournament {tournament}: at least 1 each")
    space = problem.space
    start = [Query(space.sample(rng)) for _ in range(population)]
    living: deque[Outcome] = deque((yield from ask_all(start)), maxlen=population)
    while True:
        few = [living[i] for i in rng.integers(population, size=tournament).tolist()]
        parent = max(few, key=lambda outcome: outcome.score)
        living.append((yield from ask(Query(space.mutate(parent.query.arch, rng)))))
