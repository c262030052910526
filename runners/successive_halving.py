"""Successive halving (Karnin et al., 2013; Jamieson & Talwalkar, 2016): few epochs for many.

Faithful: all start together, and after each rung 1 of `eta` goes on with `eta` times the epochs.
Halving, as in the papers, is `eta=2`.

*Our reconstruction*: a race begins with so many random architectures that one is trained in full,
after `least` epochs for all; then the next race begins. Rungs are whole epochs.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.rungs import brackets, race
from nasbench.search import Problem, Search

needs = {"curves"}


def search(problem: Problem, rng: np.random.Generator, *, eta: int = 2, least: int = 1) -> Search:
    """Run one race after another."""
    last = brackets(problem.epochs, least, eta)
    rungs = [(eta ** (last - i), problem.epochs // eta ** (last - i)) for i in range(last + 1)]
    while True:
        yield from race([problem.space.sample(rng) for _ in range(rungs[0][0])], rungs)
