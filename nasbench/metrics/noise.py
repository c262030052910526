"""How much of a result is chance: what training the same network again would change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.metrics.ranking import kendall

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.integer[Any]]

DRAWS = 200


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one training, Kendall's tau of two, and what they rest on.

    `networks` were trained more than once, `runs` times in all. NaN where nothing was.
    """

    std: float
    tau: float
    networks: int
    runs: int


def between_seeds(values: Floats) -> Noise:
    """Compare the columns of values (N, S): S trainings of each of N networks, NaN where none was.

    `std` is the root of the mean over networks of the unbiased variance over their trainings, `tau`
    the mean over every two columns, each over the networks that have both.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    runs = (~np.isnan(values)).sum(axis=1)
    again = values[runs > 1]
    if not len(again):
        return Noise(np.nan, np.nan, 0, 0)
    variance = np.nanvar(again, axis=1, ddof=1)
    taus = [kendall(again[:, i], again[:, j]) for i, j in combinations(range(again.shape[1]), 2)]
    return Noise(_root_mean(variance), _mean(taus), len(again), int(runs[runs > 1].sum()))


def between_runs(values: Floats, network: Whole, rng: np.random.Generator) -> Noise:
    """Compare runs with values (R,) that trained the network of that number (R,); NaN is none.

    Each network that has several runs counts once, however many they are: `std` is the root of the
    mean of their unbiased variances; for `tau`, two different runs of each are drawn, the first and
    the second ones are correlated, and the mean is over `DRAWS` such draws.
    """
    there = np.isfinite(values)
    order = np.argsort(network[there], kind="stable")
    _, first, sizes = np.unique(network[there][order], return_index=True, return_counts=True)
    runs = values[there][order]
    first, sizes = first[sizes > 1], sizes[sizes > 1]
    if not len(sizes):
        return Noise(np.nan, np.nan, 0, 0)
    variance = [runs[i : i + n].var(ddof=1) for i, n in zip(first, sizes, strict=True)]
    taus = []
    for _ in range(DRAWS):
        one = rng.integers(sizes)
        other = (one + rng.integers(1, sizes)) % sizes
        taus.append(kendall(runs[first + one], runs[first + other]))
    return Noise(_root_mean(variance), _mean(taus), len(sizes), int(sizes.sum()))


def _root_mean(variance: Any) -> float:
    return float(np.sqrt(np.mean(variance)))


def _mean(taus: list[float]) -> float:
    known = [tau for tau in taus if tau == tau]
    return float(np.mean(known)) if known else np.nan
