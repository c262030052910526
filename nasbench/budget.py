"""What a search costs, and how much it may."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isinf

from nasbench.errors import BadValue


@dataclass(frozen=True, slots=True)
class Cost:
    """Three prices of the same work: trainings, epochs, and seconds of training. They add up."""

    queries: int = 0
    epochs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.queries + other.queries, self.epochs + other.epochs, self.seconds + other.seconds
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in any of the three prices, at least one of them finite.

    The work that would cross a limit is not part of the run. Raises `BadValue` for a limit that
    is not positive, and where no limit is given.
    """

    queries: float = inf
    epochs: float = inf
    seconds: float = inf

    def __post_init__(self) -> None:
        limits = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, limit in limits.items():
            if not limit > 0:
                raise BadValue(f"a budget of {limit} {name}: it must be more than 0")
        if all(isinf(limit) for limit in limits.values()):
            raise BadValue("a budget needs a limit: so many queries, epochs or seconds")
