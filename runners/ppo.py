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
from nasbench.parts.ppo import Learner
from nasbench.search import Problem, Search


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
    controller = Controller(problem.space, rng, hidden, embedding)
    learner = Learner(
        controller,
        batch=batch,
        epochs=epochs,
        clip=clip,
        learning_rate=learning_rate,
        entropy=entropy,
        momentum=momentum,
        max_norm=max_norm,
    )
    yield from learner.explore(rng)
