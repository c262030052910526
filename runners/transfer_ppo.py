"""PPO-t of TransNAS-Bench-101 (Duan et al., CVPR 2021): a policy that was trained on other tasks.

Proximal policy optimization (Schulman et al., 2017) as in `ppo`, whose policy begins with what it
learned from the source; optimizer and baseline begin anew on the target.

*Our reconstruction*: the paper's settings are not published. A search sees what was asked on the
source, not the policy that asked; so the policy is trained on those architectures in their order,
as if it had drawn them. Where the source's method is `ppo` with the same first weights, that makes
the very policy it ended with. Only the longest trainings of a source count. Several sources take
turns, a batch each, every one with an optimizer and a baseline of its own. On the target the
learning rate is `fine_tuning` times that on the source: 1 or 0.1.
"""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from nasbench.parts.controller import Controller
from nasbench.parts.ppo import Learner
from nasbench.search import Outcome, Problem, Search, Source

needs = {"history"}
twin = "ppo"


def longest(source: Source) -> list[Outcome]:
    """Return the longest trainings of a source, in their order."""
    most = max((outcome.cost.epochs for outcome in source.outcomes), default=0)
    return [outcome for outcome in source.outcomes if outcome.cost.epochs == most]


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    batch: int = 5,
    epochs: int = 4,
    clip: float = 0.2,
    learning_rate: float = 1e-3,
    fine_tuning: float = 1.0,
    entropy: float = 0.01,
    momentum: float = 0.95,
    max_norm: float = 0.5,
    hidden: int = 64,
    embedding: int = 32,
) -> Search:
    """Learn from what the sources asked, then go on as PPO does."""
    controller = Controller(problem.space, rng, hidden, embedding)

    def learner(rate: float) -> Learner:
        return Learner(
            controller,
            batch=batch,
            epochs=epochs,
            clip=clip,
            learning_rate=rate,
            entropy=entropy,
            momentum=momentum,
            max_norm=max_norm,
        )

    lessons = [learner(learning_rate).follow(longest(source)) for source in problem.history]
    for _ in zip_longest(*lessons):
        pass
    yield from learner(fine_tuning * learning_rate).explore(rng)
