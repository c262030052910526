"""Work in a random order that is the same everywhere, and the parts of several machines."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
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


def shuffled(items: Sequence[Job], seed: int | str) -> list[Job]:
    """Put items in an order that follows from the seed and their texts, on any machine.

    Its beginnings are random subsets, each within the longer ones.
    """
    return sorted(items, key=lambda item: sha256(f"{seed} {item}".encode()).digest())
