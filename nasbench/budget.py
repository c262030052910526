"""What a search costs, and how much it may."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf

from nasbench.errors import BadValue

SUPERNET_EPOCHS = 30
"""Length of a one-shot run whose budget says nothing of epochs."""


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
        for field in fields(self):
            limit = getattr(self, field.name)
            if not limit > 0:
                raise BadValue(f"a budget of {limit} {field.name}: it must be more than 0")
        if not self.limits:
            raise BadValue("a budget needs a limit: so many queries, epochs or seconds")

    @property
    def supernet_epochs(self) -> int:
        """How long a supernet is trained; raises `BadValue` for less than one epoch."""
        if self.epochs == inf:
            return SUPERNET_EPOCHS
        if self.epochs < 1:
            raise BadValue(f"a budget of {self}: a supernet is trained for one epoch at least")
        return int(self.epochs)

    @property
    def limits(self) -> dict[str, float]:
        """The finite limits by name."""
        return {name: limit for name, limit in asdict(self).items() if limit < inf}

    def __str__(self) -> str:
        return " and ".join(f"{limit:,.10g} {name}" for name, limit in self.limits.items())
