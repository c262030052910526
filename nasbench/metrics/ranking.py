"""Orders of architectures, and how well two of them agree. Scores are "more is better"."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


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


def kendall_matrix(scores: Floats) -> Floats:
    """Return `kendall` of every two of K scores: (K, N) to a symmetric (K, K)."""
    matrix = np.empty((len(scores), len(scores)))
    for i, j in combinations_with_replacement(range(len(scores)), 2):
        matrix[i, j] = matrix[j, i] = kendall(scores[i], scores[j])
    return matrix


def kendall_resampled(a: Floats, b: Floats, times: Floats) -> Floats:
    """Return `kendall` of K pairs of scores in R resamples of their N architectures.

    Scores (K, N) and (K, N), and how often each architecture was drawn (R, N), give (R, K); drawn
    once each, they give `kendall` itself. Copies of one architecture are ties in both scores, which
    tau-b leaves out. Takes memory and time of N squared: meant for hundreds of architectures.
    """
    taus = np.full((len(times), len(a)), np.nan)
    for k, (one, other) in enumerate(zip(a, b, strict=True)):
        both = ~(np.isnan(one) | np.isnan(other))
        drawn, first, second = times[:, both], _over(one[both]), _over(other[both])
        agree, apart, apart_too = (
            ((drawn @ pairs) * drawn).sum(axis=1)
            for pairs in (first * second, np.abs(first), np.abs(second))
        )
        np.divide(agree, np.sqrt(apart * apart_too), out=taus[:, k], where=apart * apart_too > 0)
    return taus


def resamples(n: int, rng: np.random.Generator, draws: int = 1000) -> Floats:
    """Draw n of n with replacement so often, and count: (draws, n), each row with the sum n."""
    counts: Floats = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    return counts


def _over(score: Floats) -> Floats:
    """Compare every two of N: 1 where the first is better, -1 where it's worse, else 0."""
    first, second = score[:, None], score[None]
    order: Floats = np.subtract(first > second, first < second, dtype=np.float64)
    return order
