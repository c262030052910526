"""NSGA-II (Deb et al., 2002), of Optuna (Akiba et al., 2019): score against cost.

It is Optuna's: non-dominated sorting, crowding, tournaments of two, uniform crossover, a mutation
for one decision on average. The cost is `against`: seconds of training, or a fact that is known of
architectures (`params`, `macs`), or a file of latencies. The paper's population is 100,
Optuna's 50; 20 are for budgets of 50 to 300 queries.

*Our reconstruction*: decisions are categories; what was asked is not asked again, and what is no
member of the space is told as failed.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.pareto import price
from nasbench.parts.trials import suggest
from nasbench.search import Outcome, Problem, Search

needs = {"optuna"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    population: int = 20,
    crossover: float = 0.9,
    against: str = "seconds",
) -> Search:
    """Ask what Optuna breeds."""
    from optuna.samplers import NSGAIISampler

    def values(outcome: Outcome) -> list[float]:
        return [outcome.score, -price(problem, outcome, against)]

    sampler = NSGAIISampler(
        population_size=population, crossover_prob=crossover, seed=int(rng.integers(2**31))
    )
    yield from suggest(problem, rng, sampler, values, objectives=2)
