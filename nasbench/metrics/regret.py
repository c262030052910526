"""How far what was found is from the best there is, at the end of a search and on the way there.

Scores are "more is better". R runs of T steps together are flat columns: run r has the steps
`start[r]` to `start[r + 1]`, as in `nasbench.trace.Traces`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nasbench.metrics.ranking import ranks

Floats: TypeAlias = NDArray[np.float64]
EQUAL = 0.05
"""As a part of a cost: what differs by less costs as much."""

Whole: TypeAlias = NDArray[np.integer[Any]]


def incumbent(score: Floats, epochs: Whole, start: Whole) -> NDArray[np.int64]:
    """Return for every step (T,) the one that its run would be judged by if it ended there.

    Of the steps so far that is the one trained longest, of those the best, of those the earliest.
    A NaN score comes after every number, however long its training.
    """
    step, number = np.arange(len(score)), ~np.isnan(score)
    order = np.lexsort((-step, np.where(number, score, 0), np.where(number, epochs, 0), number))
    place = np.empty_like(step)
    place[order] = step
    # Each run stands so high above the one before that one running maximum serves them all.
    above = len(step) * np.repeat(np.arange(len(start) - 1), np.diff(start))
    return order[np.maximum.accumulate(place + above) - above]


def regret(score: Floats, found: Whole) -> Floats:
    """Return the best score of a table (N,) minus that of the rows `found`, in their shape.

    Never negative; NaN where the row that was found has no score.
    """
    best: np.float64 = np.fmax.reduce(score)
    return best - score[found]


def normalised_regret(score: Floats, found: Whole) -> Floats:
    """Return `regret` as a share of the median row's: 0 for the best row, 1 for the median one.

    It has no unit, so it can be averaged over tasks. NaN where the median row is as good as the
    best, or infinitely worse.
    """
    spread = np.fmax.reduce(score) - np.nanmedian(score)
    return regret(score, found) / (spread if 0 < spread < np.inf else np.nan)


def percentile(score: Floats, found: Whole) -> Floats:
    """Return in which best percent of a table (N,) the rows `found` are, in their shape.

    100 rank / n over the n rows that have a score, so from 100 / n for the best to 100; a row drawn
    at random has 50 and a little in the mean. NaN where the row that was found has no score.
    """
    share: Floats = 100 * ranks(score) / max(1, int((~np.isnan(score)).sum()))
    return share[found]


class Equals(NamedTuple):
    """What rows of a table cost as much as each of those that were found, by itself left out.

    How many have a score (R,), the median one's (R,), and the share of them that the found row is
    better than (R,), equal ones counting half; NaN where there is none.
    """

    n: NDArray[np.int64]
    median: Floats
    better_than: Floats


def equals(score: Floats, cost: Floats, found: Whole, tolerance: float = EQUAL) -> Equals:
    """Compare the rows `found` (R,) with all rows (N,) whose cost is theirs within a tolerance.

    That is what remains of a result when what was paid for it is taken away: where wider networks
    are better, to choose the widest needs no search.
    """
    n, median, better = np.zeros(len(found), np.int64), *np.full((2, len(found)), np.nan)
    for i, row in enumerate(found.tolist()):
        near = np.abs(cost - cost[row]) <= tolerance * cost[row]
        near[row] = False
        others = score[near & ~np.isnan(score)]
        n[i] = len(others)
        if n[i]:
            median[i] = np.median(others)
            better[i] = ((others < score[row]) + (others == score[row]) / 2).mean()
    return Equals(n, median, np.where(np.isnan(score[found]), np.nan, better))


def time_to_target(price: Floats, value: Floats, start: Whole, target: float) -> Floats:
    """Return what each run had spent when its regret first was the target or less: (R,).

    Steps, (T,), are as in `anytime`. Infinite for a run that never came there; NaN where the price
    of a step up to there is not known.
    """
    reached = value <= target
    spent = np.full(len(start) - 1, np.inf)
    for run, (first, end) in enumerate(pairwise(start.tolist())):
        if reached[first:end].any():
            spent[run] = price[first : first + int(reached[first:end].argmax()) + 1].sum()
    return spent


def anytime(price: Floats, value: Floats, start: Whole, grid: Floats) -> Floats:
    """Read off what each run had when it had spent so much: (R, G) on an increasing grid (G,).

    Step t costs `price[t]`; once that is spent, the run has `value[t]`, and keeps its last one. NaN
    before the first step is paid for. A step of unknown price (NaN), and those after it, never are.
    """
    curves = np.full((len(start) - 1, len(grid)), np.nan)
    for curve, first, end in zip(curves, start[:-1], start[1:], strict=True):
        paid = np.searchsorted(np.cumsum(price[first:end]), grid, side="right")
        curve[paid > 0] = value[first + paid[paid > 0] - 1]
    return curves


def area(curves: Floats) -> Floats:
    """Return the area under anytime curves, (R, G) to (R,): their mean over the grid; NaN stays."""
    areas: Floats = curves.mean(axis=1)
    return areas
