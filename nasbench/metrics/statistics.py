"""What many runs come to. The first axis is the runs; NaN in any of them makes the result NaN.

To leave a NaN out would be to average over those runs alone that happened to be measured.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

FEWEST = 10
"""Runs below which a bootstrap interval holds the true mean clearly less often than it says."""

_DRAWN_AT_ONCE = 1 << 20


class Interval(NamedTuple):
    """A number, and its percentile-bootstrap interval; NaN if unknown."""

    value: float
    low: float
    high: float


def interval(value: float, resampled: Floats, level: float = 0.95) -> Interval:
    """Put a number together with the interval that its resampled values (R,) give.

    Resamples in which it has no value (NaN) are left out; NaN where it has none itself.
    """
    known = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not len(known):
        return Interval(value, np.nan, np.nan)
    with np.errstate(invalid="ignore"):  # the way from one infinite value to another is NaN
        low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, float(low), float(high))


class Friedman(NamedTuple):
    """What Friedman (1937) and Nemenyi (1963) say of M methods on T tasks.

    `rank` (M,) are mean ranks over tasks, 1 = best, equal ones sharing the mean of theirs;
    `statistic` and `p` are of the hypothesis that all methods are alike; `pairs` (M, M) are p of
    every two, corrected for their number. Mean ranks that differ by less than `critical` are not
    told apart. All but `rank` are NaN for fewer than three methods or two tasks.
    """

    rank: Floats
    statistic: float
    p: float
    pairs: Floats
    critical: float


class Summary(NamedTuple):
    """Of values (R, ...), each (...); `std` divides by R - 1, so that of one run it is NaN."""

    mean: Floats
    std: Floats
    low_quartile: Floats
    median: Floats
    high_quartile: Floats


def summarise(values: Floats) -> Summary:
    """Summarise values (R, ...) over at least one run; quartiles are interpolated linearly."""
    with np.errstate(invalid="ignore"):  # the way from one infinite value to another is NaN
        std = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
        return Summary(values.mean(axis=0), std, *np.percentile(values, (25, 50, 75), axis=0))


def bootstrap_interval(
    values: Floats, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile-bootstrap interval (Efron, 1979) of the mean of values (R,).

    NaN for a single run, which says nothing about how far another would be from it; too narrow for
    fewer than `FEWEST`.
    """
    if len(values) < 2:
        return np.nan, np.nan
    at_once = max(1, _DRAWN_AT_ONCE // len(values))
    means = np.empty(resamples)
    for first in range(0, resamples, at_once):
        part = means[first : first + at_once]
        part[:] = values[rng.integers(len(values), size=(len(part), len(values)))].mean(axis=1)
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def interquartile_mean(values: Floats) -> float:
    """Return the mean of the middle half of values of any shape (Agarwal et al., 2021).

    A quarter of them, rounded down, is left out at either end. NaN for none, or with a NaN.
    """
    ordered = np.sort(values, axis=None)
    if not len(ordered) or np.isnan(ordered[-1]):
        return np.nan
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def interquartile_interval(
    values: Floats, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Return the interquartile mean of values (R, T) of R runs on each of T tasks.

    With its stratified percentile-bootstrap interval: runs are drawn within each task. Normalise
    the values before, so that tasks can be pooled. NaN as in `interquartile_mean`, and no interval
    for a single run.
    """
    value, (runs, tasks) = interquartile_mean(values), values.shape
    if runs < 2 or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    at_once, cut = max(1, _DRAWN_AT_ONCE // values.size), values.size // 4
    means = np.empty(resamples)
    for first in range(0, resamples, at_once):
        part = means[first : first + at_once]
        drawn = rng.integers(runs, size=(len(part), runs, tasks))
        ordered = np.sort(values[drawn, np.arange(tasks)].reshape(len(part), -1), axis=1)
        part[:] = ordered[:, cut : values.size - cut].mean(axis=1)
    return interval(value, means, level)


def holm(p: Floats) -> Floats:
    """Correct p values (K,) for their number as Holm (1979) does; NaN is not counted, and stays."""
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
    return corrected


def paired_tests(values: Floats) -> Floats:
    """Compare M methods in pairs over N paired results (M, N), as of equal seeds: p, (M, M).

    The two-sided signed-rank test of Wilcoxon (1945), corrected by Holm for the number of pairs.
    Equal results of a pair are left out; where all are equal, p is 1. NaN on the diagonal, and for
    two of which no pair of results is known; one that lacks a result is left out.
    """
    methods = len(values)
    pairs = list(combinations(range(methods), 2))
    p = np.full(len(pairs), np.nan)
    for place, (one, other) in enumerate(pairs):
        with np.errstate(invalid="ignore"):  # two infinite results have no difference
            difference = values[one] - values[other]
        difference = difference[~np.isnan(difference)]
        if len(difference):
            p[place] = _signed_rank(difference) if difference.any() else 1.0
    matrix = np.full((methods, methods), np.nan)
    for (one, other), corrected in zip(pairs, holm(p), strict=True):
        matrix[one, other] = matrix[other, one] = corrected
    return matrix


def _signed_rank(difference: Floats) -> float:
    """Return p of scipy's `wilcoxon`, which calls its statistic 2^n times for few with ties."""
    from scipy.stats import permutation_test, rankdata, wilcoxon

    size = np.abs(difference)
    if len(difference) > 13 or len(np.unique(size[size > 0])) == len(size):
        return float(wilcoxon(difference).pvalue)
    if np.count_nonzero(size) == 1:
        return 1.0

    def positive(x: Floats, axis: int) -> Floats:
        total: Floats = (rankdata(np.abs(x), axis=axis) * (x > 0)).sum(axis)
        return total

    signs: Any = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
    return float(permutation_test((difference[size > 0],), positive, **signs).pvalue)


def friedman(scores: Floats, alpha: float = 0.05) -> Friedman:
    """Compare M methods over T tasks by scores (M, T), more is better, with critical difference.

    Tasks on which a method has no score (NaN) are left out, for all.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    whole = scores[:, ~np.isnan(scores).any(axis=0)]
    methods, tasks = whole.shape
    rank = rankdata(-whole, axis=0).mean(axis=1) if tasks else np.full(methods, np.nan)
    if methods < 3 or tasks < 2:
        return Friedman(rank, np.nan, np.nan, np.full((methods, methods), np.nan), np.nan)
    with np.errstate(invalid="ignore"):  # all equal on every task
        told = friedmanchisquare(*whole)
    unit = np.sqrt(methods * (methods + 1) / (12 * tasks))
    apart = np.abs(rank[:, None] - rank[None]) / unit
    pairs = np.asarray(studentized_range.sf(apart, methods, np.inf))
    critical = float(studentized_range.ppf(1 - alpha, methods, np.inf) * unit)
    return Friedman(rank, float(told.statistic), float(told.pvalue), pairs, critical)


def cliques(rank: Floats, critical: float) -> list[list[int]]:
    """List the largest sets of methods that a critical difference doesn't tell apart.

    Methods by number, best mean rank (M,) first; these are the bars of a critical-difference
    diagram. One that differs from all others is in none.
    """
    order = np.argsort(rank, kind="stable")
    found: list[list[int]] = []
    reach = 0
    for first in range(len(order)):
        alike = rank[order] - rank[order[first]] <= critical
        last = int(np.flatnonzero(alike)[-1]) + 1
        if last - first > 1 and last > reach:
            found.append(order[first:last].tolist())
            reach = last
    return found


def within_noise(difference: Floats, std: float, level: float = 0.95) -> NDArray[np.bool_]:
    """Flag differences that two trainings of one network might well have, normal noise assumed.

    A share `level` of those is at most 1.96 (for 0.95) times the root of 2 times the standard
    deviation `std` of one training. Where it isn't known (NaN), nothing is flagged.
    """
    from scipy.stats import norm

    flags: NDArray[np.bool_] = np.abs(difference) <= norm.ppf((1 + level) / 2) * np.sqrt(2) * std
    return flags
