"""PPO (Schulman et al., 2017), a baseline of TransNAS-Bench-101: policy steps that stay small.

Faithful to Schulman et al.: the clipped objective of equation 7, several epochs on each batch, an
entropy bonus.

*Our reconstruction*: TransNAS-Bench-101's settings are not published. Decisions are made in order
by an LSTM (64 units, embeddings of 32); batches of 5 architectures, 4 epochs; rewards standardised
by the scores so far, less their moving average; options that lead to no member have probability 0.
"""

from __future__ import annotations

import numpy as np

from nasbench.parts.controller import Controller
from nasbench.parts.policy import Adam, Average, Floats, Standard
from nasbench.search import Problem, Query, Search, ask_all


def clipped(ratio: Floats, advantage: Floats, clip: float) -> tuple[Floats, Floats]:
    """Return the objective of equation 7, and its slope by log p: 0 where clipping holds it."""
    free, held = ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage
    return np.minimum(free, held), np.where(free <= held, free, 0.0)


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    batch: int = 5,
    epochs: int = 4,
    clip: float = 0.2,
    learning_rate: float = 1e-3,
    entropy: float = 0.01,
    momentum: float = 0.95,
    max_norm: float = 0.5,
    hidden: int = 64,
    embedding: int = 32,
) -> Search:
    """Draw a few, then take several small steps towards what was better than usual."""
    if min(batch, epochs, hidden, embedding) < 1:
        raise ValueError(
            f"batch {batch}, epochs {epochs}, hidden {hidden}, embedding {embedding}: "
            "each must be at least 1"
        )
    controller = Controller(problem.space, rng, hidden, embedding)
    optimizer = Adam(controller.arrays, learning_rate)
    standard, baseline = Standard(), Average(momentum)
    while True:
        old = controller.draw(batch, rng)
        archs = [tuple(genes) for genes in old.genes.tolist()]
        outcomes = yield from ask_all([Query(arch) for arch in archs])
        rewards = [standard(outcome.score) for outcome in outcomes]
        advantage = np.array([reward - baseline(reward) for reward in rewards])
        for _ in range(epochs):
            now = controller.read(old.genes)
            _, slope = clipped(np.exp(now.log_p - old.log_p), advantage, clip)
            slopes = controller.slopes(now, -slope / batch, np.full(batch, -entropy / batch))
            norm = float(np.sqrt(sum((each**2).sum() for each in slopes)))
            optimizer.step([each * min(1.0, max_norm / (norm + 1e-6)) for each in slopes])
