"""TPE (Bergstra et al., NeurIPS 2011), of Optuna (Akiba et al., 2019): draw as the good ones are.

It is Optuna's: a density of the best min(0.1 n, 25) and one of the rest, each decision by itself;
of 24 candidates of the former the one with the largest ratio; 10 random ones to begin with (the
authors' Hyperopt has 20).

*Our reconstruction*: decisions are categories; what was asked is not asked again, and what is no
member of the space is told as failed.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.trials import suggest
from nasbench.search import Problem, Search

needs = {"optuna"}


def search(
    problem: Problem, rng: np.random.Generator, *, startup: int = 10, candidates: int = 24
) -> Search:
    """Ask what Optuna suggests."""
    from optuna.samplers import TPESampler

    if startup < 0 or candidates < 1:
        raise ValueError(f"startup {startup}, candidates {candidates}: at least 0, and at least 1")
    sampler = TPESampler(
        n_startup_trials=startup,
        n_ei_candidates=candidates,
        multivariate=False,
        constant_liar=False,
        seed=int(rng.integers(2**31)),
    )
    yield from suggest(problem, rng, sampler, lambda outcome: [outcome.score])
