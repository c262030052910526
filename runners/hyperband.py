"""Hyperband (Li et al., JMLR 2018): successive halving, from its most daring form to its safest.

Faithful: s_max and the sizes of brackets as in Algorithm 1, eta 3, brackets from s_max to 0 and
again. *Our reconstruction*: rungs are whole epochs, rounded down; the last is the full length.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.rungs import bracket, brackets, race
from nasbench.search import Problem, Search

needs = {"curves"}


def search(problem: Problem, rng: np.random.Generator, *, eta: int = 3, least: int = 1) -> Search:
    """Run one bracket after another, on random architectures."""
    while True:
        for s in reversed(range(brackets(problem.epochs, least, eta) + 1)):
            rungs = bracket(s, problem.epochs, least, eta)
            yield from race([problem.space.sample(rng) for _ in range(rungs[0][0])], rungs)
