"""Policies over the decisions of a space: which options are left, how rewards compare, Adam."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.space import Space

Floats = NDArray[np.float64]


class Options:
    """The options of a decision, given the decisions before it: masks that lead to members only."""

    def __init__(self, space: Space) -> None:
        self._all = [np.ones(n, bool) for n in space.choices]
        self._left: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        for arch in () if space.size == prod(space.choices) else space:
            for i, gene in enumerate(arch):
                mask = self._left.setdefault(arch[:i], np.zeros(space.choices[i], bool))
                mask[gene] = True

    def __call__(self, before: Sequence[int]) -> NDArray[np.bool_]:
        """Return a mask (options,) of what may follow these decisions."""
        return self._left[tuple(before)] if self._left else self._all[len(before)]


def softmax(logits: ArrayLike, allowed: ArrayLike) -> Floats:
    """Turn logits (..., options) into probabilities; what is not allowed has exactly 0."""
    masked = np.where(allowed, logits, -inf)
    odds = np.exp(masked - masked.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float64)


class Standard:
    """Standardise scores by mean and deviation of those so far, so that units don't matter.

    A score that is not finite (a training that diverged) counts as the worst that was finite.
    """

    def __init__(self) -> None:
        self._n, self._mean, self._squares, self._worst = 0, 0.0, 0.0, inf

    def __call__(self, score: float) -> float:
        """Take note of a score, and return it standardised."""
        if isfinite(score):
            self._worst = min(self._worst, score)
        elif not isfinite(self._worst):
            return 0.0
        score = score if isfinite(score) else self._worst
        self._n += 1
        distance = score - self._mean
        self._mean += distance / self._n
        self._squares += distance * (score - self._mean)
        deviation = (self._squares / self._n) ** 0.5
        return (score - self._mean) / deviation if deviation > 0 else 0.0


class Average:
    """An exponential moving average without the bias of its first steps."""

    def __init__(self, momentum: float) -> None:
        self._momentum, self._sum, self._weight = momentum, 0.0, 0.0

    def __call__(self, value: float) -> float:
        """Take note of a value, and return the average with it."""
        self._sum = self._momentum * self._sum + (1 - self._momentum) * value
        self._weight = self._momentum * self._weight + (1 - self._momentum)
        return self._sum / self._weight


class Adam:
    """Adam (Kingma & Ba, 2015) on a fixed list of arrays, which it changes in place."""

    def __init__(
        self, arrays: Sequence[Floats], rate: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self.rate = rate
        self._arrays, self._betas, self._steps = arrays, betas, 0
        self._first = [np.zeros_like(array) for array in arrays]
        self._second = [np.zeros_like(array) for array in arrays]
        self._room = [(np.empty_like(array), np.empty_like(array)) for array in arrays]

    def step(self, slopes: Sequence[Floats]) -> None:
        """Go one step down these slopes, one array for each."""
        self._steps += 1
        fade, fade_squares = self._betas
        rate = self.rate / (1 - fade**self._steps)
        scale = (1 - fade_squares**self._steps) ** 0.5
        every = zip(self._arrays, slopes, self._first, self._second, self._room, strict=True)
        for array, slope, first, second, (a, b) in every:  # in place: new arrays would cost half
            first += np.multiply(np.subtract(slope, first, out=a), 1 - fade, out=a)
            np.subtract(np.multiply(slope, slope, out=a), second, out=a)
            second += np.multiply(a, 1 - fade_squares, out=a)
            np.add(np.divide(np.sqrt(second, out=a), scale, out=a), 1e-8, out=a)
            array -= np.divide(np.multiply(first, rate, out=b), a, out=b)
