"""BANANAS (White et al., AAAI 2021): ask what an ensemble expects, or hopes, to be good.

Faithful: 10 random architectures, then batches of 10, each chosen by a new ensemble of 5 networks
on the path encoding of cells, not truncated; each candidate is one mutation away from one of the
best (100 draws each, from the best on, until there are 100 candidates or 5 parents, as in the
authors' code), unseen and listed once; independent Thompson sampling, a score drawn for each from
the normal distribution that the ensemble's mean and deviation say.

*Our reconstruction*: scores are standardised; where architectures are no cells, the encoding is an
indicator for each option; where the parents give no whole batch of candidates, the next best are
parents too. It ends when there is no candidate at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nasbench.parts.policy import Floats
from nasbench.parts.predictors import bananas
from nasbench.search import Problem, Query, Search, ask_all
from nasbench.space import LISTED, Architecture, Space


def candidates(
    space: Space,
    known: Mapping[Architecture, float],
    parents: int,
    mutants: int,
    batch: int,
    rng: np.random.Generator,
) -> list[Architecture]:
    """List unseen mutants of the best known: of each parent itself, not of its mutants."""
    found: dict[Architecture, None] = {}
    for place, parent in enumerate(sorted(known, key=lambda arch: -known[arch])):
        if len(found) >= (max(mutants, batch) if place < parents else batch):
            break
        drawn = (space.mutate(parent, rng) for _ in range(mutants))
        found |= dict.fromkeys(arch for arch in drawn if arch not in known)
    return list(found)


def thompson(opinions: Floats, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which are the best by scores drawn independently, given opinions (members, n)."""
    drawn = opinions.mean(axis=0) + opinions.std(axis=0) * rng.standard_normal(opinions.shape[1])
    return np.argsort(-drawn, kind="stable")[:count]


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    start: int = 10,
    batch: int = 10,
    parents: int = 5,
    mutants: int = 100,
    members: int = 5,
    layers: int = 10,
    width: int = 20,
    epochs: int = 150,
    learning_rate: float = 0.01,
) -> Search:
    """Ask a few, learn from all that is known, and ask the mutants that look good."""
    if min(start, batch, parents, mutants) < 1:
        raise ValueError(
            f"start {start}, batch {batch}, parents {parents}, mutants {mutants}: "
            "each must be at least 1"
        )
    space, known = problem.space, dict[Architecture, float]()
    if space.size > LISTED:
        archs = list(dict.fromkeys(space.sample(rng) for _ in range(start)))
    else:
        first = rng.choice(len(space), min(start, len(space)), replace=False)
        archs = [space.at(i) for i in first.tolist()]
    while archs:
        outcomes = yield from ask_all([Query(arch) for arch in archs])
        known |= {outcome.query.arch: outcome.score for outcome in outcomes}
        archs = candidates(space, known, parents, mutants, batch, rng)
        if archs:
            ensemble = bananas(space, rng, members, layers, width, epochs, learning_rate)
            ensemble.fit(list(known), list(known.values()))
            archs = [archs[i] for i in thompson(ensemble.opinions(archs), batch, rng)]
