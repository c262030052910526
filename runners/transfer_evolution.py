"""REA-t of TransNAS-Bench-101 (Duan et al., CVPR 2021): evolution that begins with known good ones.

Regularized evolution (Real et al., 2019) whose first population is what searches on other tasks
found best; each of it is trained on the target, and paid for.

*Our reconstruction*: the paper's settings are not published. The population is that of
`regularized_evolution`; of several sources the best of each come first, in turn; an architecture
comes once, and where the sources have too few the rest is drawn at random.
"""

from __future__ import annotations

from itertools import chain, zip_longest

import numpy as np

from nasbench.parts.evolution import evolve
from nasbench.parts.history import best
from nasbench.search import Problem, Search

needs = {"history"}
twin = "regularized_evolution"


def search(
    problem: Problem, rng: np.random.Generator, *, population: int = 10, tournament: int = 3
) -> Search:
    """Mutate the best of a random few of the living, the first of which are the sources' best."""
    ranked = [[outcome.query.arch for outcome in best(source)] for source in problem.history]
    in_turn = dict.fromkeys(arch for arch in chain(*zip_longest(*ranked)) if arch)
    start = list(in_turn)[: max(0, population)]
    start += [problem.space.sample(rng) for _ in range(population - len(start))]
    yield from evolve(problem.space, rng, start, tournament)
