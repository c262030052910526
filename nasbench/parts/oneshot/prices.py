"""What a chain of widths costs, and which widths are best within a target: OWS and AOWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench.parts.chain import Path, cost, exact, feasible, pairwise, utility, within
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.policy import Floats
from nasbench.search import Choice
from nasbench.space import LISTED, Architecture, Space
from nasbench.supernet import OneShot

Decoding: TypeAlias = Literal["lagrange", "exact"]


@dataclass(frozen=True)
class Layers:
    """The chain that a space of widths is: a layer's state says all of its widths.

    They are what `Space.groups` takes together: hidden and leaving channels of an inverted residual
    are one state, so that what a layer costs depends on its own and on the one before.
    """

    space: Space

    @cached_property
    def sizes(self) -> list[int]:
        """How many states each layer has."""
        return [prod(shape) for shape in self._shapes]

    @property
    def _shapes(self) -> list[list[int]]:
        return [[self.space.factors[f] for f in group] for group in self.space.groups]

    @property
    def alike(self) -> list[NDArray[np.int64]]:
        """Number pairs of neighbouring states (S_i, S_i+1): those that build one layer are equal.

        Of what is before, a layer has no more than the channels that enter, its group's last.
        """
        leaving = [
            np.arange(size) % of[-1] for size, of in zip(self.sizes, self._shapes, strict=True)
        ]
        each = zip(leaving, self.sizes[1:], strict=False)
        return [entering[:, None] * size + np.arange(size) for entering, size in each]

    def options(self, states: ArrayLike) -> NDArray[np.int64]:
        """Return the options (..., factors) of states (..., layers)."""
        given = np.asarray(states)
        found = np.empty((*given.shape[:-1], len(self.space.factors)), np.int64)
        for i, (group, shape) in enumerate(zip(self.space.groups, self._shapes, strict=True)):
            for factor, options in zip(group, np.unravel_index(given[..., i], shape), strict=True):
                found[..., factor] = options
        return found

    def archs(self, paths: Sequence[Path]) -> list[Architecture]:
        """Return the members that paths, a state a layer, stand for."""
        return [self.space.member(each) for each in self.options(paths).tolist()]

    def path(self, arch: Architecture) -> Path:
        """Return the states of a member."""
        options = np.array(self.space.factor(arch))
        each = zip(self.space.groups, self._shapes, strict=True)
        return tuple(int(np.ravel_multi_index(options[[*group]], shape)) for group, shape in each)


def pair_costs(live: OneShot, cost: str = "macs", device: str = "cpu") -> list[Floats]:
    """Return what neighbouring layers cost (S_i, S_i+1).

    `cost` and `device` are those of `priced`. Raises `BadValue` as it does, and where costs are no
    sum over neighbours.
    """
    price, layers = priced(live, cost, device), Layers(live.where.space)
    return pairwise(lambda p: [price.of(arch) for arch in layers.archs(p)], layers.sizes)


@dataclass(frozen=True)
class Decoder:
    """Chooses widths within a target.

    `costs` are `pair_costs`; "lagrange" bisects a price of these in `steps`, "exact" goes through
    what can be spent. Gamma is for costs as parts of the target (*our reconstruction*: in published
    units it would depend on them).
    """

    costs: Sequence[Floats]
    target: float
    decoding: Decoding = "lagrange"
    steps: int = 24

    def __post_init__(self) -> None:
        if self.decoding not in get_args(Decoding):
            raise ValueError(f"decoding {self.decoding!r}: of {' and '.join(get_args(Decoding))}")
        feasible(self.costs, self.target)

    @classmethod
    def of(
        cls,
        live: OneShot,
        target: float | None,
        unit: str,
        device: str,
        decoding: Decoding,
        steps: int,
    ) -> Decoder:
        """Make it of what a runner is told; without a target, of the median of all or of 1,000."""
        costs, sizes = pair_costs(live, unit, device), Layers(live.where.space).sizes
        if target is None:
            some = (
                list(np.ndindex(*sizes))
                if live.where.space.size <= LISTED
                else np.random.default_rng(0).integers(sizes, size=(1000, len(sizes)))
            )
            target = float(np.median(cost(costs, some)))
        return cls(costs, target, decoding, steps)

    @cached_property
    def parts(self) -> list[Floats]:
        """Costs as parts of the target."""
        return [table / self.target for table in self.costs]

    def gamma(self, unaries: Sequence[Floats]) -> float:
        """Return the price at which the best path is within the target."""
        return within(unaries, self.parts, 1.0, steps=self.steps)[1]

    def choice(self, unaries: Sequence[Floats], live: OneShot, **info: float) -> Choice:
        """Choose; rank by the sum of unaries, NaN of architectures that differ in other things."""
        layers = Layers(live.where.space)
        path, gamma = within(unaries, self.parts, 1.0, steps=self.steps)
        if self.decoding == "exact":
            path = exact(unaries, self.costs, self.target)
        (arch,) = layers.archs([path])
        told = {"macs": float(live.cost(arch)), "gamma": gamma}
        told |= {"cost": float(cost(self.costs, path)), "utility": float(utility(unaries, path))}

        def rank(archs: Sequence[Architecture]) -> list[float]:
            return [
                float(utility(unaries, layers.path(each))) if each in layers.space else np.nan
                for each in archs
            ]

        return Choice(arch, rank, {**told, **info})
