"""Several objectives at once: non-dominated sorting, crowding, and what an architecture costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.parts.policy import Floats
from nasbench.parts.within import fact
from nasbench.search import Outcome, Problem


def price(problem: Problem, outcome: Outcome, name: str) -> float:
    """Return the seconds of its training, or another `fact` about it (`macs`): less is better.

    Raises `ValueError` for what is not known.
    """
    return fact(problem, outcome.query.arch, name, outcome.cost.seconds)


def fronts(points: ArrayLike) -> NDArray[np.int64]:
    """Number the fronts of points (n, objectives), more is better: 0 is dominated by none (n,).

    Equal points do not dominate each other (Deb et al., 2002, section III).
    """
    these = np.asarray(points, float)
    as_good = np.all(these[:, None] >= these, axis=2)
    dominates: NDArray[np.bool_] = np.asarray(as_good & np.any(these[:, None] > these, axis=2))
    front = np.full(len(these), -1)
    number = 0
    while (left := front < 0).any():
        front[left & ~dominates[left].any(axis=0)] = number
        number += 1
    return front


def crowding(points: ArrayLike, front: ArrayLike) -> Floats:
    """Return how far each point's neighbours in its front are apart (n,); infinite at the ends.

    Distances are relative to the extent of the front in each objective; what is not finite counts
    as the least that is.
    """
    these, number = np.asarray(points, float), np.asarray(front)
    distance = np.zeros(len(these))
    for which in np.unique(number):
        members = np.flatnonzero(number == which)
        for column in these[members].T:
            finite = np.isfinite(column)
            least = column[finite].min() if finite.any() else 0.0
            values = np.where(finite, column, least)
            order = np.argsort(values, kind="stable")
            ordered, ranked = values[order], members[order]
            distance[ranked[[0, -1]]] = np.inf
            if (extent := ordered[-1] - ordered[0]) > 0:
                distance[ranked[1:-1]] += (ordered[2:] - ordered[:-2]) / extent
    return distance
