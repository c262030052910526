"""Work that several machines share, each a part that follows from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from nasbench.errors import BadValue

Job = TypeVar("Job")


class Shard(NamedTuple):
    """One of several machines that share work: its number, from 1, and how many they are."""

    number: int
    machines: int

    def of(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return its part of the work; raises `BadValue` for a machine that isn't one of them."""
        if not 1 <= self.number <= self.machines:
            raise BadValue(f"shard {self.number}/{self.machines}: expected 1/N to N/N")
        return jobs[self.number - 1 :: self.machines]


WHOLE = Shard(1, 1)
