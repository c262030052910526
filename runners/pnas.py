"""PNAS (Liu et al., ECCV 2018): from simple to complex, the next size chosen by a surrogate.

Faithful: all of the smallest size are trained; then, size by size, of everything that is the best
`beam` and one piece more the `beam` best by the surrogate, which learns from all that is known and
goes on from where it was. The surrogate is the paper's ensemble of 5 MLPs on averaged tokens, each
without a fifth of the data, absolute error, Adam at 0.01 and later at 0.002.

*Our reconstruction*: the sizes. Cells have 1, 2 and 3 nodes behind the input, and a smaller one is
the cell whose last node leads to the output by an identity and whose other edges are zero: the
same network. Macro networks of TransNAS-Bench-101 have 4, 5 and 6 modules; elsewhere decisions are
made one by one, open ones taking their last option (of widths the largest). If there are more than
`first` of the smallest size, so many at random. A beam of 16 fits budgets of 50 (the paper's is
256). Scores are standardised where the paper has a sigmoid; tokens say the place too; 100 epochs
of batches of 32. After the last size the next best of it are asked, as long as there are any.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.predictors import pnas
from nasbench.search import Problem, Query, Search, ask_all
from nasbench.space import Architecture


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    beam: int = 16,
    first: int = 16,
    members: int = 5,
    width: int = 100,
    epochs: int = 100,
    learning_rate: float = 0.01,
    later_rate: float = 0.002,
) -> Search:
    """Let the best grow, and train those that promise most."""
    if min(beam, first) < 1 or not later_rate > 0:
        raise ValueError(
            f"beam {beam}, first {first}, later_rate {later_rate}: the first two must be at least "
            "1, the rate more than 0"
        )
    space, known = problem.space, dict[Architecture, float]()
    surrogate = pnas(space, rng, members, width, epochs, learning_rate)
    asked: set[Architecture] = set()
    pool = space.grow(())
    parts = [pool[i] for i in rng.permutation(len(pool))[:first].tolist()]
    while parts:
        outcomes = yield from ask_all([Query(space.complete(part)) for part in parts])
        asked |= {outcome.query.arch for outcome in outcomes}
        known |= {part: outcome.score for part, outcome in zip(parts, outcomes, strict=True)}
        surrogate.fit(list(known), list(known.values()))
        surrogate.rate = later_rate
        best = sorted(parts, key=lambda part: -known[part])[:beam]
        grown = dict.fromkeys(more for part in best for more in space.grow(part))
        pool = [part for part in grown or pool if space.complete(part) not in asked]
        if pool:
            order = np.argsort(-surrogate.predict(pool), kind="stable")
            parts = [pool[i] for i in order[:beam].tolist()]
        else:
            parts = []
