"""A sampler of Optuna as a search: it suggests, we ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasbench.search import Outcome, Problem, Query, Search, ask
from nasbench.space import Architecture

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TRIES = 20
"""Suggestions that may be known or outside the space, before one is drawn by chance."""


def suggest(
    problem: Problem,
    rng: np.random.Generator,
    sampler: BaseSampler,
    values: Callable[[Outcome], Sequence[float]],
    objectives: int = 1,
) -> Search:
    """Ask what the sampler suggests, each decision a category; `values` are to be made large.

    What was asked before is told again and costs nothing; what is no member of the space is told
    as failed. It ends when the whole space is known.
    """
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
    study = optuna.create_study(sampler=sampler, directions=["maximize"] * objectives)
    optuna.logging.set_verbosity(level)
    space, known = problem.space, dict[Architecture, Sequence[float]]()
    names = [f"decision_{i:02}" for i in range(len(space.choices))]
    grid = {
        name: CategoricalDistribution(tuple(range(n)))
        for name, n in zip(names, space.choices, strict=True)
    }
    while len(known) < space.size:
        for _ in range(TRIES):
            trial = study.ask(dict(grid))
            arch = tuple(trial.params[name] for name in names)
            if arch not in space:
                study.tell(trial, state=TrialState.FAIL)
            elif arch in known:
                study.tell(trial, known[arch])
            else:
                break
        else:
            arch = space.sample(rng)
            while arch in known:
                arch = space.sample(rng)
            study.enqueue_trial(dict(zip(names, arch, strict=True)))
            trial = study.ask(dict(grid))
        known[arch] = values((yield from ask(Query(arch))))
        study.tell(trial, known[arch])
