"""Proximal policy optimization (Schulman et al., 2017): steps of a policy that stay small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nasbench.parts.controller import Controller, Unrolled
from nasbench.parts.policy import Adam, Average, Floats, Standard
from nasbench.search import Outcome, Query, Search, ask_all


def clipped(ratio: Floats, advantage: Floats, clip: float) -> tuple[Floats, Floats]:
    """Return the objective of equation 7, and its slope by log p: 0 where clipping holds it."""
    free, held = ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage
    return np.minimum(free, held), np.where(free <= held, free, 0.0)


class Learner:
    """Improves a controller in place, with an optimizer and a baseline of its own.

    Rewards are scores, standardised by those so far, less their moving average. Raises `ValueError`
    for a batch or epochs below 1.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        batch: int,
        epochs: int,
        clip: float,
        learning_rate: float,
        entropy: float,
        momentum: float,
        max_norm: float,
    ) -> None:
        if min(batch, epochs) < 1:
            raise ValueError(f"batch {batch}, epochs {epochs}: each must be at least 1")
        self._controller, self._batch, self._epochs = controller, batch, epochs
        self._clip, self._entropy, self._max_norm = clip, entropy, max_norm
        self._optimizer = Adam(controller.arrays, learning_rate)
        self._standard, self._baseline = Standard(), Average(momentum)

    def explore(self, rng: np.random.Generator) -> Search:
        """Draw a few, learn from them, and so on."""
        while True:
            old = self._controller.draw(self._batch, rng)
            archs = [tuple(genes) for genes in old.genes.tolist()]
            self._learn(old, (yield from ask_all([Query(arch) for arch in archs])))

    def follow(self, outcomes: Sequence[Outcome]) -> Iterator[None]:
        """Learn from these as if they had been drawn in this order: a batch at every step."""
        for first in range(0, len(outcomes), self._batch):
            some = outcomes[first : first + self._batch]
            self._learn(self._controller.read([outcome.query.arch for outcome in some]), some)
            yield

    def _learn(self, old: Unrolled, outcomes: Sequence[Outcome]) -> None:
        """Take several small steps towards what was better than usual."""
        size = len(outcomes)
        rewards = [self._standard(outcome.score) for outcome in outcomes]
        advantage = np.array([reward - self._baseline(reward) for reward in rewards])
        for _ in range(self._epochs):
            now = self._controller.read(old.genes)
            _, slope = clipped(np.exp(now.log_p - old.log_p), advantage, self._clip)
            by_entropy = np.full(size, -self._entropy / size)
            slopes = self._controller.slopes(now, -slope / size, by_entropy)
            norm = float(np.sqrt(sum((each**2).sum() for each in slopes)))
            shorter = min(1.0, self._max_norm / (norm + 1e-6))
            self._optimizer.step([each * shorter for each in slopes])
