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
