"""Regularized evolution (Real et al., 2019) from any start: the oldest dies, not the worst."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from nasbench.search import Outcome, Query, Search, ask, ask_all
from nasbench.space import Architecture, Space


def evolve(
    space: Space, rng: np.random.Generator, start: Sequence[Architecture], tournament: int
) -> Search:
    """Ask for the start, then for mutations of the best of a random few of the living.

    Raises `ValueError` for an empty start or tournament.
    """
    population = len(start)
    if population < 1 or tournament < 1:
        raise ValueError(f"population {population}, tournament {tournament}: at least 1 each")
    first = yield from ask_all([Query(arch) for arch in start])
    living: deque[Outcome] = deque(first, maxlen=population)
    while True:
        few = [living[i] for i in rng.integers(population, size=tournament).tolist()]
        parent = max(few, key=lambda outcome: outcome.score)
        living.append((yield from ask(Query(space.mutate(parent.query.arch, rng)))))
