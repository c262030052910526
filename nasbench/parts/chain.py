"""The best path through a chain of states, and how likely each state is: Viterbi and sum-product.

Layer i has S_i states. `unaries[i]` (S_i,) say how good each is, `pairs[i]` (S_i, S_i+1) what a
state costs beside the next one: there is one less of these. A path, a state a layer, scores

    sum_i unaries[i][x_i] - gamma sum_i pairs[i][x_i, x_i+1]

OWS and AOWS choose the widths of layers so (Berman et al., CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.errors import BadValue
from nasbench.parts.policy import Floats

Path = tuple[int, ...]
SLACK = 1e-9
"""Part of a target by which sums of floats may be above it."""


def utility(unaries: Sequence[Floats], paths: ArrayLike) -> Floats:
    """Return the sum of unaries (...,) of paths (..., layers)."""
    states = np.asarray(paths)
    total: Floats = sum((u[states[..., i]] for i, u in enumerate(unaries)), start=np.zeros(()))
    return total


def cost(pairs: Sequence[Floats], paths: ArrayLike) -> Floats:
    """Return the sum of costs (...,) of paths (..., layers)."""
    states = np.asarray(paths)
    each = (t[states[..., i], states[..., i + 1]] for i, t in enumerate(pairs))
    total: Floats = sum(each, start=np.zeros(()))
    return total


def viterbi(unaries: Sequence[Floats], pairs: Sequence[Floats], gamma: float = 1.0) -> Path:
    """Return a path with the best score (max-sum), of equal ones one."""
    best, from_ = np.asarray(unaries[0], float), list[NDArray[np.intp]]()
    for unary, pair in zip(unaries[1:], pairs, strict=True):
        scores = best[:, None] - gamma * np.asarray(pair)
        from_.append(scores.argmax(0))
        best = unary + scores.max(0)
    path = [int(best.argmax())]
    for before in reversed(from_):
        path.append(int(before[path[-1]]))
    return tuple(path[::-1])


def marginals(
    unaries: Sequence[Floats], pairs: Sequence[Floats], gamma: float, temperature: float
) -> list[Floats]:
    """Return each layer's probabilities (S_i,), where p(path) ~ exp(score / temperature).

    Sums are in log space (sum-product), so that a low temperature, towards the best path, is fine.
    """
    energies = [np.asarray(u) / temperature for u in unaries]
    costs = [-gamma / temperature * np.asarray(t) for t in pairs]
    into = [energies[0]]
    for energy, step in zip(energies[1:], costs, strict=True):
        into.append(energy + np.logaddexp.reduce(into[-1][:, None] + step, axis=0))
    out = [np.zeros(len(energies[-1]))]
    for energy, step in zip(energies[:0:-1], costs[::-1], strict=True):
        out.append(np.logaddexp.reduce(step + energy + out[-1], axis=1))
    logs = [a + b for a, b in zip(into, out[::-1], strict=True)]
    return [np.exp(log - np.logaddexp.reduce(log)) for log in logs]


def feasible(pairs: Sequence[Floats], target: float) -> float:
    """Return the most that a path costs, or the target where that is less.

    Raises `BadValue`, with the range of costs, where no path costs at most the target.
    """
    nothing = [np.zeros(len(t)) for t in pairs] + [np.zeros(pairs[-1].shape[1])]
    least, most = (float(cost(pairs, viterbi(nothing, pairs, sign))) for sign in (1, -1))
    if not least <= target * (1 + SLACK):
        raise BadValue(
            f"a target of {target:,.10g} can't be met: the least is {least:,.10g}, the most "
            f"{most:,.10g}"
        )
    return min(target, most)


def within(
    unaries: Sequence[Floats],
    pairs: Sequence[Floats],
    target: float,
    *,
    steps: int = 12,
    upper: float = 10.0,
) -> tuple[Path, float]:
    """Return the best path for a price gamma at which it costs at most the target, and gamma.

    Gamma is bisected between 0 and `upper`, which is doubled as long as paths there cost too much;
    what is returned is at the upper end. It is the best path but for those inside of the convex
    hull of utility and cost, which no gamma reaches (`exact` does). Raises `BadValue` as `feasible`
    does.
    """
    feasible(pairs, target)
    lower = 0.0

    def fits(gamma: float) -> bool:
        return bool(cost(pairs, viterbi(unaries, pairs, gamma)) <= target * (1 + SLACK))

    while not fits(upper):
        lower, upper = upper, 2 * upper
    for _ in range(steps):
        middle = (lower + upper) / 2
        lower, upper = (lower, middle) if fits(middle) else (middle, upper)
    return viterbi(unaries, pairs, upper), upper


def exact(
    unaries: Sequence[Floats], pairs: Sequence[Floats], target: float, bins: int = 10_000
) -> Path:
    """Return a path of the best utility among those that cost at most the target.

    By dynamic programming over what is spent, O(layers S^2 bins). Whole costs are exact if their
    common divisor is no finer than a bin; others are rounded up to bins of the target's part above
    the least entries. Then paths that are less than a bin a layer below the target may be missed;
    what is returned is no worse than what `within` finds. Raises `BadValue` as `feasible` does.
    """
    target = feasible(pairs, target)
    other, _ = within(unaries, pairs, target)
    tables = [np.asarray(t, float) for t in pairs]
    left = target * (1 + SLACK) - sum(float(t.min()) for t in tables)
    above = [t - t.min() for t in tables]
    unit = left / bins if left > 0 else 1.0
    if all((t == t.round()).all() for t in above):
        common = gcd(*(int(n) for t in above for n in t.flat))
        unit = common if common >= unit else unit
    most = int(left / unit + SLACK)
    spent = [np.minimum(np.ceil(t / unit - SLACK), most + 1).astype(int) for t in above]
    best = np.tile(np.asarray(unaries[0], float)[:, None], most + 1)  # (S, spent at most)
    from_ = []
    for unary, step in zip(unaries[1:], spent, strict=True):
        options = np.full((*step.shape, most + 1), -np.inf)
        for (a, b), n in np.ndenumerate(step):
            options[a, b, n:] = best[a, : most + 1 - n]
        from_.append(options.argmax(0))
        best = np.asarray(unary)[:, None] + options.max(0)
    if best[:, most].max() <= utility(unaries, other):
        return other
    path = [int(best[:, most].argmax())]
    for before, step in zip(from_[::-1], spent[::-1], strict=True):
        state = int(before[path[-1], most])
        most -= int(step[state, path[-1]])
        path.append(state)
    return tuple(path[::-1])


def pairwise(price: Callable[[Sequence[Path]], ArrayLike], sizes: Sequence[int]) -> list[Floats]:
    """Return the costs of a chain (S_i, S_i+1), given what some paths cost as a whole (n,).

    Asked are those that differ from the first states in one or two neighbours. Raises `BadValue`
    where there are none, or the whole is no sum over neighbours, as a few random paths show.
    """
    if (layers := len(sizes)) < 2:
        raise BadValue(f"a chain of {layers}: neighbours have costs, so there are two at least")

    def path(states: dict[int, int]) -> Path:
        return tuple(states.get(i, 0) for i in range(layers))

    cells = [(i, a, b) for i in range(layers - 1) for a, b in np.ndindex(*sizes[i : i + 2])]
    asked = list(dict.fromkeys(path({i: a, i + 1: b}) for i, a, b in cells))
    drawn = np.random.default_rng(0).integers(sizes, size=(20, layers)).tolist()
    whole = np.asarray(price([*asked, *map(tuple, drawn)]), float)
    known = dict(zip(asked, whole, strict=False))
    pairs = [np.zeros(sizes[i : i + 2]) for i in range(layers - 1)]
    for i, a, b in cells:
        pairs[i][a, b] = known[path({i: a, i + 1: b})] - (known[path({i: a})] if i else 0)
    if not np.allclose(cost(pairs, drawn), whole[len(asked) :], rtol=1e-6, atol=0):
        raise BadValue("what paths cost is no sum of what neighbouring layers cost: it's no chain")
    return pairs
