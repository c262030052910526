"""REINFORCE (Williams, 1992) as in NAS-Bench-201 (Dong & Yang, 2020): learn which options to draw.

Faithful to that code: logits of each decision by themselves, from 1e-3 N(0, 1); one architecture a
step; the advantage over a moving average that already holds the reward; Adam. NATS-Bench's rate is
0.01, NAS-Bench-201's 0.001.

*Our reconstruction*: the reward is standardised by the scores so far, because tasks have other
units than percent; where not all combinations exist, options that lead to none have probability 0.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.policy import Adam, Average, Options, Standard, softmax
from nasbench.search import Problem, Query, Search, ask


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
) -> Search:
    """Draw, and make it likelier if it was better than usual."""
    if not learning_rate > 0 or not 0 <= momentum < 1:
        raise ValueError(
            f"learning_rate {learning_rate}, momentum {momentum}: the one must be more than 0, "
            "the other from 0 to less than 1"
        )
    options = Options(problem.space)
    logits = [1e-3 * rng.standard_normal(n) for n in problem.space.choices]
    standard, baseline = Standard(), Average(momentum)
    optimizer = Adam(logits, learning_rate)
    while True:
        arch: list[int] = []
        slopes = []  # of -log p, by the logits
        for row in logits:
            p = softmax(row, options(arch))
            arch.append(int(rng.choice(len(p), p=p)))
            p[arch[-1]] -= 1
            slopes.append(p)
        reward = standard((yield from ask(Query(tuple(arch)))).score)
        advantage = reward - baseline(reward)
        optimizer.step([advantage * slope for slope in slopes])
