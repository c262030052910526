"""Random search (Li & Talwalkar, 2019): draw uniformly over the space, with replacement."""

from __future__ import annotations

import numpy as np

from nasbench.search import Problem, Query, Search, ask


def search(problem: Problem, rng: np.random.Generator) -> Search:
    """Ask for anything."""
    while True:
        yield from ask(Query(problem.space.sample(rng)))
