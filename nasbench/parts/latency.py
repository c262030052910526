"""What layers take, learned from what whole networks took: AOWS (Berman et al., CVPR 2020).

A layer's time is a variable theta >= 0, the same wherever the layer occurs, and a network's is the
sum over its layers: y_j = sum_v M_jv theta_v, where M_jv says how often v occurs. Wider layers, and
larger images, are held to take no less:

    min ||M theta - y||^2 + K ||t||^2,  theta >= 0,  t >= 0,  A theta <= t

where a row of A says theta_small - theta_large, of consecutive layers that differ in one amount.
With t = A theta + s and s >= 0 that is a problem of non-negative least squares in (theta, s).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasbench.errors import BadValue
from nasbench.parts.chain import Path, viterbi
from nasbench.parts.policy import Floats

AMOUNTS = ("c_in", "c_out", "hidden", "squeeze")
"""Fields of layers that say how much there is of something; others say what kind of layer it is."""


class Variable(NamedTuple):
    """A layer: of what kind, and how large; amounts are compared within a kind."""

    kind: Hashable
    amounts: tuple[int, ...]


def variables(layers: Iterable[tuple[Hashable, tuple[int, ...]]]) -> Counter[Variable]:
    """Count the layers of one network, given as `nasbench.nets.layers` does."""
    return Counter(variable(layer, height * width) for layer, (_, height, width) in layers)


def variable(layer: Any, pixels: int) -> Variable:
    """Return the variable of a layer, a named tuple, which so many pixels enter.

    One that widens has a convolution more, so it is of another kind than one that doesn't.
    """
    fields: Mapping[str, int] = layer._asdict()
    kind = tuple((name, value) for name, value in fields.items() if name not in AMOUNTS)
    if "hidden" in fields:
        kind += (("widens", fields["hidden"] != fields["c_in"]),)
    amounts = [fields[name] for name in AMOUNTS if name in fields]
    return Variable((type(layer).__name__, *kind), (*amounts, pixels))


def smaller(known: Sequence[Variable]) -> list[tuple[int, int]]:
    """Return the numbers of (smaller, larger) variables: all equal but one amount, neighbours."""
    lines: dict[Hashable, list[tuple[int, int]]] = {}
    for number, (kind, amounts) in enumerate(known):
        for i, amount in enumerate(amounts):
            others = (kind, i, amounts[:i], amounts[i + 1 :])
            lines.setdefault(others, []).append((amount, number))
    return [(a, b) for line in lines.values() for (_, a), (_, b) in pairwise(sorted(line))]


@dataclass(frozen=True)
class LatencyModel:
    """What each layer takes, in the unit that it was told."""

    theta: Mapping[Variable, float]

    @classmethod
    def fit(
        cls, networks: Sequence[Mapping[Variable, int]], told: Floats, strength: float = 100.0
    ) -> LatencyModel:
        """Learn from networks, as `variables` counts them, and what each took (n,).

        `strength` is K; 0 leaves the order open. Raises `BadValue` where nothing was told.
        """
        from scipy.optimize import nnls

        if not len(networks) or not np.mean(told) > 0:
            raise BadValue(
                f"{len(networks)} latencies, {np.mean(told) if len(told) else 0} in the "
                "mean: there is nothing to learn from"
            )
        known = sorted({v for network in networks for v in network}, key=repr)
        column = {v: i for i, v in enumerate(known)}
        order = smaller(known) if strength else []
        rows, slack = len(networks), len(known) + np.arange(len(order))
        system = np.zeros((rows + len(order), len(known) + len(order)))
        for row, network in enumerate(networks):
            for v, times in network.items():
                system[row, column[v]] = times
        for row, (small, large) in enumerate(order, rows):
            system[row, [small, large, slack[row - rows]]] = np.sqrt(strength) * np.array(
                [1, -1, 1]
            )
        mean = float(np.mean(told))
        wanted = np.concatenate([np.asarray(told) / mean, np.zeros(len(order))])
        found, _ = nnls(system, wanted, maxiter=30 * system.shape[1])
        return cls(dict(zip(known, (mean * found).tolist(), strict=False)))

    def predict(self, networks: Iterable[Mapping[Variable, int]]) -> Floats:
        """Return what networks take (n,); raises `BadValue` for layers that nobody measured."""
        networks = list(networks)
        self.know({v for network in networks for v in network})
        return np.array([sum(self.theta[v] * k for v, k in n.items()) for n in networks], float)

    def know(self, layers: Set[Variable]) -> None:
        """Raise `BadValue` for layers that nobody measured."""
        if unknown := layers - self.theta.keys():
            raise BadValue(
                f"{len(unknown):,} of {len(layers):,} layers were not measured, as "
                f"{min(unknown, key=repr)}: measure more networks"
            )


def errors(found: Floats, told: Floats) -> tuple[float, float]:
    """Return the root of the mean squared error, and that as a part of the mean (NRMSE)."""
    rmse = float(np.sqrt(np.mean((found - told) ** 2)))
    return rmse, rmse / float(np.mean(told))


def covering(
    sizes: Sequence[int],
    n: int,
    rng: np.random.Generator,
    alike: Sequence[NDArray[np.int64]] | None = None,
) -> list[Path]:
    """Draw n members of a grid so that pairs of options of neighbouring decisions are seen evenly.

    Each has as many as there can be of the pairs that were seen least so far (Viterbi); which of
    equally good ones is left to chance, *ours*. Pairs with an equal number in `alike` (S, S'), an
    array for each two neighbours, are one.
    """
    if alike is None:
        alike = [np.arange(a * b).reshape(a, b) for a, b in pairwise(sizes)]
    counts = [np.zeros(each.max() + 1, int) for each in alike]
    found = []
    for _ in range(n):
        least = min(int(each.min()) for each in counts)
        rare = [each[of] == least for each, of in zip(counts, alike, strict=True)]
        chance = [rng.uniform(0, 0.5 / len(sizes), size) for size in sizes]
        path = viterbi(chance, [-each.astype(float) for each in rare])
        for each, of, ends in zip(counts, alike, pairwise(path), strict=True):
            each[of[ends]] += 1
        found.append(path)
    return found
