"""Regularized evolution (Real et al., AAAI 2019, Algorithm 1): the oldest dies, not the worst.

Faithful: random start, a tournament drawn with replacement, one mutation a child, aging. Defaults
are those of NAS-Bench-201 (population 10, tournament 3); the paper's are 100 and 25. A mutation is
a uniform draw among the space's neighbours.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.evolution import evolve
from nasbench.search import Problem, Search


def search(
    problem: Problem, rng: np.random.Generator, *, population: int = 10, tournament: int = 3
) -> Search:
    """Mutate the best of a random few of the living."""
    start = [problem.space.sample(rng) for _ in range(population)]
    yield from evolve(problem.space, rng, start, tournament)
