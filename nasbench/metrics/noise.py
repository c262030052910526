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


def separation(scores: Floats) -> tuple[float, float]:
    """Return by how many standard deviations of one training the best stands above the median.

    Of scores (N, S), more is better, of the networks with all S trainings. The first number takes
    the best mean of the S as it is; the best of many noisy means has had luck, so it is too high.
    For the second, all trainings but one choose the best, and the one left out says its score and
    the median; the mean over which one is left out. What was chosen is at most as good as the best
    there is, so it is rather too low. NaN where the noise is not known, S < 2.
    """
    known = scores[~np.isnan(scores).any(axis=1)]
    if scores.shape[1] < 2 or not len(known):
        return np.nan, np.nan
    means, apart = known.mean(axis=1), []
    with np.errstate(divide="ignore", invalid="ignore"):  # all equal, or most of them infinite
        for left in range(known.shape[1]):
            chosen = np.delete(known, left, axis=1).mean(axis=1).argmax()
            apart.append(known[chosen, left] - np.median(known[:, left]))
        both = np.array([means.max() - np.median(means), np.mean(apart)])
        high, low = both / between_seeds(known).std
    return float(high), float(low)


def ceiling(tau: float, other: float) -> float:
    """Return what tau between single trainings of two tables can reach, of tau between two of each.

    A training agrees with the truth behind it as the square root of its reliability, so two tables
    of one truth agree as the product of the two roots. Negative ones count as 0, NaN stays.
    """
    return float(np.sqrt(np.maximum(tau, 0)) * np.sqrt(np.maximum(other, 0)))


def averaged(tau: float, runs: float) -> float:
    """Return tau between means of `runs` trainings each, of tau between two single ones.

    By the formula of Spearman and Brown (1910), on the correlation of normal scores that has this
    tau, sin(pi tau / 2). Negative ones count as 0, NaN stays.
    """
    one = np.sin(np.pi / 2 * np.maximum(tau, 0))
    return float(2 / np.pi * np.arcsin(runs * one / (1 + (runs - 1) * one)))


def _root_mean(variance: Any) -> float:
    return float(np.sqrt(np.mean(variance)))


def _mean(taus: list[float]) -> float:
    known = [tau for tau in taus if tau == tau]
    return float(np.mean(known)) if known else np.nan
