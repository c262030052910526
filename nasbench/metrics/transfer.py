"""What one task says about another, and what a search gains from it.

Scores of K tasks on the same N architectures are (K, N), more is better; NaN is left out pairwise.
In matrices the row is the source, the column the target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.metrics.ranking import kendall, ranks, top

Floats: TypeAlias = NDArray[np.float64]

DECILE = 0.1


def similarity(
    scores: Floats,
    share: float = 1.0,
    measure: Callable[[Floats, Floats], float] = kendall,
) -> Floats:
    """Correlate every task with every other: (K, K).

    With `share` below 1, over that best part of the *source*'s architectures alone, ties at its
    edge included: over all of them a correlation says little about the best ones, which a search is
    after. That matrix is not symmetric, and its values are lower, because the range is cut.
    """
    tasks = len(scores)
    matrix = np.empty((tasks, tasks))
    for source in range(tasks):
        known = np.sort(scores[source][~np.isnan(scores[source])])[::-1]
        edge = known[max(1, round(share * len(known))) - 1] if len(known) else np.nan
        best = scores[source] >= edge
        for target in range(tasks):
            matrix[source, target] = measure(scores[source, best], scores[target, best])
    return matrix


def overlap(scores: Floats, k: int) -> Floats:
    """Return which share of the k best of one task is among the k best of another: (K, K).

    Ties are as in `nasbench.metrics.resampling.top_resampled`. Raises `BadValue` for k < 1.
    """
    return np.array([[top(source, target, k).overlap for target in scores] for source in scores])


def gain(scratch: Floats, transferred: Floats) -> Floats:
    """Return T(s->t): which share of the regret of a search from scratch a transfer saves.

    Of mean regrets on the target at the same budget, any shapes that fit: 1 is perfect, 0 is no
    gain, below 0 the transfer does harm. Where scratch has no regret left, 0 if the transfer has
    none either, else minus infinity.
    """
    saved = scratch - transferred
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(saved == 0, 0.0, saved / scratch)


def speed_up(curve: Floats, grid: Floats, regret: float, budget: float) -> float:
    """Return how many times the budget of a transfer a search from scratch needs for its regret.

    `curve` (G,) is the mean regret from scratch when so much (G,), increasing, was spent. Infinite
    where the curve never gets there, so that it says "more than grid[-1] / budget".
    """
    reached = np.flatnonzero(curve <= regret)
    return float(grid[reached[0]] / budget) if len(reached) else np.inf


def negative_rate(gains: Floats) -> float:
    """Return the share of ordered pairs of tasks, (K, K) or a list (n,), whose transfer does harm.

    The diagonal and what isn't known (NaN) don't count; NaN where nothing is left.
    """
    pairs = gains[~np.eye(len(gains), dtype=bool)] if gains.ndim == 2 else gains
    pairs = pairs[~np.isnan(pairs)]
    return float((pairs < 0).mean()) if len(pairs) else np.nan


class General(NamedTuple):
    """How good single architectures are over all tasks, (N,) each: percentiles, less is better."""

    mean: Floats
    worst: Floats


def generalisation(scores: Floats) -> General:
    """Return in which best percent of the table each architecture is, over K tasks.

    `nasbench.metrics.regret.percentile` of every task, its mean and its maximum; NaN where a task
    has no score.
    """
    known = np.maximum(1, (~np.isnan(scores)).sum(axis=1))
    percent = 100 * np.array([ranks(score) for score in scores]) / known[:, None]
    return General(percent.mean(axis=0), percent.max(axis=0))
