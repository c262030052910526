"""Random search (Li & Talwalkar, 2019): draw uniformly over the space, with replacement.

It asks in batches, so that trainings run side by side; the trace is the same whatever their size.
"""

from __future__ import annotations

import numpy as np

from nasbench.search import Problem, Query, Search, ask_all

BATCH = 8


def search(problem: Problem, rng: np.random.Generator) -> Search:
    """Ask for anything."""
    while True:
        yield from ask_all([Query(problem.space.sample(rng)) for _ in range(BATCH)])
