"""Local search (White et al., UAI 2021): walk uphill, start again at the top.

Faithful: start from the best of `starts` random architectures, look at the neighbours in random
order and move to the first that is better or, with `first=False`, to the best of all; at a local
optimum start again. As in the authors' code, what was asked once is remembered, not asked again.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from nasbench.search import Answered, Asked, Problem, Query, Search, ask
from nasbench.space import Architecture


def search(
    problem: Problem, rng: np.random.Generator, *, starts: int = 10, first: bool = True
) -> Search:
    """Climb from the best of a few, again and again, until the whole space is known."""
    if starts < 1:
        raise ValueError(f"starts is {starts}: it must be at least 1")
    space = problem.space
    seen: dict[Architecture, float] = {}

    def score(arch: Architecture) -> Generator[Asked, Answered, float]:
        if arch not in seen:
            seen[arch] = (yield from ask(Query(arch))).score
        return seen[arch]

    while len(seen) < space.size:
        here, height = None, -np.inf
        for _ in range(starts):
            arch = space.sample(rng)
            if (there := (yield from score(arch))) > height:
                here, height = arch, there
        while here is not None:
            near = space.neighbours(here)
            here = None
            for i in rng.permutation(len(near)).tolist():
                if (there := (yield from score(near[i]))) > height:
                    here, height = near[i], there
                    if first:
                        break
