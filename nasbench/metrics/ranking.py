"""Orders of architectures, and how well two of them agree. Scores are "more is better".

An architecture that lacks one of two scores (NaN) is left out of that pair. Intervals are of the
percentile bootstrap over architectures: 95 %, `DRAWS` resamples unless told otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadValue
from nasbench.metrics.resampling import (
    Top,
    kendall_resampled,
    resamples,
    spearman_resampled,
    top_resampled,
    weighted_resampled,
)
from nasbench.metrics.statistics import Interval, interval

Floats: TypeAlias = NDArray[np.float64]

DRAWS = 1000
K = 10
"""Of how many, first by a score, it is asked how good they are."""


def ranks(score: Floats) -> Floats:
    """Rank scores (N,) from 1 = best: equal ones share the mean of their ranks, NaN stays NaN."""
    from scipy.stats import rankdata

    ranked: Floats = rankdata(-score, nan_policy="omit")
    return ranked


def kendall(a: Floats, b: Floats) -> float:
    """Return Kendall's tau-b (1945) of two scores of the same N architectures.

    Those that lack one of the scores (NaN) are left out; NaN where the rest has no order, because
    fewer than two are left or all have equal scores.
    """
    from scipy.stats import kendalltau

    both = ~(np.isnan(a) | np.isnan(b))
    return float(kendalltau(a[both], b[both]).statistic) if both.sum() > 1 else np.nan


def spearman(a: Floats, b: Floats) -> float:
    """Return Spearman's rho (1904), equal scores sharing the mean of their ranks; as `kendall`."""
    return _alone(spearman_resampled(a[None], b[None], np.ones((1, len(a)))))


def weighted_tau(a: Floats, b: Floats) -> float:
    """Return the weighted tau of Vigna (2015), additive and hyperbolic; NaN as in `kendall`.

    A pair weighs the sum of 1 / rank of its two, so it counts most what is best. The mean over the
    ranks by one score and by the other, which breaks ties of the first.
    """
    return _alone(weighted_resampled(a[None], b[None], np.ones((1, len(a)))))


def top(score: Floats, truth: Floats, k: int = K) -> Top:
    """Say how the first by a score (N,) do by the truth (N,): see `resampling.top_resampled`."""
    _check(k)
    return Top(*map(_alone, top_resampled(score[None], truth[None], np.ones((1, len(score))), k)))


def kendall_matrix(scores: Floats) -> Floats:
    """Return `kendall` of every two of K scores: (K, N) to a symmetric (K, K)."""
    matrix = np.empty((len(scores), len(scores)))
    for i, j in combinations_with_replacement(range(len(scores)), 2):
        matrix[i, j] = matrix[j, i] = kendall(scores[i], scores[j])
    return matrix


@dataclass(frozen=True)
class Agreement:
    """How well a score ranks `n` architectures that have both numbers, each with its interval.

    Taus and rho are from -1 to 1. The others are of `resampling.Top`: shares from 0 to 1, the rank
    of the one selected (1 = best of n), and the regret of the best of the `k` first.
    """

    n: int
    k: int
    kendall: Interval
    spearman: Interval
    weighted_tau: Interval
    precision: Interval
    overlap: Interval
    selected: Interval
    regret: Interval


def agreement(
    score: Floats, truth: Floats, rng: np.random.Generator, k: int = K, draws: int = DRAWS
) -> Agreement:
    """Judge a score (N,) by the truth (N,). Raises `BadValue` for k < 1.

    In a resample one architecture may stand several times, which are ties; ranks and the k first
    are of the resample.
    """
    _check(k)
    both = ~(np.isnan(score) | np.isnan(truth))
    n = int(both.sum())
    one, other = score[both][None], truth[both][None]
    times = np.concatenate([np.ones((1, n)), resamples(n, rng, draws) if n else np.ones((0, 0))])
    every = [
        kendall_resampled(one, other, times),
        spearman_resampled(one, other, times),
        weighted_resampled(one, other, times),
        *top_resampled(one, other, times, k),
    ]
    return Agreement(n, k, *(interval(float(found[0, 0]), found[1:, 0]) for found in every))


def _alone(found: Floats) -> float:
    return float(found[0, 0])


def _check(k: int) -> None:
    if k < 1:
        raise BadValue(f"the {k} first: it must be at least 1")
