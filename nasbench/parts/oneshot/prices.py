"""What a chain of widths costs, and which widths are best within a target: OWS and AOWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from nasbench.parts.chain import cost, exact, feasible, pairwise, utility, within
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.policy import Floats
from nasbench.search import Choice
from nasbench.supernet import OneShot

Decoding: TypeAlias = Literal["lagrange", "exact"]


def pair_costs(live: OneShot, cost: str = "macs", device: str = "cpu") -> list[Floats]:
    """Return what neighbouring layers cost (S_i, S_i+1).

    `cost` and `device` are those of `priced`. Raises `BadValue` as it does, and where costs are no
    sum over neighbours.
    """
    price = priced(live, cost, device)
    return pairwise(lambda archs: np.array([price.of(a) for a in archs]), price.space.factors)


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
        """Make it of what a runner is told."""
        costs = pair_costs(live, unit, device)
        if target is None:
            target = float(np.median(cost(costs, list(live.where.space))))
        return cls(costs, target, decoding, steps)

    @cached_property
    def parts(self) -> list[Floats]:
        """Costs as parts of the target."""
        return [table / self.target for table in self.costs]

    def gamma(self, unaries: Sequence[Floats]) -> float:
        """Return the price at which the best path is within the target."""
        return within(unaries, self.parts, 1.0, steps=self.steps)[1]

    def choice(self, unaries: Sequence[Floats], live: OneShot, **info: float) -> Choice:
        """Choose; rank by the sum of unaries."""
        arch, gamma = within(unaries, self.parts, 1.0, steps=self.steps)
        if self.decoding == "exact":
            arch = exact(unaries, self.costs, self.target)
        told = {"macs": float(live.cost(arch)), "gamma": gamma}
        told |= {"cost": float(cost(self.costs, arch)), "utility": float(utility(unaries, arch))}
        return Choice(
            arch, lambda archs: [float(utility(unaries, each)) for each in archs], {**told, **info}
        )
