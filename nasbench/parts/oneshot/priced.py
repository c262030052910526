"""What the members of a space cost, in the unit that a run is told.

Multiply-adds ("macs") and parameters ("params") of encoders, or milliseconds an image, as learned
from a file of `nasbench measure-latency`, given by its path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast, get_args

import torch
from torch import Generator, Tensor

from nasbench.errors import BadValue
from nasbench.latency import Latencies
from nasbench.parts.latency import Variable, variable
from nasbench.parts.oneshot.distribution import Costs, Distribution, over
from nasbench.parts.within import Within
from nasbench.space import LISTED, Architecture, Space
from nasbench.supernet import Counted, OneShot


@dataclass(frozen=True)
class Priced:
    """What a member costs, and what all do, in a `unit`; `name` is what the run was told."""

    space: Space
    name: str
    unit: str
    of: Callable[[Architecture], float]
    tabulate: Callable[[], Costs]

    @property
    def fine(self) -> float:
        """How many are in a unit of so fine a grain that a logarithm of a cost is above 0.

        Of counts it is 1; of ms 1000, because a network may take less than one.
        """
        return 1000.0 if self.unit == "ms" else 1.0

    @cached_property
    def members(self) -> Costs:
        """Costs (N,) of all members in order, or `Space.terms`."""
        return self.tabulate()

    @property
    def typical(self) -> float:
        """The median over all members; over 1,000 of them, if they are too many to be listed."""
        costs = self.members
        if not isinstance(costs, Tensor):
            uniform = over(self.space)
            costs = uniform.costs_of(costs, uniform.sample(1000, Generator().manual_seed(0)))
        return float(costs.double().median())

    def told(self, what: Distribution | Architecture) -> dict[str, float]:
        """Return what a choice tells of its cost, or the expected one: `macs` are told anyway."""
        if self.name == "macs":
            return {}
        if isinstance(what, tuple):
            return {"cost": float(self.of(what))}
        return {"cost": float(what.expected(self.members).detach())}

    def check(self, target: float | None) -> None:
        """Raise `BadValue` where the narrowest member of a space of widths costs more.

        Of multiply-adds and parameters it is the cheapest.
        """
        if target is None:
            return
        ends = [0] * len(self.space.factors), [n - 1 for n in self.space.factors]
        least, most = (self.of(self.space.member(options)) for options in ends)
        if not least <= target:
            raise BadValue(
                f"a target of {target:,.10g} {self.unit} can't be met: of what is searched in "
                f"{self.space.name} the narrowest network costs {least:,.10g}, the widest "
                f"{most:,.10g}"
            )

    def within(self, target: float) -> Within:
        """Return the members that cost no more; raises `ValueError` where there is none."""
        return Within(self.space, self.of, 0, target, self.unit)


def priced(live: OneShot, cost: str = "macs", device: str = "cpu") -> Priced:
    """Price the members of the run's space.

    Raises `BadFile` for what is no file of latencies, `BadValue` where these are of another
    `device` or other networks, or too few to learn from.
    """
    space, scale = live.where.space, live.where.recipe.scale
    if cost in get_args(Counted):
        what = cast("Counted", cost)
        unit = {"macs": "multiply-adds", "params": "parameters"}[what]
        return Priced(space, what, unit, partial(live.cost, what=what), partial(live.costs, what))
    measured = Latencies.read(cost)
    measured.suits(live.where.space_name, scale, live.side, device)
    model = measured.model()

    def tabulate() -> Costs:
        if space.size <= LISTED:
            return torch.from_numpy(model.predict(measured.networks(space)))
        asked: set[Variable] = set()

        def price(layer: Any, before: int, after: int) -> float:
            asked.add(layer := variable(layer, before**2))
            return model.theta.get(layer, 0)

        terms = space.terms(live.side, scale, price)
        model.know(asked)
        return [(factors, torch.from_numpy(table)) for factors, table in terms]

    return Priced(space, cost, "ms", measured.learned(model), tabulate)
