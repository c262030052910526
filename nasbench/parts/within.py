"""Members of a space whose cost is within limits: searches at equal cost, or below a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench.recipe import Trainable
from nasbench.search import Problem
from nasbench.space import Architecture, Space

LISTED = 2**16
"""Of a larger space not every member is looked at: what is outside the limits is drawn again."""
TRIES = 10_000
"""How often, before it is said that there is none within them."""


def fact(problem: Problem, arch: Architecture, name: str, seconds: float | None = None) -> float:
    """Return what is known of an architecture (`params`, `macs`), or its `seconds` if they are.

    Of a file of latencies, by its path, it is the milliseconds that an encoder is expected to take.
    Raises `ValueError` for what is not known, `BadFile` and `BadValue` for such a file that is none
    or of other networks.
    """
    facts = {} if seconds is None else {"seconds": seconds}
    facts |= problem.measure(arch)
    if name not in facts:
        path = Path(name).absolute()
        if path.suffix == ".json" or path.is_file():
            written = path.stat().st_mtime_ns if path.is_file() else 0
            networks = problem.networks
            return _latency(path, written, problem.space, networks and networks.where)(arch)
        known = ", ".join(facts) or "nothing"
        raise ValueError(f"no {name!r} is known of architectures here; known: {known}")
    if np.isnan(facts[name]):
        raise ValueError(f"{name} is not known of {problem.space.spell(arch)}")
    return facts[name]


@lru_cache(maxsize=8)
def _latency(
    path: Path, written: int, space: Space, where: Trainable | None
) -> Callable[[Architecture], float]:
    from nasbench.latency import Latencies

    measured = Latencies.read(path)
    if where is None:  # only looked up, so whatever size was measured
        measured.suits(space.name, measured.scale, measured.size, measured.device)
    else:
        from nasbench.nets import seen

        side = seen(where.task, where.recipe.size)[-1]
        measured.suits(where.space_name, where.recipe.scale, side, measured.device)
    return measured.learned()


@dataclass(frozen=True)
class Within:
    """The members of a space that cost from `least` to `most`, in the `unit` of `cost`.

    Raises `ValueError` where there are none; of a space that is not listed, where none is found.
    """

    space: Space
    cost: Callable[[Architecture], float]
    least: float
    most: float
    unit: str

    def __post_init__(self) -> None:
        self.sample(np.random.default_rng(0))

    def __contains__(self, arch: Architecture) -> bool:
        return arch in self.space and self.least <= self.cost(arch) <= self.most

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw uniformly over them."""
        if self.space.size <= LISTED:
            return self.space.at(int(self._rows[rng.integers(len(self._rows))]))
        costs: list[float] = []
        while len(costs) < TRIES:
            costs.append(self.cost(arch := self.space.sample(rng)))
            if self.least <= costs[-1] <= self.most:
                return arch
        raise self._none(np.array(costs), f"{TRIES:,} that were drawn")

    @property
    def archs(self) -> list[Architecture]:
        """All of them, of a space that is listed."""
        return [self.space.at(row) for row in self._rows.tolist()]

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        costs = np.array([self.cost(arch) for arch in self.space], float)
        rows = np.flatnonzero((costs >= self.least) & (costs <= self.most))
        if len(rows):
            return rows
        raise self._none(costs, f"all {len(costs):,}")

    def _none(self, costs: NDArray[np.float64], whose: str) -> ValueError:
        beyond = np.maximum(self.least - costs, costs - self.most)
        return ValueError(
            f"no architecture of {self.space.name} costs {self.least:,.10g} to {self.most:,.10g} "
            f"{self.unit}: {whose} cost {costs.min():,.10g} to {costs.max():,.10g}, of which "
            f"{costs[beyond.argmin()]:,.10g} is nearest"
        )
