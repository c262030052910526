"""A recurrent policy: an LSTM that makes one decision of an architecture after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench.parts.policy import Floats, Options, softmax
from nasbench.space import Architecture, Space


@dataclass(frozen=True)
class Unrolled:
    """What a pass over B architectures made: genes (B, decisions), of each decision p (B, n).

    `log_p` and `entropy` are (B,), summed over the decisions; `steps` is what `slopes` needs.
    """

    genes: NDArray[np.int64]
    probabilities: list[Floats]
    log_p: Floats
    entropy: Floats
    steps: list[Any]


class Controller:
    """Logits of each decision from an LSTM that is fed the decision before (Zoph & Le, 2017).

    `arrays` are its parameters, in the order in which `slopes` returns theirs. Raises `ValueError`
    for a size below 1.
    """

    def __init__(
        self, space: Space, rng: np.random.Generator, hidden: int = 64, embedding: int = 32
    ) -> None:
        if min(hidden, embedding) < 1:
            raise ValueError(f"hidden {hidden}, embedding {embedding}: each must be at least 1")
        self._choices, self._options, self._hidden = space.choices, Options(space), hidden
        self._offsets = list(accumulate(space.choices, initial=1))  # token 0 begins

        def uniform(*shape: int) -> Floats:
            return rng.uniform(-0.1, 0.1, shape)

        bias = np.zeros(4 * hidden)
        bias[hidden : 2 * hidden] = 1  # the forget gate begins open
        self._embed, self._bias = uniform(self._offsets[-1], embedding), bias
        self._weight = uniform(embedding + hidden, 4 * hidden)
        self._heads = [uniform(hidden + 1, n) for n in space.choices]  # the last row is the bias
        self.arrays = [self._embed, self._weight, self._bias, *self._heads]

    def draw(self, count: int, rng: np.random.Generator) -> Unrolled:
        """Draw so many architectures."""

        def pick(_: int, p: Floats) -> NDArray[np.int64]:
            return np.array([rng.choice(len(row), p=row) for row in p])

        return self._unroll(count, pick)

    def read(self, archs: Sequence[Architecture] | NDArray[np.int64]) -> Unrolled:
        """Say how likely these architectures are."""
        genes = np.asarray(archs)
        return self._unroll(len(genes), lambda i, _: genes[:, i])

    def _unroll(self, count: int, pick: Callable[[int, Floats], NDArray[np.int64]]) -> Unrolled:
        h = c = np.zeros((count, self._hidden))
        genes = np.zeros((count, len(self._choices)), np.int64)
        log_p, entropy = np.zeros(count), np.zeros(count)
        probabilities: list[Floats] = []
        steps: list[Any] = []
        tokens = np.zeros(count, np.int64)
        for i, head in enumerate(self._heads):
            fed = np.concatenate([self._embed[tokens], h], axis=1)
            gates = np.split(fed @ self._weight + self._bias, 4, axis=1)
            enter, keep, leave = (1 / (1 + np.exp(-gate)) for gate in gates[:3])
            new = np.tanh(gates[3])
            before, c = c, keep * c + enter * new
            squashed = np.tanh(c)
            h = leave * squashed
            allowed = np.array([self._options(row[:i]) for row in genes.tolist()])
            p = softmax(h @ head[:-1] + head[-1], allowed)
            genes[:, i] = pick(i, p)
            log_p += np.log(p[np.arange(count), genes[:, i]])
            entropy -= (p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
            probabilities.append(p)
            steps.append((tokens, fed, enter, keep, leave, new, before, squashed, h))
            tokens = self._offsets[i] + genes[:, i]
        return Unrolled(genes, probabilities, log_p, entropy, steps)

    def slopes(self, unrolled: Unrolled, by_log_p: Floats, by_entropy: Floats) -> list[Floats]:
        """Return the slope of a loss by each of `arrays`, given its slopes (B,) by the two sums."""
        embed, weight, bias = map(np.zeros_like, (self._embed, self._weight, self._bias))
        heads = [np.zeros_like(head) for head in self._heads]
        count = len(by_log_p)
        d_h = d_c = np.zeros((count, self._hidden))
        for i in reversed(range(len(heads))):
            tokens, fed, enter, keep, leave, new, before, squashed, h = unrolled.steps[i]
            p = unrolled.probabilities[i]
            log = np.log(np.where(p > 0, p, 1))
            own_entropy = -(p * log).sum(axis=1, keepdims=True)
            chosen = np.zeros_like(p)
            chosen[np.arange(count), unrolled.genes[:, i]] = 1
            d_logits = by_log_p[:, None] * (chosen - p)
            d_logits -= by_entropy[:, None] * p * (log + own_entropy)
            heads[i][:-1], heads[i][-1] = h.T @ d_logits, d_logits.sum(axis=0)
            d_h = d_h + d_logits @ self._heads[i][:-1].T
            d_c = d_c + d_h * leave * (1 - squashed**2)
            d_gates = np.concatenate(
                [
                    d_c * new * enter * (1 - enter),
                    d_c * before * keep * (1 - keep),
                    d_h * squashed * leave * (1 - leave),
                    d_c * enter * (1 - new**2),
                ],
                axis=1,
            )
            weight += fed.T @ d_gates
            bias += d_gates.sum(axis=0)
            d_fed = d_gates @ self._weight.T
            np.add.at(embed, tokens, d_fed[:, : -self._hidden])
            d_h, d_c = d_fed[:, -self._hidden :], d_c * keep
        return [embed, weight, bias, *heads]
