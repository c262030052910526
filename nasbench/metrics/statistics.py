"""What many runs come to. The first axis is the runs; NaN in any of them makes the result NaN.

To leave a NaN out would be to average over those runs alone that happened to be measured.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

FEWEST = 10
"""Runs below which a bootstrap interval holds the true mean clearly less often than it says."""

_DRAWN_AT_ONCE = 1 << 20


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
