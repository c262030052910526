"""Correlations of resampled architectures, for intervals: one pass serves all resamples.

Scores come in K pairs, (K, N) and (K, N). A resample is how often each of N architectures was
drawn, (R, N), whole numbers. NaN is left out pairwise: an architecture that lacks one of two scores
has no part in that pair, so that pairs may rest on different architectures. Copies of one
architecture are equal in both scores, which tau-b and mean ranks allow for.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Single: TypeAlias = NDArray[np.float32]
Whole: TypeAlias = NDArray[np.int64]

_AT_ONCE = 1 << 20
"""Numbers in an array of architectures by resamples, so that a few of these stay in a cache."""


def resamples(n: int, rng: np.random.Generator, draws: int = 1000) -> Floats:
    """Draw n of n with replacement so often, and count: (draws, n), each row with the sum n."""
    counts: Floats = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    return counts


def kendall_resampled(a: Floats, b: Floats, times: Floats) -> Floats:
    """Return Kendall's tau-b of K pairs of scores in R resamples, (R, K).

    Drawn once each, it is `nasbench.metrics.ranking.kendall`; NaN where nothing has an order. Takes
    a time of R times N to the power of 1.5.
    """
    return _resampled(a, b, times, _kendall)


def spearman_resampled(a: Floats, b: Floats, times: Floats) -> Floats:
    """Do for Spearman's rho what `kendall_resampled` does for tau."""
    return _resampled(a, b, times, _spearman)


def weighted_resampled(a: Floats, b: Floats, times: Floats) -> Floats:
    """Do for the weighted tau of Vigna (2015), `ranking.weighted_tau`, the same.

    Copies of an architecture have ranks one after the other.
    """
    return _resampled(a, b, times, _weighted)


def kendall_matrix_resampled(scores: Floats, times: Floats) -> Floats:
    """Return tau-b of every two of K scores (K, N) in R resamples, (R, K, K).

    The diagonal is 1, or NaN for a score that has no order before it's resampled.
    """
    one, other = np.triu_indices(len(scores), 1)
    matrix = np.empty((len(times), len(scores), len(scores)))
    taus = kendall_resampled(scores[one], scores[other], times)
    matrix[:, one, other] = matrix[:, other, one] = taus
    ordered = [len(np.unique(score[~np.isnan(score)])) > 1 for score in scores]
    matrix[:, range(len(scores)), range(len(scores))] = np.where(ordered, 1.0, np.nan)
    return matrix


class Top(NamedTuple):
    """How the best by a score do by the truth, (R, K) or numbers; see `top_resampled`."""

    precision: Any
    overlap: Any
    selected: Any
    regret: Any


def top_resampled(a: Floats, b: Floats, times: Floats, k: int, share: float = 0.1) -> Top:
    """Ask of K pairs of a score and the truth, more is better, in R resamples: how is the head?

    `precision`: of the k first by the score, the share that is in the best `share` of the truth;
    `overlap`: the share that is among the k best of the truth; `selected`: the rank by the truth,
    from 1 = best, of the first by the score; `regret`: how far the best of the k first is from the
    best there is, in the unit of the truth. Places that equal ones would share are drawn among
    them, and the expected value is returned. All of them where there are fewer than k.
    """
    found = _resampled(a, b, times, lambda one, other, drawn: _top(one, other, drawn, k, share), 4)
    return Top(*np.moveaxis(found, 2, 0))


def _resampled(
    a: Floats,
    b: Floats,
    times: Floats,
    measure: Callable[[_Order, _Order, Single], Floats],
    numbers: int | None = None,
) -> Floats:
    """Measure each pair in blocks of resamples; (R, K), or (R, K, numbers)."""
    found = np.full((len(times), len(a), *([] if numbers is None else [numbers])), np.nan)
    at_once = max(1, _AT_ONCE // max(1, times.shape[1]))
    for first in range(0, len(times), at_once):
        part = slice(first, first + at_once)
        drawn = np.ascontiguousarray(times[part].T, np.float32)
        for k, (one, other) in enumerate(zip(a, b, strict=True)):
            both = ~(np.isnan(one) | np.isnan(other))
            if both.any():
                own = drawn if both.all() else drawn[both]
                found[part, k] = measure(_Order.of(one[both]), _Order.of(other[both]), own)
    return found


class _Order(NamedTuple):
    """The order of n scores: sorted rows (n,), where groups of equal ones begin, and blocks.

    A block is some neighbouring groups, about the root of n rows, so that rows of different blocks
    are never equal; a group that is larger is a block of its own. `block` (n,) is that of each row
    and `level` (n,) the number of its group.
    """

    score: Floats
    rows: Whole
    groups: Whole
    blocks: list[Whole]
    block: Whole
    level: Whole

    @classmethod
    def of(cls, score: Floats) -> _Order:
        rows = np.argsort(score, kind="stable")
        sizes = isqrt(len(rows)) + 1
        new = np.append(True, score[rows][1:] != score[rows][:-1])
        groups = np.flatnonzero(new)
        large = np.diff(np.append(groups, len(rows))) > sizes
        alone = large | np.append(False, large[:-1])
        begin = groups[alone | np.append(True, np.diff(groups // sizes) != 0)]
        level, block = np.empty_like(rows), np.empty_like(rows)
        level[rows] = np.cumsum(new) - 1
        block[rows] = np.searchsorted(begin, np.arange(len(rows)), side="right") - 1
        return cls(score, rows, groups, np.split(rows, begin[1:]), block, level)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum values (n, R) over each group of equal scores."""
        ordered = values[self.rows]
        if len(self.groups) == len(self.rows):
            return ordered
        sums: NDArray[Any] = np.add.reduceat(ordered, self.groups, axis=0)
        return sums


def _signs(level: Whole, other: Whole) -> Single:
    """Compare levels (n,) with others (m,): 1 where the first is higher, -1 where it's lower."""
    signs: Single = np.sign(level[:, None] - other[None]).astype(np.float32)
    return signs


def _concordance(a: _Order, b: _Order, drawn: Single, *left: NDArray[Any]) -> list[Floats]:
    """Sum over all ordered pairs of rows, for each `left` (n, R) and each resample.

    A pair (i, j) counts left[i] times drawn[j], plus if both scores agree which of the two is
    better and minus if they don't. Blocks of a are met in their order: pairs of different blocks of
    both scores are compared by block, the others by themselves. All is a product of matrices whose
    entries are small whole numbers, which single precision holds exactly, in any order of adding.
    """
    columns = np.arange(len(b.blocks))
    sums = [np.zeros(drawn.shape[1]) for _ in left]

    def add(rows: Whole, over: NDArray[Any]) -> None:
        for total, side in zip(sums, left, strict=True):
            total += np.einsum("nr,nr->r", side[rows], over)

    # What is lower in a, minus what is higher, by block of b.
    beside = np.zeros((len(b.blocks), drawn.shape[1]), np.float32)
    for e, rows in enumerate(b.blocks):
        beside[e] = -drawn[rows].sum(axis=0)
    for rows in a.blocks:
        own = drawn[rows]
        here = (columns[:, None] == b.block[rows]).astype(np.float32) @ own
        beside += here
        over = _signs(b.block[rows], columns) @ beside
        beside += here
        if a.level[rows[0]] != a.level[rows[-1]]:
            level, other = a.level[rows], b.level[rows]
            over += (_signs(level, level) * _signs(other, other)) @ own
        add(rows, over)
    for rows in b.blocks:
        if b.level[rows[0]] != b.level[rows[-1]]:
            block, other = a.block[rows], b.level[rows]
            add(rows, (_signs(block, block) * _signs(other, other)) @ drawn[rows])
    return sums


def _kendall(a: _Order, b: _Order, drawn: Single) -> Floats:
    (agree,) = _concordance(a, b, drawn, drawn)
    total = drawn.sum(axis=0, dtype=np.float64) ** 2
    apart, apart_too = (total - _squares(order.sums(drawn)) for order in (a, b))
    return _over_root(agree, apart, apart_too)


def _spearman(a: _Order, b: _Order, drawn: Single) -> Floats:
    centre = (drawn.sum(axis=0, dtype=np.float64) + 1) / 2
    one, other = (_mean_ranks(order, drawn) - centre for order in (a, b))
    weighed = one * drawn, other * drawn
    both, own, own_too = (
        np.einsum("nr,nr->r", x, y)
        for x, y in ((weighed[0], other), (weighed[0], one), (weighed[1], other))
    )
    return _over_root(both, own, own_too)


def _weighted(a: _Order, b: _Order, drawn: Single) -> Floats:
    """Average over both orders: ranks by a, then b, and by b, then a."""
    n = drawn.sum(axis=0, dtype=np.float64)
    harmonic = np.append(0, np.cumsum(1 / np.arange(1, max(1, int(n.max())) + 1)))
    weights = [
        _hyperbolic(np.lexsort((-y.level, -x.level)), drawn, harmonic) for x, y in ((a, b), (b, a))
    ]
    agree = _concordance(a, b, drawn, *weights)
    taus = []
    for own, weight in zip(agree, weights, strict=True):
        every = (n - 1) * weight.sum(axis=0, dtype=np.float64)
        apart, apart_too = (
            every
            - np.einsum("gr,gr->r", order.sums(drawn) - 1.0, order.sums(weight), dtype=np.float64)
            for order in (a, b)
        )
        taus.append(_over_root(own, apart, apart_too))
    return (taus[0] + taus[1]) / 2


def _top(a: _Order, b: _Order, drawn: Single, k: int, share: float) -> Floats:
    """Return the four numbers of `Top` in each resample, (R, 4); NaN where nothing was drawn."""
    total = drawn.sum(axis=0, dtype=np.float64)
    most, good = np.minimum(k, total), np.maximum(1, np.round(share * total))
    chosen, first = _share(a, drawn, most), _share(a, drawn, np.minimum(1, total))
    rank = total + 1 - _mean_ranks(b, drawn)
    each = zip(np.ascontiguousarray(chosen.T), np.ascontiguousarray(drawn.T), strict=True)
    found = [
        np.einsum("nr,nr,nr->r", chosen, _share(b, drawn, good), drawn) / np.maximum(1, most),
        np.einsum("nr,nr,nr->r", chosen, _share(b, drawn, most), drawn) / np.maximum(1, most),
        np.einsum("nr,nr,nr->r", first, rank, drawn),
        np.array([_regret(b.score, *pair) for pair in each]),
    ]
    return np.where(total[:, None] > 0, np.transpose(found), np.nan)


def _share(order: _Order, drawn: Single, most: Floats) -> Floats:
    """Return how likely each row (n, R) is among the best `most` (R,), equal ones being drawn."""
    sizes = order.sums(drawn).astype(np.float64)
    better = sizes.sum(axis=0) - np.cumsum(sizes, axis=0)
    places = np.clip(most - better, 0, sizes)
    likely: Floats = np.divide(places, sizes, out=places, where=sizes > 0)[order.level]
    return likely


def _regret(truth: Floats, chosen: Floats, drawn: Single) -> float:
    """Return the expected regret of one resample (n,), some of whose rows may be chosen."""
    there = drawn > 0
    if not there.any():
        return np.nan
    sure = truth[there & (chosen == 1)]
    best = sure.max() if len(sure) else -np.inf
    maybe = there & (chosen > 0) & (chosen < 1)
    if maybe.any():
        rivals = np.sort(np.repeat(truth[maybe], drawn[maybe].astype(np.int64)))[::-1]
        passed, left = np.arange(len(rivals)), len(rivals) - np.arange(len(rivals))
        chosen_of_them = round(chosen[maybe][0] * len(rivals))
        none_yet = np.cumprod((len(rivals) - chosen_of_them - passed).clip(0) / left)
        is_best = -np.diff(none_yet, prepend=1.0)
        best = np.where(is_best > 0, np.maximum(best, rivals), 0) @ is_best
    with np.errstate(invalid="ignore"):
        return float(truth[there].max() - best)


def _hyperbolic(best_first: Whole, drawn: Single, harmonic: Floats) -> Floats:
    """Sum 1 / rank over the copies of each row: (n, R)."""
    weight = np.empty(drawn.shape)
    last = np.cumsum(drawn[best_first], axis=0, dtype=np.float64).astype(np.int64)
    weight[best_first] = np.diff(harmonic[last], axis=0, prepend=0)
    return weight


def _mean_ranks(order: _Order, drawn: Single) -> Floats:
    """Rank from 1 = lowest in each resample, (n, R); equal ones share the mean of their ranks."""
    sizes = order.sums(drawn).astype(np.float64)
    ranks: Floats = (np.cumsum(sizes, axis=0) - (sizes - 1) / 2)[order.level]
    return ranks


def _squares(sizes: Single) -> Floats:
    exact = sizes.sum(axis=0).max() <= 1 << 12  # then no sum of squares is beyond 2^24
    kind = np.float32 if exact else np.float64
    squares: Floats = np.einsum("gr,gr->r", sizes, sizes, dtype=kind).astype(np.float64)
    return squares


def _over_root(product: Floats, one: Floats, other: Floats) -> Floats:
    """Divide by the root of a product; NaN where either is 0, because nothing has an order."""
    found = np.full(len(product), np.nan)
    # Rounding may leave a trace of what is exactly 0.
    order = np.minimum(one, other) > 1e-9
    root = np.sqrt(np.maximum(one, 0)) * np.sqrt(np.maximum(other, 0))
    np.divide(product, root, out=found, where=order)
    return found
